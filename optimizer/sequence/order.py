"""In which order a placement can be reached, so that nothing is worse than at the start at any instant.

First the moves as they are; where they block one another, staging hops on third hosts; where that does not help
either, moves are left out. Moves that disturb no common instance are ordered apart from one another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optimizer.fleet import ABSENT, Move
from optimizer.parameters import Ordering
from optimizer.problem.flow_index import in_flow
from optimizer.reachability.contention import Contention, chains
from optimizer.reachability.instance_monitor import bits
from optimizer.sequence.arcs import arcs
from optimizer.sequence.hops import Hops
from optimizer.sequence.leave_out import Worth, least_left_out
from optimizer.sequence.move_graph import MoveGraph, may_worsen_nothing
from optimizer.sequence.search import find_order

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from optimizer.problem.problem import Problem

__all__ = ["Ordered", "OrderedMove", "in_sequence", "order"]


@dataclass(frozen=True, slots=True)
class OrderedMove:
    """A move, the moves (indices into `Ordered.moves`) that it waits for, and whether its VM moves on from there."""

    move: Move
    after: tuple[int, ...]
    staging: bool


@dataclass(frozen=True, slots=True)
class Ordered:
    """Moves in an order in which each may start when those in its `after` have succeeded.

    Attributes
    ----------
    left_out
        Moves to the placement for which no order was found.
    complete
        Whether the moves lead to the placement that was asked for.
    fewest
        Whether it is proven that the placement cannot be reached with fewer moves.
    """

    moves: tuple[OrderedMove, ...]
    left_out: tuple[Move, ...]
    complete: bool
    fewest: bool


def order(
    problem: Problem,
    placement: NDArray[np.int32],
    *,
    deadline: Callable[[], bool] | None = None,
    contention: Contention | None = None,
    given: Ordering | None = None,
    first: Sequence[int] = (),
) -> Ordered:
    """Order the moves from the problem's start to `placement`.

    Parameters
    ----------
    placement
        int32 [V]: where each VM is to be.
    deadline
        Says when time is over; then what has no order yet is left out.
    contention
        That of the problem, for those who ask about many placements of one.
    given
        How far to look, and whether staging hops may be used; the defaults where it is not given.
    first
        VMs in an order that is tried first; others come after them.
    """
    rank = {v: i for i, v in enumerate(first)}
    vms = sorted(np.flatnonzero(placement != problem.start).tolist(), key=lambda v: (rank.get(v, len(rank)), v))
    direct = [Move(v, int(problem.start[v]), int(placement[v])) for v in vms]
    ordering = _Ordering(contention or Contention(problem), direct, deadline, given or Ordering())
    return ordering.run(try_first=bool(rank))


def in_sequence(problem: Problem, moves: Sequence[Move], given: Ordering) -> tuple[OrderedMove, ...]:
    """Return moves that are safe one after the other, each with only those before it that it has to wait for."""
    return _in_sequence(MoveGraph(moves, Contention(problem).contended(moves)), range(len(moves)), given)


def _in_sequence(graph: MoveGraph, sequence: Sequence[int], given: Ordering) -> tuple[OrderedMove, ...]:
    """Return all moves of a graph in a sequence (their numbers), each with those that it waits for."""
    after = arcs(graph, sequence, given)
    place = {m: i for i, m in enumerate(sequence)}
    last = {chain[-1] for chain in chains(graph.moves).values()}
    return tuple(
        OrderedMove(graph.moves[m], tuple(sorted(place[p] for p in after[m])), m not in last) for m in sequence
    )


class _Ordering:
    """One call of `order`."""

    def __init__(
        self, contention: Contention, direct: Sequence[Move], deadline: Callable[[], bool] | None, given: Ordering
    ) -> None:
        self.problem, self.contention = contention.problem, contention
        self.direct, self.deadline, self.given = list(direct), deadline, given

    def run(self, *, try_first: bool) -> Ordered:
        """Order, hop, leave out; `try_first`: the moves as they stand may have an order in each component."""
        able = self._able()
        graph = MoveGraph(able, self.contention.contended(able))
        kept: list[Move] = []
        stuck: list[list[Move]] = []
        sure = True
        for component in graph.components:
            if try_first and may_worsen_nothing(graph, listed := list(bits(component))):
                kept.extend(able[m] for m in listed)
                continue
            found = find_order(graph, component, states=self._states(component), deadline=self.deadline)
            if found.all_done:
                kept.extend(able[m] for m in found.order)
            else:
                stuck.append([able[m] for m in bits(component)])
                sure = sure and found.exhausted
        search = Hops(self.contention, able, self.deadline, self.given)
        extra = 0
        for moves in stuck:
            chosen = self._untangle(search, kept, moves)
            extra += len(chosen) - len(moves)
            kept = self._in_order([*kept, *chosen])
        fewest = not extra or (extra == 1 and sure and self._cheapest_hop(kept))
        return self._answer(kept, graph, fewest=fewest)

    def _cheapest_hop(self, kept: Sequence[Move]) -> bool:
        """Whether the one hop among the moves is made by a VM that no other undercuts: some hop there has to be."""
        hop = next(chain for chain in chains(kept).values() if len(chain) > 1)
        weights = self.problem.moving
        return bool(weights[kept[hop[0]].vm] == weights[self.problem.movable].min())

    def _states(self, component: int) -> int:
        given = self.given
        return given.states if component.bit_count() <= given.big else given.states // 10

    # -- what can be ordered at all --------------------------------------------------------------------------------

    def _able(self) -> list[Move]:
        """Return the moves that no hard demand forbids, within the flows."""
        movable = self.problem.movable
        used = [0] * len(self.problem.flows)
        able = []
        for move in self.direct:
            if move.target == ABSENT or not movable[move.vm] or not self.problem.may_enter(move.vm)[move.target]:
                continue
            spent = [int(f.cost[move.vm]) * in_flow(f, move.vm, move.source, move.target) for f in self.problem.flows]
            if any(s and u + s > f.limit for s, u, f in zip(spent, used, self.problem.flows, strict=True)):
                continue
            used = [u + s for u, s in zip(used, spent, strict=True)]
            able.append(move)
        return able

    # -- where moves block one another -----------------------------------------------------------------------------

    def _untangle(self, search: Hops, kept: Sequence[Move], moves: list[Move]) -> list[Move]:
        """Return the moves (hops among them, some left out) that can be made of a component without an order."""
        if self.given.hops and (found := search.untangle(moves, kept)) is not None:
            return found
        some = least_left_out(self.contention, moves, self.deadline, self.given.leave_out_states)
        worth = Worth(self.contention, moves)
        if not self.given.hops:
            return some
        for move in (m for m in moves if m not in some):
            if self.deadline is not None and self.deadline():
                break
            direct = [m for m in moves if m == move or m.vm in {s.vm for s in some}]
            more = search.untangle(direct, kept, few=True)
            if more is not None and worth(_ends(moves, more)) < worth(_ends(moves, some)):
                some = more
        return some

    def _in_order(self, moves: list[Move]) -> list[Move]:
        """Return moves that have an order in such an order: as they stand, where that is one."""
        graph = MoveGraph(moves, self.contention.contended(moves))
        out: list[Move] = []
        for component in graph.components:
            listed = list(bits(component))
            if not may_worsen_nothing(graph, listed):
                listed = list(find_order(graph, component, states=self.given.states).order)
            out.extend(moves[m] for m in listed)
        return out

    # -- the answer ------------------------------------------------------------------------------------------------

    def _answer(self, kept: list[Move], graph: MoveGraph, *, fewest: bool) -> Ordered:
        """Let each of the moves wait for what it must; `graph` is that of all that could be made."""
        kept = self._hold_together(kept)
        number = {move: m for m, move in enumerate(graph.moves)}
        if len(kept) == len(number) and all(move in number for move in kept):
            moves = _in_sequence(graph, [number[move] for move in kept], self.given)
        else:  # hops are among them, or some are left out
            graph = MoveGraph(kept, self.contention.contended(kept))
            moves = _in_sequence(graph, range(len(kept)), self.given)
        reached = {m.vm: m.target for m in kept}
        left_out = tuple(m for m in self.direct if reached.get(m.vm) != m.target)
        return Ordered(moves, left_out, complete=not left_out, fewest=fewest and not left_out)

    def _hold_together(self, kept: list[Move]) -> list[Move]:
        """Leave out the moves of groups that would end more split than they were, until none does."""
        while True:
            everything = (1 << len(kept)) - 1
            torn = [w for w in self.contention.together(kept) if w.excess(everything, everything) > w.excess(0, 0)]
            if not torn:
                return kept
            vms = {kept[m].vm for w in torn for m in w.moves}
            rest = [m for m in kept if m.vm not in vms]
            kept = self._in_order(rest)


def _ends(moves: Sequence[Move], made: Sequence[Move]) -> int:
    """Return which of the moves come to their end (as a set), where exactly `made` are made."""
    reached = {m.vm: m.target for m in made}
    return sum(1 << i for i, m in enumerate(moves) if reached.get(m.vm) == m.target)
