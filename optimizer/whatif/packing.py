"""Hosts for VMs as a whole: one by one in several orders, and a search where that does not place them all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optimizer.whatif.greedy import CLOSED, Greedy
from optimizer.whatif.model import RoomModel
from optimizer.whatif.sizing import largest_shares

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from optimizer.whatif.effort import Effort
    from optimizer.whatif.room import Kind, Room

__all__ = ["pack", "pairs_of", "sizes"]


def pairs_of(kinds: Sequence[Kind], numbers: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return pairs (VM, host): the first VMs of each kind, host by host."""
    pairs: list[tuple[int, int]] = []
    for k, kind in enumerate(kinds):
        hosts = np.repeat(np.arange(numbers.shape[1]), numbers[k])
        pairs += zip(kind.vms[: len(hosts)].tolist(), hosts.tolist(), strict=True)
    return pairs


class _Tight(Greedy):
    """Fills hosts that are full already: what is large finds room later."""

    def best(self, kind: int) -> int | None:
        """Return the host that breaks the fewest preferences, and of these the fullest with it."""
        fullest, broken = self.scores(kind)
        open_ = np.flatnonzero(fullest < CLOSED)
        if not open_.size:
            return None
        return int(open_[np.lexsort((-fullest[open_], broken[open_]))[0]])


def pack(room: Room, effort: Effort | None) -> tuple[NDArray[np.int64], int]:
    """Return how many of each kind go to each host (int64 [K, H]), and how many in all can at most.

    Parameters
    ----------
    effort
        For a search where going one by one does not place all; None: only what is cheap.
    """
    wanted = sum(kind.wanted for kind in room.kinds)
    most = [room.most(k) for k in range(len(room.kinds))]
    size = sizes(room)
    order = sorted(range(len(most)), key=lambda k: (int((most[k] > 0).sum()), -size[k], k))
    by_size = sorted(range(len(most)), key=lambda k: (-size[k], k))
    ceiling = _ceiling(room, most)
    best = np.zeros((len(most), room.hosts), np.int64)
    for way, kinds in ((Greedy, by_size), (_Tight, by_size), (_Tight, order)):
        filled = way(room)
        for k in kinds:
            filled.place(k, room.kinds[k].wanted, None if effort is None else effort.over)
        if filled.kept() and filled.numbers.sum() > best.sum():
            best = filled.numbers
        if best.sum() == min(wanted, ceiling):
            return best, ceiling
    if effort is None or effort.over():
        return best, ceiling
    return _searched(room, best, ceiling, effort)


def _searched(room: Room, best: NDArray[np.int64], ceiling: int, effort: Effort) -> tuple[NDArray[np.int64], int]:
    model = RoomModel(room)
    made = [model.made(k) for k in range(len(room.kinds))]
    model.model.maximize(sum(made[1:], made[0]))
    model.hint(best)
    _, solver = model.solve(effort)
    if solver is None:
        return best, ceiling
    found = model.numbers(solver)
    bound = min(ceiling, int(np.floor(solver.best_objective_bound + 1e-6)))
    return (found if found.sum() > best.sum() else best), bound


def _ceiling(room: Room, most: list[NDArray[np.int64]]) -> int:
    """Return how many fit at most: kind by kind, and the smallest of them into the sum of what is left."""
    each = [min(kind.wanted, int(m.sum())) for kind, m in zip(room.kinds, most, strict=True)]
    ceiling = sum(each)
    taking = np.any(np.array(most) > 0, axis=0) if most else np.zeros(room.hosts, np.bool_)
    for row in room.rows:
        if not (row.amount > 0).all():
            continue
        amounts = np.sort(np.repeat(row.amount, each))
        step = int(np.gcd.reduce(row.amount))
        left = np.minimum(row.left[np.unique(row.domain[taking])], int(amounts.sum())) // step * step
        ceiling = min(ceiling, int(np.searchsorted(np.cumsum(amounts), int(left.sum()), side="right")))
    return ceiling


def sizes(room: Room) -> list[float]:
    """Return how large a VM of each kind is, beside hosts."""
    rows = ((row.amount, row.limit) for row in room.rows if not row.level and not row.counts)
    return [float(size) for size in largest_shares(len(room.kinds), rows)]
