"""Targets of equal cost for a VM that moves, and how hot each host would be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optimizer.problem.atoms import UNLIMITED
from optimizer.problem.rule import Hardness
from optimizer.repair.insertion import Insertion

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optimizer.problem.working_placement import WorkingPlacement

__all__ = ["Targets"]

CALL = 2e-4
"""Seconds that one question about a VM takes, whatever the number of hosts."""

HOST = 3e-8
"""Seconds for each host that a question is about."""


class Targets:
    """What else could receive the VMs that move, at no other cost in any stage before placement.

    Attributes
    ----------
    work_done
        What was asked so far, in units of about a second of one core.
    """

    def __init__(self, work: WorkingPlacement, near: int) -> None:
        self.work = work
        self.insertion = Insertion(work, tight=False, near=near)
        musts = [t for t in work.tally.linears if t.atom.level == 0 and t.atom.asked.hardness is Hardness.MUST]
        self.loads = [(t, np.where(t.atom.limit < UNLIMITED, np.maximum(t.atom.limit, 1), UNLIMITED)) for t in musts]
        self.work_done = 0.0

    def heat(self, hosts: NDArray[np.int64], vm: int | None = None) -> NDArray[np.float64]:
        """Return float64 [hosts]: the highest load of any resource, as a share of its limit; with `vm` come as well."""
        heat = np.zeros(hosts.size)
        for tally, limit in self.loads:
            more = 0 if vm is None else int(tally.atom.amount[vm])
            heat = np.maximum(heat, (tally.load[hosts] + more) / limit[hosts])
        return heat

    def exchanged(
        self, hosts: NDArray[np.int64] | int, goes: NDArray[np.int64] | int, comes: NDArray[np.int64] | int
    ) -> NDArray[np.float64]:
        """Return float64 [n]: the heat of hosts when a VM has gone from each and another has come; one or n of each."""
        heat = np.zeros(max(np.size(hosts), np.size(goes), np.size(comes)))
        for tally, limit in self.loads:
            amount = tally.atom.amount
            heat = np.maximum(heat, (tally.load[hosts] - amount[goes] + amount[comes]) / limit[hosts])
        return heat

    def open(self, vm: int) -> NDArray[np.int64]:
        """Return the hosts that the VM, now at home, could go to without a wait, whatever that costs."""
        among = self.insertion.near(vm)
        hosts = np.flatnonzero(self.work.tally.room(vm, among)) + (among.start or 0)
        self.work_done += CALL + HOST * (self.work.problem.hosts if among.start is None else among.stop - among.start)
        return hosts[self.work.union.room(vm, among)[hosts - (among.start or 0)]] if hosts.size else hosts

    def equal(self, vm: int, instead_of: int) -> NDArray[np.int64]:
        """Return the hosts that the VM, now at home, could go to at the cost of `instead_of`, without a wait."""
        return self.equally_dear(vm, self.open(vm), instead_of)

    def fits(self, vm: int, host: int) -> bool:
        """Whether the VM, now at home, could go to `host` without a wait, whatever that costs."""
        self.work_done += CALL
        return self.work.tally.fits(vm, host) and self.work.union.fits(vm, host)

    def may_go(self, vm: int, host: int, instead_of: int) -> bool:
        """Whether the VM, now at home, could go to `host` at the cost of `instead_of`, without a wait."""
        return self.fits(vm, host) and self.equally_dear(vm, np.array([host]), instead_of).size > 0

    def equally_dear(self, vm: int, hosts: NDArray[np.int64], instead_of: int) -> NDArray[np.int64]:
        """Return those of the hosts at which the VM would do as much harm as at `instead_of`."""
        for hardness in (Hardness.MUST, Hardness.SHOULD):
            wanted = self.insertion.harm_of(vm, np.array([instead_of]), hardness)[0]
            hosts = hosts[self.insertion.harm_of(vm, hosts, hardness) == wanted]
        return hosts
