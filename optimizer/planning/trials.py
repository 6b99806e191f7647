"""Moves at the end of a plan, tried one after the other: is it better then, with something lifted for them or not.

Such a move depends on no other, so it can be made after all of them.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, cast

from optimizer.fleet import ABSENT
from optimizer.problem.problem import Stage
from optimizer.problem.rounding import MILLI
from optimizer.problem.rule import Hardness
from optimizer.problem.shapes import COMPANY, LEAVE, LEFT, SUM, TOGETHER
from optimizer.problem.working_placement import WorkingPlacement

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from optimizer.problem.atoms import Harming, Leave, Linear
    from optimizer.problem.instance import Instance
    from optimizer.problem.problem import Problem
    from optimizer.problem.set_tally import SetTally

__all__ = ["Trials", "Tried", "Unrepaired"]


@dataclass(frozen=True)
class Unrepaired:
    """An instance that is exceeded at the end of the plan."""

    atom: Harming
    instance: Instance
    excess: int


class Tried(NamedTuple):
    """What the end is worth without and with more moves, what is left of the violation then, and if that is less."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    left: int
    lessens: bool

    @property
    def helps(self) -> bool:
        """Whether the plan is better with these moves, and less left of the violation."""
        return self.after < self.before and self.lessens


class Trials:
    """The end of a plan, on which moves are tried and taken back."""

    def __init__(self, problem: Problem, placement: NDArray[np.int32]) -> None:
        self.problem = problem
        self.work = WorkingPlacement(problem)
        self.work.become(placement)

    def excess(self, atom: Harming, instance: Instance) -> int:
        """Return by how much the instance is exceeded in the present placement."""
        if atom.shape is LEAVE:
            return int(cast("Leave", atom).hosts[self.work.placement[instance.member]])
        if atom.shape is SUM:
            tally = next(t for t in self.work.tally.linears if t.atom is atom)
            return int(tally.load[instance.domain]) - int(cast("Linear", atom).limit[instance.domain])
        found = next(t for t in self.work.tally.sets if (t.atom_number, t.member) == instance[:2])
        return found.excess().get(instance.domain if atom.shape.by_domain else 0, 0)

    def useful(self, violated: Unrepaired, vm: int) -> NDArray[np.bool_]:
        """Return bool [H]: the hosts, other than its own, on which the VM would lessen the violation."""
        atom, instance = violated.atom, violated.instance
        if atom.shape is LEAVE:
            useful = ~cast("Leave", atom).hosts
        elif atom.shape.by_domain:
            level = atom.level  # type: ignore[union-attr]
            useful = self.problem.domain[level] != instance.domain
        else:
            found = next(t for t in self.work.tally.sets if (t.atom_number, t.member) == instance[:2])
            after = self.work.tally.excess_in(found, vm)
            useful = after[self.problem.domain[found.atom.level]] < violated.excess
        useful = useful.copy()
        for h in self.work.tally.ends[vm]:
            useful[h] = False
        return useful

    def tried(
        self,
        violated: Unrepaired,
        vms: Sequence[int],
        host: int,
        but_not: Collection[Instance] = (),
        *,
        later: bool = False,
    ) -> Tried:
        """Send VMs to a host and back; `but_not` are the instances that are not looked at.

        `later`: as moves after the plan's own, whose cost stays; else a VM that goes home need not have left at all.
        """
        here = [int(self.work.placement[v]) for v in vms]
        again = self._second_trips(vms, host, later=later)
        before = self.values(but_not)
        for v in vms:
            self.work.put(v, host)
        after = self._with_trips(self.work.values(but_not), again) if self.is_no_worse(but_not) else before
        left = self.excess(violated.atom, violated.instance)
        for v, h in zip(vms, here, strict=True):
            self.work.put(v, h)
        return Tried(before, after, max(0, left), left < violated.excess)

    def _second_trips(self, vms: Sequence[int], host: int, *, later: bool) -> int:
        """Return what it costs, beyond one move for each VM away from home, that VMs are moved twice."""
        start, now = self.problem.start, self.work.placement
        again = {v: 2 * later if host == start[v] else 1 for v in vms if start[v] != now[v]}
        return sum(int(self.problem.moving[v]) * trips for v, trips in again.items())

    def _with_trips(self, values: dict[Stage, int], cost: int) -> tuple[int, ...]:
        """Return what a placement is worth when more has been paid for moves than one a VM."""
        values[Stage.MOVING] += cost
        if Stage.PRICED in values:
            values[Stage.PRICED] += MILLI * cost
        return tuple(values.values())

    def values(self, but_not: Collection[Instance]) -> tuple[int, ...]:
        """Return what the placement is worth; `but_not` are the instances that are not looked at."""
        return tuple(self.work.values(but_not).values())

    def sent_to(self, host: int) -> tuple[int, ...]:
        """Return the VMs that the plan sends to a host, ascending."""
        return tuple(sorted(v for v in self.work.displaced if self.work.placement[v] == host))

    @contextmanager
    def at_home(self, vms: Sequence[int]) -> Iterator[None]:
        """Have VMs stay where they are at the start, for a while."""
        now = {v: int(self.work.placement[v]) for v in vms}
        for v in vms:
            self.work.put(v, int(self.problem.start[v]))
        try:
            yield
        finally:
            for v, host in now.items():
                self.work.put(v, host)

    def binds_without(self, rule: str, vms: Sequence[int]) -> bool:
        """Whether a group of a rule, with these VMs taken out of it, would forbid the end of the plan.

        What is left of a group may have had no excess at the start, and then may have none at the end. Only VMs that
        the rule is for are taken out: those that others need are not.
        """
        found = {t.number: t for v in vms for t, side in self._of_rule(v, rule) if side == LEFT}
        mine = (t for t in found.values() if t.shape in (TOGETHER, COMPANY))
        return any(
            self._without(t, vms, self.work.placement) > max(0, self._without(t, vms, self.problem.start))
            for t in mine
            if t.atom.asked.hardness is not Hardness.SHOULD
        )

    def is_needed(self, rule: str, vms: Sequence[int]) -> bool:
        """Whether a rule is for other VMs, that need some of these beside them."""
        found = [(t.shape, side) for v in vms for t, side in self._of_rule(v, rule)]
        return any(shape is COMPANY for shape, _ in found) and all(side != LEFT for _, side in found)

    def _of_rule(self, vm: int, rule: str) -> list[tuple[SetTally, int]]:
        """Return the sets of a rule that a VM is in, and on which side."""
        return [(t, side) for t, side in self.work.tally.sets_of.get(vm, ()) if t.atom.asked.rule == rule]

    def _without(self, of: SetTally, vms: Collection[int], placement: NDArray[np.int32]) -> int:
        """Return the excess of a set without some VMs, in a placement."""
        rest = replace(of, count=(Counter(), Counter()), floating=({}, {}))
        domain = self.problem.domain[of.atom.level]
        for side, sets in enumerate(of.atom.sides):
            for v in sets[of.member]:
                if placement[v] != ABSENT and v not in vms:
                    ends = (h for h in (placement[v], self.problem.also_at[v]) if h != ABSENT)
                    rest.place(side, int(v), tuple(int(domain[h]) for h in ends), 1)
        return rest.excess().get(0, 0)

    def is_no_worse(self, but_not: Collection[Instance]) -> bool:
        """Whether no other must or guard exceeds what it was at the start."""
        return not any(
            excess > tally.allowed(domain)
            for tally, domain, excess in self.work.tally.excesses()
            if tally.atom.asked.hardness is not Hardness.SHOULD and tally.instance(domain) not in but_not
        )

    def worsened(self, vm: int, host: int) -> dict[Instance, str]:
        """Return the musts and shoulds of which more is left with the VM on the host, each with its rule."""
        here = int(self.work.placement[vm])
        old = {v.instance: v.excess for v in self.work.violated()}
        self.work.put(vm, host)
        worse = {v.instance: v.atom.asked.rule for v in self.work.violated() if v.excess > old.get(v.instance, 0)}
        self.work.put(vm, here)
        return worse

    def shortage(self, vms: Sequence[int], rules: Collection[str], resource: str, host: int) -> int:
        """Return how much of the resource would have to be free on the host beyond what is."""
        lacks = 0
        for t in self.work.tally.linears:
            if t.atom.asked.rule in rules and t.atom.resource == resource:
                d = int(self.problem.domain[t.atom.level][host])
                lacks = max(lacks, int(t.load[d]) + int(t.atom.amount[list(vms)].sum()) - int(t.ceiling[d]))
        return lacks

    def freeable(self, vms: Sequence[int], rules: Collection[str], resource: str, host: int) -> int:
        """Return how much of the resource the VMs on the host have there: what can be freed, and no more."""
        freed = []
        for t in self.work.tally.linears:
            if t.atom.asked.rule in rules and t.atom.resource == resource:
                d = int(self.problem.domain[t.atom.level][host])
                freed.append(int(t.load[d]) - int(t.atom.base[d]))
        return min(freed, default=0)
