"""Batches: which moves may be in flight together. They only throttle; `after` alone carries safety.

List scheduling (Graham, Bounds on multiprocessing timing anomalies, 1969): of the moves whose predecessors are done
those go first on which the longest chain of others waits.
"""

from __future__ import annotations

from collections.abc import Hashable
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

from optimizer.disruption import Budgets

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from optimizer.concurrency import Concurrency
    from optimizer.fleet import Fleet, Move
    from optimizer.sequence.order import OrderedMove

__all__ = ["batches"]

Slot = tuple[str, Hashable]


def batches(moves: Sequence[OrderedMove], fleet: Fleet, concurrency: Concurrency) -> list[list[int]]:
    """Put every move into one batch, after those it waits for, within the limits of each batch.

    Each move in turn, those first on which the longest chain of others waits, goes into the earliest batch that has
    room for it.

    Parameters
    ----------
    moves
        What has to be made; `after` are indices into it.
    concurrency
        Moves at once in the fleet, per source, per target, in any one domain of a level (both ends count, a move
        within a domain once), and of one group, owner or label, of which moves by others count. A limit below 1
        counts as 1: nothing could ever move otherwise.
    """
    later: list[list[int]] = [[] for _ in moves]
    for m, move in enumerate(moves):
        for p in move.after:
            later[p].append(m)
    height = _heights(moves, later)
    slots = _Slots(fleet, concurrency)
    batch_of = [0] * len(moves)
    everyone = sorted(range(len(moves)), key=lambda m: (-height[m], m))
    for m in everyone:  # what a move waits for is higher, and so comes before it
        earliest = max((batch_of[p] + 1 for p in moves[m].after), default=0)
        batch_of[m] = slots.take(moves[m].move, earliest)
    out: list[list[int]] = [[] for _ in range(max(batch_of, default=-1) + 1)]
    for m, batch in enumerate(batch_of):
        out[batch].append(m)
    return out


def _heights(moves: Sequence[OrderedMove], later: Sequence[Sequence[int]]) -> dict[int, int]:
    """Length of the longest chain that waits for each move."""
    height: dict[int, int] = {}
    order = TopologicalSorter({m: move.after for m, move in enumerate(moves)}).static_order()
    for m in reversed(list(order)):
        height[m] = 1 + max((height[n] for n in later[m]), default=0)
    return height


class _Slots:
    """What batches have room for, slot by slot: a slot is an end, a domain or a disruption budget."""

    def __init__(self, fleet: Fleet, concurrency: Concurrency) -> None:
        self._caps, self._domain = concurrency, fleet.hosts.domain
        self._levels = {name: fleet.level_index[name] for name in concurrency.per_domain if name in fleet.level_index}
        self._budgets = Budgets(fleet, concurrency)
        self._in_fleet = concurrency.fleet_cap(len(fleet.hosts.ids))
        self._room: dict[Slot, _Room] = {}

    def take(self, move: Move, earliest: int) -> int:
        """Return the first batch from `earliest` on that has room for the move, having taken its slots there."""
        rooms = [self._of(slot, limit) for slot, limit in self._slots(move)]
        batch, before = earliest, -1
        while batch != before:
            before = batch
            for room in rooms:
                batch = room.next(batch)
        for room in rooms:
            room.take(batch)
        return batch

    def _of(self, slot: Slot, limit: int) -> _Room:
        room = self._room.get(slot)
        if room is None:
            room = self._room[slot] = _Room(max(1, limit))
        return room

    def _slots(self, move: Move) -> Iterator[tuple[Slot, int]]:
        """Yield what the move takes one of, and how many there are in a batch."""
        yield ("fleet", 0), self._in_fleet
        yield ("vm", move.vm), 1
        yield ("source", move.source), self._caps.per_source
        yield ("target", move.target), self._caps.per_target
        for name, level in self._levels.items():
            for domain in {int(self._domain[level, h]) for h in (move.source, move.target)}:
                yield (f"in {name}", domain), self._caps.per_domain[name]
        for budget in self._budgets.of(move.vm):
            yield (budget.kind, budget.name), self._budgets.left(budget)


class _Room:
    """How much of one slot each batch has taken; full batches are passed over in one step."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken: dict[int, int] = {}
        self._beyond: dict[int, int] = {}

    def next(self, batch: int) -> int:
        """Return the first batch from this one on that is not full."""
        passed = []
        while batch in self._beyond:
            passed.append(batch)
            batch = self._beyond[batch]
        for full in passed:
            self._beyond[full] = batch
        return batch

    def take(self, batch: int) -> None:
        """Take one in a batch."""
        taken = self._taken[batch] = self._taken.get(batch, 0) + 1
        if taken >= self._limit:
            self._beyond[batch] = batch + 1
