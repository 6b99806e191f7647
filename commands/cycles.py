"""`remora cycles`: what became of each cycle of the periodic run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from commands.common import Whole, json_option, say
from commands.ledger_options import fleet_option, fleets_of, ledger_option, peek

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["command"]


@click.command("cycles")
@fleet_option
@click.option("--last", type=Whole(1, 10**6), default=20, show_default=True, metavar="N", help="At most N of a fleet.")
@ledger_option
@json_option
def command(fleet: str | None, last: int, ledger: Path | str, as_json: bool) -> None:
    """List the cycles of the periodic run, the latest first: why each began, how it ended, and what it did."""
    from optimizer.report.cycles_page import cycles_page

    with peek(ledger) as book:
        found = [cycle for name in fleets_of(book, fleet) for cycle in book.cycles(name, last)]
    say(as_json, lambda: found, lambda: cycles_page(found))
