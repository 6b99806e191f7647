"""How many more VMs of a kind, or of a mix, fit a fleet without moving anything."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from optimizer.fleet import Group, GroupRule, with_copies
from optimizer.problem.problem import build
from optimizer.whatif.fill import fill, nest
from optimizer.whatif.judge import in_words, refuse_wrong
from optimizer.whatif.making_room import Step, curve, most_after
from optimizer.whatif.model import RoomModel
from optimizer.whatif.obstacles import Obstacle, Unlock, closed_by, obstacles, unlock, widened
from optimizer.whatif.packing import pairs_of
from optimizer.whatif.room import Kind, Room, room_of
from optimizer.whatif.unit import Replicas, Unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from optimizer.cp_sat import LinearExpr
    from optimizer.fleet import Fleet
    from optimizer.policy import Policy
    from optimizer.problem.problem import Problem
    from optimizer.whatif.effort import Effort

__all__ = ["MOST", "Fit", "Replicas", "fit"]

MOST = 1_000_000
"""That many VMs at most are counted."""


@dataclass(frozen=True, eq=False)
class Fit:
    """How many fit.

    Attributes
    ----------
    value, bound
        Units that fit, as `created` shows, and how many fit at most. A unit is one VM, a group of replicas, or a mix.
    kinds, each
        The kinds, and how many VMs of each a unit has.
    fleet, created
        The fleet with as many VMs without a host as were tried, and the pairs (VM, host) of those that fit.
    numbers
        int64 [K, H]: how many of each kind on each host.
    stopped_by, cheapest
        Why there is no VM more of the first kind that has none, and what would let one in.
    capped
        More than `MOST` would have to be counted: `value` and `bound` are of those that were.
    steps
        How many fit after moves.
    new
        int32 [n] of each kind: the VMs without a host that were tried.
    """

    value: int
    bound: int
    kinds: tuple[str, ...]
    each: tuple[int, ...]
    fleet: Fleet
    problem: Problem
    created: tuple[tuple[int, int], ...]
    numbers: NDArray[np.int64]
    stopped_by: tuple[Obstacle, ...] = ()
    cheapest: Unlock | None = None
    capped: bool = False
    steps: tuple[Step, ...] = ()
    new: tuple[NDArray[np.int32], ...] = ()

    @property
    def proven(self) -> bool:
        """Whether no more can fit; where not all were counted, nothing is proven."""
        return self.value >= self.bound and not self.capped


@dataclass
class _Search:
    room: Room
    unit: Unit
    effort: Effort

    def most(self) -> tuple[int, int, NDArray[np.int64]]:
        """Return value, bound and numbers."""
        domains = [row.domain for row in self.room.rows]
        domains += [self.unit.spread[0]] if self.unit.spread is not None else []
        if len(self.unit.each) == 1 and not self.room.couplings and nest(domains):
            return self._filled()
        return self._modelled()

    def _filled(self) -> tuple[int, int, NDArray[np.int64]]:
        wanted = self.room.kinds[0].wanted
        if self.unit.spread is None:
            numbers = fill(self.room, 0, wanted)
            return int(numbers.sum()), int(numbers.sum()), numbers[None, :]
        size, low, high = self.unit.each[0], 0, self.unit.wanted
        while low < high:  # with more groups each of them may use the same domains: what fits for n fits for n - 1
            groups = (low + high + 1) // 2
            numbers = fill(self.room, 0, groups * size, [self.unit.cap(groups)])
            low, high = (groups, high) if numbers.sum() == groups * size else (low, groups - 1)
        return low, low, fill(self.room, 0, low * size, [self.unit.cap(low)])[None, :]

    def _modelled(self) -> tuple[int, int, NDArray[np.int64]]:
        model = RoomModel(self.room)
        highest = self.unit.wanted
        units = model.model.new_int_var(0, highest, "units")
        made: list[LinearExpr] = [model.made(k) for k in range(len(self.unit.each))]
        for expression, n in zip(made, self.unit.each, strict=True):
            model.model.add(expression == n * units)
        if self.unit.spread is not None:
            model.add_cap(0, self.unit.cap(1), units)
        model.model.maximize(units)
        _, solver = model.solve(self.effort)
        if solver is None:
            return 0, highest, np.zeros((len(self.unit.each), self.room.hosts), np.int64)
        bound = min(highest, int(np.floor(solver.best_objective_bound + 1e-6)))
        return int(solver.value(units)), bound, model.numbers(solver)


def fit(
    fleet: Fleet,
    policy: Policy,
    wanted: Sequence[tuple[int, int]],
    effort: Effort,
    replicas: Replicas | None = None,
    moves: Sequence[int] = (),
) -> Fit:
    """Return how many units fit, and where.

    Parameters
    ----------
    wanted
        Pairs (VM without a host, how many like it a unit has); one pair with `replicas`.
    moves
        Also after at most this many moves, each (ascending).
    """
    each = tuple(n if replicas is None else replicas.number for _, n in wanted)
    spread = None if replicas is None else (fleet.hosts.domain[replicas.level], replicas.at_most)
    first = build(fleet, policy.rules)
    unit = Unit(tuple(Kind(fleet.vms.ids[vm], np.array([vm], np.int32), MOST) for vm, _ in wanted), each, spread)
    if moves:
        units = most_after(first, unit, max(moves))
        capped = units >= unit.wanted
    else:
        ceiling = [int(min(MOST, room_of(first, [kind]).most(0).sum())) for kind in unit.kinds]
        units = min(n // e for n, e in zip(ceiling, each, strict=True))
        capped = max(ceiling) >= MOST
    times = {vm: (units + 1) * e for (vm, _), e in zip(wanted, each, strict=True)}  # one more: what would help is tried
    larger, copies = with_copies(fleet, times)
    problem = build(larger, policy.rules)
    unit = replace(unit, kinds=tuple(Kind(fleet.vms.ids[vm], copies[vm], times[vm]) for vm, _ in wanted))
    room = room_of(problem, unit.kinds)
    value, bound, numbers = _Search(room, unit, effort).most()
    left, closed = room.spent(numbers), [closed_by(problem, int(k.vms[0])) for k in unit.kinds]
    which = next((k for k in range(len(unit.kinds)) if not left.most(k).any()), 0)
    steps = curve(problem, unit, numbers, bound, moves, effort) if moves else []
    for step in {step.made: step for step in steps}.values():
        refuse_wrong(*_created(larger, policy, unit, step.numbers, replicas, step.value), step.made)
    grouped, _, created = _created(larger, policy, unit, numbers, replicas, value)
    refuse_wrong(grouped, policy, created)
    return Fit(
        value,
        bound,
        tuple(kind.name for kind in unit.kinds),
        each,
        grouped,
        problem,
        tuple(created),
        numbers,
        in_words(grouped, policy.rules, int(unit.kinds[which].vms[0]), obstacles(left, which, closed[which])),
        _verified(unlock(left, which, closed[which]), value, room, unit, effort),
        capped=capped and value > units,
        steps=tuple(replace(step, capped=capped and step.value > units) for step in steps),
        new=tuple(kind.vms for kind in unit.kinds),
    )


def _verified(found: Unlock | None, value: int, room: Room, unit: Unit, effort: Effort) -> Unlock | None:
    """Return what would let one VM more in, if with it one unit more fits."""
    if found is None or effort.over():
        return None
    more, _, _ = _Search(widened(room, found), unit, effort).most()
    return found if more > value else None


def _created(
    fleet: Fleet, policy: Policy, unit: Unit, numbers: NDArray[np.int64], replicas: Replicas | None, value: int
) -> tuple[Fleet, Policy, list[tuple[int, int]]]:
    """Return what a judge is told: the fleet, with the groups of replicas, the policy, and pairs (VM, host)."""
    created = pairs_of(unit.kinds, numbers)
    if replicas is not None:
        fleet, created = _grouped(fleet, created, replicas, value)
    return fleet, policy, created


def _grouped(
    fleet: Fleet, created: list[tuple[int, int]], replicas: Replicas, groups: int
) -> tuple[Fleet, list[tuple[int, int]]]:
    """Deal the VMs out to groups, domain by domain, so that none gets more of one domain than its share."""
    domain = fleet.hosts.domain[replicas.level]
    dealt = sorted(created, key=lambda pair: (domain[pair[1]], pair[1], pair[0]))
    rule = GroupRule("anti_affinity", fleet.levels[replicas.level], at_most=replicas.at_most)
    made = tuple(
        Group(_unused(f"new-{g + 1}", fleet), np.array([vm for vm, _ in dealt[g::groups]], np.int32), (rule,))
        for g in range(groups)
    )
    return replace(fleet, groups=fleet.groups + made), dealt


def _unused(name: str, fleet: Fleet) -> str:
    while name in fleet.group_index:
        name += "~"
    return name
