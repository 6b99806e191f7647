"""`remora stop`, `resume`, `limit`, `approve`: what people decide while plans are carried out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from commands.boundary import Exit, complain
from commands.common import FILE, say_text
from commands.ledger_options import (
    by_file,
    by_option,
    fleet_option,
    fleets_of,
    is_there,
    ledger_option,
    open_button,
    order_of,
    reason_option,
    stop_file_option,
    unheard,
    written,
)
from optimizer.grammar import count

if TYPE_CHECKING:
    from pathlib import Path

    from optimizer.execute.button import StopFile
    from optimizer.execute.ledger import Ledger
    from optimizer.execute.ledger.records import Control, Order

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
) -> Exit:
    """Stop every run: once this returns, nothing is submitted any more, on any machine.

    What is in flight is observed to its end; what is finished stays. Without --fleet every fleet is stopped, also one
    that is first carried out later, and a file is written, which works where the ledger cannot be written. A fleet that
    the ledger has not heard of is stopped before its first run. Exits with 1 where it has not, or there is no ledger:
    look whether it is the right one; also where the ledger is stopped, and the file could not be written.
    """
    order, value = order_of(by, reason), "abort" if abort else ""
    if fleet is not None:
        return _stop_one(fleet, value, order, ledger)
    return _stop_every(value, order, ledger, open_button(stop_file, ledger))


def _stop_one(fleet: str, value: str, order: Order, ledger: Path | str) -> Exit:
    from optimizer.execute.ledger import open_ledger

    with open_ledger(str(ledger)) as book:
        doubt = unheard(book, fleet)
        said = _stopped(book, fleet, value, order)
    say_text(said)
    if doubt:
        say_text(f"{doubt}; the stop holds from its first run on\n")
    return Exit.ATTENTION if doubt else Exit.DONE


def _stop_every(value: str, order: Order, ledger: Path | str, button: StopFile) -> Exit:
    from optimizer.clock import SystemClock
    from optimizer.errors import RemoraError, SafetyStop
    from optimizer.execute.button import stopping
    from optimizer.execute.ledger import open_ledger
    from optimizer.execute.ledger.records import EVERY_FLEET

    with stopping(button, f"{order.by}: {order.reason}") as wrong:
        if not is_there(ledger):
            if wrong is not None:
                raise wrong
            there = False
        else:
            with open_ledger(str(ledger)) as book:
                book.controls.set(EVERY_FLEET, "stop", value, order, SystemClock().now())
            there = True
    if not there:  # what goes wrong from here on undoes no stop: every fleet is stopped
        here = f"{button.path} stops every run that looks at it; is the ledger elsewhere (--ledger)?"
        say_text(f"no ledger at {ledger} yet: {here}\n")
        return Exit.ATTENTION
    if wrong is not None:
        complain(f"stopped by the ledger alone: {wrong}")
    try:
        with open_ledger(str(ledger)) as book:
            said = [_stopped(book, name, value, order) for name in book.fleets()]
    except (RemoraError, OSError) as error:
        raise SafetyStop(f"every fleet is stopped, but what each has in flight cannot be said: {error}") from error
    say_text("".join((*said, "every other fleet: stopped before its first run\n")))
    return Exit.DONE if wrong is None else Exit.ATTENTION


def _stopped(book: Ledger, fleet: str, value: str, order: Order) -> str:
    """Stop a fleet; returns what to say of it."""
    from optimizer.clock import SystemClock

    book.controls.set(fleet, "stop", value, order, SystemClock().now())
    return f"{fleet}: stopped; {_flying(book, fleet)}\n"


@click.command("resume")
@reason_option
@fleet_option
@by_option
@ledger_option
@stop_file_option
def resume(reason: str, fleet: str | None, by: str | None, ledger: Path | str, stop_file: str | None) -> Exit:
    """Lift a stop: plans may be carried out again. A run that was stopped has ended; make a new plan.

    A stop of every fleet, by the ledger or a file, is lifted without --fleet only. Exits with 1 where it still holds.
    """
    from optimizer.clock import SystemClock
    from optimizer.execute.ledger.records import EVERY_FLEET

    order, clock, button = order_of(by, reason), SystemClock(), open_button(stop_file, ledger)
    if fleet is None:
        button.check()
    if fleet is None and not is_there(ledger) and button.lift():
        say_text(f"{button.path}: removed\n")
        return Exit.DONE
    still = False
    with written(ledger) as book:
        everywhere = fleet is None and book.controls.lift(EVERY_FLEET, "stop", order, clock.now())
        for name in fleets_of(book, fleet):
            lifted = book.controls.lift(name, "stop", order, clock.now()) or everywhere
            held = book.controls.of(name).get("stop", None if fleet is None else by_file(button))
            say_text(f"{name}: {_freed(lifted=lifted, held=held)}\n")
            still |= held is not None
    if everywhere:
        say_text("every other fleet: may be acted on again\n")
    if fleet is None and button.lift():
        say_text(f"{button.path}: removed\n")
    return Exit.ATTENTION if still else Exit.DONE


def _freed(*, lifted: bool, held: Control | None) -> str:
    if held is not None:
        return f"still stopped with every fleet by {held.by}: {held.reason} (`remora resume` without --fleet lifts it)"
    return "may be acted on again" if lifted else "was not stopped"


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
                say_text(f"{name}: at most {count(most, 'move')} at once; {_flying(book, name)}\n")


@click.command("approve")
@click.argument("plan", type=FILE, metavar="PLAN")
@reason_option
@by_option
@ledger_option
def approve(plan: Path, reason: str, by: str | None, ledger: Path | str) -> None:
    """Approve a plan, bound to the digest of all that it says; policies may want that before `apply --act`.

    PLAN is its file: an id does not say what the plan says, and a ledger keeps no plan.
    """
    from optimizer.clock import SystemClock
    from optimizer.errors import InputError
    from optimizer.execute.ledger import open_ledger
    from optimizer.plan_identity import OWN_ID, digest_of
    from optimizer.sources.plan_json import read_plan

    order = order_of(by, reason)
    if OWN_ID.fullmatch(str(plan)) and not plan.exists():
        hint = "an approval is bound to the digest of all that the plan says, which no ledger has: name its file"
        raise InputError("approve", "PLAN", str(plan), "the file of the plan, not its id", hint)
    answer = read_plan(plan)
    with open_ledger(str(ledger)) as book:
        book.controls.approve(answer.fleet, answer.id, digest_of(answer), order, SystemClock().now())
    say_text(f"plan {answer.id} is approved by {order.by}: {count(len(answer.moves), 'move')}, {digest_of(answer)}\n")


def _flying(book: Ledger, fleet: str) -> str:
    flying = book.in_flight(fleet)
    if not flying:
        return "no move is in flight"
    return "in flight: " + ", ".join(f"{f.move} ({f.vm}: {f.source} to {f.target})" for f in flying)
