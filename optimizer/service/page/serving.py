"""Serves the page: uvicorn on one socket, until it is told to end."""

from __future__ import annotations

import secrets
import socket
import ssl
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optimizer.errors import InputError
from optimizer.execute.button import StopFile
from optimizer.service.logs import INSTALL
from optimizer.service.page.config import ServePart, check_listen, is_loopback
from optimizer.service.tokens import read_token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from optimizer.clock import Clock
    from optimizer.policy import Policy
    from optimizer.service.config import ServiceConfig
    from optimizer.service.page.api import Api
    from optimizer.service.page.sessions import Sessions

__all__ = ["serve_page"]

HEADERS = 16 * 1024
CONNECTIONS = 200
IDLE_S = 30
STOP_S = 2


def serve_page(
    settings: ServiceConfig,
    clock: Clock,
    environ: Mapping[str, str],
    stop: Callable[[], bool],
    ready: Callable[[str], None],
    policy: Callable[[], Policy] | None = None,
) -> None:
    """Serve until `stop` says so; `ready` is told the address.

    Parameters
    ----------
    policy
        Reads the policy by which new VMs are placed; None: there is no `/api/`.

    Raises
    ------
    InputError
        Something of section `serve` is wrong, or the extra is not installed.
    """
    try:
        import uvicorn

        from optimizer.service.page.acts import Acts
        from optimizer.service.page.app import Page, application
        from optimizer.service.page.sessions import Sessions
        from optimizer.service.page.sources import Sources
    except ImportError as error:
        raise InputError("serve", "", f"no {error.name}", "an installed extra", INSTALL) from error
    config = settings.config
    part = config.section("serve", ServePart)
    token = read_token(config, "serve", part.token_env, part.token_file, environ)
    host, port = check_listen(config.where, part, token=bool(token))
    bound = _bind(config.where, part.listen, host, port)
    button = StopFile(Path(settings.stop_file)) if settings.stop_file else StopFile.beside(settings.ledger)
    sources = Sources(settings.ledger, settings.state, clock)
    sessions = Sessions(token, clock, lambda: secrets.token_urlsafe(32))
    page = Page(
        sources,
        Acts(settings.ledger, button, clock),
        sessions,
        button,
        clock,
        fleet=settings.cycle.fleet,
        private=not is_loopback(host),
        secure=bool(part.tls_cert),
    )
    names = ["localhost", "127.0.0.1", "[::1]", host, *part.names]
    api = _api(settings, clock, environ, policy, sessions) if token and policy and config.has("inventory") else None
    served = uvicorn.Config(
        application(page, names, api.routes() if api else []),
        http="h11",
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=IDLE_S,
        timeout_graceful_shutdown=STOP_S,
        h11_max_incomplete_event_size=HEADERS,
        ssl_certfile=str(config.beside(part.tls_cert)) if part.tls_cert else None,
        ssl_keyfile=str(config.beside(part.tls_key)) if part.tls_key else None,
    )
    try:
        served.load()
    except (OSError, ssl.SSLError) as error:
        raise InputError(config.where, "serve.tls_cert", str(error), "a certificate and its key, PEM") from error
    shown = f"[{host}]" if ":" in host else host
    address = f"{'https' if part.tls_cert else 'http'}://{shown}:{bound.getsockname()[1]}"

    class Server(uvicorn.Server):
        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            """Leave signals to whoever set `stop`."""
            yield

        async def on_tick(self, counter: int) -> bool:
            if self.started and told:
                told.pop()(address)
            self.should_exit = self.should_exit or stop()
            return await super().on_tick(counter)

    told = [ready]
    with closing(bound), closing(sources), closing(api) if api else nullcontext():
        Server(served).run(sockets=[bound])


def _api(
    settings: ServiceConfig,
    clock: Clock,
    environ: Mapping[str, str],
    policy: Callable[[], Policy],
    sessions: Sessions,
) -> Api:
    """Return what answers programs; it asks the inventory anew each time."""
    from optimizer.service.page.api import Api
    from optimizer.service.placing import Placer
    from optimizer.signals.config import InventoryPart
    from optimizer.signals.inventory import read_inventory

    config = settings.config
    part = config.section("inventory", InventoryPart)

    def read() -> dict[str, Any]:
        return read_inventory(config, part, clock, environ)

    return Api(Placer(read, policy(), settings.ledger, clock, lambda: secrets.token_hex(8)), sessions)


def _bind(where: str, listen: str, host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        raise InputError(where, "serve.listen", listen, f"an address that can be bound ({error})") from error
    return bound
