"""Problems of cost alone, as ROADEF 2012 puts them: everything may move, nothing may break, the cost is to be small.

Small ones go to CP-SAT whole, and end with a proof. For the others: compiled annealing, and, where they are not large,
for the last of the time an iterated local search, then CP-SAT over a few hosts at a time. Every answer is judged by the
reference evaluator.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from optimizer.clock import SystemClock
from optimizer.cp.model import Model, complete_candidates
from optimizer.limits import Deadline
from optimizer.problem.evaluate import evaluate
from optimizer.problem.problem import Stage
from optimizer.reassignment.cost_arrays import lowered, state_at
from optimizer.reassignment.cost_bound import Argument, CostBound, aggregate_bound, cost_bound

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from numpy.typing import NDArray

    from optimizer.clock import Clock
    from optimizer.cp.model import StageEnd
    from optimizer.limits import Limits
    from optimizer.problem.problem import Problem
    from optimizer.reassignment.annealing import Schedule

__all__ = ["CostOutcome", "solve_cost"]

FOREVER = 1e9
"""More work than any time limit allows."""

JUDGING = 1.3e-4
"""Seconds that the reference evaluator takes for a VM, about: they are kept for it, out of the time."""


@dataclass(frozen=True, slots=True, eq=False)
class CostOutcome:
    """A placement that breaks nothing, its cost, a true lower bound on any such placement's, and what ended the search.

    `stopped_by` is None where value meets bound, else ``time``, ``work`` or ``interrupt``; `bound_by` is the argument
    for the bound.
    """

    placement: NDArray[np.int32]
    value: int
    bound: int
    stopped_by: str | None
    bound_by: Argument


def solve_cost(
    problem: Problem,
    limits: Limits,
    progress: Callable[[str], None] | None = None,
    *,
    clock: Clock | None = None,
    interrupt: threading.Event | None = None,
) -> CostOutcome:
    """Find a placement of small cost that makes no instance worse than at the start.

    Parameters
    ----------
    problem
        In the form of ROADEF; see `cost_arrays`.
    limits
        Where ``deterministic``, `seconds` counts work rather than time.
    progress
        Told a line whenever something better is found.
    """
    seconds = FOREVER if limits.deterministic else max(0.0, limits.seconds - JUDGING * problem.vms)
    deadline = Deadline(clock or SystemClock(), seconds, interrupt, limits.memory_mib)
    search = _Search(problem, limits, deadline, progress or (lambda _: None))
    search.run()
    judged = evaluate(problem, search.best.tolist())
    if judged.worse or judged.cost != search.value:
        raise AssertionError(f"the search has lost count: {search.value}, judged {judged.cost}, {judged.worse[:3]}")
    stopped_by = "interrupt" if deadline.interrupted else "work" if limits.deterministic else "time"
    return CostOutcome(
        placement=search.best,
        value=search.value,
        bound=search.bound,
        stopped_by=None if search.value == search.bound else stopped_by,
        bound_by=search.proven.by,
    )


class _Search:
    """One search: the best placement so far, and the ways to a better one."""

    def __init__(self, problem: Problem, limits: Limits, deadline: Deadline, tell: Callable[[str], None]) -> None:
        self.problem, self.limits, self.deadline, self.tell = problem, limits, deadline, tell
        self.given = limits.parameters.cost
        self.rng = np.random.default_rng(limits.seed)
        self.fixed, self.start = lowered(problem)
        self.best, self.value = problem.start.copy(), int(self.start.total[0])
        self.proven = self._bounded(0.0)

    @property
    def bound(self) -> int:
        return self.proven.value

    @property
    def over(self) -> bool:
        return self.value <= self.bound or self.deadline.over()

    def run(self) -> None:
        """Whole at once where that is small, else step by step until the time is over."""
        literals = self.problem.vms * self.problem.hosts
        if literals > self.given.tiny_literals:
            self.proven = self._bounded(self.given.bound_share)
            self._anneal()
        if literals <= self.given.small_literals:
            self._whole()
        elif self.problem.vms <= self.given.largest_to_finish:
            if self.given.iterated.enabled:
                self._iterate()
            if self.given.neighbourhoods:
                self._neighbourhoods()

    def _bounded(self, share: float) -> CostBound:
        """Return the bound that a share of the time gives."""
        work = self.deadline.counting(share * self.limits.seconds)
        deadline = work if self.limits.deterministic else self.deadline.part(share)
        return cost_bound(self.problem, self.fixed, self.start, deadline, self.limits.seed, self.given)

    def _better(self, placement: NDArray[np.int64] | NDArray[np.int32], value: int, by: str) -> None:
        if value < self.value:
            self.best, self.value = placement.astype(np.int32), value
            self.tell(f"{by}: cost {value}, bound {self.bound}")

    # -- annealing -----------------------------------------------------------------------------------------------

    def _anneal(self) -> None:
        """Let the compiled search have its share; numba is imported here, so that small jobs never wait for it."""
        from optimizer.reassignment.annealing import anneal_together

        if self.over:
            return
        given = self.given
        share = 1.0 if self.problem.vms > given.largest_to_finish else given.annealing_share
        anneal_together(
            self.fixed,
            self.start,
            self._schedule(share, share),
            bound=aggregate_bound(self.problem),  # it sets the temperature, which is not to hang on the time for bounds
            seed=self.limits.seed,
            threads=self.limits.workers,
            tell=partial(self._found, by="annealing"),
        )

    def _iterate(self) -> None:
        from optimizer.reassignment.iterated_local_search import iterate_together

        if self.over:
            return
        given = self.given
        iterate_together(
            self.fixed,
            self.start,
            self.best.astype(np.int64),
            self._schedule(given.iterated_share, (1 - given.annealing_share) * given.iterated_share),
            seed=self.limits.seed,
            threads=self.limits.workers,
            given=given.iterated,
            tell=partial(self._found, by="iterated"),
        )

    def _schedule(self, of_left: float, of_all: float) -> Schedule:
        """Return a share of the time that is left or, where work is what counts, of all of it."""
        from optimizer.reassignment.annealing import STEPS_PER_SECOND, Schedule

        seconds = self.deadline.left()
        return Schedule(
            deadline=self.deadline,
            seconds=seconds * of_left,
            spare=seconds * (1 - of_left),
            steps=int(self.limits.seconds * of_all * STEPS_PER_SECOND) if self.limits.deterministic else None,
            given=self.given.annealing,
        )

    def _found(self, placement: NDArray[np.int64], value: int, by: str) -> bool:
        self._better(placement, value, by)
        return not self.over

    # -- CP-SAT --------------------------------------------------------------------------------------------------

    def _whole(self) -> None:
        if self.over:
            return
        model = Model(self.problem, self.best, complete_candidates(self.problem))
        work = self.limits.seconds if self.limits.deterministic else math.inf
        placement, ends = self._solve(model, work)
        self.proven = max(self.proven, *(CostBound(e.bound, Argument.WHOLE) for e in ends), key=lambda b: b.value)
        self._adopt(placement, "whole model")

    def _neighbourhoods(self) -> None:
        """Free the VMs of a few hosts over these hosts, again and again."""
        work, given = math.inf, self.given
        if self.limits.deterministic:
            work = self.limits.seconds * (1 - given.annealing_share) * (1 - given.iterated_share)
        while not self.over and work > 0:
            hosts = self.rng.permutation(self.problem.hosts)[: int(self.rng.integers(*given.neighbourhood_hosts))]
            inside = np.flatnonzero(np.isin(self.best, hosts))
            vms = self.rng.permutation(inside)[: given.neighbourhood_vms]
            candidates = {int(v): np.union1d(hosts, [self.problem.start[v]]) for v in np.sort(vms)}
            placement, _ = self._solve(Model(self.problem, self.best, candidates), given.neighbourhood_work)
            self._adopt(placement, "neighbourhood")
            work -= given.neighbourhood_work

    def _solve(self, model: Model, work: float) -> tuple[NDArray[np.int32] | None, list[StageEnd]]:
        return model.run(
            (Stage.COST,),
            work=min(work, FOREVER),
            deadline=self.deadline,
            seed=int(self.rng.integers(2**31)),
            workers=self.limits.workers,
        )

    def _adopt(self, placement: NDArray[np.int32] | None, by: str) -> None:
        if placement is not None:
            state = state_at(self.fixed, self.start, placement.astype(np.int64), 0)
            self._better(placement, int(state.total[0]), by)
