"""Runs the gateway: uvicorn (the extra `gateway`) on one socket, with TLS, and with no patience for slow clients."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING, Any

from optimizer import listening
from optimizer.errors import InputError
from optimizer.listening import address_of, is_loopback, url_of

if TYPE_CHECKING:
    import asyncio
    import socket
    import threading
    from collections.abc import Callable

    from optimizer.execute.agents.gateway import Gateway

__all__ = ["Listening", "bind", "serve"]

HEADERS_S = 10.0
"""Within this the headers of a request have to have arrived."""

IDLE_S = 75
"""A connection on which nothing is asked is closed after this."""

BACKLOG = 4096
STOP_S = 5
INSTALL = "the gateway needs the extra `gateway`: pip install -e '.[gateway]' in the checkout"


def bind(listen: str, *, tls: bool, tokens: bool) -> socket.socket:
    """Bind ``HOST:PORT``; anything but a loopback address wants TLS and tokens.

    Raises
    ------
    InputError
        It is no address, cannot be bound, or would be open to a network without TLS or tokens.
    """
    address = address_of(listen)
    if address is None:
        raise InputError("--listen", "", listen, "HOST:PORT, such as 127.0.0.1:8470")
    if not is_loopback(address[0]) and not (tls and tokens):
        lacks = " and ".join(
            name for name, there in (("--tls-cert, --tls-key", tls), ("--tokens", tokens)) if not there
        )
        raise InputError("--listen", "", listen, f"a loopback address, or {lacks}", "agents move VMs by what they get")
    try:
        return listening.bind(*address)
    except OSError as error:
        raise InputError("--listen", "", listen, f"an address that can be bound ({error})") from error


class Listening:
    """Where a server can be reached; `ready` is told once it answers."""

    def __init__(self, bound: socket.socket, cert: str = "", key: str = "") -> None:
        self.socket, self.cert, self.key = bound, cert, key
        self.url = url_of(bound, tls=bool(cert))


def serve(gateway: Gateway, served: Listening, stop: threading.Event, ready: Callable[[], None]) -> None:
    """Serve until `stop` is set.

    Raises
    ------
    InputError
        uvicorn is not installed, or certificate and key cannot be read.
    """
    try:
        config = listening.configured(
            gateway,
            served.cert,
            served.key,
            http=_protocol(),
            lifespan="on",
            backlog=BACKLOG,
            timeout_keep_alive=IDLE_S,
            timeout_graceful_shutdown=STOP_S,
        )
    except ImportError as error:
        raise InputError("gateway", "", f"no {error.name}", "an installed extra", INSTALL) from error
    except OSError as error:
        raise InputError("--tls-cert, --tls-key", "", str(error), "a certificate and its key, PEM") from error
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # each agent that waits is an open socket
    listening.run(config, served.socket, stop.is_set, ready, gateway.polls.close)


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
