"""Ejection chains: a VM goes where another makes way, that one where a third does, and the last where there is room.

Each link is one move. Chains are looked for breadth first, so the shortest comes first, and each VM is asked to make
way at most once for what it may cost: as many questions as there are VMs at the most, where trying all ways in depth
has no end on a full fleet. See Glover, Ejection chains, reference structures and alternating path methods, Discrete
Applied Mathematics 65 (1996); the search itself is that for an augmenting path.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optimizer.problem.rule import Hardness
from optimizer.repair.insertion import Insertion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from optimizer.problem.working_placement import WorkingPlacement

__all__ = ["EjectionChains"]


@dataclass(frozen=True, slots=True)
class _Link:
    """A VM that is to leave `there`, those before it in the chain, and what may follow: links, and first moves."""

    vm: int
    there: int
    before: _Link | None
    links: int
    left: int
    barred: frozenset[int]


class EjectionChains:
    """Settles VMs on full hosts.

    Parameters
    ----------
    work
        The placement that is changed; every change can be undone.
    size
        float64 [V]: how hard each VM is to place.
    near, block
        Hosts that are asked first for room; VMs that are compared at once with the room of all.
    stop
        Asked before each link: whether there is no time left.

    Attributes
    ----------
    cut
        Whether the last `settle` that failed left chains untried, for want of `nodes` or of time.
    asked
        For how many VMs the last `settle` looked up who could make way.
    moved_anew
        Whether the last chain moved a VM that had moved before: then it is no mere sequel to the moves so far.
    """

    def __init__(
        self,
        work: WorkingPlacement,
        size: NDArray[np.float64],
        *,
        near: int,
        block: int,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self.work, self.size, self.block, self.stop = work, size, block, stop
        self.cut = self.moved_anew = False
        self.asked = 0
        self._reception = Insertion(work, tight=True, near=near)
        self._log: list[tuple[int, int]] = []

    def settle(self, vm: int, links: int, spend: int, nodes: int | None = None) -> bool:
        """Move a VM off its host; return whether it worked.

        Parameters
        ----------
        links
            How many others may make way, one after the other.
        spend
            How many of all these VMs may be such as have not moved yet.
        nodes
            For how many VMs it is looked up who could make way; None: for as many as it takes.
        """
        self._log.clear()
        self.cut = self.moved_anew = False
        self.asked = 0
        left = spend - int(self._unmoved(vm))
        if left < 0:
            return False
        first = _Link(vm, int(self.work.placement[vm]), None, links, left, frozenset())
        return self._finish(first) or (links > 0 and self._search(first, nodes))

    def undo(self, mark: int = 0) -> None:
        """Take back what the last `settle` did (from the change numbered `mark` on)."""
        while len(self._log) > mark:
            self.work.put(*self._log.pop())

    # -- searching -----------------------------------------------------------------------------------------------

    def _search(self, first: _Link, nodes: int | None) -> bool:
        """Go through the chains, the shortest first."""
        best = {first.vm: first.left}
        queue = deque([first])
        rooms = _Rooms(self.work, self.block)
        while queue:
            if self.stop() or self.asked == nodes:
                self.cut = True
                return False
            self.asked += 1
            link = queue.popleft()
            following = [n for n in self._following(link) if best.get(n.vm, -1) < n.left]
            best.update((n.vm, n.left) for n in following)
            for at in rooms.fitting([n.vm for n in following]):
                if self.stop():
                    self.cut = True
                    return False
                if self._finish(following[at]):
                    return True
            queue.extend(n for n in following if n.links)
        return False

    def _following(self, link: _Link) -> Iterator[_Link]:
        """Yield the VMs that could make way for the last of a chain."""
        for other in self._ejections(link):
            there = int(self.work.placement[other])
            left = link.left - int(self._unmoved(other))
            yield _Link(other, there, link, link.links - 1, left, link.barred | {there})

    def _finish(self, last: _Link) -> bool:
        """Move the last VM of a chain to where there is room, and each before it to where that made way."""
        host = self._reception.host_for(last.vm, last.barred)
        if host is None:
            return False
        link: _Link | None = last
        while link is not None:
            if host != link.there and (link is last or self._reception.welcomes(link.vm, host)):
                self._put(link.vm, host)
                host, link = link.there, link.before
            else:
                self.undo()
                return False
        self.moved_anew = any(here != int(self.work.problem.start[vm]) for vm, here in self._log)
        return True

    def _unmoved(self, vm: int) -> bool:
        return bool(self.work.placement[vm] == self.work.problem.start[vm])

    def _put(self, vm: int, host: int) -> None:
        self._log.append((vm, int(self.work.placement[vm])))
        self.work.put(vm, host)

    def _ejections(self, link: _Link) -> list[int]:
        """VMs without any one of which the VM would fit where that one is, those that cost nothing more first."""
        problem, now, vm = self.work.problem, self.work.placement, link.vm
        hosts = self.work.tally.admits(vm)
        hosts[[now[vm], *link.barred]] = False
        enough = problem.movable & hosts[now]
        if link.left <= 0:
            enough &= now != problem.start
        for tally in self.work.tally.linears:
            atom = tally.atom
            if not atom.amount[vm] or atom.asked.hardness is Hardness.SHOULD:
                continue
            limit = atom.limit if atom.asked.hardness is Hardness.MUST else tally.ceiling
            lack = (tally.load + atom.amount[vm] - limit)[problem.domain[atom.level][now]]
            enough &= (lack <= 0) if atom.level else (atom.amount >= lack)
        found = np.flatnonzero(enough)
        cost = np.where(now[found] != problem.start[found], 0, problem.moving[found])
        return [int(v) for v in found[np.lexsort((found, self.size[found], cost))]]


class _Rooms:
    """What is free on each host at present, to tell many VMs at once that none has room for them."""

    def __init__(self, work: WorkingPlacement, block: int) -> None:
        self.block = block
        self.which, self.rows = work.problem.enter_class
        self.amounts: list[NDArray[np.int64]] = []
        self.free: list[NDArray[np.int64]] = []
        for tally in work.tally.linears:
            atom = tally.atom
            if atom.level == 0 and not atom.union and atom.asked.hardness is not Hardness.SHOULD:
                limit = atom.limit if atom.asked.hardness is Hardness.MUST else tally.ceiling
                self.amounts.append(atom.amount)
                self.free.append(limit - tally.load)

    def fitting(self, vms: Sequence[int]) -> Iterator[int]:
        """Yield, in their order, the places in `vms` of those for which some host has room, as far as sums tell."""
        asked = np.asarray(vms, np.int64)
        for first in range(0, asked.size, self.block):
            block = asked[first : first + self.block]
            yield from (first + np.flatnonzero(self._fit(block))).tolist()

    def _fit(self, vms: NDArray[np.int64]) -> NDArray[np.bool_]:
        out = np.zeros(vms.size, np.bool_)
        for c in np.unique(self.which[vms]).tolist():
            mine = np.flatnonzero(self.which[vms] == c)
            hosts = np.flatnonzero(self.rows[c])
            for amount, free in zip(self.amounts, self.free, strict=True):
                mine = mine[amount[vms[mine]] <= max(0, int(free[hosts].max(initial=0)))]
            fits = np.ones((mine.size, hosts.size), np.bool_)
            for amount, free in zip(self.amounts, self.free, strict=True):
                needed = amount[vms[mine]][:, None]
                fits &= (needed <= free[hosts][None, :]) | (needed == 0)
            out[mine[fits.any(axis=1)]] = True
        return out
