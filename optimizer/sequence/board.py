"""The puzzle of ordering: moves, what each may disturb, and the groups of moves that disturb one another."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import networkx as nx

from optimizer.sequence.touch import chains
from optimizer.sequence.watch import Occupancy, Pair, Sum, Watch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from optimizer.fleet import Move

__all__ = ["Board", "may_worsen_nothing"]


@dataclass(frozen=True, eq=False)
class Board:
    """Moves (those of one VM in its order) and the contended instances; sets of moves are integers, a bit each."""

    moves: Sequence[Move]
    watches: Sequence[Watch]

    @cached_property
    def earlier(self) -> list[int]:
        """For each move, the moves that its VM makes before it, as a set."""
        out = [0] * len(self.moves)
        for chain in chains(self.moves).values():
            for before, m in pairwise(chain):
                out[m] = out[before] | 1 << before
        return out

    @cached_property
    def of(self) -> list[list[Watch]]:
        """For each move, the watches that it changes."""
        out: list[list[Watch]] = [[] for _ in self.moves]
        for watch in self.watches:
            for m in watch.moves:
                out[m].append(watch)
        return out

    @cached_property
    def allowed(self) -> dict[Watch, int]:
        """For each watch, the excess that may not be passed."""
        return {watch: watch.excess(0, 0) for watch in self.watches}

    @cached_property
    def neighbours(self) -> list[int]:
        """For each move, the moves that share a watch or a VM with it, as a set."""
        out = [0] * len(self.moves)
        for group in [*(w.moves for w in self.watches), *chains(self.moves).values()]:
            together = sum(1 << m for m in group)
            for m in group:
                out[m] |= together
        return out

    @cached_property
    def components(self) -> list[int]:
        """The groups of moves that have nothing to do with one another, as sets, by their first move."""
        graph: nx.Graph[int] = nx.Graph()
        graph.add_nodes_from(range(len(self.moves)))
        for group in [*(sorted(w.moves) for w in self.watches), *chains(self.moves).values()]:
            nx.add_path(graph, group)
        return sorted((sum(1 << m for m in part) for part in nx.connected_components(graph)), key=lambda c: c & -c)

    def may_start(self, m: int, done: int) -> bool:
        """Whether the move may start where exactly `done` has been done and nothing else is under way."""
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


def may_worsen_nothing(board: Board, order: Iterable[int]) -> bool:
    """Whether the moves may be made one by one in this order."""
    done = 0
    for m in order:
        if not board.may_start(m, done):
            return False
        done |= 1 << m
    return True


def _enters(watch: Watch, m: int) -> bool:
    if isinstance(watch, Pair):
        return m in watch.left.enter or m in watch.right.enter
    return not isinstance(watch, Sum) or m in watch.enter


def _leaves(watch: Watch, m: int) -> bool:
    if isinstance(watch, Pair):
        return m in watch.left.leave or m in watch.right.leave
    return isinstance(watch, Sum) and m in watch.leave
