"""What would help where a plan leaves something: read off the atom that asks for it, without any rule's own words."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from optimizer.fleet import ABSENT
from optimizer.problem.evaluate import in_flow
from optimizer.problem.instance import Instance, name_of, subjects
from optimizer.problem.shapes import COMPANY, COUNT, LEAVE, OCCUPANCY, PAIR, SUM, TOGETHER, ByShape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet, Move
    from optimizer.problem.atoms import AtLeast, AtMost, Flow, Group, Harming, Leave, Linear, Needs
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
    """

    fleet: Fleet
    problem: Problem
    placement: NDArray[np.int32]
    moves: Sequence[Move]
    _named: dict[int, dict[tuple[str, str], Instance]] = field(default_factory=dict)

    def would_help(self, violation: Violation) -> str:
        """Name what would put a violation right that is left at the end.

        From what no move can mend to what more room would: too few VMs or domains, VMs that may not move, hosts that
        may not receive them, a budget that is used up, room.
        """
        demand = self._demand(violation)
        never = self._out_of_reach(demand)
        if never:
            return never
        vms = self._concerned(demand, violation)
        free = [v for v in vms if self.problem.movable[v]]
        if not free:
            return self._fixed(vms)
        welcome = [v for v in free if self._receivers(v).any()]
        if not welcome:
            return self._unwelcome(self._smallest(free))
        payable = [v for v in welcome if (self._receivers(v) & ~self._unpaid(v)).any()]
        if not payable:
            return self._budget(welcome)
        return self._room(self._smallest(payable)) + self._meeting_place(demand, violation)

    # -- what is asked -----------------------------------------------------------------------------------------------

    def _demand(self, violation: Violation) -> Demand | None:
        for number, atom in self.problem.demands.harming.items():
            if atom.asked.rule == violation.rule:
                found = self._names(number).get((violation.subject, violation.resource or ""))
                if found is not None:
                    return Demand(atom, found)
        return None

    def _names(self, number: int) -> dict[tuple[str, str], Instance]:
        """Return the instances of an atom by subject and resource."""
        if number not in self._named:
            names = ((name_of(self.problem, found), found) for found in subjects(self.problem, number))
            self._named[number] = {(name.subject, name.resource): found for name, found in names}
        return self._named[number]

    def _placed(self, vms: Iterable[int]) -> list[int]:
        return [int(v) for v in vms if self.placement[v] != ABSENT]

    def _concerned(self, demand: Demand | None, violation: Violation) -> list[int]:
        """Return the VMs whose moves could mend it."""
        if demand is None:
            return list(violation.vms)
        return _CONCERNED[demand.atom](self, demand.atom, demand.instance, violation)

    def _adding(self, atom: Linear, instance: Instance, violation: Violation) -> list[int]:
        domain = self.problem.domain[atom.level]
        here = np.zeros(self.problem.vms, np.bool_)
        for ends in (self.placement, self.problem.also_at):
            here |= (ends != ABSENT) & (domain[ends] == instance.domain)
        return [int(v) for v in np.flatnonzero(here & (atom.amount > 0))]

    def _named_ones(self, atom: Group, instance: Instance, violation: Violation) -> list[int]:
        return list(violation.vms)

    def _everybody(self, atom: Group, instance: Instance, violation: Violation) -> list[int]:
        return self._placed(atom.sides[0][instance.member].tolist())

    def _either(self, atom: Needs, instance: Instance, violation: Violation) -> list[int]:
        return sorted({*violation.vms, *self._placed(atom.right[instance.member].tolist())})

    def _itself(self, atom: Leave, instance: Instance, violation: Violation) -> list[int]:
        return [instance.member]

    # -- what no move mends ------------------------------------------------------------------------------------------

    def _out_of_reach(self, demand: Demand | None) -> str:
        """Say that a group has too few VMs, or that there are too few domains for it; empty where that is not so."""
        return "" if demand is None else _BEYOND[demand.atom](self, demand.atom, demand.instance.member)

    def _reachable(self, atom: Harming, i: int) -> str:
        return ""

    def _nobody_there(self, atom: Needs, i: int) -> str:
        return "" if self._placed(atom.right[i]) else f"a VM of {atom.right.ids[i]}: none is placed"

    def _too_many(self, atom: AtMost, i: int) -> str:
        k, vms, level, domains = self._sizes(atom, i)
        if vms <= k * domains:
            return ""
        name = atom.sets.ids[i]
        return f"fewer VMs in {name}, or more of level {level}: it has {vms}, at most {k} on each of {domains}"

    def _too_few(self, atom: AtLeast, i: int) -> str:
        k, vms, level, domains = self._sizes(atom, i)
        name = atom.sets.ids[i]
        if vms < k:
            return f"more VMs in {name}: it has too few, {vms} where {k} of level {level} are asked"
        return f"more of level {level}: {name} is asked to be on {k}, there are {domains}" if domains < k else ""

    def _sizes(self, atom: AtMost | AtLeast, i: int) -> tuple[int, int, str, int]:
        """Return the limit, the VMs that are placed, the level and how many domains it has."""
        placed, domains = len(self._placed(atom.sets[i])), len(self.problem.domain_ids[atom.level])
        return int(atom.k[i]), placed, self.problem.levels[atom.level], domains

    # -- who may not move --------------------------------------------------------------------------------------------

    def _fixed(self, vms: Iterable[int]) -> str:
        reasons = [f"{self.fleet.vms.ids[v]} ({self._why_fixed(v)})" for v in vms]
        return f"if one of these could move: {_few(reasons)}" if reasons else "more capacity: no VM is to blame"

    def _why_fixed(self, vm: int) -> str:
        fixing = (a for a in self.problem.demands.fixed.values() if vm in a.vms)
        return next((f"{a.rule}: {a.reason}" for a in fixing), "not placed")

    # -- where they may not go -----------------------------------------------------------------------------------------

    def _receivers(self, vm: int) -> NDArray[np.bool_]:
        """Return bool [H]: the hosts, other than its own, that may receive the VM."""
        hosts = self.problem.may_enter(vm).copy()
        hosts[self.placement[vm]] = False
        return hosts

    def _unwelcome(self, vm: int) -> str:
        enters = self.problem.demands.enters.values()
        barring = {f"{a.rule}: {a.reason}" if a.reason else a.rule for a in enters if a.vms is None or vm in a.vms}
        name = self.fleet.vms.ids[vm]
        if not barring:
            return f"another host for {name}"
        return f"a host that may receive {name}: now none may ({_few(sorted(barring))})"

    # -- what they may not cost ----------------------------------------------------------------------------------------

    @cached_property
    def _used(self) -> list[int]:
        """What the plan's own moves spend of each flow."""
        return [
            sum(int(f.cost[m.vm]) for m in self.moves if in_flow(f, m.vm, m.source, m.target))
            for f in self.problem.flows
        ]

    def _exhausted(self, vm: int) -> list[tuple[Flow, int]]:
        """Return the flows (and what is used of them) from which one more move of the VM cannot be paid."""
        here = int(self.placement[vm])
        return [
            (flow, used)
            for flow, used in zip(self.problem.flows, self._used, strict=True)
            if flow.cost[vm]
            and used + int(flow.cost[vm]) > flow.limit
            and (flow.vms is None or flow.vms[vm])
            and (flow.sources is None or flow.sources[here])
        ]

    def _unpaid(self, vm: int) -> NDArray[np.bool_]:
        """Return bool [H]: the hosts to which one more move of the VM cannot be paid."""
        out = np.zeros(self.problem.hosts, np.bool_)
        for flow, _ in self._exhausted(vm):
            out |= True if flow.targets is None else flow.targets
        return out

    def _budget(self, vms: Iterable[int]) -> str:
        flows = {id(flow): (flow, used) for v in vms for flow, used in self._exhausted(v)}
        names = [f"{f.rule}: {f.subject}, {used} of {f.limit} used by this plan" for f, used in flows.values()]
        return f"a larger budget ({_few(names)})"

    # -- where there is no room ----------------------------------------------------------------------------------------

    def _smallest(self, vms: Iterable[int]) -> int:
        return min(vms, key=lambda v: (tuple(self.fleet.vms.demand[v].tolist()), v))

    def _room(self, vm: int) -> str:
        demand = self.fleet.vms.demand[vm]
        needs = [f"{demand[r]} {resource.name}" for r, resource in enumerate(self.fleet.resources) if demand[r]]
        size = f" ({', '.join(needs)})" if needs else ""
        return f"a host with room for {self.fleet.vms.ids[vm]}{size}, reachable by live moves"

    def _meeting_place(self, demand: Demand | None, violation: Violation) -> str:
        """Say where that host has to be: with those whom the VMs in question should meet, if none of these may move."""
        if demand is None or demand.atom.shape not in MEETING:
            return ""
        group, i = cast("Group", demand.atom), demand.instance.member
        others = group.sides[-1]
        strays = set(violation.vms)
        partners = [v for v in self._placed(others[i]) if v not in strays]
        if not partners or self.problem.movable[partners].any():
            return ""
        level = self.problem.levels[group.level]
        names = [f"{self.fleet.vms.ids[v]} ({self._why_fixed(v)})" for v in partners]
        return f", on the {level} of one of {others.ids[i]}, of which none may move: {_few(names)}"


MEETING = (COMPANY, TOGETHER)
"""Shapes of groups whose VMs have to meet others: those of the last side."""

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


def _few(names: Sequence[str], most: int = 4) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
