"""Room that is kept for VMs to come, laid over a snapshot: they stand where they will be, and nothing moves them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from optimizer.errors import RemoraError
from optimizer.sources.fleet_json import fleet_from_document
from optimizer.whatif.place_request import Kept, with_kept

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.execute.ledger.reservations import Reservation
    from optimizer.fleet import Fleet

__all__ = ["fleet_with_reservations", "room_of"]

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


def fleet_with_reservations(document: dict[str, Any], held: Sequence[Reservation], where: str) -> Fleet:
    """Return the fleet of a snapshot in which VMs of reservations count, with their groups, owners and needs.

    Those that the snapshot has by now are taken from it. The others are `awaited`, and stay where they are put.

    Raises
    ------
    InputError
        The snapshot is wrong.
    RemoraError
        A reservation cannot be read.
    """
    there = {vm["id"] for vm in document["vms"]}
    larger = with_kept(document, map(room_of, held), where)
    vms = [vm if vm["id"] in there else {**vm, **STAYS} for vm in larger["vms"]]
    fleet = fleet_from_document({**larger, "vms": vms}, where)
    return replace(fleet, awaited=frozenset(fleet.vms.ids) - there)
