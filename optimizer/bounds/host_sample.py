"""Some hosts of a fleet as if there were no others: what prices settle at there is near what they do for all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optimizer.bounds.choice_arrays import ChoiceProblem

    Ints = NDArray[np.int64]

__all__ = ["alike", "of_hosts"]


def alike(left: Ints, parts: int) -> list[Ints]:
    """Return that many sets of hosts, each ascending, which have as much left of the first resource, host by host."""
    order = np.argsort(left[:, 0], kind="stable")
    return [np.sort(order[part::parts]) for part in range(parts)]


def of_hosts(fleet: ChoiceProblem, hosts: Ints) -> tuple[ChoiceProblem, Ints]:
    """Return what kernels read of some hosts (ascending) alone, and int64 [n]: which VMs are theirs."""
    at = _ranges(fleet.first[hosts], fleet.first[hosts + 1])
    number = np.full(len(fleet.host), -1, np.int64)
    number[at] = np.arange(len(at))
    needs = _ranges(fleet.needs[hosts], fleet.needs[hosts + 1])
    counted = _ranges(fleet.need_at[needs], fleet.need_at[needs + 1])
    some = fleet._replace(
        amount=fleet.amount[at],
        host=np.searchsorted(hosts, fleet.host[at]),
        kind=fleet.kind[at],
        left=fleet.left[hosts],
        fewest=fleet.fewest[hosts],
        allowed=np.ascontiguousarray(fleet.allowed[:, hosts]),
        own=number[fleet.own[at]],
        first=_offsets(fleet.first, hosts),
        needs=_offsets(fleet.needs, hosts),
        least=fleet.least[needs],
        need_at=_offsets(fleet.need_at, needs),
        counts=fleet.counts[counted],
    )
    return some, at


def _ranges(begin: Ints, end: Ints) -> Ints:
    """Return the numbers from each begin up to its end, one range after the other."""
    count = end - begin
    before = np.cumsum(count) - count
    return np.repeat(begin - before, count) + np.arange(int(count.sum()))


def _offsets(offsets: Ints, some: Ints) -> Ints:
    """Return where each of some ranges begins once there are no others, and where the last ends."""
    return np.append(0, np.cumsum(offsets[some + 1] - offsets[some]))
