"""Serves the page: uvicorn on one socket, until it is told to end."""

from __future__ import annotations

import secrets
from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optimizer import listening
from optimizer.errors import InputError
from optimizer.execute.button import StopFile
from optimizer.listening import is_loopback, url_of
from optimizer.service.logs import INSTALL
from optimizer.service.page.config import ServePart, check_listen
from optimizer.service.tokens import read_token

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from optimizer.clock import Clock
    from optimizer.policy import Policy
    from optimizer.service.config import ServiceConfig
    from optimizer.service.page.api import Api
    from optimizer.service.page.sessions import Sessions
    from optimizer.sources.overlay import Warn

__all__ = ["serve_page"]

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
        from optimizer.service.page.acts import Acts
        from optimizer.service.page.app import Page, application
        from optimizer.service.page.facts import Patience
        from optimizer.service.page.sessions import Sessions
        from optimizer.service.page.sources import Sources
    except ImportError as error:
        raise InputError("serve", "", f"no {error.name}", "an installed extra", INSTALL) from error
    config = settings.config
    part = config.section("serve", ServePart)
    token = read_token(config, "serve", part, environ)
    host, port = check_listen(config.where, part)
    try:
        bound = listening.bind(host, port)
    except OSError as error:
        raise InputError(
            config.where, "serve.listen", part.listen, f"an address that can be bound ({error})"
        ) from error
    button = StopFile(Path(settings.stop_file)) if settings.stop_file else StopFile.beside(settings.ledger)
    sources = Sources(settings.ledger, settings.state, clock)
    sessions = Sessions(token, clock, lambda: secrets.token_urlsafe(32))
    page = Page(
        sources,
        Acts(settings.ledger, button, clock),
        sessions,
        button,
        clock,
        Patience(settings.cycle.alert_holds_s, settings.cycle.alert_holds_s + 2 * settings.cycle.longest_s),
        fleet=settings.cycle.fleet,
        private=not is_loopback(host),
        secure=bool(part.tls_cert),
    )
    names = ["localhost", "127.0.0.1", "[::1]", host, *part.names]
    api = _api(settings, clock, environ, policy, sessions) if token and policy and config.has("inventory") else None
    try:
        served = listening.configured(
            application(page, names, api.routes() if api else []),
            str(config.beside(part.tls_cert)) if part.tls_cert else "",
            str(config.beside(part.tls_key)) if part.tls_key else "",
            http="h11",
            lifespan="off",
            limit_concurrency=CONNECTIONS,
            timeout_keep_alive=IDLE_S,
            timeout_graceful_shutdown=STOP_S,
        )
    except ImportError as error:
        raise InputError("serve", "", f"no {error.name}", "an installed extra", INSTALL) from error
    except OSError as error:
        raise InputError(config.where, "serve.tls_cert", str(error), "a certificate and its key, PEM") from error
    url = url_of(bound, tls=bool(part.tls_cert))
    with closing(bound), closing(sources), closing(api) if api else nullcontext():
        listening.run(served, bound, stop, lambda: ready(url))


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

    def read(warn: Warn) -> dict[str, Any]:
        return read_inventory(config, part, clock, environ, warn)

    return Api(Placer(read, policy(), settings.ledger, clock, lambda: secrets.token_hex(8)), sessions)
