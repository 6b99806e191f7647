"""Ejection chains: a VM goes where another makes way, that one where a third does, and the last where there is room.

Each link is one move, so the shortest chain is tried first; a VM that was moved already makes way for nothing. See
Glover, Ejection chains, reference structures and alternating path methods, Discrete Applied Mathematics 65 (1996).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optimizer.problem.rule import Hardness
from optimizer.repair.insertion import Insertion

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from optimizer.problem.working_placement import WorkingPlacement

__all__ = ["EjectionChains"]

WIDTH = 24
"""VMs that may make way for one VM, the cheapest and smallest first."""


class EjectionChains:
    """Settles VMs on full hosts.

    Parameters
    ----------
    work
        The placement that is changed; every change can be undone.
    size
        float64 [V]: how hard each VM is to place.
    """

    def __init__(self, work: WorkingPlacement, size: NDArray[np.float64]) -> None:
        self.work, self.size = work, size
        self._reception = Insertion(work, tight=True)
        self._log: list[tuple[int, int]] = []

    def settle(self, vm: int, links: int, spend: int) -> bool:
        """Move a VM off its host; return whether it worked.

        Parameters
        ----------
        links
            How many others may make way, one after the other.
        spend
            How many of all these VMs may be such as have not moved yet.
        """
        self._log.clear()
        return self._settle(vm, links, spend, frozenset())

    def undo(self, mark: int = 0) -> None:
        """Take back what the last `settle` did (from the change numbered `mark` on)."""
        while len(self._log) > mark:
            self.work.put(*self._log.pop())

    def _settle(self, vm: int, links: int, spend: int, barred: frozenset[int]) -> bool:
        left = spend - int(self._unmoved(vm))
        if left < 0:
            return False
        host = self._reception.host_for(vm, barred)
        if host is not None:
            self._put(vm, host)
            return True
        if not links:
            return False
        mark = len(self._log)
        for other in self._ejections(vm, barred, anyone=left > 0)[:WIDTH]:
            there = int(self.work.placement[other])
            if self._settle(other, links - 1, left, barred | {there}):
                if self._reception.welcomes(vm, there):
                    self._put(vm, there)
                    return True
                self.undo(mark)
        return False

    def _unmoved(self, vm: int) -> bool:
        return bool(self.work.placement[vm] == self.work.problem.start[vm])

    def _put(self, vm: int, host: int) -> None:
        self._log.append((vm, int(self.work.placement[vm])))
        self.work.put(vm, host)

    def _ejections(self, vm: int, barred: Iterable[int], *, anyone: bool) -> list[int]:
        """VMs without any one of which the VM would fit where that one is, those that cost nothing more first."""
        problem, now = self.work.problem, self.work.placement
        hosts = self.work.tally.admits(vm)
        hosts[[now[vm], *barred]] = False
        enough = problem.movable & hosts[now]
        if not anyone:
            enough &= now != problem.start
        for tally in self.work.tally.linears:
            atom = tally.atom
            if not atom.amount[vm] or atom.asked.hardness is Hardness.SHOULD:
                continue
            limit = atom.limit if atom.asked.hardness is Hardness.MUST else tally.ceiling
            lack = (tally.load + atom.amount[vm] - limit)[problem.domain[atom.level][now]]
            enough &= (lack <= 0) if atom.level else (atom.amount >= lack)
        cost = np.where(now != problem.start, 0, problem.moving)
        found = np.flatnonzero(enough)
        return [int(v) for v in found[np.lexsort((found, self.size[found], cost[found]))]]
