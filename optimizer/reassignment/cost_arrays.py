"""A problem of cost alone lowered to flat arrays of whole numbers: what the kernels read and what they change.

For problems in the form of ROADEF 2012: every VM in at most one set (its service), every constraint a must, capacity
and conflicts on hosts, one cost of moves. Capacity and hinges have one form, so they share their rows: a *level* a
host, (sum of amounts there + offset), that costs ``weight x max(0, level)``. The first rows are capacities; their
weight is 0 where a search keeps to them, and a penalty where it may pass them.

Levels, amounts and weights are whole numbers in float64: a loop over a row then becomes a few vector instructions, and
sums are exact in any order as long as they stay below 2**53, which `lowered` makes sure of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from optimizer.fleet import ABSENT
from optimizer.problem.atoms import MoveCost
from optimizer.problem.shapes import COMPANY, COUNT, HINGE, MOVE_COST, OCCUPANCY, SUM, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from optimizer.problem.atoms import Linear, Sets
    from optimizer.problem.problem import Problem

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

__all__ = ["CostArrays", "Room", "SearchState", "lowered", "room_for", "state_at"]

KNOWN = (SUM, COUNT, OCCUPANCY, COMPANY, HINGE, MOVE_COST)

EXACT = 2**52
"""No sum may come near 2**53, up to where float64 counts whole numbers."""

LANES = 4
"""Numbers of a row that are worked on at once."""

LOG = 4096
"""Moves remembered since the best placement; with more of them the whole placement is copied."""


class CostArrays(NamedTuple):
    """What no move changes; V VMs, H hosts, S services of which the first B are *bound* by a rule, C capacities.

    Attributes
    ----------
    vm
        [V, 3]: home, service, cost of being away (without route).
    amount
        float64 [2 V, rows]: row 2 v is what VM v adds to each level of a host, row 2 v + 1 what it adds at home, where
        a capacity with `union` counts it anyway. Rows are filled up to a multiple of `LANES`.
    union
        [C]: 1 where a VM that is away still counts at home.
    route
        [H, H]: cost of the way from home.
    host
        [H, 2]: column of the host's location and of its neighborhood in `SearchState.there`.
    service
        [S, 4]: most VMs on a host, fewest locations, 1 if dependencies speak of it, 1 if bound.
    start
        [3, S + 1]: where its part begins in `related` of: services it needs; services that need it; its VMs.
    related
        The lists for `start`, one after the other.
    order
        [2, V]: the VMs by size, and each VM's place therein.
    scalars
        C, the first neighborhood's column, weight of the most moved service, the largest penalty.
    """

    vm: Ints
    amount: Floats
    union: Ints
    route: Ints
    host: Ints
    service: Ints
    start: Ints
    related: Ints
    order: Ints
    scalars: Ints


class SearchState(NamedTuple):
    """A placement and its sums.

    Attributes
    ----------
    weight
        float64 [H, rows]: of each level; the first C are penalties, on each host its own.
    place
        [V, 3]: the VM's host, the next VM there, the one before (-1: none).
    head
        [H]: the first VM of each host.
    level
        float64 [H, rows]: sum of amounts there + offset.
    cost
        [H, 2]: of the hinges; of the penalties.
    there
        int32 [B, H + locations + neighborhoods]: how many VMs of a bound service.
    counts
        [S, 2]: VMs away from home; locations held.
    having
        [V + 2]: how many services have that many VMs away.
    total
        Cost; penalties; most VMs of a service away; length of `log`; cost of `best`.
    log, best
        VMs touched since the best placement, and that placement, [V].
    random
        [2]: state of the random numbers.
    """

    weight: Floats
    place: Ints
    head: Ints
    level: Floats
    cost: Ints
    there: NDArray[np.int32]
    counts: Ints
    having: Ints
    total: Ints
    log: Ints
    best: Ints
    random: Ints


class Room(NamedTuple):
    """What a search's large moves take beside its state.

    Attributes
    ----------
    loose
        The problem with conflicts alone: what is kept to while the VMs of a service move one after the other.
    trail
        [moves + 1, 2]: the VMs of such a move, and where each came from.
    tried
        uint8 [V]: whether a VM has been sent away.
    """

    loose: CostArrays
    trail: Ints
    tried: NDArray[np.uint8]


def room_for(fixed: CostArrays, moves: int) -> Room:
    """Return the room for large moves of that many VMs."""
    service = fixed.service.copy()
    service[:, 1:3] = 0
    loose = fixed._replace(service=service)
    return Room(loose, np.zeros((moves + 1, 2), np.int64), np.zeros(len(fixed.vm), np.uint8))


def lowered(problem: Problem) -> tuple[CostArrays, SearchState]:
    """Lower a problem; the state is the start.

    Raises
    ------
    ValueError
        If the problem is not in the form of ROADEF.
    """
    if any(shape_of(a) not in KNOWN for a in problem.atoms) or (problem.start == ABSENT).any():
        raise _refused("all VMs placed, no other atoms")
    services = _Services(problem)
    capacities = list(problem.demands.sums.values())
    hinges = [a for a in problem.demands.hinges.values() if a.weight]
    if any(a.level for a in capacities):
        raise _refused("capacity belongs to hosts")
    rows = [*(a.amount for a in capacities), *(a.amount for a in hinges)]
    amount = _amounts(rows, np.array([a.union for a in capacities], bool), problem.vms)
    moving = services.moving
    route = np.zeros((problem.hosts, problem.hosts), np.int64)
    if moving.route is not None:
        route += moving.route * moving.route_weight
    np.fill_diagonal(route, 0)
    size = _sizes(problem, capacities)
    order = np.argsort(-size, kind="stable")
    fixed = CostArrays(
        vm=np.stack([problem.start.astype(np.int64), services.of, moving.vm_cost * moving.vm_weight], axis=1),
        amount=amount,
        union=np.array([a.union for a in capacities], np.int64),
        route=route,
        host=services.columns,
        service=services.asked,
        start=services.begin,
        related=services.related,
        order=np.stack([order, np.argsort(order)]),
        scalars=np.array([len(capacities), services.first_neighborhood, moving.set_weight, 0], np.int64),
    )
    offset = _filled([*(a.base - a.limit for a in capacities), *(a.offset for a in hinges)], problem.hosts)
    used = _used(fixed, problem.start.astype(np.int64), problem.hosts)
    base = offset
    held = slice(len(capacities))
    base[:, held] = np.minimum(base[:, held], -used[:, held])  # never worse than at the start
    weight = np.zeros(base.shape)
    weight[:, len(capacities) : len(rows)] = [a.weight for a in hinges]
    fixed.scalars[3] = _largest_penalty(amount, base, weight[0], len(capacities))
    state = _state(fixed, services.bound, weight, base, problem.start.astype(np.int64))
    fixed.service[: services.bound, 1] = np.minimum(
        fixed.service[: services.bound, 1], state.counts[: services.bound, 1]
    )
    return fixed, state


def state_at(fixed: CostArrays, old: SearchState, placement: Ints, seed: int) -> SearchState:
    """Return the state of a placement, all sums anew, with random numbers of its own."""
    base = old.level - _used(fixed, old.place[:, 0], len(old.head))
    state = _state(fixed, len(old.there), old.weight.copy(), base, placement.astype(np.int64))
    state.random[:] = np.random.default_rng(seed).integers(1, 2**32 - 1, 2)
    return state


def _refused(why: str) -> ValueError:
    return ValueError(f"this search is for problems in the form of ROADEF: {why}")


def _sizes(problem: Problem, capacities: list[Linear]) -> NDArray[np.float64]:
    """Return float64 [V]: a VM's largest share of a mean host's capacity, over the resources."""
    size = np.zeros(problem.vms)
    for a in capacities:
        size += a.amount / max(1.0, float(a.limit.mean())) if a.limit.size else 0.0
    return size


def _filled(rows: list[Ints], length: int) -> Floats:
    """Return float64 [length, rows], and columns of 0 up to a multiple of `LANES`."""
    out = np.zeros((length, -(-len(rows) // LANES) * LANES))
    for r, row in enumerate(rows):
        out[:, r] = row
    return out


def _amounts(rows: list[Ints], union: NDArray[np.bool_], vms: int) -> Floats:
    """Return `CostArrays.amount`."""
    out = np.repeat(_filled(rows, vms), 2, axis=0)
    out[1::2, np.flatnonzero(union)] = 0
    return out


def _largest_penalty(amount: Floats, base: Floats, weight: Floats, capacities: int) -> int:
    """Return how large a penalty may be so that all sums are exact.

    Raises
    ------
    ValueError
        If the costs alone are too large for that.
    """
    most = np.abs(base).sum(axis=0) + np.abs(amount[::2]).sum(axis=0)
    if float((most * np.maximum(weight, 1)).sum()) >= EXACT:
        raise _refused(f"costs below {EXACT}")
    return int(max(1.0, EXACT / 2 / max(1.0, float(most[:capacities].sum()))))


def _used(fixed: CostArrays, at: Ints, hosts: int) -> Floats:
    """Return [H, rows]: amounts added up where they count."""
    out = np.zeros((hosts, fixed.amount.shape[1]))
    np.add.at(out, at, fixed.amount[::2])
    away = np.flatnonzero(at != fixed.vm[:, 0])
    np.add.at(out, fixed.vm[away, 0], fixed.amount[2 * away] - fixed.amount[2 * away + 1])
    return out


def _state(fixed: CostArrays, bound: int, weight: Floats, base: Floats, at: Ints) -> SearchState:
    vms, hosts, services = len(at), len(base), len(fixed.service)
    capacities = len(fixed.union)
    level = base + _used(fixed, at, hosts)
    paid = np.maximum(level, 0) * weight
    home, service = fixed.vm[:, 0], fixed.vm[:, 1]
    there = np.zeros((bound, int(fixed.host.max(initial=hosts - 1)) + 1), np.int32)
    inside = np.flatnonzero(service < bound)
    for column in (at, fixed.host[at, 0], fixed.host[at, 1]):
        np.add.at(there, (service[inside], column[inside]), 1)
    count = np.zeros((services, 2), np.int64)
    np.add.at(count[:, 0], service, (at != home).astype(np.int64))
    count[:bound, 1] = np.count_nonzero(there[:, hosts : int(fixed.scalars[1])], axis=1)
    having = np.zeros(vms + 2, np.int64)
    np.add.at(having, count[:, 0], 1)
    most = int(count[:, 0].max(initial=0))
    away = at != home
    moves = int(fixed.vm[away, 2].sum()) + int(fixed.route[home, at].sum()) + most * int(fixed.scalars[2])
    cost = np.stack([paid[:, capacities:].sum(axis=1), paid[:, :capacities].sum(axis=1)], axis=1).astype(np.int64)
    value = int(cost[:, 0].sum()) + moves
    place, head = _lists(at, hosts)
    return SearchState(
        weight=weight,
        place=place,
        head=head,
        level=level,
        cost=cost,
        there=there,
        counts=count,
        having=having,
        total=np.array([value, int(cost[:, 1].sum()), most, 0, value], np.int64),
        log=np.zeros(LOG, np.int64),
        best=at.copy(),
        random=np.array([1, 1], np.int64),
    )


def _lists(at: Ints, hosts: int) -> tuple[Ints, Ints]:
    place, head = np.full((len(at), 3), -1, np.int64), np.full(hosts, -1, np.int64)
    place[:, 0] = at
    for vm, host in enumerate(at.tolist()):
        first = int(head[host])
        place[vm, 1] = first
        if first >= 0:
            place[first, 2] = vm
        head[host] = vm
    return place, head


class _Services:
    """Who belongs together, and what is asked of it; services that a rule speaks of come first."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        moves = list(problem.demands.move_costs.values())
        if len(moves) > 1:
            raise _refused("one cost of moves")
        self.moving = moves[0] if moves else MoveCost(np.zeros(problem.vms, np.int64), 0)
        self.names: dict[str, int] = {}
        self.of = np.full(problem.vms, -1, np.int64)
        for sets in self._sets():
            self._name(sets)
        self.bound = len(self.names)
        if self.moving.sets is not None:
            self._name(self.moving.sets)
        alone = np.flatnonzero(self.of < 0)
        self.of[alone] = len(self.names) + np.arange(len(alone))
        self.services = len(self.names) + len(alone)
        self._demands()

    def _sets(self) -> Iterator[Sets]:
        for atom in self.problem.demands.groups.values():
            yield from atom.sides

    def _name(self, sets: Sets) -> None:
        for i, name in enumerate(sets.ids):
            number = self.names.setdefault(name, len(self.names))
            if not np.isin(self.of[sets[i]], (-1, number)).all():
                raise _refused(f"a VM of {name} is in two sets")
            self.of[sets[i]] = number

    def _demands(self) -> None:
        problem = self.problem
        domain = problem.domain.astype(np.int64)
        location, neighborhood = domain[0], domain[0]
        self.asked = np.zeros((self.services, 4), np.int64)
        self.asked[:, 0] = problem.vms
        self.asked[: self.bound, 3] = 1
        wants: list[list[int]] = [[] for _ in range(self.services)]
        wanted: list[list[int]] = [[] for _ in range(self.services)]
        for conflict in problem.demands.counts.values():
            if conflict.level:
                raise _refused("conflicts are on hosts")
            self.asked[[self.names[n] for n in conflict.sets.ids], 0] = conflict.k
        for spread in problem.demands.occupancies.values():
            location = domain[spread.level]
            self.asked[[self.names[n] for n in spread.sets.ids], 1] = spread.k
        for needs in problem.demands.companies.values():
            neighborhood = domain[needs.level]
            for left, right in zip(needs.left.ids, needs.right.ids, strict=True):
                wants[self.names[left]].append(self.names[right])
                wanted[self.names[right]].append(self.names[left])
                self.asked[[self.names[left], self.names[right]], 2] = 1
        self.first_neighborhood = problem.hosts + int(location.max(initial=-1)) + 1
        self.columns = np.stack([problem.hosts + location, self.first_neighborhood + neighborhood], axis=1)
        members = np.split(
            np.argsort(self.of, kind="stable"), np.cumsum(np.bincount(self.of, minlength=self.services))[:-1]
        )
        self._relate([wants, wanted, [m.tolist() for m in members]])

    def _relate(self, lists: list[list[list[int]]]) -> None:
        self.begin = np.zeros((len(lists), self.services + 1), np.int64)
        flat: list[int] = []
        for row, groups in zip(self.begin, lists, strict=True):
            row[:-1] = len(flat) + np.cumsum([0, *(len(g) for g in groups)])[:-1]
            flat += _chained(groups)
            row[-1] = len(flat)
        self.related = np.array(flat or [0], np.int64)


def _chained(groups: Iterable[list[int]]) -> list[int]:
    return [member for group in groups for member in group]
