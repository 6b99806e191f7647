"""`remora journey`: where a VM has been, and which filter holds it where it is, until when."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from commands.boundary import Exit
from commands.common import (
    FILE,
    json_option,
    load_fleet,
    load_policy,
    overlay_option,
    policy_option,
    refuse_or_warn,
    say,
)
from commands.ledger_options import fleet_option, fleets_of, ledger_option, peek

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from optimizer.execute.ledger import Ledger
    from optimizer.fleet import Fleet
    from optimizer.policy import Policy
    from optimizer.report.journey_page import Journey

__all__ = ["command"]


@click.command("journey")
@click.argument("vm")
@click.option(
    "--snapshot", type=FILE, metavar="FLEET", help="A snapshot: its history counts too, and what holds the VM is said."
)
@policy_option
@overlay_option
@fleet_option
@ledger_option
@json_option
def command(
    vm: str,
    snapshot: Path | None,
    policy_name: str,
    overlay: Path | None,
    fleet: str | None,
    ledger: Path | str,
    as_json: bool,
) -> Exit:
    """Show where a VM has been: our moves by attempt, failures, moves by others; and what holds it, until when.

    Exits with 1 if a filter of the policy holds it.
    """
    from optimizer.report.document import as_document
    from optimizer.report.journey_page import journey_page

    with peek(ledger) as book:
        if snapshot is None:
            found = _known(book, vm, fleet)
        else:
            policy, whole = load_policy(policy_name), load_fleet(snapshot, overlay)
            refuse_or_warn(whole, policy)
            found = _with_snapshot(book, vm, whole, policy, fleet)
    say(as_json, lambda: {**as_document(found), "free_at": found.free_at}, lambda: journey_page(found))
    return Exit.ATTENTION if found.held else Exit.DONE


def _known(book: Ledger, vm: str, fleet: str | None) -> Journey:
    """Return what the ledger alone knows; the VM has to be one of a single fleet."""
    from optimizer.errors import InputError
    from optimizer.report.journey_page import Journey, trips_of
    from optimizer.similar import similar

    fleets = fleets_of(book, fleet)
    all_ = {name: book.travels(name, _ever()) for name in fleets}
    flying = {name: tuple(f for f in book.in_flight(name) if f.vm == vm) for name in fleets}
    found = [name for name in fleets if flying[name] or any(t.vm == vm for t in all_[name])]
    if not found:
        hint = similar(vm, {t.vm for travels in all_.values() for t in travels}) or "or give --snapshot FLEET"
        raise InputError(book.where, "VM", vm, "a VM of which the ledger knows a move", hint)
    if len(found) > 1:
        raise InputError(book.where, "VM", vm, f"--fleet, since {', '.join(found)} each have one")
    trips = trips_of(t for t in all_[found[0]] if t.vm == vm)
    return Journey(found[0], vm, trips, flying[found[0]], None, ())


def _with_snapshot(book: Ledger, vm: str, fleet: Fleet, policy: Policy, asked: str | None) -> Journey:
    from optimizer.errors import InputError
    from optimizer.execute.journeys import only_in, with_history
    from optimizer.report.journey_page import Journey, held_by, trips_of
    from optimizer.similar import similar

    if asked is not None and asked != fleet.id:
        raise InputError("--fleet", "", asked, f"the fleet of the snapshot: {fleet.id}")
    if vm not in fleet.vm_index:
        raise InputError("journey", "VM", vm, f"a VM of fleet {fleet.id}", similar(vm, fleet.vm_index))
    whole = with_history(fleet, book)
    flying = tuple(f for f in book.in_flight(fleet.id) if f.vm == vm)
    ours = book.travels(fleet.id, _ever(), vm=vm)
    trips = trips_of(ours, only_in([move for move in fleet.history if move.vm == vm], ours))
    return Journey(fleet.id, vm, trips, flying, fleet.taken_at, held_by(policy.rules, whole, fleet.vm_index[vm]))


def _ever() -> datetime:
    from datetime import UTC, datetime

    return datetime(1980, 1, 1, tzinfo=UTC)
