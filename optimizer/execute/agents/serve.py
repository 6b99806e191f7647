"""Runs the gateway: uvicorn (the extra `gateway`) on one socket, with TLS, and with no patience for slow clients."""

from __future__ import annotations

import asyncio
import ipaddress
import resource
import socket
import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from optimizer.errors import InputError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator

    from optimizer.execute.agents.gateway import Gateway

__all__ = ["Listening", "bind", "serve"]

HEADERS_S = 10.0
"""Within this the headers of a request have to have arrived."""

IDLE_S = 75
"""A connection on which nothing is asked is closed after this."""

BACKLOG = 4096
LARGEST_HEADERS = 16 * 1024
STOP_S = 5
INSTALL = "the gateway needs the extra `gateway`: pip install 'remora[gateway]'"


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def bind(listen: str, *, tls: bool, tokens: bool) -> socket.socket:
    """Bind ``HOST:PORT``; anything but a loopback address wants TLS and tokens.

    Raises
    ------
    InputError
        It is no address, cannot be bound, or would be open to a network without TLS or tokens.
    """
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise InputError("--listen", "", listen, "HOST:PORT, such as 127.0.0.1:8470")
    if not is_loopback(host) and not (tls and tokens):
        lacks = " and ".join(
            name for name, there in (("--tls-cert, --tls-key", tls), ("--tokens", tokens)) if not there
        )
        raise InputError("--listen", "", listen, f"a loopback address, or {lacks}", "agents move VMs by what they get")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        raise InputError("--listen", "", listen, f"an address that can be bound ({error})") from error
    return bound


class Listening:
    """Where a server can be reached; `ready` is told once it answers."""

    def __init__(self, bound: socket.socket, cert: str = "", key: str = "") -> None:
        self.socket, self.cert, self.key = bound, cert, key
        host, port = bound.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        self.url = f"{'https' if cert else 'http'}://{shown}:{port}"


def serve(gateway: Gateway, listening: Listening, stop: threading.Event, ready: Callable[[], None]) -> None:
    """Serve until `stop` is set.

    Raises
    ------
    InputError
        uvicorn is not installed, or certificate and key cannot be read.
    """
    try:
        import uvicorn
    except ImportError as error:
        raise InputError("gateway", "", "no uvicorn", "an installed extra", INSTALL) from error
    config = uvicorn.Config(
        gateway,
        http=_protocol(),
        ws="none",
        loop="asyncio",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=IDLE_S,
        timeout_graceful_shutdown=STOP_S,
        h11_max_incomplete_event_size=LARGEST_HEADERS,
        ssl_certfile=listening.cert or None,
        ssl_keyfile=listening.key or None,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        raise InputError("--tls-cert, --tls-key", "", str(error), "a certificate and its key, PEM") from error

    class Server(uvicorn.Server):
        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            """Leave signals to whoever set `stop`."""
            yield

        async def on_tick(self, counter: int) -> bool:
            if stop.is_set() and not self.should_exit:
                gateway.polls.close()
                self.should_exit = True
            if self.started and ready_once:
                ready_once.pop()()
            return await super().on_tick(counter)

    ready_once = [ready]
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # each agent that waits is an open socket
    asyncio.run(Server(config).serve(sockets=[listening.socket]))


def _protocol() -> Any:
    """Return uvicorn's protocol, with a deadline for headers."""
    import h11
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class Protocol(H11Protocol):
        _late: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._arm()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
                self._arm()
            else:
                self._disarm()

        def connection_lost(self, exc: Exception | None) -> None:
            self._disarm()
            super().connection_lost(exc)

        def _arm(self) -> None:
            if self._late is None:
                self._late = self.loop.call_later(HEADERS_S, self.transport.close)

        def _disarm(self) -> None:
            if self._late is not None:
                self._late.cancel()
                self._late = None

    return Protocol
