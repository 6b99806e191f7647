"""Solve and order until they agree: a placement counts for what can be carried out of it.

A placement that cannot be ordered as it is costs staging hops, or leaves moves out and takes their harm back. Then
the solver is asked for another: repair takes no step that cannot be ordered, and on small problems the complete model
is asked again without exactly the placements that were tried, until nothing better is left; that is the proof.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from optimizer.bounds.bounds import is_within
from optimizer.bounds.proof_parts import whole_proof
from optimizer.debug_log import Event
from optimizer.plan import Proof
from optimizer.problem.problem import Stage
from optimizer.problem.rounding import MILLI
from optimizer.problem.working_placement import WorkingPlacement
from optimizer.reachability.contention import Contention
from optimizer.repair.exhaustive_search import is_tiny, search_exhaustively
from optimizer.repair.solver import Exact, Method, Solver, Values
from optimizer.sequence.order import Ordered, in_sequence, order

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from optimizer.problem.problem import Problem

    Acceptable = Callable[[NDArray[np.int32]], bool]
    Repair = Callable[[Solver, Acceptable], NDArray[np.int32]]

__all__ = ["Answer", "Repair", "can_be_ordered", "solve_and_order"]

LOG = logging.getLogger("remora.planning")


ORDER_WORK = 0.05
"""What looking for an order counts as work."""

STEP_WORK = 0.03
"""What each further step of it does: some dozen states, or a try of staging hops."""


@dataclass(frozen=True)
class Answer:
    """Moves in an order, what they come to, and how much less there could be."""

    ordered: Ordered
    placement: NDArray[np.int32]
    values: Values
    proofs: dict[Stage, Proof]
    before: Values
    clean_moves: int = 0
    """VMs that have to be displaced at least until nothing is broken, where something stays broken; 0: not known."""

    @property
    def proven(self) -> bool:
        """Whether every stage's value meets its bound."""
        return self.is_within(0.0)

    def is_within(self, gap: float) -> bool:
        """Whether every stage's value meets its bound, but the moving: that may be above its own by that much."""
        allowed = {Stage.MOVING: gap}
        return all(
            p.bound <= self.values[s] and is_within(allowed.get(s, 0.0), self.values[s], p.bound)
            for s, p in self.proofs.items()
        )

    @property
    def straight(self) -> bool:
        """Whether it is the placement that was asked for, without a hop."""
        return self.ordered.complete and not any(m.staging for m in self.ordered.moves)

    def stay(self, problem: Problem) -> Answer:
        """Return the answer of moving nothing, with as much of the proof as still holds: that of harm."""
        kept = {s: p if s is Stage.HARM else Proof(s.value, 0, ()) for s, p in self.proofs.items()}
        return replace(_staying(problem, self.before), proofs=kept)


def stay(problem: Problem) -> Answer:
    """Return the plan that is always there: no move at all."""
    return _staying(problem, WorkingPlacement(problem).values())


def _staying(problem: Problem, values: Values) -> Answer:
    return Answer(Ordered((), (), complete=True, fewest=True), problem.start.copy(), values, {}, values)


def carry_out(problem: Problem, placement: NDArray[np.int32], solver: Solver) -> Answer:
    """Order the moves to a placement and value what comes of it, hops included."""
    solver.deadline.spend(ORDER_WORK)
    over = solver.deadline.counted(STEP_WORK)
    ordered = order(problem, placement, deadline=over, given=solver.parameters.ordering, first=solver.first)
    reached = problem.start.copy()
    moving = 0
    for m in ordered.moves:
        reached[m.move.vm] = m.move.target
        moving += int(problem.moving[m.move.vm])
    work = WorkingPlacement(problem)
    work.become(reached)
    values = work.values()
    if Stage.PRICED in values:
        values[Stage.PRICED] += MILLI * (moving - values[Stage.MOVING])
    values[Stage.MOVING] = moving
    return Answer(ordered, reached, values, {}, {})


def _worth(values: Values) -> tuple[int, ...]:
    return tuple(values.values())


def solve_and_order(solver: Solver, path: Method, repair: Repair = Solver.repair) -> Answer:
    """Return the best plan found, with a proof for each stage before placement; `repair` finds its first placement."""
    start = best = stay(solver.problem)
    if not any(v for s, v in best.values.items() if s is not Stage.MOVING):
        return _with_proofs(solver, best)
    if solver.deadline.over():  # before it began: on a large fleet the bounds take longer than may be left
        return replace(best, proofs={stage: Proof(stage.value, 0, ()) for stage in best.values})
    if path is not Method.EXACT:
        best = _by_repair(solver, best, repair)
        LOG.debug(_step("repair", best))
    best = _with_proofs(solver, best)
    for closer in _CLOSERS[path]:
        if not best.is_within(solver.limits.gap):
            best = closer(solver, best)
            LOG.debug(_step(closer.__name__.removeprefix("_by_"), best))
    return replace(best, before=start.values)


