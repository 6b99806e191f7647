"""What has to leave hosts, whatever comes: the rows of the departures relaxation that are about one host alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optimizer.problem.rule import Hardness

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from optimizer.bounds.eviction_relaxation import Row
    from optimizer.bounds.room_prices import PricedRooms

    Ints = NDArray[np.int64]

__all__ = ["wanted"]


def wanted(rooms: PricedRooms, order: Ints) -> Iterator[tuple[int, Ints, int]]:
    """Yield what repairs each row of one host: host, int64 [n] what VMs count, and how much has to leave.

    Nothing is said of shoulds where a VM stands that does harm wherever it is.
    """
    problem = rooms.problem
    position = np.full(problem.vms, -1, np.int64)
    position[order] = np.arange(len(order))
    unsaid = {int(problem.start[vm]) for vm in rooms.harmful}
    rows: Iterable[Row] = rooms.rows
    for row in rows:
        if len(row.sides) != 1 or row.asked.price is not None or row.least_excess or not row.heals:
            continue
        side = row.sides[0]
        vms, hosts = position[side.vms], np.unique(problem.start[side.vms])
        kept = row.asked.hardness is Hardness.MUST or (len(hosts) == 1 and int(hosts[0]) not in unsaid)
        if len(hosts) == 1 and kept and (vms >= 0).all():
            counts = np.zeros(len(order), np.int64)
            counts[vms] = side.amounts
            yield int(hosts[0]), counts, side.need
