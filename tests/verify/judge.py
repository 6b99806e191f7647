"""The plain judge of these tests: every reachable state of a plan, by the reference evaluator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.problem.atoms import Same
from optimizer.problem.enumerate import reachable
from optimizer.problem.evaluate import evaluate, hard_breaches

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from optimizer.fleet import Move
    from optimizer.problem.instance import Instance
    from optimizer.problem.problem import Problem

__all__ = ["brute_worst", "end_of", "has_order", "unsafe_end"]


def brute_worst(problem: Problem, moves: Sequence[Move], after: Sequence[Collection[int]]) -> dict[Instance, int]:
    """Return the musts and guards (Same apart) that some reachable state makes worse, with their worst excess."""
    worst: dict[Instance, int] = {}
    for done, flying in reachable(after):
        placement = end_of(problem, (moves[m] for m in sorted(done)))
        found = evaluate(problem, placement, [moves[m] for m in flying])
        for key in found.worse:
            if not isinstance(problem.atoms[key.atom], Same):
                worst[key] = max(worst.get(key, 0), found.excess[key])
    return worst


def end_of(problem: Problem, moves: Iterable[Move]) -> list[int]:
    """Return the placement after the moves (those of one VM in their order)."""
    placement = problem.start.tolist()
    for move in moves:
        placement[move.vm] = move.target
    return placement


def unsafe_end(problem: Problem, moves: Sequence[Move]) -> list[object]:
    """Return what the moves break when all are done: instances worse than at the start, and hard demands."""
    at_start = set(hard_breaches(problem, ()))
    return [
        *evaluate(problem, end_of(problem, moves)).worse,
        *(b for b in hard_breaches(problem, moves) if b not in at_start),
    ]


def has_order(problem: Problem, moves: Sequence[Move]) -> bool:
    """Whether the moves (one for each VM) can be made one by one in some order, by trying all sets of done ones."""
    seen: set[frozenset[int]] = set()
    todo = [frozenset[int]()]
    while todo:
        done = todo.pop()
        if len(done) == len(moves):
            return True
        placement = end_of(problem, (moves[m] for m in done))
        for m in set(range(len(moves))) - done:
            later = done | {m}
            if later in seen:
                continue
            states = (
                evaluate(problem, placement, [moves[m]]),
                evaluate(problem, end_of(problem, (moves[i] for i in later))),
            )
            if not any(not isinstance(problem.atoms[k.atom], Same) for s in states for k in s.worse):
                seen.add(later)
                todo.append(later)
    return False
