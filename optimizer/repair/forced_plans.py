"""A plan to a placement that cannot be reached as it stands: VMs wait for each other there, or would break something.

Who has no way there is forced to it, at a price, and the whole plan is annealed (`phased_search`): others make way, or
find another place. Who is forced even then goes where there is room, or home, and who came there in the meantime goes
elsewhere in turn; from then on the plan can be carried out, and is annealed once more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optimizer.repair.phased_arrays import phased_state
from optimizer.repair.phased_search import MOVE, PhasedSearch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optimizer.limits import Deadline
    from optimizer.parameters.repair import Phased
    from optimizer.problem.problem import Problem
    from optimizer.repair.phased_arrays import PhasedState

    Ints = NDArray[np.int64]

__all__ = ["reach"]


def reach(
    problem: Problem, placement: NDArray[np.int32], deadline: Deadline, seed: int, given: Phased
) -> PhasedState | None:
    """Return a plan to a placement near this one; None where there was no time for it.

    Parameters
    ----------
    problem
        One that `can_be_phased`.
    """
    search = PhasedSearch(problem, deadline, seed, given)
    return _ForcedPlan(problem, search).to(placement.astype(np.int64)) if search.ready() else None


class _ForcedPlan:
    def __init__(self, problem: Problem, search: PhasedSearch) -> None:
        self.problem, self.search = problem, search
        self.given, self.fixed, self.deadline = search.given, search.fixed, search.deadline

    def to(self, target: Ints) -> PhasedState:
        plan = self._annealed(self._forced(target))
        self._send_home(plan)
        return self._annealed(plan)

    def _annealed(self, plan: PhasedState) -> PhasedState:
        self.search.deadline = self.deadline.part(self.given.forced_share)
        return self.search.anneal(plan)

    # -- who is forced -------------------------------------------------------------------------------------------------

    def _forced(self, target: Ints) -> PhasedState:
        """Return a plan to the target: VMs go as they can; where none does, one is forced."""
        plan = phased_state(self.problem, self.fixed, self.given.most_phases)
        vms = np.flatnonzero((target != self.problem.start) & (self.fixed.movable_at == 1))
        price = int(MOVE * self.given.forced)
        while not self.deadline.over() and self.search.settle(vms, target, plan):
            waiting = vms[plan.place[vms, 0] != target[vms]].tolist()
            _, phase, vm = min((*self._least_over(v, target, plan), v) for v in self._in_rings(waiting, target))
            self.search.lift(vm, self.fixed, plan)
            self.search.force(vm, int(target[vm]), phase, price, self.fixed, plan)
        return plan

    def _in_rings(self, waiting: list[int], target: Ints) -> list[int]:
        """Return the VMs that wait for each other; all that wait where none do."""
        from networkx import DiGraph, strongly_connected_components  # takes a tenth of a second to load

        start = self.problem.start
        hosts = DiGraph((int(start[vm]), int(target[vm])) for vm in waiting)
        ring = {host: n for n, some in enumerate(strongly_connected_components(hosts)) for host in some}
        return [vm for vm in waiting if ring[int(start[vm])] == ring[int(target[vm])]] or waiting

    def _least_over(self, vm: int, target: Ints, plan: PhasedState) -> tuple[float, int]:
        """Return what part of a host is missing where a VM goes, in the phase where that is least; and which it is."""
        host = int(target[vm])
        parts = self._over(vm, host, plan).sum(axis=1)
        return float(parts.min()), int(parts.argmin())

    def _over(self, vm: int, host: int, plan: PhasedState) -> NDArray[np.float64]:
        """Return how much is missing for a VM on a host, phase by phase, in parts of what the host may carry."""
        over = np.maximum(plan.union[host] + self.fixed.amount[vm] - self.fixed.ceiling[host], 0)
        return np.asarray(over / np.maximum(self.fixed.ceiling[host], 1))

    # -- nobody is -----------------------------------------------------------------------------------------------------

    def _send_home(self, plan: PhasedState) -> None:
        """Send all that are forced where there is room, or home; who is in the way there goes elsewhere in turn.

        Who is home is in nobody's way any more, so that this ends: at the latest where all are at home.
        """
        left = np.flatnonzero(plan.forced).tolist()
        for vm in left:
            self.search.lift(vm, self.fixed, plan)
        while left:
            vm = left.pop(0)
            if self.search.taken_in(vm, self.fixed, plan):
                continue
            while not self.search.taken_home(vm, len(others := self._in_the_way(vm, plan)) == 0, self.fixed, plan):
                other = max(others, key=lambda v: self._makes_room(v, vm, plan))
                self.search.lift(other, self.fixed, plan)
                left.append(other)

    def _in_the_way(self, vm: int, plan: PhasedState) -> list[int]:
        """Return the VMs that have come to where a VM was at the start; where none has, those away that share a set."""
        fixed, home = self.fixed, int(self.fixed.home[vm])
        guests, on = [], int(plan.head[home])
        while on >= 0:
            if fixed.home[on] != home:
                guests.append(on)
            on = int(plan.place[on, 2])
        sets = fixed.set_of[fixed.sets[vm] : fixed.sets[vm + 1]].tolist()
        fellows = [u for s in sets for u in fixed.member[fixed.members[s] : fixed.members[s + 1]].tolist()]
        return guests or [u for u in fellows if plan.place[u, 0] not in (-1, fixed.home[u])]

    def _makes_room(self, other: int, vm: int, plan: PhasedState) -> float:
        """Return how much another takes of what is missing for a VM at home, in parts of what the host may carry."""
        host = int(self.fixed.home[vm])
        over = self._over(vm, host, plan).max(axis=0)
        return float(np.minimum(over, self.fixed.amount[other] / np.maximum(self.fixed.ceiling[host], 1)).sum())
