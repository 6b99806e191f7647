"""The snapshot that results when moves were carried out: what `apply` writes, and what the next run reads."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from optimizer.errors import InputError
from optimizer.fleet import MoveOutcome, PastMove, measured_after
from optimizer.sources.fleet_columns import EMPTY
from optimizer.sources.fleet_fields import PAST_MOVE
from optimizer.sources.kinds import check, similar, time_text
from optimizer.sources.shapes import Listing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["after_document"]

Document = dict[str, Any]
Loads = dict[str, dict[str, int]]


def after_document(
    document: Document,
    moves: Sequence[Document | PastMove],
    ended_at: datetime,
    where: str = "moves",
    *,
    simulated: bool = False,
) -> Document:
    """Return the snapshot as it is after `moves`, in the order in which they ended; `document` is not changed.

    A move that is done puts its VM on its target; a failed or aborted one leaves it; one of unknown outcome leaves it
    and stays in flight, so that it keeps counting at both ends. All are appended to the history, `taken_at` becomes
    `ended_at`, and every field that is not spoken of here, ``x_`` fields included, is carried along.

    What a host reports in use (`measured`) follows its VMs. Host overhead stays with the host, to the
    unit, so that the next run sees the loads that the plan foresaw. Where VMs use less than they were allocated, the
    host keeps the same ratio of use to allocated.

    Parameters
    ----------
    document
        A checked `remora-fleet/1`.
    moves
        Past moves, as objects or as the records of a document's history.
    ended_at
        When the new snapshot is taken.
    where
        What to call the moves in messages.
    simulated
        The moves were only simulated: the snapshot says so, for `ended_at` is by the simulation's clock.

    Raises
    ------
    InputError
        If a record is no past move, or a move does not start where its VM is.
    """
    records = [_record(move) for move in moves]
    check(Listing(PAST_MOVE), records, where)
    host_of = {vm["id"]: vm["host"] for vm in document["vms"]}
    in_flight = list(document.get("in_flight", ()))
    for i, record in enumerate(records):
        _carry_out(record, i, host_of, in_flight, where)
    vms = [vm if host_of[vm["id"]] == vm["host"] else {**vm, "host": host_of[vm["id"]]} for vm in document["vms"]]
    before = _explained(document["vms"], document.get("in_flight", ()))
    after = _explained(vms, in_flight)
    changed: Document = {
        "taken_at": time_text(ended_at),
        "hosts": [_host_after(host, before, after) for host in document["hosts"]],
        "vms": vms,
        "history": [*document.get("history", ()), *records],
    }
    if in_flight:
        changed["in_flight"] = in_flight
    if simulated:
        changed["simulated"] = True
    return {**document, **changed}


def _record(move: Document | PastMove) -> Document:
    if not isinstance(move, PastMove):
        return move
    return {
        "vm": move.vm,
        "from": move.source,
        "to": move.target,
        "started_at": time_text(datetime.fromtimestamp(move.started_at, UTC)),
        "ended_at": time_text(datetime.fromtimestamp(move.ended_at, UTC)),
        "outcome": move.outcome.value,
        "by": move.by,
    }


def _carry_out(record: Document, i: int, host_of: dict[str, Any], in_flight: list[Document], where: str) -> None:
    vm, source = record["vm"], record["from"]
    if vm not in host_of:
        raise InputError(where, f"[{i}].vm", vm, "a VM of the fleet", similar(vm, host_of))
    if host_of[vm] != source:
        raise InputError(where, f"[{i}].from", source, f"the host where {vm} is: {host_of[vm]}")
    if record["outcome"] == MoveOutcome.DONE.value:
        host_of[vm] = record["to"]
    elif record["outcome"] == MoveOutcome.UNKNOWN.value and all(move["vm"] != vm for move in in_flight):
        ends = {name: record[name] for name in ("vm", "from", "to", "started_at")}
        taken = {move["id"] for move in in_flight}
        name = next(n for n in _names(vm) if n not in taken)
        in_flight.append({"id": name, **ends, "by": record.get("by", "other")})


def _names(vm: str) -> Iterable[str]:
    """Ids for a move of unknown outcome; a VM's id may be as long as any id may be."""
    yield f"unknown-{vm}"[:256]
    number = 2
    while True:
        yield f"unknown-{number}-{vm}"[:256]
        number += 1


def _explained(vms: Iterable[Document], in_flight: Iterable[Document]) -> Loads:
    """For each host, what its VMs were allocated by resource; a VM in flight counts at both ends."""
    loads: Loads = {}
    by_id = {}
    moving = {move["vm"]: (move["from"], move["to"]) for move in in_flight}
    for vm in vms:
        by_id[vm["id"]] = vm
        for host in moving.get(vm["id"], (vm["host"],)):
            load = loads.setdefault(host, {})
            for resource, amount in vm["demand"].items():
                load[resource] = load.get(resource, 0) + amount
    return loads


def _host_after(host: Document, before: Loads, after: Loads) -> Document:
    measured: Mapping[str, int] = host.get("measured", EMPTY)
    was, now = before.get(host["id"], EMPTY), after.get(host["id"], EMPTY)
    if not measured or was == now:
        return host
    return {**host, "measured": {r: measured_after(m, was.get(r, 0), now.get(r, 0)) for r, m in measured.items()}}
