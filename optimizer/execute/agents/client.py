"""Asks a gateway: HTTP by the standard library, one connection for each thread that asks."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from optimizer.errors import InputError
from optimizer.listening import is_loopback

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Asks", "Client", "GatewayDown", "GatewayRefused"]

LARGEST = 16 * 1024 * 1024
AGAIN = frozenset({408, 429, 502, 503, 504})


class GatewayDown(Exception):
    """No answer, or one that says nothing: it is not known whether the gateway did what it was asked."""


class GatewayRefused(Exception):
    """The gateway answered that it did not do it."""

    def __init__(self, status: int, text: str, *, temporary: bool) -> None:
        super().__init__(text)
        self.status, self.temporary = status, temporary


class Asks(Protocol):
    """Whoever asks a gateway; `where` names it in messages."""

    @property
    def where(self) -> str:
        """The gateway's address."""

    def ask(self, path: str, asked: Mapping[str, Any], more_s: float = 0.0) -> dict[str, Any]:
        """Ask, and return the answer; raises as `Client.ask` does."""


class Client:
    """A gateway at an address.

    Parameters
    ----------
    url
        ``https://HOST:PORT``; ``http`` on a loopback address only, since a token travels with every question.
    ca_file
        The certificates that the gateway's has to be signed by; empty: those of the system.
    """

    def __init__(self, url: str, token: str = "", ca_file: str = "", deadline_s: float = 20.0) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
            raise InputError("gateway", "", url, "https://HOST:PORT")
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise InputError("gateway", "", url, "https, or a loopback address", "the token would travel in the clear")
        self.where, self._token, self._deadline_s = f"{parts.scheme}://{parts.netloc}", token, deadline_s
        self._host, self._port = parts.hostname, parts.port
        self._context: ssl.SSLContext | None = None
        if parts.scheme == "https":
            try:
                self._context = ssl.create_default_context(cafile=ca_file or None)
            except (OSError, ssl.SSLError) as error:
                raise InputError("ca_file", "", ca_file, f"certificates, PEM ({error})") from error
        self._of_thread = threading.local()
        self._all: list[http.client.HTTPConnection] = []

    def __del__(self) -> None:
        for connection in getattr(self, "_all", ()):
            connection.close()

    def ask(self, path: str, asked: Mapping[str, Any], more_s: float = 0.0) -> dict[str, Any]:
        """Ask, and return the answer; `more_s` is how much longer than the deadline it may take.

        Raises
        ------
        GatewayDown
            Nobody knows whether it was done.
        GatewayRefused
            It was not done.
        """
        connection = self._connection(self._deadline_s + more_s)
        headers = {"content-type": "application/json"}
        if self._token:
            headers["authorization"] = f"Bearer {self._token}"
        try:
            connection.request("POST", path, json.dumps(asked).encode(), headers)
            answer = connection.getresponse()
            body = answer.read(LARGEST)
            said = json.loads(body)
            status = answer.status
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            raise GatewayDown(f"{self.where}: {error or type(error).__name__}") from error
        if not isinstance(said, dict):
            raise GatewayDown(f"{self.where}: no answer of a gateway")
        if status == http.client.OK:
            return said
        text = f"{self.where}: {str(said.get('error', status))[:500]}"
        if status in AGAIN or status >= 500:
            raise GatewayDown(text)
        raise GatewayRefused(status, text, temporary=said.get("temporary") is True)

    def close(self) -> None:
        """Close this thread's connection."""
        connection = getattr(self._of_thread, "connection", None)
        if connection is not None:
            connection.close()
            self._all.remove(connection)
            self._of_thread.connection = None

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        found: http.client.HTTPConnection | None = getattr(self._of_thread, "connection", None)
        if found is None:
            if self._context is not None:
                found = http.client.HTTPSConnection(self._host, self._port, timeout=timeout, context=self._context)
            else:
                found = http.client.HTTPConnection(self._host, self._port, timeout=timeout)
            self._of_thread.connection = found
            self._all.append(found)
        found.timeout = timeout
        if found.sock is not None:
            found.sock.settimeout(timeout)
        return found
