"""Annealing over plans in phases, where limits that should hold are hard to hold: fewer violations, and fewer moves.

Reception and neighbourhoods look at one violation after the other, and where large VMs share few hosts each repair
stands in the way of the next. Here whole plans are changed, move by move and exchange by exchange, each of them one
that can be carried out (see `kernel_phases`). Harm of musts costs far more than that of shoulds, and all of it is paid
for by moves.

Kirkpatrick, Gelatt and Vecchi, "Optimization by simulated annealing", Science 220 (1983).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from optimizer.fleet import ABSENT
from optimizer.left_behind import ends_within
from optimizer.problem.problem import Stage
from optimizer.reachability.contention import Contention
from optimizer.repair.phased_arrays import PhasedState, phased_arrays, phased_state
from optimizer.sequence.order import Ordered, order

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from optimizer.limits import Deadline
    from optimizer.parameters import Ordering
    from optimizer.parameters.repair import Phased
    from optimizer.problem.problem import Problem
    from optimizer.problem.working_placement import WorkingPlacement

__all__ = ["MOVE", "PhasedSearch", "anneal_plans", "can_be_phased", "has_time", "in_phases", "is_compiled"]

MOVE = 1000
"""What the mean VM's move costs; all costs are whole numbers."""

STEPS_PER_SECOND = 6_000_000
"""Proposals that count as a second where work is what counts."""


def can_be_phased(problem: Problem) -> bool:
    """Whether nothing is asked that a plan in phases does not know: sums over racks, budgets, prices."""
    sums = problem.demands.sums.values()
    plain = not any(a.level or a.union for a in sums) and (problem.start != ABSENT).all()
    return bool(plain and not problem.flows and Stage.PRICED not in problem.stages and problem.movable.any())


def has_time(deadline: Deadline, given: Phased) -> bool:
    """Whether the kernels are compiled, or there is time to do that; where work is what counts there is."""
    from optimizer.compiled import is_ready
    from optimizer.repair.kernel_phased_search import phased_search

    return is_ready(phased_search, deadline.wall(), given.compiling)


def is_compiled() -> bool:
    """Whether the kernels need no compiling."""
    from optimizer.compiled import is_cached
    from optimizer.repair.kernel_phased_search import phased_search

    return is_cached(phased_search)


def anneal_plans(
    work: WorkingPlacement,
    met: Callable[[], bool],
    deadline: Deadline,
    seed: int,
    given: Phased,
    ordering: Ordering,
    first: Sequence[int] = (),
) -> Sequence[int]:
    """Anneal, again and again, as long as that leads to something better; `work` is left at the best.

    Returns VMs in an order in which they can move there; `first` where there was no time.

    Parameters
    ----------
    work
        A placement of a problem that `can_be_phased`.
    met
        Whether nothing better than `work` is worth looking for.
    ordering
        How an order of moves is looked for: a plan counts if it has one, and the first one begins with its own.
    first
        VMs in an order that is tried first for `work` as it is.
    """
    search = PhasedSearch(work.problem, deadline, seed, given)
    if not search.ready():
        return first
    contention, direct = Contention(work.problem), replace(ordering, hops=False)

    def ordered(first: Sequence[int]) -> Ordered:
        at, over = work.placement, deadline.over
        return order(work.problem, at, deadline=over, contention=contention, given=direct, first=first)

    stale, best = 0, search.plan_to(work.placement, [m.move.vm for m in ordered(first).moves])
    while stale < given.stale and not deadline.over() and not met():
        before, measure = work.placement.copy(), work.measure()
        found = search.anneal(best)
        work.become(found.place[:, 0].astype(np.int32))
        stale += 1
        if work.measure() < measure and work.is_no_worse() and ordered(in_phases(found)).complete:
            stale, best = 0, found
        else:
            work.become(before)
    return in_phases(best)


def in_phases(plan: PhasedState) -> tuple[int, ...]:
    """Return the VMs that move, phase by phase."""
    away = plan.away[: plan.total[1]]
    return tuple(away[np.lexsort((away, plan.place[away, 1]))].tolist())


