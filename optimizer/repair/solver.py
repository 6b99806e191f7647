"""The door to the solvers: repair at any size, CP-SAT on the whole where it is small enough, bounds for both."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from optimizer.bounds.bounds import Bounds
from optimizer.bounds.eviction_relaxation import EvictionRelaxation
from optimizer.bounds.host_choices import HostChoices
from optimizer.bounds.refutation import refuted_bound
from optimizer.bounds.room_prices import PricedRooms
from optimizer.cp.model import Ended, Model, StageEnd, complete_candidates
from optimizer.limits import OutOfTime
from optimizer.problem.problem import Problem, Stage
from optimizer.problem.rounding import MILLI
from optimizer.problem.working_placement import WorkingPlacement, sizes
from optimizer.repair.column_search import ColumnSearch
from optimizer.repair.evening import EveningOut, clear_hosts, limits_that_should_hold
from optimizer.repair.insertion import evicted, receive
from optimizer.repair.neighbourhood_search import NeighbourhoodSearch
from optimizer.repair.phased_search import anneal_plans, can_be_phased, has_time, is_compiled
from optimizer.repair.whole_hosts import finish_hosts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from optimizer.limits import Deadline, Limits

__all__ = ["Exact", "Method", "Solver", "Values"]

MOVE_S = 5e-4
"""Seconds that one move takes to be ordered, described and written: kept free, move by move, while searching."""

LEFT_S = 1e-3
"""Seconds that it takes to find out why one violation is left."""

Values = dict[Stage, int]


class Method(Enum):
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
        self.problem, self.limits, self.parameters = problem, limits, limits.parameters
        self._work: WorkingPlacement | None = None
        self._causes_s = self.parameters.causes.most_share * deadline.left()
        deadline.keep(self._ending_s)
        self.deadline = deadline.part(self.parameters.repair.search_share)
        self.bounds = Bounds(
            EvictionRelaxation(problem),
            sizes(problem),
            deadline.over,
            limits.seed,
            deadline.wall,
            limits.gap,
            self.parameters.bounding,
        )
        self._known_refuted: int | None = None
        self.uncompiled = False  # whether a search was left out that takes longer to compile than was left
        self.first: Sequence[int] = ()
        """VMs in an order that is tried first for what was found last."""
        self.stages = [s for s in problem.stages if s is not Stage.PLACEMENT]

    def _ending_s(self) -> float:
        """Return the seconds that it takes to order and describe the moves of the present, and what they leave.

        Of why things are left no more is found out than a share of the time allows: moves are worth more.
        """
        work = self._work
        if work is None:
            return 0.0
        said = self.parameters.describing.left_s * work.broken
        return MOVE_S * len(work.displaced) + said + min(LEFT_S * work.broken, self._causes_s)

    @cached_property
    def literals(self) -> int:
        """Size of the complete model."""
        which, rows = self.problem.enter_class
        return int(rows.sum(axis=1)[which[self.problem.movable]].sum())

    @property
    def small(self) -> bool:
        """Whether the complete model is worth trying."""
        return self.parameters.whole.enabled and self.literals <= self.parameters.whole.literals

    # -- repair --------------------------------------------------------------------------------------------------

    def repair(self, acceptable: Callable[[NDArray[np.int32]], bool] = lambda _: True) -> NDArray[np.int32]:
        """Evict the least, receive it, repair what is left, and take back what was not needed.

        Parameters
        ----------
        acceptable
            Whether a placement can be carried out; what reception does always can, one VM after the other.
        """
        work = self._best_of_starts(acceptable)
        self._generate_columns(work, acceptable)
        self._price_rooms(work.values())
        return self._improved(work, acceptable)

    def _price_rooms(self, values: Values) -> None:
        """Look for prices for receiving VMs, which may say that no plan has fewer moves."""
        given = self.parameters.room_prices
        counted = given.enabled and self._evens_out and not self.small and not values[Stage.HARM]
        if not counted or (self.problem.moving != 1).any() or Stage.PRICED in values or self.bounds.affordable:
            return
        if self.bounds.met(values):
            return
        bounds, harm = self.bounds, values.get(Stage.SHOULD_HARM, 0)
        deadline = self.deadline.part(given.share)
        if not bounds.rooms or bounds.rooms[-1].harm < harm:
            if deadline.left() < given.host_seconds * self.problem.hosts:
                return
            made = PricedRooms(self.problem, bounds.departures.components, bounds.evictions, harm, given)
            bounds.rooms.append(made)
        known = bounds.prove(values)[Stage.MOVING].bound
        bounds.rooms[-1].raise_bound(known, values[Stage.MOVING], deadline)

    def _generate_columns(self, work: WorkingPlacement, acceptable: Callable[[NDArray[np.int32]], bool]) -> None:
        """Choose what each host does so that limits hold that should; `work` is that if it is better, and in order."""
        given, bounds, floor = self.parameters.columns, self.bounds, self.bounds.floor
        counted = given.enabled and self._evens_out and not self.small and not floor.get(Stage.HARM, 0)
        limited = bool(self.problem.flows) or Stage.PRICED in self.stages  # what columns do not know
        deadline = self.deadline.part(given.share)
        if not counted or limited or (self.problem.moving != 1).any():
            return
        if bounds.met(work.values()) or deadline.left() < given.host_seconds * self.problem.hosts:
            return
        harm, prices = floor.get(Stage.SHOULD_HARM, 0), self.parameters.room_prices
        rooms = PricedRooms(self.problem, bounds.departures.components, bounds.evictions, harm, prices)
        if not HostChoices.can_be_looked_at(rooms, self.parameters.choices):
            return
        columns = ColumnSearch(rooms, self.limits, deadline, acceptable)
        found = columns.find()
        bounds.rooms.append(rooms)
        self.uncompiled |= columns.uncompiled
        if found is None:
            return
        chosen, first, self.first = found.placement.copy(), self.first, columns.order
        search = NeighbourhoodSearch(found, bounds, self.limits, self.deadline.part(given.repair_share), acceptable)
        search.by_company()
        search.by_chains()
        finish_hosts(found, bounds.size, search.deadline.over, acceptable, self.parameters)
        clear_hosts(found, rooms.harmful, self.parameters.evening, search.deadline.over, acceptable)
        for placement in (found.placement.copy(), chosen):
            found.become(placement)
            better = found.measure() < work.measure() and found.is_no_worse()
            if better and acceptable(placement):
                work.become(placement)
                return
        self.first = first

    def repair_boundaries(
        self, work: WorkingPlacement, acceptable: Callable[[NDArray[np.int32]], bool]
    ) -> NDArray[np.int32]:
        """Go on from a placement whose parts were found one by one: repair what none of them could, over all hosts."""
        self._work = work
        if self.deadline.over():
            return work.placement
        search = NeighbourhoodSearch(work, self.bounds, self.limits, self.deadline, acceptable)
        search.by_company()
        search.by_chains()
        return self._improved(work, acceptable)

    def _improved(self, best: WorkingPlacement, acceptable: Callable[[NDArray[np.int32]], bool]) -> NDArray[np.int32]:
        with self._refuting(best.values()) as beside:
            given = self.parameters.repair
            small = (given.small_share, given.near_share)[self._is_near(best.values())]
            share = given.beside_share if beside else small if self.small else 1.0
            return self._searched(best, acceptable, self.deadline.part(share))

    def _searched(
        self, best: WorkingPlacement, acceptable: Callable[[NDArray[np.int32]], bool], deadline: Deadline
    ) -> NDArray[np.int32]:
        search = NeighbourhoodSearch(best, self.bounds, self.limits, deadline, acceptable)
        self._anneal(best, deadline)
        self._repair_what_is_left(search)
        finish_hosts(best, self.bounds.size, deadline.over, acceptable, self.parameters)
        if self.bounds.affordable:  # who leaves was chosen for what it repairs: fewer moves would repair less
            return best.placement
        search.deadline = deadline.part(self.parameters.repair.trim_share)
        search.trim()
        return best.placement

    def _anneal(self, best: WorkingPlacement, deadline: Deadline) -> None:
        """Anneal whole plans where limits that should hold are hard to hold, and the complete model is too large."""
        if self._anneals and not deadline.over() and not self.bounds.met(best.values()):
            given, seed = self.parameters, self.limits.seed
            part = deadline.part(given.phased.share)
            self.first = anneal_plans(
                best, lambda: self.bounds.met(best.values()), part, seed, given.phased, given.ordering, self.first
            )
            self.uncompiled |= not is_compiled()  # there was less time than it took

    @staticmethod
    def _repair_what_is_left(search: NeighbourhoodSearch) -> None:
        """Search around each violation, and go on as long as that repairs something: it is time that ends it."""
        better = True
        while better:
            before = search.work.measure()
            search.by_search()
            search.by_wider_chains()
            better = search.work.measure() < before and not search.deadline.over()

    @contextmanager
    def _refuting(self, values: Values) -> Iterator[bool]:
        """Raise the bound on moves beside repairing, where a second worker is to be had and work is not what counts."""
        given = self.parameters.refutation
        lone = self.limits.workers < 2 or self.limits.deterministic or not given.enabled
        if lone or self.small or Stage.PRICED in values or self.bounds.met(values) or self.bounds.affordable:
            yield False
            return
        with ThreadPoolExecutor(1) as beside:
            found = beside.submit(copy_context().run, self.refuted, values)
            yield True
            found.result()

    def refuted(self, values: Values) -> int:
        """Return how many VMs have to be displaced at least until nothing is broken; 0: not known.

        Parameters
        ----------
        values
            What a plan reached: what is no less than that need not be refuted.
        """
        given = self.parameters.refutation
        if self._known_refuted is None:
            clean = not any(v for s, v in values.items() if s is not Stage.MOVING)
            most = values[Stage.MOVING] if clean else self.problem.vms
            self._known_refuted = refuted_bound(self.bounds, most, self.deadline.part(given.share), given)
        return self._known_refuted

    def _best_of_starts(self, acceptable: Callable[[NDArray[np.int32]], bool]) -> WorkingPlacement:
        """Receive and repair by chains, in a few orders where the first leaves something to be desired."""
        work = self._work = WorkingPlacement(self.problem)
        best: tuple[tuple[int, ...], NDArray[np.int32]] | None = None
        broken = True
        given = self.parameters.repair
        deadline = self.deadline.part(given.starts_share)
        first = self.deadline.part(given.first_share) if self._anneals else self.deadline
        random = np.random.default_rng(self.limits.seed)
        for start in range(given.starts):
            work.become(self.problem.start)
            jitter = np.exp(random.normal(0.0, given.spread, self.problem.vms)) if start > 1 else None
            limits = replace(self.limits, seed=self.limits.seed + start)
            search = NeighbourhoodSearch(work, self.bounds, limits, deadline if best else first, acceptable, jitter)
            if start > 1 and start % 2 == 0 and broken:
                search.by_full_hosts()
            if start == 0 and self.parameters.evening.enabled and self._evens_out:
                self._even_out(work)
            leaving = self._not_begun(work, evicted(self.bounds, jitter))
            if best and deadline.over():
                break
            receive(work, leaving, tight=start > 0, near=given.near, stop=first.over, patience=self._patience)
            search.by_company()
            search.by_chains()
            stop = deadline.over if best else first.over
            finish_hosts(work, self.bounds.size, stop, acceptable, self.parameters)
            measure = work.measure()
            broken = broken and not self.bounds.at_floor(work.values())
            if best is None or measure < best[0]:
                best = measure, work.placement.copy()
            last = self._anneals or (start + 1 >= given.paid_starts and self.bounds.affordable)
            if last or self.bounds.met(work.values()) or deadline.over():
                break
        assert best is not None
        work.become(best[1])
        return work

    def _patience(self) -> Callable[[], bool]:
        until = self.deadline.part(self.parameters.repair.vain_share)
        return lambda: until.left() <= 0.0  # not `over`: what it leaves is searched, nothing is cut short

    def _not_begun(self, work: WorkingPlacement, vms: list[int]) -> list[int]:
        """Return those of the VMs of whose connected component none has moved yet."""
        if not work.displaced:
            return vms
        components = [c.vms.tolist() for c in self.bounds.departures.components]
        begun = {v for mine in components if not work.displaced.isdisjoint(mine) for v in mine}
        return [v for v in vms if v not in begun]

    def _is_near(self, values: Values) -> bool:
        """Whether harm of shoulds has to stay, and what does is above the least by a small part of it."""
        if values[Stage.HARM] > self.bounds.floor.get(Stage.HARM, 0):
            return False
        least = sum(self.bounds.floor.values())
        above = sum(values[s] for s in self.bounds.floor) - least
        return 0 < self.parameters.repair.nearly * above <= least

    def _even_out(self, work: WorkingPlacement) -> None:
        """Receive the largest first; nothing is kept of it where its share of the time is not enough for all."""
        given = self.parameters.evening
        deadline = self.deadline.part(given.share)
        EveningOut(work, evicted(self.bounds), given, deadline.over).receive()
        if deadline.over() and not deadline.interrupted:
            work.become(self.problem.start)

    @cached_property
    def _anneals(self) -> bool:
        given = self.parameters.phased
        if not given.enabled or self.small or not self._evens_out or not can_be_phased(self.problem):
            return False
        ready = has_time(self.deadline.part(given.share), given)
        self.uncompiled |= not ready
        return ready

    @property
    def _evens_out(self) -> bool:
        return limits_that_should_hold(self.problem)

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
        try:
            model = Model(self.problem, start_from, candidates, self.deadline.check)
            for placement in excluded:
                model.forbid(placement)
        except OutOfTime:
            return Exact(None, {}, {}, closed=False, exhausted=False)
        work = WorkingPlacement(self.problem)
        work.become(start_from)
        offset = self.offset(work, model)
        for stage, most in (caps or {}).items():
            model.cap(stage, most - offset[stage])
        for stage, least in self.bounds.whatever_else.items():
            model.bound(stage, least - offset[stage])
        # few threads of CP-SAT are other searches than one, and stay above the least
        lone = self._is_near(work.values())
        found, ends = model.run(
            self.stages,
            work=self.limits.seconds,
            deadline=self.deadline,
            seed=self.limits.seed,
            workers=1 if lone else self.limits.workers,
        )
        return _exact(found, ends, offset)

    @staticmethod
    def offset(work: WorkingPlacement, model: Model) -> Values:
        """Return what each stage comes to by what the complete model does not cover."""
        offset = work.values(but_not=model.covered) | {Stage.MOVING: 0}
        if Stage.PRICED in offset:
            offset[Stage.PRICED] -= MILLI * work.values()[Stage.MOVING]
        return offset


def _exact(placement: NDArray[np.int32] | None, ends: Sequence[StageEnd], offset: Values) -> Exact:
    found = [e for e in ends if e.ended in (Ended.OPTIMAL, Ended.FEASIBLE)]
    return Exact(
        placement=placement,
        bounds={e.stage: e.bound + offset[e.stage] for e in found},
        values={e.stage: e.value + offset[e.stage] for e in found},
        closed=bool(ends) and all(e.ended is Ended.OPTIMAL for e in ends),
        exhausted=bool(ends) and ends[0].ended is Ended.INFEASIBLE,
    )
