"""`remora ledger` and `remora status`: what was done, what is being done, and whether the record was tampered with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from commands.boundary import Exit, complain
from commands.common import json_option, say, say_text
from commands.ledger_options import (
    by_file,
    fleet_option,
    fleets_of,
    is_there,
    ledger_option,
    open_button,
    peek,
    stop_file_option,
)
from commands.listing import Group
from commands.path_types import MayBeFile

if TYPE_CHECKING:
    from pathlib import Path

    from optimizer.execute.ledger import Ledger
    from optimizer.execute.ledger.records import Control, Run
    from optimizer.report.ledger_page import Status

__all__ = ["command", "status"]

WATCH_S = 2.0


@click.group("ledger", cls=Group, no_args_is_help=False)
def command() -> None:
    """List what the ledger remembers, and find out whether it was tampered with."""


@command.command("runs")
@fleet_option
@ledger_option
@json_option
def runs(fleet: str | None, ledger: Path | str, as_json: bool) -> None:
    """List the runs, the latest first: which plan, how it stands, who ordered it and why."""
    from optimizer.report.ledger_page import runs_page

    with peek(ledger) as book:
        found = [run for name in fleets_of(book, fleet) for run in book.runs(name)]
    say(as_json, lambda: found, lambda: runs_page(found))


@command.command("moves")
@click.argument("plan", type=MayBeFile())
@fleet_option
@ledger_option
@json_option
def moves(plan: str, fleet: str | None, ledger: Path | str, as_json: bool) -> None:
    """List the moves of a run with their states; PLAN is the id or the file of its plan."""
    from optimizer.report.ledger_page import moves_page

    with peek(ledger) as book:
        run = run_of(book, plan, fleet)
        found = book.moves(run.fleet, run.plan)
    say(as_json, lambda: {"run": run, "moves": found}, lambda: moves_page(run, found))


@command.command("events")
@fleet_option
@click.option(
    "--plan", type=MayBeFile(), metavar="PLAN", help="Only events of this run: the id or the file of its plan."
)
@ledger_option
@json_option
def events(fleet: str | None, plan: str | None, ledger: Path | str, as_json: bool) -> None:
    """List everything that happened, in order."""
    from optimizer.report.ledger_page import events_page

    with peek(ledger) as book:
        all_ = [event for name in fleets_of(book, fleet) for event in book.events(name)]
        wanted = None if plan is None else run_of(book, plan, fleet, several=True).plan
    found = [event for event in all_ if wanted is None or event.plan == wanted]
    say(as_json, lambda: found, lambda: events_page(found))


@command.command("export")
@fleet_option
@ledger_option
def export(fleet: str | None, ledger: Path | str) -> None:
    """Print all events as JSON lines, each with its hash."""
    import json

    from optimizer.report.document import as_document

    with peek(ledger) as book:
        for name in fleets_of(book, fleet):
            for event in book.events(name):
                say_text(json.dumps(as_document(event), ensure_ascii=True) + "\n")


@command.command("verify")
@click.option("--expect", metavar="HASH", help="A head that was noted before: its event has to be there still.")
@ledger_option
@json_option
def verify(expect: str | None, ledger: Path | str, as_json: bool) -> Exit:
    """Compute the chains of events again, and hold runs and moves against them; exits with 1 where they differ."""
    from optimizer.report.ledger_page import audit_page

    with peek(ledger) as book:
        audit = book.audit()
        known = expect is None or any(e.hash == expect for f in audit.heads for e in book.events(f))
    say(as_json, lambda: {"audit": audit, "expected": known}, lambda: audit_page(audit, known=known))
    return Exit.ATTENTION if audit.faults or not known else Exit.DONE


@click.command("status")
@fleet_option
@click.option("--watch", is_flag=True, help="Print it again whenever it changes, until no run is going on.")
@ledger_option
@stop_file_option
@json_option
def status(fleet: str | None, watch: bool, ledger: Path | str, stop_file: str | None, as_json: bool) -> None:
    """Show the latest run of each fleet: how far it is, what is in flight, what holds it back.

    With --json, a stop of every fleet, by the ledger or by a file, is an entry of its own, whose `fleet` is empty.
    """
    from optimizer.clock import SystemClock
    from optimizer.execute.ledger.records import EVERY_FLEET
    from optimizer.report.ledger_page import status_page

    clock, shown, button = SystemClock(), None, open_button(stop_file, ledger)
    if (stop := by_file(button)) is not None and not is_there(ledger):
        say(as_json, lambda: _of_every_fleet(stop), lambda: status_page([], stop))
        complain(f"there is no ledger {ledger} yet")
        return
    while True:
        with peek(ledger) as book:
            of_file = by_file(button)
            found = [_status(book, name, of_file) for name in fleets_of(book, fleet)]
            seen = (found, None if fleet else book.controls.of(EVERY_FLEET).get("stop", of_file))
        if seen != shown:
            every = _of_every_fleet(seen[1])
            say(as_json, lambda all_=[*every, *found]: all_, lambda seen=seen: status_page(*seen))  # type: ignore[misc]
            shown = seen
        if not watch or not any(one.is_running for one in found):
            return
        clock.sleep(WATCH_S)


def _of_every_fleet(stop: Control | None) -> list[Status]:
    """Return the entry for what holds every fleet, if anything does."""
    from optimizer.execute.ledger.records import EVERY_FLEET
    from optimizer.report.ledger_page import Status

    return [Status(EVERY_FLEET, None, {}, (), stop, None)] if stop else []


def _status(book: Ledger, fleet: str, of_file: Control | None) -> Status:
    from optimizer.report.ledger_page import Status

    found = book.runs(fleet)
    run = found[0] if found else None
    states: dict[str, int] = {}
    for state in book.states(fleet, run.plan).values() if run else ():
        states[state.value] = states.get(state.value, 0) + 1
    controls = book.controls.of(fleet)
    gate = book.last_note(fleet, run.plan) if run else None
    stop = controls.get("stop", of_file)
    return Status(fleet, run, states, book.in_flight(fleet), stop, controls.get("limit"), gate)


def run_of(book: Ledger, plan: str, fleet: str | None, *, several: bool = False) -> Run:
    """Return the run of a plan, which is named by its id or by its file; an id that the ledger has comes first.

    Raises
    ------
    InputError
        The ledger has none, or several fleets have one (unless `several`), or there is a file that is no plan.
    """
    from optimizer.errors import InputError
    from optimizer.similar import similar

    everything = [run for name in fleets_of(book, fleet) for run in book.runs(name)]
    names = [run.plan for run in everything]
    wanted = plan if plan in names else _id_of(plan)
    found = [run for run in everything if run.plan == wanted]
    if not found:
        hint = similar(wanted, names) if wanted == plan else f"it is plan {wanted}: `remora ledger runs` lists the runs"
        expected = "the plan of a run that the ledger has, by its id or file"
        raise InputError(book.where, "plan", plan, expected, hint)
    if len(found) > 1 and not several:
        fleets = ", ".join(run.fleet for run in found)
        raise InputError(book.where, "plan", plan, f"--fleet, since {fleets} each have one")
    return found[0]


def _id_of(plan: str) -> str:
    """Return the id of the plan in a file; where there is no such file, the name as it is."""
    from pathlib import Path

    from optimizer.sources.plan_json import read_plan

    path = Path(plan)
    try:
        there = path.exists()
    except (OSError, ValueError):
        there = False
    return read_plan(path).id if there else plan
