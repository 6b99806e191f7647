"""Servers of HTTP: an address to listen on, and uvicorn on one socket until it is told to end.

The gateway and the page have this in common. What they serve, and who may ask, is theirs.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["LARGEST_HEADERS", "address_of", "bind", "configured", "is_loopback", "run", "url_of"]

LARGEST_HEADERS = 16 * 1024
"""Bytes."""


def address_of(listen: str) -> tuple[str, int] | None:
    """Return host and port of ``HOST:PORT``; None where it is no such text."""
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    return (host, int(port)) if host and port.isdecimal() and int(port) <= 65535 else None


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def bind(host: str, port: int) -> socket.socket:
    """Bind a socket.

    Raises
    ------
    OSError
        It cannot be bound.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


def url_of(bound: socket.socket, *, tls: bool) -> str:
    """Return where a bound socket can be reached."""
    host, port = bound.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if tls else 'http'}://{shown}:{port}"


def configured(application: Any, cert: str, key: str, **settings: Any) -> Any:
    """Return uvicorn's configuration, loaded: nothing is logged, no header says what serves.

    Parameters
    ----------
    cert, key
        Paths of PEM files; empty for no TLS.
    settings
        More of `uvicorn.Config`.

    Raises
    ------
    ImportError
        uvicorn is not installed.
    OSError
        Certificate or key cannot be read (`ssl.SSLError` is one).
    """
    import uvicorn

    config = uvicorn.Config(
        application,
        ws="none",
        loop="asyncio",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        h11_max_incomplete_event_size=LARGEST_HEADERS,
        ssl_certfile=cert or None,
        ssl_keyfile=key or None,
        **settings,
    )
    config.load()
    return config


def run(
    config: Any,
    bound: socket.socket,
    stop: Callable[[], bool],
    ready: Callable[[], None],
    ending: Callable[[], None] = lambda: None,
) -> None:
    """Serve until `stop` says so; `ready` is called once it answers, `ending` before it ends."""
    import uvicorn

    class Server(uvicorn.Server):
        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            """Leave signals to whoever `stop` asks."""
            yield

        async def on_tick(self, counter: int) -> bool:
            if self.started and ready_once:
                ready_once.pop()()
            if not self.should_exit and stop():
                ending()
                self.should_exit = True
            return await super().on_tick(counter)

    ready_once = [ready]
    asyncio.run(Server(config).serve(sockets=[bound]))
