"""The ledger's travels as a snapshot's history: for `plan` and `verify` by --ledger, for `apply` as planned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from pathlib import Path

    from optimizer.fleet import Fleet
    from optimizer.plan import Plan

__all__ = ["as_planned", "with_ledger"]


def with_ledger(fleet: Fleet, ledger: Path | str) -> Fleet:
    """Return the fleet with the travels of the ledger in its history, where one was named; says how many.

    Raises
    ------
    InputError
        The ledger that --ledger names is not there.
    """
    from commands.ledger_options import peek
    from optimizer.execute.journeys import with_history
    from optimizer.execute.ledger import peek_ledger
    from optimizer.report.words import clean, count

    source = click.get_current_context().get_parameter_source("ledger")
    if source is ParameterSource.COMMANDLINE:
        book = peek(ledger)
    elif source is ParameterSource.ENVIRONMENT:
        found = peek_ledger(str(ledger))
        if found is None:
            return fleet
        book = found
    else:
        return fleet
    with book:
        whole = with_history(fleet, book)
    if whole is not fleet:
        more = len(whole.history) - len(fleet.history)
        click.echo(clean(f"remora: history: {count(more, 'move')} more by the ledger {book.where}"), err=True)
    return whole


def as_planned(fleet: Fleet, plan: Plan, ledger: Path | str) -> Fleet:
    """Return the fleet with the ledger's travels where the plan was made so; otherwise as it is."""
    from optimizer.execute.journeys import with_history
    from optimizer.execute.ledger import peek_ledger

    if plan.fleet_digest == fleet.digest or plan.fleet != fleet.id:
        return fleet
    book = peek_ledger(str(ledger))
    if book is None:
        return fleet
    with book:
        whole = with_history(fleet, book)
    return whole if plan.fleet_digest == whole.digest else fleet