def _step(name: str, best: Answer) -> Event:
    bounds = {f"{s.value}_bound": p.bound for s, p in best.proofs.items()}
    return Event("step", name=name, **{s.value: v for s, v in best.values.items()}, **bounds)


def _with_proofs(solver: Solver, answer: Answer) -> Answer:
    return replace(answer, proofs=solver.bounds.prove(answer.values))


def _by_repair(solver: Solver, best: Answer, repair: Repair) -> Answer:
    """Repair, each step of it so that it can be carried out."""
    placement = repair(solver, can_be_ordered(solver))
    if np.array_equal(placement, solver.problem.start):
        return best
    return min(best, carry_out(solver.problem, placement, solver), key=lambda a: _worth(a.values))


def can_be_ordered(solver: Solver) -> Acceptable:
    """Return the judge of whether a placement can be carried out without a hop."""
    contention = Contention(solver.problem)
    given = replace(solver.parameters.ordering, hops=False)
    over = solver.deadline.counted(STEP_WORK)

    def acceptable(placement: NDArray[np.int32]) -> bool:
        first = solver.first
        return order(solver.problem, placement, deadline=over, contention=contention, given=given, first=first).complete

    return acceptable


def _by_whole(solver: Solver, best: Answer) -> Answer:
    """Ask the complete model for placements, best first, until one can be carried out for what it is worth."""
    tried: list[NDArray[np.int32]] = []
    first: Exact | None = None
    sure = True
    if not solver.small:
        return best
    while len(tried) < solver.parameters.whole.placements and not solver.deadline.over():
        found = solver.exact(best.placement, tried)
        first = first or found
        if found.exhausted or (found.closed and _worth(found.values) >= _worth(best.values)):
            return _closed(solver, best, _by(tried)) if sure else _bounded(solver, best, first)
        if found.placement is None:
            break
        answer = carry_out(solver.problem, found.placement, solver)
        best = min(best, answer, key=lambda a: _worth(a.values))
        if answer.straight and found.closed:
            return _closed(solver, answer, _by(tried)) if sure else _bounded(solver, best, first)
        sure = sure and answer.ordered.fewest
        tried.append(found.placement)
    return _bounded(solver, best, first)


def _by_reach(solver: Solver, best: Answer) -> Answer:
    """Look at everything that can be reached: where that is done, it is the answer and its own proof."""
    problem, given = solver.problem, solver.parameters.exhaustive
    if not given.enabled or not is_tiny(problem, given.placements):
        return best
    least: dict[Stage, int] = {s: p.bound for s, p in best.proofs.items() if s is not Stage.MOVING}
    found = search_exhaustively(problem, least, solver.deadline.part(given.share), given.states)
    if found is None:
        return best
    moves = in_sequence(problem, found.moves, solver.parameters.ordering)
    placement = problem.start.copy()
    for move in found.moves:
        placement[move.vm] = move.target
    ordered = Ordered(moves, (), complete=True, fewest=True)
    return _closed(solver, Answer(ordered, placement, found.values, {}, {}), "no order")


def _by_refutation(solver: Solver, best: Answer) -> Answer:
    """Raise the bound on moves where the complete model is too large; where harm stays, that of having none."""
    if solver.small or Stage.PRICED in best.values or not solver.parameters.refutation.enabled:
        return best
    clean = not any(v for s, v in best.values.items() if s is not Stage.MOVING)
    bound = solver.refuted(best.values)
    if not clean:
        return replace(best, clean_moves=bound)
    if bound <= best.proofs[Stage.MOVING].bound:
        return best
    proof = whole_proof(solver.problem, Stage.MOVING, bound, "refuted")
    return replace(best, proofs={**best.proofs, Stage.MOVING: proof})


_CLOSERS: dict[Method, tuple[Callable[[Solver, Answer], Answer], ...]] = {
    Method.AUTO: (_by_reach, _by_whole, _by_refutation),
    Method.EXACT: (_by_whole, _by_reach),
    Method.REPAIR: (),
}
"""Ways to close what repair has left open, in the order in which they are tried."""


def _by(tried: list[NDArray[np.int32]]) -> str:
    return "no order" if tried else "whole model"


def _closed(solver: Solver, best: Answer, by: str) -> Answer:
    """Nothing better is left: every value is its own bound, unless the departures already said so."""
    relaxed = solver.bounds.prove(best.values)
    proofs = {
        stage: relaxed[stage] if relaxed[stage].bound == value else whole_proof(solver.problem, stage, value, by)
        for stage, value in best.values.items()
    }
    return replace(best, proofs=proofs)


def _bounded(solver: Solver, best: Answer, first: Exact | None) -> Answer:
    """Take, stage by stage, the better of the relaxed bound and the model's, as long as those before agree."""
    proofs = solver.bounds.prove(best.values)
    for stage in best.values:
        if first is None or stage not in first.bounds:
            break
        bound = min(first.bounds[stage], best.values[stage])
        if bound > proofs[stage].bound:
            proofs[stage] = whole_proof(solver.problem, stage, bound)
        if first.values[stage] != best.values[stage]:
            break
    return replace(best, proofs=proofs)
