"""What would help where a plan leaves something: read off the atom that asks for it, without any rule's own words."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from optimizer.fleet import ABSENT
from optimizer.problem.atoms import Apart, AtLeast, AtMost, Enter, Fixed, Leave, Linear, Needs, Same
from optimizer.problem.evaluate import in_flow

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet, Move
    from optimizer.problem.atoms import Flow, Harming
    from optimizer.problem.problem import Problem
    from optimizer.problem.rule import Violation

__all__ = ["Outlook"]

HARMING = (Linear, AtMost, Apart, AtLeast, Same, Needs, Leave)


class Demand(NamedTuple):
    """The instance that a violation is of; `member` is a domain for Linear, a VM for Leave, a set for the others."""

    atom: Harming
    member: int


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
    _named: dict[int, dict[str, int]] = field(default_factory=dict)

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
        for number, atom in enumerate(self.problem.atoms):
            if not isinstance(atom, HARMING) or atom.asked.rule != violation.rule:
                continue
            if isinstance(atom, Linear) and atom.resource != violation.resource:
                continue
            if number not in self._named:
                self._named[number] = self._names(atom)
            member = self._named[number].get(violation.subject)
            if member is not None:
                return Demand(atom, member)
        return None

    def _names(self, atom: Harming) -> dict[str, int]:
        """Return the subjects of an atom's instances, as docs/architecture.md names them."""
        if isinstance(atom, Leave):
            return {self.problem.vm_ids[v]: v for v in atom.vms.tolist()}
        if isinstance(atom, Linear):
            ids: Sequence[str] = self.problem.domain_ids[atom.level]
        elif isinstance(atom, Apart | Needs):
            ids = [f"{a}|{b}" for a, b in zip(atom.left.ids, atom.right.ids, strict=True)]
        else:
            ids = atom.sets.ids
        return {name: i for i, name in enumerate(ids)}

    def _placed(self, vms: Iterable[int]) -> list[int]:
        return [int(v) for v in vms if self.placement[v] != ABSENT]

    def _concerned(self, demand: Demand | None, violation: Violation) -> list[int]:
        """Return the VMs whose moves could mend it."""
        if demand is None:
            return list(violation.vms)
        atom, member = demand
        if isinstance(atom, Leave):
            return [member]
        if isinstance(atom, Linear):
            domain = self.problem.domain[atom.level]
            here = np.zeros(self.problem.vms, np.bool_)
            for ends in (self.placement, self.problem.also_at):
                here |= (ends != ABSENT) & (domain[ends] == member)
            return [int(v) for v in np.flatnonzero(here & (atom.amount > 0))]
        if isinstance(atom, AtLeast | Same):
            return self._placed(atom.sets[member].tolist())
        if isinstance(atom, Needs):
            return sorted({*violation.vms, *self._placed(atom.right[member].tolist())})
        return list(violation.vms)

    # -- what no move mends ------------------------------------------------------------------------------------------

    def _out_of_reach(self, demand: Demand | None) -> str:
        """Say that a group has too few VMs, or that there are too few domains for it; empty where that is not so."""
        if demand is None:
            return ""
        atom, i = demand
        if isinstance(atom, Needs):
            return "" if self._placed(atom.right[i]) else f"a VM of {atom.right.ids[i]}: none is placed"
        if not isinstance(atom, AtLeast | AtMost):
            return ""
        name, k, level = atom.sets.ids[i], int(atom.k[i]), self.problem.levels[atom.level]
        vms, domains = len(self._placed(atom.sets[i])), len(self.problem.domain_ids[atom.level])
        if isinstance(atom, AtMost):
            if vms <= k * domains:
                return ""
            return f"fewer VMs in {name}, or more of level {level}: it has {vms}, at most {k} on each of {domains}"
        if vms < k:
            return f"more VMs in {name}: it has too few, {vms} where {k} of level {level} are asked"
        return f"more of level {level}: {name} is asked to be on {k}, there are {domains}" if domains < k else ""

    # -- who may not move --------------------------------------------------------------------------------------------

    def _fixed(self, vms: Iterable[int]) -> str:
        reasons = [f"{self.fleet.vms.ids[v]} ({self._why_fixed(v)})" for v in vms]
        return f"if one of these could move: {_few(reasons)}" if reasons else "more capacity: no VM is to blame"

    def _why_fixed(self, vm: int) -> str:
        fixing = (a for a in self.problem.atoms if isinstance(a, Fixed) and vm in a.vms)
        return next((f"{a.rule}: {a.reason}" for a in fixing), "not placed")

    # -- where they may not go -----------------------------------------------------------------------------------------

    def _receivers(self, vm: int) -> NDArray[np.bool_]:
        """Return bool [H]: the hosts, other than its own, that may receive the VM."""
        hosts = self.problem.may_enter(vm).copy()
        hosts[self.placement[vm]] = False
        return hosts

    def _unwelcome(self, vm: int) -> str:
        barring = {a.rule for a in self.problem.atoms if isinstance(a, Enter) and (a.vms is None or vm in a.vms)}
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
        atom, i = demand or (None, 0)
        if not isinstance(atom, Needs | Same):
            return ""
        others = atom.right if isinstance(atom, Needs) else atom.sets
        strays = set(violation.vms)
        partners = [v for v in self._placed(others[i]) if v not in strays]
        if not partners or self.problem.movable[partners].any():
            return ""
        level = self.problem.levels[atom.level]
        names = [f"{self.fleet.vms.ids[v]} ({self._why_fixed(v)})" for v in partners]
        return f", on the {level} of one of {others.ids[i]}, of which none may move: {_few(names)}"


def _few(names: Sequence[str], most: int = 4) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
