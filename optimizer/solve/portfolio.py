"""The door to the solvers: repair at any size, CP-SAT on the whole where it is small enough, bounds for both."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from optimizer.plan import Part, Proof
from optimizer.problem.problem import Problem, Stage
from optimizer.problem.rounding import MILLI
from optimizer.solve.bound import Bounds
from optimizer.solve.cp_sat import Ended, Model, StageEnd, complete_candidates
from optimizer.solve.departures import Departures
from optimizer.solve.mend import Arrival, Mender
from optimizer.solve.phases import LiveMender
from optimizer.solve.repair import evicted, receive
from optimizer.solve.work import Work, sizes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from optimizer.solve.limits import Deadline, Limits

__all__ = ["Exact", "Path", "Solver", "Values"]

WHOLE = 20_000
"""Literals up to which the complete model is tried: trials close it in seconds at this size."""

TRIM_SHARE = 0.25
"""Share of the time left that may go into taking back moves beyond the bound."""

Values = dict[Stage, int]


class Path(Enum):
    """Which solver answers: as the size says, the complete model alone, or repair alone."""

    AUTO = "auto"
    EXACT = "exact"
    REPAIR = "repair"


@dataclass(frozen=True)
class Exact:
    """An answer of the complete model: `placement` is None where nothing (more) was found.

    `bounds` hold for every placement that was not excluded, stage by stage, given the values of the stages before;
    `closed` where each met its value; `exhausted` where there is none left at all.
    """

    placement: NDArray[np.int32] | None
    bounds: Values
    values: Values
    closed: bool
    exhausted: bool


class Solver:
    """One problem, its bounds, and the ways to search it.

    All of them only ever return placements that are no worse than the start in any instance of a must or a guard.
    """

    def __init__(self, problem: Problem, limits: Limits, deadline: Deadline) -> None:
        self.problem, self.limits, self.deadline = problem, limits, deadline
        self.bounds = Bounds(Departures(problem), sizes(problem), deadline.over, limits.seed)
        self.stages = [s for s in problem.stages if s is not Stage.PLACEMENT]

    @cached_property
    def literals(self) -> int:
        """Size of the complete model."""
        which, rows = self.problem.enter_class
        return int(rows.sum(axis=1)[which[self.problem.movable]].sum())

    @property
    def small(self) -> bool:
        """Whether the complete model is worth trying."""
        return self.literals <= WHOLE

    # -- repair --------------------------------------------------------------------------------------------------

    def repair(self, forbidden: Sequence[tuple[Arrival, ...]] = ()) -> NDArray[np.int32]:
        """Evict the least, receive it, mend what is left, and take back what was not needed.

        Parameters
        ----------
        forbidden
            Arrivals that may not all hold at once: what could not be ordered before.
        """
        best: Work | None = None
        for tight in (False, True):
            work = Work(self.problem)
            waiting = receive(work, self._evicted(forbidden), tight=tight, stop=self.deadline.over)
            if best is None or work.measure() < best.measure():
                best = work
            if not waiting:
                break
        assert best is not None
        mender = Mender(best, self.bounds, self.limits, self.deadline)
        mender.forbidden = list(forbidden)
        mender.mend()
        mender.deadline = self.deadline.part(TRIM_SHARE)
        mender.trim(rounds=8)
        return best.placement

    def _evicted(self, forbidden: Sequence[tuple[Arrival, ...]]) -> list[int]:
        barred = {vm for arrivals in forbidden for vm, _ in arrivals}
        return [vm for vm in evicted(self.bounds) if vm not in barred]

    def live(self) -> NDArray[np.int32]:
        """Look for a placement that can be carried out on a fleet so full that others cannot."""
        work = Work(self.problem)
        LiveMender(work, self.bounds, self.limits, self.deadline).mend()
        return work.placement

    # -- the whole -----------------------------------------------------------------------------------------------

    def exact(
        self,
        start_from: NDArray[np.int32],
        excluded: Sequence[NDArray[np.int32]] = (),
        caps: Mapping[Stage, int] | None = None,
    ) -> Exact:
        """Solve the complete model, with `excluded` placements left out and stages held within `caps`."""
        candidates = complete_candidates(self.problem)
        if not candidates and excluded:
            return Exact(None, {}, {}, closed=False, exhausted=True)
        model = Model(self.problem, start_from, candidates)
        for placement in excluded:
            model.forbid(placement)
        work = Work(self.problem)
        work.become(start_from)
        offset = work.values(but_not=model.said) | {Stage.MOVING: 0}
        if Stage.PRICED in offset:
            offset[Stage.PRICED] -= MILLI * work.values()[Stage.MOVING]
        for stage, most in (caps or {}).items():
            model.cap(stage, most - offset[stage])
        found, ends = model.run(
            self.stages,
            work=self.limits.seconds,
            deadline=self.deadline,
            seed=self.limits.seed,
            workers=self.limits.workers,
        )
        return _exact(found, ends, offset)


def _exact(placement: NDArray[np.int32] | None, ends: Sequence[StageEnd], offset: Values) -> Exact:
    found = [e for e in ends if e.ended in (Ended.OPTIMAL, Ended.FEASIBLE)]
    return Exact(
        placement=placement,
        bounds={e.stage: e.bound + offset[e.stage] for e in found},
        values={e.stage: e.value + offset[e.stage] for e in found},
        closed=bool(ends) and all(e.ended is Ended.OPTIMAL for e in ends),
        exhausted=bool(ends) and ends[0].ended is Ended.INFEASIBLE,
    )


def whole_proof(problem: Problem, stage: Stage, bound: int, by: str = "whole model") -> Proof:
    """Return the proof that rests on the complete model: one part that is everything."""
    vms = tuple(problem.vm_ids[v] for v in np.flatnonzero(problem.movable).tolist())
    return Proof(stage.value, bound, (Part(problem.host_ids, vms, bound, by),))
