"""From an order to what each move has to wait for, and no more.

Of a sum (a load, a count) take any reachable state and its last started arrival, last in the found order: all other
arrivals that have started come before it in the order, and whatever it waits for has left. So it is enough that, for
each arrival, the start plus all arrivals up to it, less the departures that it waits for, stays within the ceiling.
Where occupied domains are judged (AtLeast, Needs), which departures and arrivals both can hurt, all closed sets are
looked at, or the moves are chained in the found order.
"""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import TYPE_CHECKING

from optimizer.reachability.instance_monitor import Occupancy, Pair, Sum, bits, total
from optimizer.reachability.poset import closed_sets, closures, reduced

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.parameters import Ordering
    from optimizer.reachability.instance_monitor import InstanceMonitor
    from optimizer.sequence.move_graph import MoveGraph

__all__ = ["arcs"]


def arcs(graph: MoveGraph, order: Sequence[int], given: Ordering) -> list[tuple[int, ...]]:
    """Return, for each move of the graph, the moves that it waits for (transitively reduced).

    Parameters
    ----------
    order
        Every move of the graph, in an order in which each may start once all before it are done.
    """
    waits = _Waits(graph, order, given)
    for m in order:
        waits.settle(m)
    for monitor in graph.monitors:
        if isinstance(monitor, Occupancy):
            waits.settle_set(monitor)
        elif not isinstance(monitor, Sum | Pair):  # whose arrivals `settle` has let wait
            raise TypeError(f"nobody knows what the moves of a {type(monitor).__name__} have to wait for")
    return reduced(waits.after)


class _Waits:
    """Arcs in the making."""

    def __init__(self, graph: MoveGraph, order: Sequence[int], given: Ordering) -> None:
        self.graph, self.given = graph, given
        self.rank = {m: i for i, m in enumerate(order)}
        self.after: list[set[int]] = [set() for _ in graph.moves]
        self.closure = [0] * len(graph.moves)

    def settle(self, m: int) -> None:
        """Let one arrival wait for what it needs, everything before it in the order being settled."""
        previous = list(bits(self.graph.earlier[m]))
        if previous:
            self._wait(m, max(previous, key=lambda p: self.rank[p]))
        for monitor in self.graph.of[m]:
            for sums in self._sides(monitor, m):
                for p in self._needed(sums, self._ceiling(monitor, sums), m):
                    self._wait(m, p)

    def _wait(self, m: int, p: int) -> None:
        self.after[m].add(p)
        self.closure[m] |= self.closure[p] | 1 << p

    def _ceiling(self, monitor: InstanceMonitor, sums: Sum) -> int:
        if isinstance(monitor, Pair):
            return self.graph.allowed[monitor]
        return max(sums.limit, sums.start)

    def _sides(self, monitor: InstanceMonitor, m: int) -> list[Sum]:
        """Return the sums of which a departure has to be waited for: of two counts, the one that needs fewer."""
        if isinstance(monitor, Sum):
            return [monitor] if m in monitor.enter else []
        if not isinstance(monitor, Pair) or not (m in monitor.left.enter or m in monitor.right.enter):
            return []
        ceiling = self.graph.allowed[monitor]
        able = [
            (len(self._needed(sums, ceiling, m)), side)
            for side, sums in enumerate((monitor.left, monitor.right))
            if self._possible(sums, ceiling, m)
        ]
        return [(monitor.left, monitor.right)[min(able)[1]]]

    def _before(self, sums: Sum, m: int) -> tuple[int, int]:
        """Return the level with all arrivals up to `m` and only forced departures; and who else could have left."""
        upto = sum(1 << p for p in sums.enter if self.rank[p] <= self.rank[m])
        could = sum(1 << p for p in sums.leave if self.rank[p] < self.rank[m]) & ~self.closure[m]
        return sums.level(self.closure[m], upto), could

    def _possible(self, sums: Sum, ceiling: int, m: int) -> bool:
        level, could = self._before(sums, m)
        return level - total(sums.leave, could) <= ceiling

    def _needed(self, sums: Sum, ceiling: int, m: int) -> list[int]:
        """Choose departures that bring the sum under the ceiling: few, and rather those that wait for nothing."""
        level, could = self._before(sums, m)
        chosen: list[int] = []
        candidates = sorted(bits(could), key=lambda p: (self.closure[p].bit_count(), -sums.leave[p], self.rank[p]))
        over = level - ceiling
        alone = [p for p in candidates if sums.leave[p] >= over]
        if over > 0 and alone:
            return alone[:1]
        for p in candidates:
            if over <= 0:
                break
            chosen.append(p)
            over -= sums.leave[p]
        for p in list(chosen):
            if over + sums.leave[p] <= 0:
                chosen.remove(p)
                over += sums.leave[p]
        return chosen

    def settle_set(self, monitor: Occupancy) -> None:
        """Let the moves of one set wait for one another as far as it takes."""
        moves = sorted(monitor.moves, key=lambda m: self.rank[m])
        if self._safe(monitor, moves, []):
            return
        extra = list(pairwise(moves))
        if len(moves) <= self.given.arcs_each:
            extra = list(combinations(moves, 2))
            for arc in sorted(extra, key=lambda a: self.rank[a[1]] - self.rank[a[0]], reverse=True):
                fewer = [a for a in extra if a != arc]
                if self._safe(monitor, moves, fewer):
                    extra = fewer
        for p, m in extra:
            self.after[m].add(p)
        self.closure = closures(self.after)

    def _safe(self, monitor: Occupancy, moves: list[int], extra: list[tuple[int, int]]) -> bool:
        if len(moves) > self.given.arcs_enumerated:
            return False
        after = [set(a) for a in self.after]
        for p, m in extra:
            after[m].add(p)
        closure = closures(after) if extra else self.closure
        allowed = self.graph.allowed[monitor]
        return all(monitor.excess(done, done) <= allowed for done in closed_sets(moves, closure))
