"""The puzzle of ordering: moves, what each may disturb, and the groups of moves that disturb one another."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

from optimizer.reachability.contention import chains
from optimizer.reachability.instance_monitor import InstanceMonitor, Occupancy, Pair, Sum, bits

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from optimizer.fleet import Move

__all__ = ["MoveGraph", "may_worsen_nothing"]


@dataclass(frozen=True, eq=False)
class MoveGraph:
    """Moves (those of one VM in its order) and the contended instances; sets of moves are integers, a bit each."""

    moves: Sequence[Move]
    monitors: Sequence[InstanceMonitor]

    @cached_property
    def earlier(self) -> list[int]:
        """For each move, the moves that its VM makes before it, as a set."""
        out = [0] * len(self.moves)
        for chain in chains(self.moves).values():
            for before, m in pairwise(chain):
                out[m] = out[before] | 1 << before
        return out

    @cached_property
    def of(self) -> list[list[InstanceMonitor]]:
        """For each move, the monitors that it changes."""
        out: list[list[InstanceMonitor]] = [[] for _ in self.moves]
        for monitor in self.monitors:
            for m in monitor.moves:
                out[m].append(monitor)
        return out

    @cached_property
    def allowed(self) -> dict[InstanceMonitor, int]:
        """For each monitor, the excess that may not be passed."""
        return {monitor: monitor.excess(0, 0) for monitor in self.monitors}

    @cached_property
    def neighbours(self) -> list[int]:
        """For each move, the moves that share a monitor or a VM with it, as a set."""
        out = [0] * len(self.moves)
        for group in [*(w.moves for w in self.monitors), *chains(self.moves).values()]:
            together = sum(1 << m for m in group)
            for m in group:
                out[m] |= together
        return out

    @cached_property
    def components(self) -> list[int]:
        """The groups of moves that have nothing to do with one another, as sets, by their first move."""
        parts: dict[int, int] = {}
        left = (1 << len(self.moves)) - 1
        while left:
            part, new = 0, left & -left
            while new:
                part |= new
                reached = 0
                for m in bits(new):
                    reached |= self.neighbours[m]
                new = reached & ~part
            parts[part & -part] = part
            left &= ~part
        return [parts[first] for first in sorted(parts)]

    def may_start(self, m: int, done: int) -> bool:
        """Whether the move may start where exactly `done` has been done and nothing else is in flight."""
        if self.earlier[m] & ~done:
            return False
        started = done | 1 << m
        return all(w.excess(done, started) <= self.allowed[w] for w in self.of[m])

    def never_hurts(self, m: int, done: int, everything: int) -> bool:
        """Whether starting the move can hinder none of the others of `everything`, whatever comes."""
        return all(
            not isinstance(w, Occupancy) and (not _enters(w, m) or w.excess(done, everything) <= self.allowed[w])
            for w in self.of[m]
        )

    def needs_none(self, m: int, done: int) -> bool:
        """Whether the move could start beside `done` even if none of them had left its source."""
        started = done | 1 << m
        return all(isinstance(w, Sum | Pair) and w.excess(0, started) <= self.allowed[w] for w in self.of[m])

    def frees(self, m: int) -> int:
        """Return how many contended instances the move leaves."""
        return sum(_leaves(w, m) for w in self.of[m])


def may_worsen_nothing(graph: MoveGraph, order: Iterable[int]) -> bool:
    """Whether the moves may be made one by one in this order."""
    done = 0
    for m in order:
        if not graph.may_start(m, done):
            return False
        done |= 1 << m
    return True


def _enters(monitor: InstanceMonitor, m: int) -> bool:
    if isinstance(monitor, Pair):
        return m in monitor.left.enter or m in monitor.right.enter
    return not isinstance(monitor, Sum) or m in monitor.enter


def _leaves(monitor: InstanceMonitor, m: int) -> bool:
    if isinstance(monitor, Pair):
        return m in monitor.left.leave or m in monitor.right.leave
    return isinstance(monitor, Sum) and m in monitor.leave
