"""`remora show`: whether this is my fleet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from commands.boundary import Exit
from commands.common import fleet_argument, json_option, load_fleet, overlay_option, say, warn_of

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["command"]


@click.command("show")
@fleet_argument
@overlay_option
@json_option
def command(fleet: Path, overlay: Path | None, as_json: bool) -> Exit:
    """Show what a snapshot holds, so that you know your fleet.

    Totals by kind of host, use by resource, optional facts, undeclared groups, host overhead, moves in flight
    and the span of the history.
    """
    from optimizer.report.show import describe_fleet
    from optimizer.report.show_page import show_page

    snapshot = load_fleet(fleet, overlay)
    warn_of(snapshot)
    facts = describe_fleet(snapshot)
    say(as_json, lambda: facts, lambda: show_page(facts))
    return Exit.DONE
