"""Hosts for VMs to come, where room may have to be made: those that seem to need the fewest migrations.

VMs that have a host without a move get it (`pack`). Each of the others goes to the host where the fewest VMs have to
leave for it: of the hosts that nothing but room closes to it. The planner then says whether that can be done, with how
many moves, and that no fewer do for these hosts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from optimizer.problem.problem import build
from optimizer.scope import KeptRoom
from optimizer.whatif.greedy import CLOSED, Greedy
from optimizer.whatif.packing import pack
from optimizer.whatif.room import Kind, Room, room_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet
    from optimizer.policy import Policy
    from optimizer.problem.problem import Problem
    from optimizer.whatif.effort import Effort

__all__ = ["Chosen", "choose_hosts"]


@dataclass(frozen=True, eq=False)
class Chosen:
    """Hosts for VMs to come.

    Attributes
    ----------
    created
        Pairs (VM, host), indices of the fleet.
    without_moves
        How many of them have room there already, beside each other.
    at_most_without
        How many could have without a move, whatever hosts are chosen.
    nowhere
        VMs for which no host is open, however much room is made.
    late
        VMs for which there was no time.
    """

    created: tuple[tuple[int, int], ...]
    without_moves: int
    at_most_without: int
    nowhere: tuple[int, ...]
    late: tuple[int, ...] = ()

    def kept(self, fleet: Fleet) -> tuple[KeptRoom, ...]:
        """Return the room that a plan has to make or leave."""
        return tuple(
            KeptRoom(
                fleet.vms.ids[vm],
                fleet.hosts.ids[host],
                tuple(
                    sorted((r.name, int(n)) for r, n in zip(fleet.resources, fleet.vms.demand[vm], strict=True) if n)
                ),
            )
            for vm, host in self.created
        )


def choose_hosts(
    fleet: Fleet, policy: Policy, vms: Sequence[int], effort: Effort, refused: Collection[tuple[int, int]] = ()
) -> Chosen:
    """Choose a host for each VM without one.

    Parameters
    ----------
    refused
        Pairs (VM, host) that a plan could not make room for.
    """
    problem = build(fleet, policy.rules)
    room = room_of(problem, [Kind(fleet.vms.ids[vm], np.array([vm], np.int32), 1) for vm in vms])
    numbers, bound = pack(room, effort)
    created = [(vms[k], int(h)) for k, h in zip(*np.nonzero(numbers), strict=True)]
    placed = {vm for vm, _ in created}
    beside = Greedy(_without_sums(room))
    for k, host in zip(*np.nonzero(numbers), strict=True):
        beside.add(int(k), int(host))
    crowding = _Crowding(problem, room, numbers)
    nowhere: list[int] = []
    late: list[int] = []
    for k, vm in enumerate(vms):
        if vm in placed:
            continue
        if effort.over():
            late.append(vm)
            continue
        scores, _ = beside.scores(k)
        open_ = np.flatnonzero(scores < CLOSED)
        open_ = open_[[(vm, int(h)) not in refused for h in open_]]
        if not open_.size:
            nowhere.append(vm)
            continue
        host = crowding.best(k, open_)
        beside.add(k, host)
        crowding.add(k, host)
        created.append((vm, host))
    return Chosen(tuple(created), len(placed), bound, tuple(nowhere), tuple(late))


def _without_sums(room: Room) -> Room:
    """Return the room as if hosts had any amount of everything: only what moving VMs away cannot change is left."""
    return replace(room, rows=tuple(row for row in room.rows if row.level or row.counts))


class _Crowding:
    """What is missing on each host for a VM, and how many VMs have to leave at least to give it."""

    def __init__(self, problem: Problem, room: Room, numbers: NDArray[np.int64]) -> None:
        self.problem = problem
        self.rows = [row for row in room.spent(numbers).rows if not row.level and not row.counts]
        self.left = [row.left - row.debt for row in self.rows]
        sums = {(a.asked.rule, a.resource): a.amount for a in problem.demands.sums.values() if a.level == 0}
        self.frees = [sums[row.rule, row.what] for row in self.rows]
        movable = np.flatnonzero(problem.movable)
        order = movable[np.argsort(problem.start[movable], kind="stable")]
        ends = np.cumsum(np.bincount(problem.start[movable], minlength=problem.hosts))
        self.here = np.split(order, ends[:-1])

    def best(self, kind: int, hosts: NDArray[np.intp]) -> int:
        """Return the host where the fewest VMs have to leave, and the least is missing."""
        return int(min(hosts.tolist(), key=lambda h: (*self._missing(kind, h), h)))

    def _missing(self, kind: int, host: int) -> tuple[int, float]:
        leave, share = 0, 0.0
        for row, left, frees in zip(self.rows, self.left, self.frees, strict=True):
            short = int(row.amount[kind]) - int(left[host])
            if not row.amount[kind] or short <= 0:
                continue
            share = max(share, short / max(1, int(row.limit[host])))
            freed = np.sort(frees[self.here[host]])[::-1].cumsum()
            enough = np.flatnonzero(freed >= short)
            leave = max(leave, int(enough[0]) + 1 if enough.size else 10**9)
        return leave, share

    def add(self, kind: int, host: int) -> None:
        """Take what a VM takes."""
        for row, left in zip(self.rows, self.left, strict=True):
            left[host] -= row.amount[kind]
