"""Every placement that a tiny fleet can be brought to, one live move at a time: the last word where others leave a gap.

Dijkstra over placements, as the oracle does it, but on running sums: a state is left by every move that `Tally.room`
allows in it. Only what is reachable is seen, so what comes out needs no ordering, and nothing better exists.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from optimizer.fleet import Move
from optimizer.problem.flow_index import in_flow
from optimizer.problem.problem import Problem, Stage
from optimizer.problem.rounding import MILLI
from optimizer.problem.rule import Hardness
from optimizer.problem.working_placement import WorkingPlacement

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from optimizer.limits import Deadline
    from optimizer.problem.tally import SetTally

__all__ = ["Reached", "is_tiny", "search_exhaustively"]

WORK = 0.0005
"""What one placement counts as work."""

Key = tuple[tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True)
class Reached:
    """The best placement that can be reached, by which moves, and what it is worth with every move counted."""

    moves: tuple[Move, ...]
    values: dict[Stage, int]


@dataclass(order=True)
class _Visit:
    cost: int
    length: int
    ticket: int
    key: Key = field(compare=False)
    moves: tuple[Move, ...] = field(compare=False)


def is_tiny(problem: Problem, placements: float) -> bool:
    """Whether all placements of the movable VMs are few enough to be looked at."""
    which, rows = problem.enter_class
    hosts = rows.sum(axis=1)[which[problem.movable]].astype(float) + 1
    return bool(np.log(hosts).sum() <= np.log(placements))


def search_exhaustively(
    problem: Problem, least: Mapping[Stage, int], deadline: Deadline, states: int
) -> Reached | None:
    """Return the best that can be reached at all; None where there are too many placements, or no time.

    Parameters
    ----------
    least
        Bounds on the harm stages: a placement that meets them all ends the search, since it is found at least cost.
    states
        Placements that are looked at before this gives up.
    """
    search = _Search(problem)
    best: Reached | None = None
    for visit in search.visits():
        deadline.spend(WORK)
        if deadline.over() or search.seen > states:
            return None
        values = search.values(visit)
        if values is None:
            continue
        if best is None or tuple(values.values()) < tuple(best.values.values()):
            best = Reached(visit.moves, values)
        if least and Stage.PRICED not in values and all(values[s] <= b for s, b in least.items() if s in values):
            return best
    return best


class _Search:
    def __init__(self, problem: Problem) -> None:
        self.problem, self.work = problem, WorkingPlacement(problem)
        self.vms = [int(v) for v in np.flatnonzero(problem.movable)]
        self.seen = 0

    def visits(self) -> Iterator[_Visit]:
        """Yield every reachable placement (with the flows spent on the way), cheapest first."""
        flows = self.problem.flows
        first = (tuple(self.problem.start.tolist()), tuple(0 for _ in flows))
        queue = [_Visit(0, 0, 0, first, ())]
        done: set[Key] = set()
        ticket = 0
        while queue:
            visit = heapq.heappop(queue)
            if visit.key in done:
                continue
            done.add(visit.key)
            self.seen += 1
            self._go(visit)
            yield visit
            for move in self._moves():
                ticket += 1
                heapq.heappush(queue, self._next(visit, move, ticket))

    def _go(self, visit: _Visit) -> None:
        placement, spent = visit.key
        self.work.become(np.array(placement, np.int32))
        self.work.tally.flow_used[:] = spent

    def _moves(self) -> Iterator[Move]:
        for vm in self.vms:
            here = int(self.work.placement[vm])
            for host in np.flatnonzero(self.work.tally.room(vm)).tolist():
                yield Move(vm, here, host)

    def _next(self, visit: _Visit, move: Move, ticket: int) -> _Visit:
        placement, spent = visit.key
        moved = list(placement)
        moved[move.vm] = move.target
        cost = visit.cost + int(self.problem.moving[move.vm])
        return _Visit(cost, visit.length + 1, ticket, (tuple(moved), self._spend(spent, move)), (*visit.moves, move))

    def _spend(self, spent: tuple[int, ...], move: Move) -> tuple[int, ...]:
        return tuple(
            used + int(flow.cost[move.vm]) * in_flow(flow, move.vm, move.source, move.target)
            for used, flow in zip(spent, self.problem.flows, strict=True)
        )

    def values(self, visit: _Visit) -> dict[Stage, int] | None:
        """Return what the present placement is worth; None where it may not be the last (a group is more split)."""
        if any(self._split(t) for t in self.work.tally.sets if t.shape.at_end):
            return None
        values = self.work.values()
        if Stage.PRICED in values:
            values[Stage.PRICED] += MILLI * (visit.cost - values[Stage.MOVING])
        values[Stage.MOVING] = visit.cost
        return values

    @staticmethod
    def _split(tally: SetTally) -> bool:
        return tally.atom.asked.hardness is not Hardness.SHOULD and tally.excess().get(0, 0) > tally.allowed(0)
