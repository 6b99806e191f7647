"""Refuting everything below a bound: by the complete model, by every plan of a tiny problem, by orders that fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.fleet import Move
from optimizer.problem.enumerate import plans
from optimizer.problem.evaluate import evaluate, hard_breaches
from optimizer.problem.problem import Stage
from optimizer.problem.rounding import MILLI
from optimizer.problem.tally import Tally
from optimizer.verify.proof_model import WholeModel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from optimizer.problem.problem import Problem
    from optimizer.verify.proof_rows import Relaxed

__all__ = ["judge_whole"]

BOOLEANS = 50_000
"""Pairs of a VM and a host in a model that is still built."""

SECONDS = 30.0
"""Time for one answer of the model."""

TINY = 2_000
"""Placements of a problem whose plans are all enumerated."""

PLACEMENTS = 300
"""Placements below the bound that are tried for an order."""

MOVES = 12
"""Moves of a placement whose orders are all tried."""


def judge_whole(
    problem: Problem, relaxed: Relaxed, stage: Stage, bound: int, values: Mapping[str, int], *, orders: bool
) -> bool | str:
    """Return whether no plan stays below `bound` in `stage`, with the stages before it as good as in `values`.

    Parameters
    ----------
    orders
        Whether placements count only where an order of moves leads to them.

    Returns
    -------
    bool or str
        Or why it cannot be said.
    """
    before = [s for s in problem.stages[: problem.stages.index(stage)] if s is not Stage.COST]
    limits = {s: values[s.value] for s in before} | {stage: bound - 1}
    if orders and problem.hosts ** int(problem.movable.sum()) <= TINY:
        return not any(all(o.values[s] <= v for s, v in limits.items()) for o in plans(problem))
    model = WholeModel(problem, relaxed, BOOLEANS)
    if model.too_large:
        return f"the complete model has more than {BOOLEANS} pairs of a VM and a host"
    for s, v in limits.items():
        model.at_most(s, v)
    for _ in range(PLACEMENTS):
        found = model.solve(SECONDS)
        if found is None:
            return f"the complete model was open after {SECONDS:g} s"
        if found is False or found is True:
            return found is False
        if _is_so_good(problem, found, limits):
            if hard_breaches(problem, [Move(v, int(problem.start[v]), found[v]) for v in _moved(problem, found)]):
                return "a placement below the bound might get round a budget by staging hops"
            verdict = _cannot_be_reached(problem, found, stage, bound) if orders else False
            if verdict is not True:
                return verdict
        model.forbid(found)
    return f"more than {PLACEMENTS} placements are below the bound"


def _moved(problem: Problem, placement: Sequence[int]) -> list[int]:
    return [v for v in range(problem.vms) if placement[v] != problem.start[v]]


def _is_so_good(problem: Problem, placement: Sequence[int], limits: Mapping[Stage, int]) -> bool:
    """Whether a placement of the model, which may be looser than the truth, is what it says, by the evaluator."""
    found = evaluate(problem, placement)
    values = {
        Stage.HARM: found.harm,
        Stage.SHOULD_HARM: found.should_harm,
        Stage.PRICED: found.priced + MILLI * found.moving,
        Stage.MOVING: found.moving,
    }
    return not found.worse and all(values[s] <= v for s, v in limits.items())


def _cannot_be_reached(problem: Problem, placement: Sequence[int], stage: Stage, bound: int) -> bool | str:
    """Return whether every way to a placement comes to `bound` or more in `stage`: straight ways fail, hops cost."""
    moved = _moved(problem, placement)
    cost = sum(int(problem.moving[v]) for v in moved)
    hop = int(problem.moving[problem.movable].min())
    if stage is not Stage.MOVING or cost + hop < bound:
        return "a placement below the bound might be reached by staging hops"
    if len(moved) > MOVES:
        return f"a placement below the bound takes {len(moved)} moves"
    return not _has_order(problem, placement, moved)


def _has_order(problem: Problem, placement: Sequence[int], moved: Sequence[int]) -> bool:
    """Try every set of moves already made; no set twice."""
    tally = Tally(problem)
    dead: set[frozenset[int]] = set()

    def rest_can(left: frozenset[int]) -> bool:
        if not left:
            return True
        if left in dead:
            return False
        for v in sorted(left):
            if tally.fits(v, placement[v]):
                source = tally.ends[v][0]
                tally.move(v, source, placement[v])
                able = rest_can(left - {v})
                tally.move(v, placement[v], source)
                tally.spend(v, source, placement[v], -1)
                tally.spend(v, placement[v], source, -1)
                if able:
                    return True
        dead.add(left)
        return False

    return rest_can(frozenset(moved))
