"""The cause of what a plan leaves, and what would help: read off the atoms, without any rule's own words."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from optimizer.fleet import ABSENT
from optimizer.plan import Advice, Cause
from optimizer.planning.ending import Ending
from optimizer.planning.obstacles import Kind
from optimizer.planning.openings import Openings, not_analysed
from optimizer.problem.flow_index import spent_of
from optimizer.problem.naming import name_of, subjects
from optimizer.problem.shapes import COMPANY, COUNT, LEAVE, OCCUPANCY, PAIR, SUM, TOGETHER, ByShape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet, Move
    from optimizer.planning.without_limits import WithoutLimits
    from optimizer.problem.atoms import AtLeast, AtMost, Group, Harming, Leave, Linear, Needs
    from optimizer.problem.instance import Instance
    from optimizer.problem.problem import Problem
    from optimizer.problem.rule import Violation

__all__ = ["Outlook"]


class Demand(NamedTuple):
    """The instance that a violation is of (of its domains, where it has several, the first), and its atom."""

    atom: Harming
    instance: Instance


@dataclass(frozen=True, eq=False)
class Outlook:
    """The end of a plan, and what stands in the way of doing more.

    Attributes
    ----------
    placement
        int32 [V]: where each VM is when all of `moves` have been made.
    ending
        How the search ended, and when to stop looking for causes.
    """

    fleet: Fleet
    problem: Problem
    placement: NDArray[np.int32]
    moves: Sequence[Move]
    ending: Ending = field(default_factory=lambda: Ending())
    _named: dict[int, dict[tuple[str, str, str], Instance]] = field(default_factory=dict)
    _beyond: dict[tuple[int, int, int], str] = field(default_factory=dict)
    _sorted: dict[int, NDArray[np.int64]] = field(default_factory=dict)

    def advise(self, violation: Violation) -> Advice:
        """Name the cause of what is left, and what was found to help.

        From what no move can repair to what one change would open: too few VMs or domains; then, for each VM whose
        move would lessen the violation, the rules and limits that keep it off the hosts where it would. Nothing of
        this is looked for once the time is over: what then remains may be very much.
        """
        if self.ending.over():
            return not_analysed()
        demand = self._demand(violation)
        never = self._out_of_reach(demand, violation)
        if never:
            return Advice(Cause(Kind.BEYOND.value, reason=never), never)
        vms = [v for v in self._concerned(demand, violation) if self.placement[v] != ABSENT]
        advice = self._at_the_end(demand, violation, vms)
        if demand is None or advice.cause.kind == Kind.BUDGET.value or self._unlimited is None:
            return advice
        instance = demand.instance._replace(domain=self._domain_of(demand, violation))
        return self._unlimited.advise(instance, violation.excess, vms) or advice

    @cached_property
    def _unlimited(self) -> WithoutLimits | None:
        return self.ending.unlimited()

    def _at_the_end(self, demand: Demand | None, violation: Violation, vms: list[int]) -> Advice:
        """Say what one change would open to one VM more, at the end of the plan."""
        if demand is None or not vms:
            nobody = "no VM can be moved to repair it"
            return Advice(Cause(Kind.BEYOND.value, reason=nobody), "more capacity: no VM is the cause")
        if self.ending.over():
            return not_analysed()
        return self._openings.advise(demand.atom, demand.instance, self._domain_of(demand, violation), vms)

    @cached_property
    def _openings(self) -> Openings:
        return Openings(self.fleet, self.problem, self.placement, self._used, self.ending)

    def _domain_of(self, demand: Demand, violation: Violation) -> int:
        """Return the domain that the violation is in; that of the instance where the set is one instance."""
        if not violation.domain:
            return demand.instance.domain
        level, _, name = violation.domain.partition(":")
        ids = self.problem.domain_ids[self.problem.levels.index(level)]
        return ids.index(name)

    # -- what is asked -----------------------------------------------------------------------------------------------

    def _demand(self, violation: Violation) -> Demand | None:
        for number, atom in self.problem.demands.harming.items():
            if atom.asked.rule == violation.rule:
                names = self._names(number)
                key = (violation.subject, violation.resource or "")
                found = names.get((*key, violation.reason)) or names.get((*key, ""))
                if found is not None:
                    return Demand(atom, found)
        return None

    def _names(self, number: int) -> dict[tuple[str, str, str], Instance]:
        """Return the instances of an atom by subject, resource and, where the atom has one, reason."""
        if number not in self._named:
            names = ((name_of(self.problem, found), found) for found in subjects(self.problem, number))
            self._named[number] = {(name.subject, name.resource, name.reason): found for name, found in names}
        return self._named[number]

    def _placed(self, vms: Iterable[int]) -> list[int]:
        members = np.fromiter(vms, np.int64)
        return [int(v) for v in members[self.placement[members] != ABSENT].tolist()]

    def _concerned(self, demand: Demand | None, violation: Violation) -> list[int]:
        """Return the VMs whose moves could repair it."""
        if demand is None:
            return list(violation.vms)
        return _CONCERNED[demand.atom](self, demand.atom, demand.instance, violation)

    def _adding(self, atom: Linear, instance: Instance, violation: Violation) -> list[int]:
        here = self._standing(atom.level, instance.domain)
        there: list[int] = here[atom.amount[here] > 0].tolist()
        return there

    def _standing(self, level: int, domain: int) -> NDArray[np.int64]:
        """Return int64 [n]: the VMs in a domain at either end, ascending; sorted by domain once for each level."""
        vms = self.problem.vms
        if level not in self._sorted:
            ends = np.concatenate([self.placement, self.problem.also_at])
            placed = np.flatnonzero(ends != ABSENT)
            self._sorted[level] = np.unique(self.problem.domain[level][ends[placed]] * np.int64(vms) + placed % vms)
        first, beyond = np.searchsorted(self._sorted[level], [domain * vms, (domain + 1) * vms])
        return self._sorted[level][first:beyond] % vms

    def _named_ones(self, atom: Group, instance: Instance, violation: Violation) -> list[int]:
        return list(violation.vms)

    def _everybody(self, atom: Group, instance: Instance, violation: Violation) -> list[int]:
        return self._placed(atom.sides[0][instance.member].tolist())

    def _either(self, atom: Needs, instance: Instance, violation: Violation) -> list[int]:
        return sorted({*violation.vms, *self._placed(atom.right[instance.member].tolist())})

    def _itself(self, atom: Leave, instance: Instance, violation: Violation) -> list[int]:
        return [instance.member]

    # -- what no move repairs ------------------------------------------------------------------------------------------

    def _out_of_reach(self, demand: Demand | None, violation: Violation) -> str:
        """Say that a group has too few VMs, or that there are too few domains for it, and that no placement has less.

        Empty where that is not so, or where what is left is more than what no placement could repair.
        """
        if demand is None:
            return ""
        key = (demand.instance.atom, demand.instance.member, violation.excess)
        if key not in self._beyond:  # a group has an instance in each domain, and is no smaller in the next one
            self._beyond[key] = _BEYOND[demand.atom](self, demand.atom, demand.instance.member, violation.excess)
        return self._beyond[key]

    def _reachable(self, atom: Harming, i: int, excess: int) -> str:
        return ""

    def _nobody_there(self, atom: Needs, i: int, excess: int) -> str:
        return "" if self._placed(atom.right[i]) else f"a VM of {atom.right.ids[i]}: none is placed"

    def _too_many(self, atom: AtMost, i: int, excess: int) -> str:
        k, vms, level, domains = self._sizes(atom, i)
        in_all = sum(max(0, n - k) for n in self._per_domain(atom, i))
        if vms <= k * domains or in_all > vms - k * domains:
            return ""
        name = atom.sets.ids[i]
        return f"fewer VMs in {name}, or more of level {level}: it has {vms}, at most {k} on each of {domains}"

    def _too_few(self, atom: AtLeast, i: int, excess: int) -> str:
        k, vms, level, domains = self._sizes(atom, i)
        name = atom.sets.ids[i]
        if excess > k - min(vms, domains):
            return ""
        if vms < k:
            return f"more VMs in {name}: it has too few, {vms} where {k} of level {level} are asked"
        return f"more of level {level}: {name} is asked to be on {k}, there are {domains}" if domains < k else ""

    def _per_domain(self, atom: AtMost, i: int) -> Iterable[int]:
        """Return how many VMs of a set are in each domain, one that others are migrating at both ends."""
        domain, vms = self.problem.domain[atom.level], self._placed(atom.sets[i])
        ends = {(v, int(where[v])) for where in (self.placement, self.problem.also_at) for v in vms}
        return Counter(d for _, d in {(v, int(domain[h])) for v, h in ends if h != ABSENT}).values()

    def _sizes(self, atom: AtMost | AtLeast, i: int) -> tuple[int, int, str, int]:
        """Return the limit, the VMs that are placed, the level and how many domains it has."""
        placed, domains = len(self._placed(atom.sets[i])), len(self.problem.domain_ids[atom.level])
        return int(atom.k[i]), placed, self.problem.levels[atom.level], domains

    # -- what the plan has spent --------------------------------------------------------------------------------------

    @cached_property
    def _used(self) -> list[int]:
        """What the plan's own moves spend of each flow."""
        return [spent_of(f, self.moves) for f in self.problem.flows]


_CONCERNED: ByShape[Callable[..., list[int]]] = ByShape(
    "advice",
    {
        SUM: Outlook._adding,
        COUNT: Outlook._named_ones,
        PAIR: Outlook._named_ones,
        OCCUPANCY: Outlook._everybody,
        TOGETHER: Outlook._everybody,
        COMPANY: Outlook._either,
        LEAVE: Outlook._itself,
    },
)

_BEYOND: ByShape[Callable[..., str]] = ByShape(
    "advice",
    {
        COUNT: Outlook._too_many,
        OCCUPANCY: Outlook._too_few,
        COMPANY: Outlook._nobody_there,
        **dict.fromkeys((SUM, PAIR, TOGETHER, LEAVE), Outlook._reachable),
    },
)
