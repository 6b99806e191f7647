"""Column generation: the moves that make limits hold that should, as a choice of what each host does.

Columns and prices come from a linear program (`column_prices`), on large fleets from one of some hosts first. A column
is chosen for each host, and each VM that leaves takes a place of its size. What columns do not know (groups, racks, the
order of moves) may leave something to repair; those in whose way that was cost more then, and others are chosen.

Lübbecke and Desrosiers, "Selected topics in column generation", Operations Research 53 (2005).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from optimizer.bounds.host_choices import HostChoices
from optimizer.bounds.host_sample import alike
from optimizer.bounds.hosts_exchange import MOVE
from optimizer.bounds.room_axis import FAR
from optimizer.debug_log import Event
from optimizer.left_behind import ends_within
from optimizer.problem.problem import Stage
from optimizer.problem.working_placement import WorkingPlacement
from optimizer.repair.column_places import Places
from optimizer.repair.column_prices import ColumnPrices
from optimizer.repair.forced_plans import reach
from optimizer.repair.phased_search import can_be_phased, in_phases
from optimizer.repair.spread_prices import spread

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from optimizer.bounds.host_choices import Column
    from optimizer.bounds.room_prices import PricedRooms
    from optimizer.limits import Deadline, Limits
    from optimizer.repair.column_master import ColumnMaster

__all__ = ["ColumnSearch"]

_log = logging.getLogger("remora.repair")


class ColumnSearch:
    """Looks for a placement, and for prices that prove how few moves there may be.

    Parameters
    ----------
    rooms
        The bound; what is left is as little as VMs do that are too large for every host.
    acceptable
        Whether a placement can be carried out.
    """

    def __init__(
        self,
        rooms: PricedRooms,
        limits: Limits,
        deadline: Deadline,
        acceptable: Callable[[NDArray[np.int32]], bool] = lambda _: True,
    ) -> None:
        self.acceptable = acceptable
        self.rooms, self.problem, self.limits, self.deadline = rooms, rooms.problem, limits, deadline
        self.given = limits.parameters.columns
        self.hosts = HostChoices(rooms, limits.parameters.choices)
        self.prices = ColumnPrices(self.hosts, self.given)
        self.uncompiled = False
        """Whether nothing was done because compiling takes longer than was left."""
        self.order: list[int] = []
        """VMs in an order in which they can go to the placement that was returned, as far as one is known."""

    def find(self) -> WorkingPlacement | None:
        """Return a placement, each step to which can be carried out; None where there was no time for one.

        Who finds no place there stays, and so may what is broken at home.
        """
        if not self._ready():
            return None
        deadline, prices = self.deadline.part(self.given.pricing_share), self.prices
        self.hosts.narrowed(WorkingPlacement(self.problem).tally, deadline)
        known = self._of_parts(deadline)
        if known is not None:
            prices.price = self.hosts.priced(known[0])
        master = prices.begin(deadline) if known is None else prices.go_on(*known, deadline)
        settled = master is not None and prices.generate(master, deadline)
        proven = self.hosts.value(prices.price, self.deadline, bound=True)
        if proven is not None and self.hosts.provable:
            self.rooms.offer(prices.price, proven)
        return self._carried_out(master) if master is not None and settled else None

    def _of_parts(self, deadline: Deadline) -> tuple[NDArray[np.float64], list[Column]] | None:
        """Return prices that one part of the hosts has, the best for all, and the columns of all parts; None: too few.

        The prices are float64 [n], in moves.
        """
        hosts = self.hosts
        columns: list[Column] = []
        parts = len(hosts.left) // self.given.part
        best, value = np.zeros(len(hosts.order)), -FAR
        for done, some in enumerate(alike(hosts.left, parts) if parts > 1 else ()):
            part, at = hosts.sample(some)
            prices = ColumnPrices(part, self.given)
            mine = deadline.part(1.0 / (2 * parts - done))  # as much is left for all together
            master = prices.begin(mine)
            if master is None:
                break
            prices.generate(master, mine)
            columns += [c.renumbered(some, at) for c in master.near(deadline)]
            spread_out = spread(hosts, at, prices.price / MOVE)
            found = hosts.value(hosts.priced(spread_out), deadline, thorough=False)
            if found is not None and found > value:
                best, value = spread_out, found
        return (best, columns) if columns else None

    def _carried_out(self, master: ColumnMaster) -> WorkingPlacement | None:
        """Choose columns again and again, those in whose way others were for less; return the best."""
        before, again = self.deadline.left(), self.deadline.part(self.given.polishing_share)
        if self.prices.outside > self.given.close:  # columns for all are known only at the borders of prices
            master.prefer(self.hosts.free())
            self.prices.polish(master, again)
        best = self._chosen(master, self.deadline)
        took = before - self.deadline.left()
        master.prefer(self.hosts.free())
        random = np.random.default_rng(self.limits.seed)
        for _ in range(self.given.attempts):
            if best is None or self._is_best(best.work) or again.left() < took:
                break
            self.prices.polish(master, again)
            other = self._chosen(master, again)
            best = best if other is None else min(best, other, key=lambda places: places.work.measure())
            master.shake(random)
        if best is None:
            return None
        work = self._reached(best)
        self.order = best.order
        return work

    def _are_many(self, places: Places) -> bool:
        """Whether enough found no way for a plan to be made for all of them together."""
        phased = self.limits.parameters.phased
        many = len(places.left) > phased.forced_from * len(places.vms)
        return many and phased.enabled and can_be_phased(self.problem)

    def _reached(self, best: Places) -> WorkingPlacement:
        """Return what the best comes to; where many VMs found no way, by a plan for all together."""
        phased = self.limits.parameters.phased
        if not self._are_many(best):
            return best.work
        plan = reach(self.problem, best.wanted, self.deadline, self.limits.seed, phased)
        if plan is None:
            best.receive(self.acceptable)
            return best.work
        best.work.become(plan.place[:, 0].astype(np.int32))
        best.order = list(in_phases(plan))
        reached = {stage.value: value for stage, value in best.work.values().items()}
        _log.debug("%s", Event("reached", **reached))
        return best.work

    def _is_best(self, work: WorkingPlacement) -> bool:
        """Whether no placement leaves less, with fewer moves."""
        values, rooms = work.values(), self.rooms
        left = values.get(Stage.SHOULD_HARM, 0)
        return not values[Stage.HARM] and left <= rooms.harm and values[Stage.MOVING] <= rooms.bound(left)

    def _chosen(self, master: ColumnMaster, deadline: Deadline) -> Places | None:
        """Choose columns, and let everybody take a place; None where there was no time."""
        chosen = master.choose(deadline)
        if chosen is None:
            return None
        moves, columns = sum(len(c.leaving) for c in chosen), len(master.columns)
        _log.debug("%s", Event("chosen", columns=columns, moves=moves))
        places = Places(self.hosts, chosen, deadline, self.limits.parameters)
        places.carry_out()
        if not self._are_many(places):
            places.receive(self.acceptable)
        master.blame(column for column in chosen if column.coming and column.host in places.failed)
        reached = {stage.value: value for stage, value in places.work.values().items()}
        _log.debug("%s", Event("carried_out", failed=len(places.failed), **reached))
        return places

    def _ready(self) -> bool:
        """Have the kernels compiled, or loaded from the cache, as far as there is time; whether they are."""
        from optimizer.bounds.kernel_host_choice import look
        from optimizer.compiled import is_cached, is_ready

        self.uncompiled = not is_ready(look, self.deadline.wall(), self.given.compiling)
        if self.deadline.over() or self.uncompiled:
            return False

        def prepare() -> None:
            self.hosts.value(self.prices.price, self.deadline, thorough=False)

        ready = ends_within(prepare, self.deadline.over) and not self.deadline.over()
        self.uncompiled = not ready and not is_cached(look)
        return ready
