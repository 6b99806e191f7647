"""Room that is kept for VMs to come, laid over a snapshot: they stand where they will be, and nothing moves them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from optimizer.errors import RemoraError
from optimizer.sources.fleet_json import fleet_from_document
from optimizer.whatif.place_request import Kept, with_kept

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from optimizer.execute.ledger.reservations import Reservation
    from optimizer.fleet import Fleet

__all__ = ["count_awaited", "counted", "fleet_with_reservations", "room_of"]

APART = frozenset({"anti_affinity", "apart"})
"""Rules of groups that no VM satisfies by being there."""

STAYS = {"mobility": "none", "mobility_reason": "room is kept for it here, and it is not there yet"}


def room_of(one: Reservation) -> Kept:
    """Return the room that a reservation keeps.

    Raises
    ------
    RemoraError
        What the ledger has of it cannot be read.
    """
    try:
        return Kept(one.room["request"], tuple((vm, host) for vm, host in one.room["placements"]))
    except (KeyError, TypeError, ValueError) as error:
        raise RemoraError(f"reservation {one.id} cannot be read: {error!r}") from error


def fleet_with_reservations(
    document: dict[str, Any], held: Sequence[Reservation], where: str
) -> tuple[Fleet, dict[str, Any]]:
    """Return the fleet, and its document, in which VMs of reservations count as what takes room.

    Those that the snapshot has by now are taken from it. The others are `awaited`, and stay where they are put. They
    belong to groups that ask VMs to be apart, and to none that asks for somebody's presence (spread, needs, together):
    nobody is there yet.

    Raises
    ------
    InputError
        The snapshot is wrong.
    RemoraError
        A reservation cannot be read.
    """
    there = {vm["id"] for vm in document["vms"]}
    larger = with_kept(document, map(room_of, held), where)
    if len(larger["vms"]) == len(there):
        return fleet_from_document(document, where), document
    absent = _by_presence(larger.get("groups", ()))
    vms = [vm if vm["id"] in there else _only_room(vm, absent) for vm in larger["vms"]]
    declared = {group["id"] for group in larger.get("groups", ())}
    empty = [{"id": name, "rules": []} for name in sorted(absent - declared)]  # one whose only VMs are still to come
    whole = {**larger, "vms": vms, "groups": [*larger.get("groups", ()), *empty]}
    fleet = fleet_from_document(whole, where)
    return replace(fleet, awaited=frozenset(fleet.vms.ids) - there), whole


def counted(
    document: dict[str, Any], held: Sequence[Reservation], where: str
) -> tuple[Fleet, dict[str, Any], list[str]]:
    """Lay reservations over a snapshot; what no longer fits it is left out, and named: no cycle ends for it.

    They are tried by halves, so that a few wrong ones among many cost a few readings of the fleet.

    Raises
    ------
    InputError
        The snapshot itself is wrong.
    """
    try:
        return *fleet_with_reservations(document, held, where), []
    except RemoraError as error:
        if len(held) == 1:
            said = f"reservation {held[0].id} is not counted: {error}"
            return fleet_from_document(document, where), document, [said]
        fleet_from_document(document, where)
    left_out: list[str] = []
    whole = document
    awaited: frozenset[str] = frozenset()
    for half in (held[: len(held) // 2], held[len(held) // 2 :]):
        fleet, whole, said_of = counted(whole, half, where)
        awaited, left_out = awaited | fleet.awaited, [*left_out, *said_of]
    return replace(fleet, awaited=awaited), whole, left_out


def count_awaited(held: Iterable[Reservation], awaited: Collection[str]) -> int:
    """Return of how many reservations a VM is still to come; those that cannot be read were left out."""
    many = 0
    for one in held:
        with suppress(RemoraError):
            many += any(vm in awaited for vm, _ in room_of(one).placements)
    return many


def _by_presence(groups: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the groups that a VM may belong to only once it is there: somebody asks for its presence."""
    found = set()
    for group in groups:
        for rule in group.get("rules", ()):
            if rule["rule"] not in APART:
                found.add(group["id"])
                found |= {rule["with"]} if "with" in rule else set()
    return found


def _only_room(vm: Mapping[str, Any], absent: set[str]) -> dict[str, Any]:
    return {**vm, **STAYS, "groups": [group for group in vm.get("groups", ()) if group not in absent]}
