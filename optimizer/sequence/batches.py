"""Batches: which moves may be under way together. They only throttle; `after` alone carries safety.

List scheduling (Graham, Bounds on multiprocessing timing anomalies, 1969): whenever a batch begins, of the moves
whose predecessors are done those go first on which the longest chain of others waits.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import networkx as nx

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from optimizer.fleet import Fleet, Move
    from optimizer.policy import Concurrency
    from optimizer.sequence.order import OrderedMove

__all__ = ["batches"]

Slot = tuple[str, int]


def batches(moves: Sequence[OrderedMove], fleet: Fleet, concurrency: Concurrency) -> list[list[int]]:
    """Put every move into one batch, after those it waits for, within the limits of each batch.

    Parameters
    ----------
    moves
        What has to be made; `after` are indices into it.
    concurrency
        Moves at once in the fleet, per source, per target, and in any one domain of a level (both ends count, a move
        within a domain once). A limit below 1 counts as 1: nothing could ever move otherwise.
    """
    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_nodes_from(range(len(moves)))
    graph.add_edges_from((p, m) for m, move in enumerate(moves) for p in move.after)
    height = _heights(graph)
    limits = _Limits(fleet, concurrency)
    slots = [tuple(limits.slots(m.move)) for m in moves]
    missing = [len(m.after) for m in moves]
    ready = sorted((m for m in graph if not missing[m]), key=lambda m: (-height[m], m))
    out: list[list[int]] = []
    while ready:
        batch, ready = _fill(ready, slots, limits)
        out.append(sorted(batch))
        freed = []
        for m in batch:
            for later in graph.successors(m):
                missing[later] -= 1
                if not missing[later]:
                    freed.append(later)
        if freed:
            ready = sorted([*ready, *freed], key=lambda m: (-height[m], m))
    return out


def _heights(graph: nx.DiGraph[int]) -> dict[int, int]:
    """Length of the longest chain that waits for each move."""
    height: dict[int, int] = {}
    for m in reversed(list(nx.topological_sort(graph))):
        height[m] = 1 + max((height[n] for n in graph.successors(m)), default=0)
    return height


def _fill(ready: list[int], slots: list[tuple[Slot, ...]], limits: _Limits) -> tuple[list[int], list[int]]:
    """Return the moves of one batch, and the ready ones that are not in it."""
    used: Counter[Slot] = Counter()
    batch: list[int] = []
    rest: list[int] = []
    for at, m in enumerate(ready):
        if len(batch) == limits.fleet:
            return batch, rest + ready[at:]
        if all(used[s] < limits.of(s) for s in slots[m]):
            batch.append(m)
            used.update(slots[m])
        else:
            rest.append(m)
    return batch, rest


class _Limits:
    """What a batch may hold, slot by slot: a slot is an end or a domain."""

    def __init__(self, fleet: Fleet, concurrency: Concurrency) -> None:
        self.fleet = max(1, concurrency.fleet)
        self._domain = fleet.hosts.domain
        self._levels = {name: fleet.level_index[name] for name in concurrency.per_domain if name in fleet.level_index}
        self._limit = {"vm": 1, "source": concurrency.per_source, "target": concurrency.per_target}
        self._limit |= {f"in {name}": concurrency.per_domain[name] for name in self._levels}

    def slots(self, move: Move) -> Iterator[Slot]:
        """Yield what the move takes one of."""
        yield "vm", move.vm
        yield "source", move.source
        yield "target", move.target
        for name, level in self._levels.items():
            for domain in {int(self._domain[level, h]) for h in (move.source, move.target)}:
                yield f"in {name}", domain

    def of(self, slot: Slot) -> int:
        """Return how many moves may take the slot."""
        return max(1, self._limit[slot[0]])
