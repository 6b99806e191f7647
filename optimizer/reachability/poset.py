"""Moves and what each waits for, and the states that can be reached: closed sets of done moves, ready ones in flight.

A reachable state is a predecessor-closed set D of done moves with any set I of ready ones in flight. For the moves R
that touch one instance it is enough to know which of R each of them waits for, at whatever remove: the closed sets of
all moves, seen on R alone, are exactly the closed sets of R.
"""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

__all__ = ["closed_sets", "closures", "ready", "reduced"]


def closures(after: Sequence[Iterable[int]]) -> list[int]:
    """Return for each move everything that it waits for, at whatever remove, as a set (an integer, a bit each).

    Raises
    ------
    ValueError
        If moves wait for one another.
    """
    out = [0] * len(after)
    try:
        for m in TopologicalSorter(dict(enumerate(after))).static_order():
            for p in after[m]:
                out[m] |= out[p] | 1 << p
    except CycleError:
        raise ValueError("moves wait for one another") from None
    return out


def reduced(after: Sequence[Collection[int]]) -> list[tuple[int, ...]]:
    """Return `after` without what follows from the rest (the transitive reduction), ascending."""
    closure = closures(after)
    return [
        tuple(sorted(p for p in before if not any(closure[q] >> p & 1 for q in before)))
        for before in (set(b) for b in after)
    ]


def closed_sets(moves: Sequence[int], closure: Sequence[int]) -> Iterator[int]:
    """Yield every closed set of `moves` (as seen on them alone), each once, the empty one first."""
    among = sum(1 << m for m in moves)
    before = {m: closure[m] & among for m in moves}
    order = sorted(moves, key=lambda m: (before[m].bit_count(), m))
    stack = [(0, 0)]
    while stack:
        done, at = stack.pop()
        if at == len(order):
            yield done
            continue
        m = order[at]
        stack.append((done, at + 1))
        if not before[m] & ~done:
            stack.append((done | 1 << m, at + 1))


def ready(moves: Iterable[int], closure: Sequence[int], done: int) -> int:
    """Return those of `moves` that may be in flight beside `done`: all that they wait for among `moves` is done."""
    moves = list(moves)
    among = sum(1 << m for m in moves)
    return sum(1 << m for m in moves if not done >> m & 1 and not closure[m] & among & ~done)
