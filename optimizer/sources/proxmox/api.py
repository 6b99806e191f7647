"""The API of a Proxmox VE cluster, asked by HTTP: only GET, each answer whole and in time, or none.

Nothing that is raised has the token or the address in it. None of what is asked here comes in pages.
"""

from __future__ import annotations

import http.client
import json
import re
import ssl
import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from optimizer.errors import InputError, printable
from optimizer.sources.within import Overdue, each, within

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from optimizer.clock import Clock
    from optimizer.sources.proxmox.place import Place

__all__ = ["Api", "Unanswered"]

LARGEST = 64 * 2**20
"""Bytes of an answer; a list of 10,000 guests is about 6 MiB."""

CHUNK = 2**16
SHOWN = 300
GONE = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)
"""How a connection ends that the server closed while nothing was asked."""


class Unanswered(Exception):
    """There is no answer to a question; the text says which, and why."""


class Api:
    """Asks one cluster, for as long as its file says.

    Raises
    ------
    InputError
        The certificates that are to be trusted cannot be read.
    """

    def __init__(self, place: Place, clock: Clock) -> None:
        parts = urlsplit(place.url)
        self._host, self._port, self._tls = parts.hostname or "", parts.port, None
        if parts.scheme == "https":
            try:
                self._tls = ssl.create_default_context(cafile=place.ca_file or None)
            except (OSError, ssl.SSLError) as error:
                expected = "certificates, PEM"
                raise InputError(place.where, "ca_file", place.ca_file, expected, str(error)) from error
        self._place, self._clock = place, clock
        self._until = clock.monotonic() + place.deadline_s
        self._idle: list[http.client.HTTPConnection] = []
        self._closed, self._lock = False, threading.Lock()

    def get(self, *path: object) -> Any:
        """Return the data of an answer; parts of the path are quoted.

        Raises
        ------
        Unanswered
            None in time, no connection, an error, or nothing that Proxmox answers.
        """
        asked = "/" + "/".join(quote(str(part), safe="") for part in path)
        left = self._until - self._clock.monotonic()
        try:
            if left <= 0:
                raise Overdue
            return self._data(asked, *within(left, partial(self._ask, asked, left), "proxmox"))
        except (Overdue, TimeoutError):
            raise Unanswered(f"{asked}: no answer within {self._place.deadline_s:g} s") from None
        except (OSError, http.client.HTTPException) as error:
            raise Unanswered(self._said(f"{asked}: no connection: {error or type(error).__name__}")) from error

    def each(self, questions: Sequence[Callable[[], Any]]) -> list[Any]:
        """Ask several at once; returns what they return, in their order, or raises what the first that fails does."""
        return each(questions, self._place.at_once, "proxmox")

    def close(self) -> None:
        """Close the connections; those of threads that were left behind are closed when they end."""
        with self._lock:
            self._closed = True
            for connection in self._idle:
                connection.close()

    def _keep(self, connection: http.client.HTTPConnection) -> None:
        """Keep a connection for the next question."""
        with self._lock:
            if self._closed:
                connection.close()
            else:
                self._idle.append(connection)

    def _ask(self, path: str, left: float) -> tuple[int, str, bytes]:
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        if connection is not None:
            with suppress(*GONE):
                return self._exchange(connection, path, left)
        return self._exchange(self._connection(), path, left)

    def _connection(self) -> http.client.HTTPConnection:
        if self._tls is None:
            return http.client.HTTPConnection(self._host, self._port)
        return http.client.HTTPSConnection(self._host, self._port, context=self._tls)

    def _exchange(self, connection: http.client.HTTPConnection, path: str, left: float) -> tuple[int, str, bytes]:
        """Ask, read to the end, and keep the connection."""
        connection.timeout = left
        if connection.sock is not None:
            connection.sock.settimeout(left)
        try:
            headers = {"Authorization": f"PVEAPIToken={self._place.token}", "Accept": "application/json"}
            connection.request("GET", f"/api2/json{path}", headers=headers)
            answer = connection.getresponse()
            body = bytearray()
            while piece := answer.read(CHUNK):
                body += piece
                if len(body) > LARGEST:
                    raise http.client.HTTPException(f"an answer of more than {LARGEST} bytes")
                if self._clock.monotonic() >= self._until:
                    raise TimeoutError
        except BaseException:
            connection.close()
            raise
        self._keep(connection)
        return answer.status, answer.reason, bytes(body)

    def _data(self, path: str, status: int, reason: str, body: bytes) -> Any:
        """Return what an answer has; Proxmox says what is wrong as the reason of the status."""
        if status != http.client.OK:
            raise Unanswered(self._said(f"{path}: {status} {reason}"))
        try:
            said = json.loads(body)
            return said["data"]
        except (ValueError, RecursionError, KeyError, TypeError) as error:
            raise Unanswered(f"{path}: an answer that is none of Proxmox VE") from error

    def _said(self, text: str) -> str:
        """Return it without the token, without what could steer a terminal, and short."""
        token = self._place.token
        for secret in (token, token.partition("=")[2]):
            text = text.replace(secret, "***")
        text = printable(re.sub("not valid for '[^']*'", "not valid for its name", text))
        return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