class PhasedSearch:
    """Plans for one problem, one that `can_be_phased`; each annealing draws other random numbers."""

    def __init__(self, problem: Problem, deadline: Deadline, seed: int, given: Phased) -> None:
        from optimizer.repair.kernel_phased_search import phased_search, settled, taken_home, taken_in
        from optimizer.repair.kernel_phases import force, lift

        self._search: Callable[..., Any] = phased_search
        self._settled: Callable[..., Any] = settled
        self.force: Callable[..., None] = force
        self.lift: Callable[..., None] = lift
        self.taken_home: Callable[..., bool] = taken_home
        self.taken_in: Callable[..., bool] = taken_in
        self.deadline, self.given = deadline, given
        self.fixed = phased_arrays(problem, MOVE, given)
        self.problem = problem
        self.random = np.random.default_rng(seed)
        self.mix = np.array(given.mix, np.int64)
        self.steps = max(given.least_steps, given.steps * problem.vms)

    def ready(self) -> bool:
        """Have the kernels compiled, or loaded from the cache, as far as there is time; whether they are.

        A compiler cannot be interrupted: where it takes longer, it is left behind, as a solver is that does not obey.
        """
        if self.deadline.over() or not has_time(self.deadline, self.given):
            return False
        return ends_within(self.prepare, self.deadline.over) and not self.deadline.over()

    def prepare(self) -> None:
        """Have the kernels compiled, or loaded from the cache."""
        state = phased_state(self.problem, self.fixed, 1)
        self._settled(np.zeros(0, np.int64), state.place[:, 0].copy(), self.fixed, state)
        self._search(0, 0.0, self.mix, self.fixed, state)
        self.lift(0, self.fixed, state)
        self.taken_in(0, self.fixed, state)
        self.lift(0, self.fixed, state)
        self.taken_home(0, True, self.fixed, state)
        self.lift(0, self.fixed, state)
        self.force(0, int(state.head.argmin()), 0, 0, self.fixed, state)

    def settle(self, vms: NDArray[np.int64], placement: NDArray[np.int64], plan: PhasedState) -> int:
        """Take VMs to where a placement has them, in order, as soon as they may; return how many could not."""
        return int(self._settled(vms, placement, self.fixed, plan))

    def plan_to(self, placement: NDArray[np.int32], vms: Sequence[int]) -> PhasedState:
        """Return a plan to a placement, with as many phases as it takes.

        Parameters
        ----------
        vms
            Those that move, in an order in which they can.
        """
        phases = self.given.phases
        while True:
            state = phased_state(self.problem, self.fixed, phases)
            left = self.settle(np.array(vms, np.int64), placement.astype(np.int64), state)
            if phases >= self.given.most_phases or not left or self.deadline.over():
                return state
            phases = min(2 * phases, self.given.most_phases)

    def anneal(self, plan: PhasedState) -> PhasedState:
        """Return what a plan comes to, warmed up and cooled down.

        A look at the clock is never far: where sets are large a proposal takes many times as long as elsewhere.
        """
        given, deadline = self.given, self.deadline
        state = PhasedState(*(array.copy() for array in plan))
        state.random[:] = self.random.integers(1, 2**32 - 1, 2)
        made, left, done, chunk = 0, max(deadline.left(), 1e-9), 0.0, given.chunk_steps
        while done < 1.0 and not deadline.over():
            heat = given.warmth * MOVE * given.cooling**done if done < given.tail else 0.0
            since = deadline.left()
            self._search(chunk, heat, self.mix, self.fixed, state)
            deadline.spend(chunk / STEPS_PER_SECOND)
            made += chunk
            done = max(made / self.steps, 1.0 - deadline.left() / left)
            rate = given.chunk_seconds / max(since - deadline.left(), 1e-4)
            chunk = max(1, int(chunk * min(2.0, max(0.5, rate))))
        return state
