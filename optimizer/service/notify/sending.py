"""Sends one document by HTTP: a deadline over the whole exchange, no redirect followed, little of the answer read."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from optimizer.errors import printable

if TYPE_CHECKING:
    from optimizer.prometheus.secrets import Secret

__all__ = ["Address", "NotSent", "send"]

ANSWER = 4096
SAID = 120


class NotSent(Exception):
    """It was not delivered; `again` says whether another try may help."""

    def __init__(self, text: str, *, again: bool) -> None:
        super().__init__(text)
        self.again = again


@dataclass(frozen=True, slots=True)
class Address:
    """Where to, and with what; it never prints either."""

    url: str = field(repr=False)
    secret: Secret = field(repr=False)
    ca_file: str = ""
    deadline_s: float = 10.0
    tries: int = 3

    @property
    def shown(self) -> str:
        """The host alone: paths and parameters of webhooks are secrets."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.hostname or ''}" + (f":{parts.port}" if parts.port else "")


class _Headers:
    """What a secret is put on."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {"Content-Type": "application/json", "User-Agent": "remora"}


def send(address: Address, path: str, document: Any) -> None:
    """Send a document (POST) to an address, with `path` appended.

    Raises
    ------
    NotSent
        No answer in time, no connection, or an answer that is no success.
    """
    parts = urlsplit(address.url.rstrip("/") + path)
    carrier = _Headers()
    address.secret(carrier)
    try:
        connection = _connection(address, parts.hostname or "", parts.port, parts.scheme)
    except (OSError, ValueError) as error:
        raise NotSent(f"{address.shown}: {printable(str(error))}", again=False) from error
    late = threading.Event()

    def cut() -> None:
        late.set()
        if connection.sock is not None:
            with suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(address.deadline_s, cut)
    timer.daemon = True
    timer.start()
    try:
        target = parts.path or "/"
        body = json.dumps(document, ensure_ascii=True, allow_nan=False).encode()
        connection.request("POST", f"{target}?{parts.query}" if parts.query else target, body, carrier.headers)
        answer = connection.getresponse()
        said = answer.read(ANSWER)
        status = answer.status
        if late.is_set():  # what was cut off looks like an end
            raise TimeoutError
    except (OSError, HTTPException) as error:
        why = f"no answer within {address.deadline_s:g} s" if late.is_set() else _why(error)
        raise NotSent(f"{address.shown}: {why}", again=True) from error
    finally:
        timer.cancel()
        connection.close()
    _judge(address, status, said)


def _why(error: Exception) -> str:
    return printable(str(error) or type(error).__name__)[:SAID]


def _judge(address: Address, status: int, said: bytes) -> None:
    if 200 <= status < 300:
        return
    text = printable(address.secret.scrubbed(" ".join(said.decode("utf-8", "replace").split())))[:SAID]
    again = status == 429 or status >= 500
    raise NotSent(f"{address.shown}: answered {status}" + (f": {text}" if text else ""), again=again)


def _connection(address: Address, host: str, port: int | None, scheme: str) -> HTTPConnection:
    if scheme == "http":
        return HTTPConnection(host, port, timeout=address.deadline_s)
    context = ssl.create_default_context(cafile=address.ca_file or None)
    return HTTPSConnection(host, port, timeout=address.deadline_s, context=context)
