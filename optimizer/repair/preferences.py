"""Many VMs that should stand on the same few hosts: others make way for them, host by host.

One chain after the other asks again, for each of a thousand VMs, who of the same hundreds could make way. Here a host
is asked once: a VM that need not be there goes elsewhere, and those that want to come take its room, the easiest to
place first, since that lets most of them in. Each of these VMs moves once, and has room when its turn comes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optimizer.problem.rule import Hardness
from optimizer.problem.shapes import LEAVE
from optimizer.repair.insertion import Insertion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from optimizer.bounds.bounds import Bounds
    from optimizer.limits import Deadline
    from optimizer.parameters import Parameters
    from optimizer.problem.atoms import Leave
    from optimizer.problem.working_placement import WorkingPlacement

__all__ = ["Preferences"]

EXCHANGE_WORK = 0.002
"""What asking one VM to make way counts as work."""


class Preferences:
    """Brings VMs to hosts where they should stand.

    Parameters
    ----------
    work
        The placement that is changed; musts and guards are never made worse, and no stage is.
    size
        float64 [V]: how hard each VM is to place.
    """

    def __init__(
        self,
        work: WorkingPlacement,
        bounds: Bounds,
        deadline: Deadline,
        size: NDArray[np.float64],
        parameters: Parameters,
    ) -> None:
        self.work, self.bounds, self.deadline, self.size = work, bounds, deadline, size
        self.problem, self.given = work.problem, parameters.preferences
        self._reception = Insertion(work, tight=True, near=parameters.repair.near)

    def run(self) -> None:
        """Look after each demand that VMs leave hosts for others, the heaviest first, as long as that helps."""
        if not self.given.enabled:
            return
        atoms = [a for a in self.problem.demands.leaves.values() if a.asked.hardness is Hardness.SHOULD]
        for atom in sorted(atoms, key=lambda a: -a.asked.weight):
            assert atom.shape is LEAVE
            self._look_after(atom)

    def _look_after(self, atom: Leave) -> None:
        """Fill the hosts that an atom leaves open: with room that is there, then with what others make."""
        if len(self._waiting(atom)) < self.given.least:
            return
        hosts = np.flatnonzero(~atom.hosts).tolist()
        for look in (self._one_each, self._as_many_as_needed, self._of_the_content):
            for host in hosts:
                if self.deadline.over() or not (waiting := self._waiting(atom)).size:
                    return
                self._fill(host, waiting)
                look(host, atom)

    def _one_each(self, host: int, atom: Leave) -> None:
        """Ask each VM of a host that need not be there to make way, by itself."""
        for vm in self._leaving(host, atom, content=False):
            self._exchange([vm], host, atom)

    def _as_many_as_needed(self, host: int, atom: Leave) -> None:
        """Ask for more and more of them at once, where none alone leaves room for any that wants to come."""
        together: list[int] = []
        for vm in self._leaving(host, atom, content=False):
            together.append(vm)
            if self._exchange(together, host, atom):
                together = []

    def _of_the_content(self, host: int, atom: Leave) -> None:
        """Ask a VM that wants to be there, where several others come for it."""
        for vm in self._leaving(host, atom, content=True):
            self._exchange([vm], host, atom)

    def _waiting(self, atom: Leave) -> NDArray[np.int64]:
        """Return int64 [n]: VMs at home where they should not be, and that can leave, the easiest to place first."""
        now, start = self.work.placement, self.problem.start
        vms = np.asarray(atom.vms, np.int64)
        vms = vms[(now[vms] >= 0) & (now[vms] == start[vms])]
        vms = vms[atom.hosts[now[vms]]]
        vms = vms[[self.bounds.departures.can_leave(v) for v in vms.tolist()]]
        return np.asarray(vms[np.argsort(self.size[vms], kind="stable")])

    def _leaving(self, host: int, atom: Leave, *, content: bool) -> list[int]:
        """Return the VMs at home on a host that could make way, content to be there or not, the largest first."""
        vms = self.work.on(host)
        vms = vms[self.problem.movable[vms] & (self.problem.start[vms] == host)]
        vms = vms[np.isin(vms, atom.vms) == content]
        return [int(v) for v in vms[np.argsort(-self.size[vms], kind="stable")]]

    def _exchange(self, vms: Sequence[int], host: int, atom: Leave) -> bool:
        """Let VMs make way, and others come in their place; take it back unless that is better."""
        if self.deadline.over():
            return False
        self.deadline.spend(EXCHANGE_WORK * len(vms))
        waiting, before = self._waiting(atom), self.work.measure()
        gone: list[int] = []
        barred = np.flatnonzero(~atom.hosts).tolist()
        for vm in vms if waiting.size else ():
            if (target := self._reception.host_for(vm, barred)) is not None:
                self.work.put(vm, target)
                gone.append(vm)
        came = self._fill(host, waiting) if gone else []
        if came and self.work.measure() < before:
            return True
        for vm in (*reversed(came), *reversed(gone)):
            self.work.put(vm, int(self.problem.start[vm]))
        return False

    def _fill(self, host: int, waiting: NDArray[np.int64]) -> list[int]:
        """Put those on a host that fit there without harm, the first ones first; return them."""
        came: list[int] = []
        failed = 0
        for vm in waiting[self._sums_allow(host, waiting)].tolist():
            if failed >= self.given.failures or self.deadline.over():
                break
            if self._reception.welcomes(vm, host) and self._is_better_there(vm, host):
                came.append(vm)
            else:
                failed += 1
        return came

    def _is_better_there(self, vm: int, host: int) -> bool:
        """Put a VM on a host, and keep it there if that is better."""
        home, before = int(self.work.placement[vm]), self.work.measure()
        self.work.put(vm, host)
        if self.work.measure() < before:
            return True
        self.work.put(vm, home)
        return False

    def _sums_allow(self, host: int, vms: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return for which VMs a host has room, as far as sums tell."""
        fits = np.ones(vms.size, np.bool_)
        for tally in self.work.tally.linears:
            atom = tally.atom
            if atom.asked.hardness is not Hardness.SHOULD:
                d = self.problem.domain[atom.level][host]
                amount = atom.amount[vms]
                fits &= (amount == 0) | (amount <= tally.ceiling[d] - tally.load[d])
        return fits
