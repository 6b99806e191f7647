"""Finding an order: first without looking back, then by exhausting the states that can be reached.

A state is the set of moves that have been done. An order that is safe move by move exists if and only if the set of
all moves can be reached, so two orders of the same moves are one state, and a state that has failed once is never
tried again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from optimizer.reachability.instance_monitor import bits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from optimizer.sequence.move_graph import MoveGraph

__all__ = ["Found", "find_order"]


@dataclass(frozen=True, slots=True)
class Found:
    """The moves that could be done, in order; `exhausted`: every reachable state was looked at, or all were done."""

    order: tuple[int, ...]
    all_done: bool
    exhausted: bool


def find_order(
    graph: MoveGraph,
    wanted: int,
    *,
    states: int,
    deadline: Callable[[], bool] | None = None,
    worth: Callable[[int], tuple[int, ...]] | None = None,
) -> Found:
    """Order the moves of the set `wanted`, or as many of them as can be.

    Parameters
    ----------
    graph
        The puzzle; moves outside `wanted` are not made.
    states
        How many states may be looked at.
    deadline
        Says when time is over.
    worth
        Judges a state in which no further move may start; the least is best. By default the number of moves left.
    """
    first = _greedy(graph, wanted)
    if len(first) == wanted.bit_count():
        return Found(tuple(first), all_done=True, exhausted=True)
    return _Exhaust(graph, wanted, states, deadline, worth).run(first)


def _greedy(graph: MoveGraph, wanted: int) -> list[int]:
    """Make every move that may start, those first that need nobody to have left; wake those that a departure helps."""
    done, order = 0, []
    waiting = set(bits(wanted))
    for free in (True, False):
        due = sorted(waiting, key=lambda m: (-graph.frees(m), m))
        while due:
            moved = 0
            for m in due:
                if (not free or graph.needs_none(m, done)) and graph.may_start(m, done):
                    order.append(m)
                    waiting.discard(m)
                    done |= 1 << m
                    moved |= graph.neighbours[m]
            due = sorted(waiting & set(bits(moved))) if not free else []
    return order


class _Exhaust:
    """Depth-first search over sets of done moves."""

    def __init__(
        self,
        graph: MoveGraph,
        wanted: int,
        states: int,
        deadline: Callable[[], bool] | None,
        worth: Callable[[int], tuple[int, ...]] | None,
    ) -> None:
        self.graph, self.wanted, self.states, self.deadline = graph, wanted, states, deadline
        self.worth = worth or (lambda done: ((self.wanted & ~done).bit_count(),))
        self.seen: set[int] = set()
        self.stopped = False

    def run(self, first: list[int]) -> Found:
        """Search; `first` is an order that is known."""
        best = tuple(first)
        best_worth = self.worth(sum(1 << m for m in first))
        stack: list[tuple[tuple[int, ...], int, Iterator[int]]] = []
        order, done = self._settle((), 0)
        if done == self.wanted:
            return Found(order, all_done=True, exhausted=True)
        stack.append((order, done, iter(self._choices(done))))
        while stack and not self.stopped:
            order, done, choices = stack[-1]
            m = next(choices, None)
            if m is None:
                stack.pop()
                continue
            after, done = self._settle((*order, m), done | 1 << m)
            if done in self.seen:
                continue
            if not self._note(done):
                break
            if done == self.wanted:
                return Found(after, all_done=True, exhausted=True)
            further = self._choices(done)
            if not further and (worth := self.worth(done)) < best_worth:
                best, best_worth = after, worth
            stack.append((after, done, iter(further)))
        return Found(best, all_done=False, exhausted=not self.stopped)

    def _note(self, done: int) -> bool:
        self.seen.add(done)
        late = len(self.seen) % 64 == 0 and self.deadline is not None and self.deadline()
        self.stopped = len(self.seen) >= self.states or late
        return not self.stopped

    def _settle(self, order: tuple[int, ...], done: int) -> tuple[tuple[int, ...], int]:
        """Make every move that may start and can hinder no other: that is never wrong."""
        again = True
        while again:
            again = False
            for m in bits(self.wanted & ~done):
                if self.graph.may_start(m, done) and self.graph.never_hurts(m, done, self.wanted):
                    order, done, again = (*order, m), done | 1 << m, True
        return order, done

    def _choices(self, done: int) -> list[int]:
        """Return the moves that may start, the ones first that need no departure, then those that free the most."""
        ready = [m for m in bits(self.wanted & ~done) if self.graph.may_start(m, done)]
        return sorted(ready, key=lambda m: (not self.graph.needs_none(m, done), -self.graph.frees(m), m))
