"""`remora serve`: the live page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from commands.common import load_config, load_configured_policy
from commands.interrupt import Interrupt
from commands.run import config_option

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["command"]


@click.command("serve")
@config_option
def command(config: Path) -> None:
    """Serve the live page: the fleet, imbalances, the present plan and its progress, journeys, the ledger.

    Read-only, unless section `serve` names a token; whoever logs in with it may approve, stop and resume. Listens on
    a loopback address, or by TLS with a token. With a token and section `inventory`, POST /api/place finds hosts for
    new VMs, and keeps their room. Runs until it is interrupted.
    """
    import os

    from optimizer.clock import SystemClock
    from optimizer.service.config import service_config
    from optimizer.service.page.serving import serve_page

    settings = service_config(load_config(config))
    with Interrupt("the page ends") as interrupt:
        serve_page(
            settings,
            SystemClock(),
            os.environ,
            interrupt.event.is_set,
            lambda address: click.echo(f"listening on {address}", err=True),
            lambda: load_configured_policy(settings),
        )
