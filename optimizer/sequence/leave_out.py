"""Which moves to make where not all of them can be: those that repair the most, and no others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.problem.rounding import harm
from optimizer.problem.rule import Hardness
from optimizer.reachability.instance_monitor import bits
from optimizer.sequence.move_graph import MoveGraph
from optimizer.sequence.search import find_order

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from optimizer.fleet import Move
    from optimizer.reachability.contention import Contention
    from optimizer.reachability.instance_monitor import InstanceMonitor

__all__ = ["Worth", "least_left_out"]


class Worth:
    """What sets of moves leave, of what they touch: groups torn, harm of musts, of shoulds, of priced shoulds."""

    def __init__(self, contention: Contention, moves: Sequence[Move]) -> None:
        self.broken = contention.broken(moves)
        self.together = contention.together(moves)

    def __call__(self, done: int) -> tuple[int, int, int, int]:
        """Judge the state in which exactly `done` has been made."""
        sums = [0, 0, 0]
        for monitor in self.broken:
            sums[_stage(monitor)] += _harm(monitor, done)
        torn = sum(w.excess(done, done) > w.excess(0, 0) for w in self.together)
        return torn, sums[0], sums[1], sums[2]


def least_left_out(
    contention: Contention, moves: Sequence[Move], deadline: Callable[[], bool] | None, states: int
) -> list[Move]:
    """Return those of the moves, in a safe order, that leave the least harm, without any that repairs nothing.

    `states`: how many the search for the best part may look at.
    """
    graph = MoveGraph(moves, contention.contended(moves))
    worth = Worth(contention, moves)
    everything = (1 << len(moves)) - 1

    def judge(done: int) -> tuple[int, ...]:
        return (*worth(done), (everything & ~done).bit_count())

    found = find_order(graph, everything, states=states, deadline=deadline, worth=judge)
    order = _without_useless(graph, worth, list(found.order), deadline, states // 10)
    return [moves[m] for m in order]


def _without_useless(
    graph: MoveGraph, worth: Worth, order: list[int], deadline: Callable[[], bool] | None, states: int
) -> list[int]:
    """Drop moves, the last first, without which nothing is left worse and the others still have an order."""
    dropped = True
    while dropped:
        dropped = False
        for m in reversed(order):
            if deadline is not None and deadline():
                return order
            made = sum(1 << p for p in order)
            fewer = made & ~sum(1 << p for p in bits(made) if p == m or graph.earlier[p] >> m & 1)
            if worth(fewer) > worth(made):
                continue
            found = find_order(graph, fewer, states=states)
            if found.all_done:
                order, dropped = list(found.order), True
                break
    return order


def _stage(monitor: InstanceMonitor) -> int:
    if monitor.asked.hardness is Hardness.MUST:
        return 0
    return 1 if monitor.asked.price is None else 2


def _harm(monitor: InstanceMonitor, done: int) -> int:
    weight = monitor.asked.weight if monitor.asked.price is None else monitor.asked.price
    return harm(monitor.excess(done, done), monitor.unit, weight)
