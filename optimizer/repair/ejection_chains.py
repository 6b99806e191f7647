"""Ejection chains: a VM goes where another makes way, that one where a third does, and the last where there is room.

Each link is one move. Chains are looked for breadth first, so the shortest comes first, and each VM is asked to make
way at most once for what it may cost: as many questions as there are VMs at the most, where trying all ways in depth
has no end on a full fleet. See Glover, Ejection chains, reference structures and alternating path methods, Discrete
Applied Mathematics 65 (1996); the search itself is that for an augmenting path.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from optimizer.problem.rule import Hardness
from optimizer.repair.insertion import Insertion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from optimizer.problem.tally import LinearTally
    from optimizer.problem.working_placement import WorkingPlacement

__all__ = ["EjectionChains"]

FIRST_BLOCK = 8
"""VMs that are compared first with the room of all hosts: a few, since nearly always one of them will do."""


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
        self._no_room: dict[int, int] = {}
        """For VMs that no host had room for: after how many changes of the placement that was."""
        self._full = False
        self._wanted: NDArray[np.bool_] | None = None
        self._before: tuple[int, ...] = ()

    def settle(
        self,
        vm: int,
        links: int,
        spend: int,
        nodes: int | None = None,
        wanted: NDArray[np.bool_] | None = None,
        *,
        full: bool = False,
    ) -> bool:
        """Move a VM off its host; return whether it worked.

        Parameters
        ----------
        links
            How many others may make way, one after the other.
        spend
            How many of all these VMs may be such as have not moved yet.
        nodes
            For how many VMs it is looked up who could make way; None: for as many as it takes.
        wanted
            bool [H]: the hosts to which the VM is to come, by a chain that leaves less harm (others may want to be
            there as well); None: to any other than its own.
        full
            Whether each host that a VM of the chain comes to has to end full of something.
        """
        self._log.clear()
        self._full = full
        self._wanted, self._before = wanted, self.work.measure() if wanted is not None else ()
        self.cut = self.moved_anew = False
        self.asked = 0
        left = spend - int(self._unmoved(vm))
        if left < 0:
            return False
        first = _Link(vm, int(self.work.placement[vm]), None, links, left, frozenset())
        if wanted is not None or self._no_room.get(vm) != self.work.changes:
            if self._finish(first):
                return True
            if wanted is None and not full:
                self._no_room[vm] = self.work.changes
        return links > 0 and (left > 0 or bool(self.work.displaced)) and self._search(first, nodes)

    def undo(self, mark: int = 0) -> None:
        """Take back what the last `settle` did (from the change numbered `mark` on)."""
        while len(self._log) > mark:
            self.work.put(*self._log.pop())

    # -- searching -----------------------------------------------------------------------------------------------

    def _search(self, first: _Link, nodes: int | None) -> bool:
        """Go through the chains, the shortest first."""
        best = np.full(self.work.problem.vms, -1, np.int8)
        best[first.vm] = first.left
        queue = deque([iter([first])])
        rooms = _Rooms(self.work, self.block)
        while queue:
            link = next(queue[0], None)
            if link is None:
                queue.popleft()
                continue
            if self.stop() or self.asked == nodes:
                self.cut = True
                return False
            self.asked += 1
            vms, left = self._following(link, best)
            best[vms] = left
            for at in rooms.fitting(vms):
                if self.stop():
                    self.cut = True
                    return False
                if self._finish(self._next(link, int(vms[at]), int(left[at]))):
                    return True
            if link.links > 1 and vms.size:
                queue.append(self._each(link, vms, left))
        return False

    def _following(self, link: _Link, best: NDArray[np.int8]) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
        """Return the VMs that could make way for the last of a chain, and the first moves that each would leave."""
        vms = self._ejections(link)
        unmoved = self.work.placement[vms] == self.work.problem.start[vms]
        left = (link.left - unmoved).astype(np.int8)
        better = best[vms] < left
        return vms[better], left[better]

    def _each(self, link: _Link, vms: NDArray[np.int64], left: NDArray[np.int8]) -> Iterator[_Link]:
        """Yield the chains that go on from one by each of these VMs."""
        for vm, spare in zip(vms.tolist(), left.tolist(), strict=True):
            yield self._next(link, vm, spare)

    def _next(self, link: _Link, vm: int, left: int) -> _Link:
        there = int(self.work.placement[vm])
        return _Link(vm, there, link, link.links - 1, left, link.barred | {there})

    def _finish(self, last: _Link) -> bool:
        """Move the last VM of a chain to where there is room, and each before it to where that made way."""
        host = self._reception.host_for(last.vm, self._barred(last))
        if host is None or (self._full and not self._fills(last.vm, host)):
            return False
        link: _Link | None = last
        while link is not None:
            if host != link.there and (link is last or self._reception.welcomes(link.vm, host)):
                self._put(link.vm, host)
                host, link = link.there, link.before
            else:
                self.undo()
                return False
        if self._wanted is not None and self.work.measure() >= self._before:
            self.undo()
            return False
        self.moved_anew = any(here != int(self.work.problem.start[vm]) for vm, here in self._log)
        return True

    def _fills(self, vm: int, host: int) -> bool:
        """Whether the host is full of something once the VM has come."""
        amounts = ((t.atom.amount[vm], t.atom.limit[host] - t.load[host]) for t in self._binding)
        return any(0 < amount == free for amount, free in amounts)

    @cached_property
    def _binding(self) -> list[LinearTally]:
        """The sums that say when a host is full."""
        linears = self.work.tally.linears
        return [t for t in linears if t.atom.level == 0 and t.atom.asked.hardness is Hardness.MUST]

    def _barred(self, link: _Link) -> Iterable[int]:
        """Return the hosts to which the VM of a link is not to come."""
        if link.before is not None or self._wanted is None:
            return link.barred
        return [*link.barred, *np.flatnonzero(~self._wanted).tolist()]

    def _unmoved(self, vm: int) -> bool:
        return bool(self.work.placement[vm] == self.work.problem.start[vm])

    def _put(self, vm: int, host: int) -> None:
        self._log.append((vm, int(self.work.placement[vm])))
        self.work.put(vm, host)

    @cached_property
    def _by_size(self) -> NDArray[np.int64]:
        """The VMs that may move, the easiest to place first."""
        vms = np.flatnonzero(self.work.problem.movable)
        return vms[np.argsort(self.size[vms], kind="stable")]

    def _displaced(self) -> NDArray[np.int64]:
        """Return the VMs that have moved, the easiest to place first: each may move on at no cost."""
        vms = np.array(sorted(self.work.displaced), np.int64)
        return vms[np.argsort(self.size[vms], kind="stable")]

    def _ejections(self, link: _Link) -> NDArray[np.int64]:
        """VMs without any one of which the VM would fit where that one is, those that cost nothing more first."""
        problem, now, vm = self.work.problem, self.work.placement, link.vm
        asked = self._by_size if link.left > 0 else self._displaced()
        there = now[asked]
        hosts = self.work.tally.admits(vm)
        hosts[[now[vm], *self._barred(link)]] = False
        enough = hosts[there]
        for tally in self.work.tally.linears:
            atom = tally.atom
            if not atom.amount[vm] or atom.asked.hardness is Hardness.SHOULD:
                continue
            limit = atom.limit if atom.asked.hardness is Hardness.MUST else tally.ceiling
            lack = (tally.load + atom.amount[vm] - limit)[problem.domain[atom.level][there]]
            enough &= (lack <= 0) if atom.level else (atom.amount[asked] >= lack)
        found = self._filling(vm, asked[enough]) if self._full else asked[enough]
        if link.left <= 0:
            return found
        cost = np.where(now[found] != problem.start[found], 0, problem.moving[found])
        return found[np.argsort(cost, kind="stable")]

    def _filling(self, vm: int, others: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those of others whose host is full once the VM has come there in place of them."""
        filled, there = np.zeros(others.size, np.bool_), self.work.placement[others]
        for t in self._binding:
            amount = t.atom.amount
            filled |= (amount[vm] > 0) & (t.load[there] - amount[others] + amount[vm] == t.atom.limit[there])
        return others[filled]


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
                self.free.append(np.maximum(limit - tally.load, 0))  # who needs none of it is not asked

    def fitting(self, vms: NDArray[np.int64]) -> Iterator[int]:
        """Yield, in their order, the places in `vms` of those for which some host has room, as far as sums tell."""
        places, size = np.flatnonzero(self._are_small(vms)) if vms.size else vms, FIRST_BLOCK
        while places.size:
            yield from places[:size][self._fit(vms[places[:size]])].tolist()
            places, size = places[size:], min(4 * size, self.block)

    def _are_small(self, vms: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which VMs need no more of anything than some host that may receive them has free."""
        small = np.ones(vms.size, np.bool_)
        classes, which = np.unique(self.which[vms], return_inverse=True)
        for amount, free in zip(self.amounts, self.free, strict=True):
            largest = np.array([free[self.rows[c]].max(initial=0) for c in classes.tolist()], np.int64)
            small &= amount[vms] <= largest[which]
        return small

    def _fit(self, vms: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return for which VMs some host has room for all that they need."""
        out, which = np.zeros(vms.size, np.bool_), self.which[vms]
        for c in np.unique(which).tolist():
            mine, hosts = np.flatnonzero(which == c), np.flatnonzero(self.rows[c])
            needed = [amount[vms[mine]] for amount in self.amounts]
            for amount, free in zip(needed, self.free, strict=True):
                hosts = hosts[free[hosts] >= amount.min()]
            fits = np.ones((mine.size, hosts.size), np.bool_)
            for amount, free in zip(needed, self.free, strict=True):
                fits &= amount[:, None] <= free[hosts][None, :]
            out[mine[fits.any(axis=1)]] = True
        return out
