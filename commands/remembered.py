"""What a ledger remembers, laid over a snapshot: travels as history, and room that is kept for VMs to come.

By `plan` and `verify` where --ledger names one; by `apply` as the plan was made, and as it is now.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from commands.common import load_laid, warn

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from optimizer.caution import Caution
    from optimizer.execute.ledger import Ledger
    from optimizer.execute.ledger.reservations import Reservation
    from optimizer.fleet import Fleet
    from optimizer.plan import Plan

__all__ = ["as_planned", "with_ledger"]

Document = dict[str, Any]


def with_ledger(
    path: Path, overlay: Path | None, ledger: Path | str, at: datetime | None = None
) -> tuple[Fleet, Document]:
    """Read a fleet, with what the ledger remembers where one was named; says what that is.

    Parameters
    ----------
    at
        The time of which kept room counts; now by default.

    Returns
    -------
    fleet, document
        And the document of the snapshot, with overlay and kept room, without the history of the ledger.

    Raises
    ------
    InputError
        The fleet is wrong, or the ledger that --ledger names is not there.
    """
    from optimizer.clock import SystemClock
    from optimizer.execute.journeys import with_history
    from optimizer.report.words import clean, count

    fleet, _, laid = load_laid(path, overlay)
    book = _named(ledger)
    if book is None:
        return fleet, laid
    with book:
        held = book.reservations.of(fleet.id, SystemClock().now()) if at is None else _held_then(book, fleet.id, at)
        fleet, laid, doubts = _with_room(fleet, laid, held, str(path))
        whole = with_history(fleet, book)
    _tell_room(whole, held, doubts, book.where)
    if whole is not fleet:
        more = len(whole.history) - len(fleet.history)
        click.echo(clean(f"remora: history: {count(more, 'move')} more by the ledger {book.where}"), err=True)
    return whole, laid


def _named(ledger: Path | str) -> Ledger | None:
    """Open the ledger that was named, by option or environment; a default is none.

    The environment may name one that is still to be made, so it is only warned of one that is not there.
    """
    from commands.ledger_options import peek
    from optimizer.caution import Caution
    from optimizer.execute.ledger import peek_ledger

    source = click.get_current_context().get_parameter_source("ledger")
    if source is ParameterSource.COMMANDLINE:
        return peek(ledger)
    if source is not ParameterSource.ENVIRONMENT:
        return None
    book = peek_ledger(str(ledger))
    if book is None:
        warn(
            [
                Caution(
                    "no_ledger", "REMORA_LEDGER", f"there is no ledger {ledger}: its kept room and history do not count"
                )
            ]
        )
    return book


def as_planned(fleet: Fleet, laid: Document, plan: Plan, ledger: Path | str, where: str) -> Fleet:
    """Return the fleet with the room that the ledger keeps now, and its travels where the plan was made with them.

    Where all that is kept now was kept when the plan was made, that is what counts, and so it is for a run that was cut
    off: it is the plan's own fleet. Otherwise the plan is of an earlier snapshot, and is judged by what is kept now.
    """
    from optimizer.clock import SystemClock
    from optimizer.execute.journeys import with_history
    from optimizer.execute.ledger import peek_ledger
    from optimizer.execute.states import RunState

    book = peek_ledger(str(ledger)) if plan.fleet == fleet.id else None
    if book is None:
        return fleet
    with book:
        now = book.reservations.of(fleet.id, SystemClock().now())
        then = _held_then(book, fleet.id, plan.made_at)
        known = {one.id for one in then}
        run = book.run(plan.fleet, plan.id)
        going_on = run is not None and run.state is RunState.RUNNING
        for held in (then, now) if going_on or all(one.id in known for one in now) else (now,):
            roomy, _, doubts = _with_room(fleet, laid, held, where)
            for whole in (roomy, with_history(roomy, book)):
                if whole.digest == plan.fleet_digest:
                    _tell_room(whole, held, doubts, book.where)
                    return whole
    _tell_room(roomy, held, doubts, book.where)
    return roomy


def _held_then(book: Ledger, fleet: str, at: datetime) -> tuple[Reservation, ...]:
    """Return what was kept at a time that is over, as far as the ledger still knows."""
    return tuple(one for one in book.reservations.of(fleet, at) if one.made_at <= at)


def _with_room(
    fleet: Fleet, laid: Document, held: Sequence[Reservation], where: str
) -> tuple[Fleet, Document, list[Caution]]:
    """Return the fleet and its document with the VMs of reservations; what cannot be counted is named."""
    from optimizer.caution import Caution
    from optimizer.service.reserved import counted

    if not held:
        return fleet, laid, []
    roomy, document, left_out = counted(laid, held, where)
    return roomy, document, [Caution("reservation_left_out", "ledger", text) for text in left_out]


def _tell_room(fleet: Fleet, held: Sequence[Reservation], doubts: Sequence[Caution], where: str) -> None:
    from optimizer.report.words import clean, count
    from optimizer.service.reserved import count_awaited

    warn(doubts)
    if fleet.awaited:
        of = count_awaited(held, fleet.awaited)
        many = f"{count(len(fleet.awaited), 'VM')} to come, of {count(of, 'reservation')}"
        counts = "counts" if len(fleet.awaited) == 1 else "count"
        click.echo(clean(f"remora: room: {many}, {counts} as there by the ledger {where}"), err=True)
