"""Groups that want company (AtLeast, Same, Needs): VMs join one by one, or a whole group goes with one that leaves.

That takes no model, since nobody has to make way; what finds no room is left to chains and neighbourhood search.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optimizer.problem.rule import Hardness
from optimizer.problem.set_tally import LEFT, SetTally
from optimizer.repair.insertion import Insertion
from optimizer.repair.trouble import members, troubles

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from optimizer.bounds.bounds import Bounds
    from optimizer.limits import Deadline
    from optimizer.parameters import Parameters
    from optimizer.problem.working_placement import Violated, WorkingPlacement

__all__ = ["GroupMoves"]

JOIN_WORK = 0.001
"""What looking for one VM's host counts as work."""


class GroupMoves:
    """Brings the VMs of groups to where the groups want them.

    Parameters
    ----------
    acceptable
        Whether a placement can be carried out; asked where a VM moves on that had moved before.
    size
        float64 [V]: how hard each VM is to place.
    """

    def __init__(
        self,
        work: WorkingPlacement,
        bounds: Bounds,
        deadline: Deadline,
        acceptable: Callable[[NDArray[np.int32]], bool],
        size: NDArray[np.float64],
        parameters: Parameters,
    ) -> None:
        self.work, self.bounds, self.deadline = work, bounds, deadline
        self.acceptable, self.size = acceptable, size
        self.groups, self.near = parameters.groups, parameters.repair.near
        self.problem = work.problem

    def run(self) -> None:
        """Look after every group in turn, and then after VMs that still have to leave."""
        if (self.work.broken or not self.work.changes) and self.deadline.over():
            return
        reception = Insertion(self.work, tight=True, near=self.near)
        for trouble in troubles(self.work):
            if not trouble.violated.atom.shape.leaving_repairs:
                while not self.deadline.over() and self._joined(trouble.violated, reception):
                    pass
        for trouble in troubles(self.work) if self.groups.as_one else ():
            if trouble.name.atom in self.problem.demands.leaves and not self.deadline.over():
                self._take_along(trouble.name.member)

    # -- one by one ----------------------------------------------------------------------------------------------

    def _joined(self, violated: Violated, reception: Insertion) -> bool:
        """Go once through a group's VMs and move those that repair some of it; return whether another go may too."""
        current = self.work.current(violated)
        if current is None:
            return False
        measure, failed, moved = self.work.measure(), 0, False
        for vm in self._joiners(current):
            if failed >= self.groups.failures or self.deadline.over():
                break
            if not self._could_gain(current, vm):
                continue
            self.deadline.spend(JOIN_WORK)
            host = reception.host_for(vm)
            if host is None or not self._put_if_better(vm, host, measure):
                failed += 1
                continue
            measure, failed, moved = self.work.measure(), 0, True
            if self.work.current(violated) is None:
                return False
        return moved

    def _joiners(self, violated: Violated) -> list[int]:
        """Return the VMs of a group that can leave: those that cost nothing more first, then the easiest to place."""
        moved = self.work.placement != self.problem.start
        vms = [v for v in members(self.work, violated) if self.bounds.departures.can_leave(v)]
        cost = self.problem.moving * ~moved
        spent = self.bounds.overdrawn if self.bounds.overdrawn is not None else cost
        return sorted(set(vms), key=lambda v: (int(cost[v]), int(spent[v]), float(self.size[v]), v))

    def _could_gain(self, violated: Violated, vm: int) -> bool:
        """Whether the group would be better off with the VM in some other domain, were there room for it."""
        tally = violated.tally
        assert isinstance(tally, SetTally)
        return bool(self.work.tally.excess_in(tally, vm).min() < tally.excess().get(0, 0))

    def _put_if_better(self, vm: int, host: int, before: tuple[int, ...]) -> bool:
        here, home = int(self.work.placement[vm]), int(self.problem.start[vm])
        self.work.put(vm, host)
        if self.work.measure() < before and (here == home or self.acceptable(self.work.placement)):
            return True
        self.work.put(vm, here)
        return False

    # -- all together --------------------------------------------------------------------------------------------

    def _take_along(self, vm: int) -> bool:
        """Move a VM that still has to leave together with all that belong with it; return whether that worked."""
        if self.work.placement[vm] != self.problem.start[vm]:
            return False
        return any(
            self._moved_as_one(tally)
            for tally, _ in self.work.tally.sets_of.get(vm, ())
            if tally.shape.at_end and tally.atom.asked.hardness is not Hardness.SHOULD
        )

    def _moved_as_one(self, tally: SetTally) -> bool:
        """Move a whole group into the first other domain that has room for it and is better for all."""
        atom, before, measure = tally.atom, self.work.placement.copy(), self.work.measure()
        level = self.problem.domain[atom.level]
        vms = sorted(atom.sides[LEFT][tally.member].tolist(), key=lambda v: (-float(self.size[v]), v))
        if not self.problem.movable[vms].all():
            return False
        reception = Insertion(self.work, tight=True, near=self.near, ignored={tally.number})
        for domain in np.setdiff1d(level, level[before[vms]]).tolist():
            if self.deadline.over():
                return False
            outside = np.flatnonzero(level != domain).tolist()
            for vm in vms:
                host = reception.host_for(vm, outside)
                if host is None:
                    break
                self.work.put(vm, host)
            else:
                if self.work.measure() < measure and self.acceptable(self.work.placement):
                    return True
            self.work.become(before)
        return False
