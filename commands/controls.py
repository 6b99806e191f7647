"""`remora stop`, `resume`, `limit`, `approve`: what people decide while plans are carried out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from commands.common import FILE, say_text
from commands.ledger_options import (
    by_option,
    fleet_option,
    fleets_of,
    ledger_option,
    open_button,
    order_of,
    reason_option,
    stop_file_option,
    written,
)

if TYPE_CHECKING:
    from pathlib import Path

    from optimizer.execute.ledger import Ledger

__all__ = ["approve", "limit", "resume", "stop"]


@click.command("stop")
@reason_option
@click.option("--abort", is_flag=True, help="Also abort what is in flight and can be aborted.")
@fleet_option
@by_option
@ledger_option
@stop_file_option
def stop(
    reason: str, abort: bool, fleet: str | None, by: str | None, ledger: Path | str, stop_file: str | None
) -> None:
    """Stop every run: once this returns, nothing is submitted any more, on any machine.

    What is in flight is observed to its end; what is finished stays. Without --fleet it also writes a file, which
    works where the ledger cannot be written.
    """
    from optimizer.clock import SystemClock

    order = order_of(by, reason)
    if fleet is None:
        open_button(stop_file, ledger).press(f"{order.by}: {order.reason}")
    with written(ledger) as book:
        fleets = fleets_of(book, fleet)
        for name in fleets:
            book.controls.set(name, "stop", "abort" if abort else "", order, SystemClock().now())
        say_text("".join(f"{name}: stopped; {_flying(book, name)}\n" for name in fleets))


@click.command("resume")
@reason_option
@fleet_option
@by_option
@ledger_option
@stop_file_option
def resume(reason: str, fleet: str | None, by: str | None, ledger: Path | str, stop_file: str | None) -> None:
    """Lift a stop: plans may be carried out again. A run that was stopped has ended; make a new plan."""
    from optimizer.clock import SystemClock

    order = order_of(by, reason)
    with written(ledger) as book:
        for name in fleets_of(book, fleet):
            lifted = book.controls.lift(name, "stop", order, SystemClock().now())
            say_text(f"{name}: {'may be acted on again' if lifted else 'was not stopped'}\n")
    button = open_button(stop_file, ledger)
    if fleet is None and button.lift():
        say_text(f"{button.path}: removed\n")


@click.command("limit")
@click.argument("moves", metavar="N|none")
@reason_option
@fleet_option
@by_option
@ledger_option
def limit(moves: str, reason: str, fleet: str | None, by: str | None, ledger: Path | str) -> None:
    """Let at most N moves be in flight at once, from now on, also in a run that is going on; none lifts it."""
    from optimizer.clock import SystemClock
    from optimizer.errors import InputError

    most = None if moves == "none" else int(moves) if moves.isascii() and moves.isdigit() else -1
    if most is not None and not 0 <= most <= 100_000:
        raise InputError("limit", "", moves, "a number from 0 to 100000, or none")
    order = order_of(by, reason)
    with written(ledger) as book:
        for name in fleets_of(book, fleet):
            if most is None:
                lifted = book.controls.lift(name, "limit", order, SystemClock().now())
                say_text(f"{name}: {'as many moves at once as the policy says' if lifted else 'had no limit'}\n")
            else:
                book.controls.set(name, "limit", str(most), order, SystemClock().now())
                say_text(f"{name}: at most {most} moves at once; {_flying(book, name)}\n")


@click.command("approve")
@click.argument("plan", type=FILE)
@reason_option
@by_option
@ledger_option
def approve(plan: Path, reason: str, by: str | None, ledger: Path | str) -> None:
    """Approve a plan, bound to the digest of all that it says; policies may want that before `apply --act`."""
    from optimizer.clock import SystemClock
    from optimizer.execute.ledger import open_ledger
    from optimizer.plan_identity import digest_of
    from optimizer.sources.plan_json import read_plan

    order = order_of(by, reason)
    answer = read_plan(plan)
    with open_ledger(str(ledger)) as book:
        book.controls.approve(answer.fleet, answer.id, digest_of(answer), order, SystemClock().now())
    say_text(f"plan {answer.id} is approved by {order.by}: {len(answer.moves)} moves, {digest_of(answer)}\n")


def _flying(book: Ledger, fleet: str) -> str:
    flying = book.in_flight(fleet)
    if not flying:
        return "no move is in flight"
    return "in flight: " + ", ".join(f"{f.move} ({f.vm}: {f.source} to {f.target})" for f in flying)
