"""A small HTTP server beside the service: metrics, health, and a trigger. It reads no file and asks no ledger."""

from __future__ import annotations

import hmac
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass

from optimizer.errors import InputError
from optimizer.listening import address_of
from optimizer.service.tokens import TokenPart
from optimizer.sources.config_yaml import STRICT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from optimizer.service.metrics import Metrics

__all__ = ["MetricsPart", "serving"]

IDLE_S = 10.0
AN_ADDRESS = "HOST:PORT, such as 127.0.0.1:9479"


def _listen(text: str) -> str:
    if text and address_of(text) is None:
        raise ValueError(AN_ADDRESS)
    return text


@dataclass(frozen=True, kw_only=True, config=STRICT)
class MetricsPart(TokenPart):
    """Where metrics are served, and who may start a cycle by ``POST /cycle``.

    Parameters
    ----------
    listen
        ``HOST:PORT``; empty: nowhere.
    token_file, token_env
        The bearer token that ``POST /cycle`` needs; without one nobody may.
    """

    listen: Annotated[str, Field(max_length=300), AfterValidator(_listen)] = ""


class _Server(ThreadingHTTPServer):
    """What the handlers need to know."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(
        self,
        address: tuple[str, int],
        metrics: Metrics,
        ready: Callable[[], str],
        trigger: Callable[[str], str],
        token: str,
    ) -> None:
        self.metrics, self.ready, self.trigger, self.token = metrics, ready, trigger, token
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    timeout = IDLE_S
    server_version, sys_version = "remora", ""
    server: _Server

    def do_GET(self) -> None:
        """Answer with metrics, or how the service is."""
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._say(200, self.server.metrics.text(), self.server.metrics.content_type)
        elif path in ("/healthz", "/readyz"):
            why = self.server.ready()
            self._say(503 if why else 200, f"{why or 'well'}\n".encode())
        else:
            self._say(404, b"there are /metrics, /healthz, /readyz\n")

    def do_POST(self) -> None:
        """Start a cycle."""
        if self.path != "/cycle":
            self._say(404, b"there is POST /cycle\n")
        elif not self._is_allowed():
            self._say(403, b"it needs the token of section metrics\n")
        elif why := self.server.trigger("http"):
            self._say(409, f"{why}\n".encode())
        else:
            self._say(202, b"a cycle will begin\n")

    def _is_allowed(self) -> bool:
        given, token = self.headers.get("Authorization", ""), self.server.token
        right = hmac.compare_digest(given.encode("utf-8", "replace"), f"Bearer {token}".encode())
        return bool(token) and right

    def _say(self, status: int, body: bytes, kind: str = "text/plain; charset=utf-8") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Log nothing: what is asked here is no event."""


@contextmanager
def serving(
    listen: str, metrics: Metrics, ready: Callable[[], str], trigger: Callable[[str], str], token: str = ""
) -> Iterator[str]:
    """Serve meanwhile; yields the address.

    Parameters
    ----------
    ready
        Says why the service is not well; empty while it is.
    trigger
        Wants a cycle; says why there will be none here, empty where there will.
    token
        What ``POST /cycle`` needs; empty: nobody may.

    Raises
    ------
    InputError
        The address cannot be bound.
    """
    address = address_of(listen)
    if address is None:
        raise InputError("metrics", "listen", listen, AN_ADDRESS)
    try:
        server = _Server(address, metrics, ready, trigger, token)
    except OSError as error:
        raise InputError("metrics", "listen", listen, f"an address that can be bound ({error})") from error
    thread = threading.Thread(target=server.serve_forever, args=(0.2,), name="metrics", daemon=True)
    thread.start()
    try:
        yield f"http://{listen.rpartition(':')[0]}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
