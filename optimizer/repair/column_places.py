"""Who takes which of the places that columns have: a matching, in which nobody stands where that breaks anything else.

Places are told apart by two resources. Where a VM would break another limit, or stand beside one that it may not, it
takes a place only if no other will do; and where several that come break something together, one of them is asked to
go elsewhere, and all are matched anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optimizer.left_behind import ends_within
from optimizer.problem.rule import Hardness
from optimizer.problem.working_placement import WorkingPlacement
from optimizer.repair.evening import EveningOut
from optimizer.repair.trouble import members, troubles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from optimizer.bounds.host_choices import Column, HostChoices
    from optimizer.limits import Deadline
    from optimizer.parameters import Parameters
    from optimizer.problem.atoms import Linear
    from optimizer.repair.trouble import Trouble

    Ints = NDArray[np.int64]

__all__ = ["Places"]

FINE, UNABLE = 1000, 10_000
"""What a place costs that is larger than who takes it by all that a host may hold; and where that breaks something."""

ARC_WORK = 2e-6
"""What an arc of the matching counts as work."""


class Places:
    """The places of a choice of columns, and those that leave."""

    def __init__(self, hosts: HostChoices, chosen: list[Column], deadline: Deadline, given: Parameters) -> None:
        self.hosts, self.problem, self.deadline = hosts, hosts.problem, deadline
        self.given, self.evening = given.columns, given.evening
        self.work = WorkingPlacement(self.problem)
        at = np.array([at for c in chosen for at in c.leaving], np.int64)
        places = np.array([(at, c.host) for c in chosen for at in c.coming], np.int64).reshape(-1, 2)
        self.vms, self.size = hosts.order[at], hosts.amount[at, :2]
        self.place_size, self.place_host = hosts.amount[places[:, 0], :2], places[:, 1]
        self.order: list[int] = []
        """VMs in the order in which they moved."""
        self.left: list[int] = []
        """VMs that were to leave and found no way, or no place."""
        self.wanted = self.problem.start
        """int32 [V]: where each VM would be if all could be carried out."""
        self.failed: set[int] = set()
        """Hosts whose columns are in the way: VMs wait for each other, or break something, or a place is of no use."""
        self._arcs()

    def _arcs(self) -> None:
        """List who may take which place, and at what cost."""
        share = FINE / np.maximum(self.hosts.amount[:, :2].max(axis=0, initial=1), 1)
        rooms, arcs = self._rooms(), [np.zeros((3, 0), np.int64)]
        for n, (vm, size) in enumerate(zip(self.vms.tolist(), self.size, strict=True)):
            if self.deadline.over():
                break
            fits = (self.place_size >= size).all(axis=1) & self.problem.may_enter(vm)[self.place_host]
            fits &= self.place_host != self.problem.start[vm]  # which it has to leave
            to = np.flatnonzero(fits)
            able = self.work.tally.admits(vm) & np.all([amount[vm] <= room for amount, room in rooms], axis=0)
            waste = np.rint(((self.place_size[to] - size) * share).sum(axis=1)).astype(np.int64)
            arcs.append(np.stack([np.full(len(to), n), to, waste + np.where(able[self.place_host[to]], 0, UNABLE)]))
        self.who, self.place, self.cost = np.concatenate(arcs, axis=1)

    def _rooms(self) -> list[tuple[Ints, Ints]]:
        """Return, for each resource that has to suffice, what VMs take, and what is left once those leave."""
        problem, out = self.problem, []
        for number, atom in problem.demands.sums.items():
            if not atom.level and atom.asked.hardness is not Hardness.SHOULD:
                load = problem.start_loads[number]
                freed = np.bincount(problem.start[self.vms], atom.amount[self.vms], problem.hosts).astype(np.int64)
                guard = atom.asked.hardness is Hardness.GUARD
                out.append((atom.amount, (np.maximum(atom.limit, load) if guard else atom.limit) - load + freed))
        return out

    def target(self) -> NDArray[np.int32]:
        """Match again and again, as long as that breaks less; return the best, whether or not it can be carried out."""
        best: tuple[int, NDArray[np.int32]] | None = None
        for _ in range(self.given.matchings):
            if self.deadline.over():
                break
            self.work.become(self._matched())
            broken = self._broken_by_arrivals()
            if best is None or len(broken) < best[0]:
                best = len(broken), self.work.placement.copy()
                self.failed = {host for _, host in broken} | self._useless(best[1])
            if not broken:
                break
            for vm, host in broken:
                self.cost[(self.vms[self.who] == vm) & (self.place_host[self.place] == host)] += UNABLE
        return self.problem.start.copy() if best is None else best[1]

    def _useless(self, target: NDArray[np.int32]) -> set[int]:
        """Return the hosts that have places left, if somebody found none."""
        hosts, placed = self.problem.hosts, target[self.vms] != self.problem.start[self.vms]
        if placed.all():
            return set()
        came = target[self.vms[placed]]
        free = np.bincount(self.place_host, minlength=hosts) > np.bincount(came, minlength=hosts)
        return set(np.flatnonzero(free).tolist())

    def _matched(self) -> NDArray[np.int32]:
        from ortools.graph.python.min_cost_flow import SimpleMinCostFlow

        movers, places = len(self.vms), len(self.place_host)
        end, flow = movers + places, SimpleMinCostFlow()
        one, free = np.ones(len(self.who), np.int64), np.ones(places, np.int64)
        arcs = flow.add_arcs_with_capacity_and_unit_cost(self.who, movers + self.place, one, self.cost)
        last = np.full(places, end)
        flow.add_arcs_with_capacity_and_unit_cost(np.arange(movers, end), last, free, np.zeros(places, np.int64))
        flow.set_nodes_supplies(np.arange(movers), np.ones(movers, np.int64))
        flow.set_nodes_supplies(np.array([end]), np.array([-movers]))
        self.deadline.spend(ARC_WORK * len(self.who))
        out = self.problem.start.copy()
        ended: list[object] = []
        if ends_within(lambda: ended.append(flow.solve_max_flow_with_min_cost()), self.deadline.over) and (
            ended == [flow.OPTIMAL]
        ):
            used = np.flatnonzero(flow.flows(arcs))
            out[self.vms[self.who[used]]] = self.place_host[self.place[used]]
        return out

    def _broken_by_arrivals(self) -> list[tuple[int, int]]:
        """Return, for each must that is broken where somebody came, one of them and where it is."""
        start, now = self.problem.start, self.work.placement
        out = []
        for trouble in troubles(self.work) if not self.deadline.over() else ():
            came = [v for v in members(self.work, trouble.violated) if now[v] != start[v]]
            if trouble.must and came:
                vm = max(came, key=lambda v: (self._amount(trouble, v), v))
                out.append((vm, int(now[vm])))
        return out

    @staticmethod
    def _amount(trouble: Trouble, vm: int) -> int:
        return int(getattr(trouble.violated.atom, "amount", {vm: 0})[vm])

    def carry_out(self) -> None:
        """Take each VM there as soon as it fits, in turns; where none does one goes elsewhere, and then the others."""
        self.wanted = self.target()
        work, target = self.work, self.wanted.copy()
        work.become(self.problem.start)
        self.order = []
        for vm in self.vms[target[self.vms] == self.problem.start[self.vms]].tolist():
            self._sent_elsewhere(vm, self.work.tally.admits(vm), target)
        left = np.flatnonzero(target != self.problem.start).tolist()
        while left and not self.deadline.over():
            waiting = [vm for vm in left if not self._goes(vm, int(target[vm]))]
            stuck = len(waiting) == len(left)
            if stuck:
                self.failed |= self._waiting_for_each_other(waiting, target)
            if stuck and not any(self._sent_elsewhere(vm, work.tally.room(vm), target) for vm in waiting):
                break
            left = waiting
        self.left = [*left, *self.vms[target[self.vms] == self.problem.start[self.vms]].tolist()]

    def receive(self, acceptable: Callable[[NDArray[np.int32]], bool]) -> None:
        """Let others make way for those that are left, if that can be carried out: see `Solver.repair`."""
        work, reached = self.work, self.work.placement.copy()
        EveningOut(work, self.left, self.evening, self.deadline.over).receive()
        if not (np.array_equal(work.placement, reached) or (not self.deadline.over() and acceptable(work.placement))):
            work.become(reached)

    def _waiting_for_each_other(self, waiting: list[int], target: NDArray[np.int32]) -> set[int]:
        """Return the hosts that VMs wait for which others cannot leave before."""
        from networkx import DiGraph, strongly_connected_components  # takes a tenth of a second to load

        ends = zip(self.problem.start[waiting].tolist(), target[waiting].tolist(), strict=True)
        rings = strongly_connected_components(DiGraph(ends))
        return {host for ring in rings if len(ring) > 1 for host in ring}

    def _goes(self, vm: int, host: int) -> bool:
        fits = self.work.tally.fits(vm, host)
        if fits:
            self.work.put(vm, host)
            self.order.append(vm)
        return fits

    def _sent_elsewhere(self, vm: int, hosts: NDArray[np.bool_], target: NDArray[np.int32]) -> bool:
        """Let a VM go to one of these hosts that has room for it once all others are where they go; whether one has."""
        if self.deadline.over():
            return False
        limits = list(self._loads(target))
        for atom, load in limits:
            hosts &= (load + atom.amount[vm] <= atom.limit) | (atom.amount[vm] == 0)
        hosts[[self.problem.start[vm], target[vm]]] = False
        if not hosts.any():
            return False
        least = np.min([(atom.limit - load) / np.maximum(atom.limit, 1) for atom, load in limits], axis=0)
        target[vm] = int(np.argmin(np.where(hosts, least, np.inf)))
        return True

    def _loads(self, target: NDArray[np.int32]) -> Iterator[tuple[Linear, Ints]]:
        """Yield, for each limit of hosts, what they will have in the end."""
        problem = self.problem
        moved = np.flatnonzero(target != problem.start)
        for number, atom in problem.demands.sums.items():
            if not atom.level and atom.asked.price is None and atom.asked.hardness is not Hardness.GUARD:
                load = problem.start_loads[number].copy()
                np.subtract.at(load, problem.start[moved], atom.amount[moved])
                np.add.at(load, target[moved], atom.amount[moved])
                yield atom, load
