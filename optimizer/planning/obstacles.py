"""What keeps a VM off each host at the end of a plan: one mask over hosts for each rule or limit that does.

A host is opened by lifting one obstacle for the VM where that obstacle alone stands in the way.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from optimizer.disruption_rule import DISRUPTION
from optimizer.fleet import ABSENT, Move
from optimizer.problem.flow_index import spent_of
from optimizer.problem.instance import Instance
from optimizer.problem.naming import name_of
from optimizer.problem.rule import Hardness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from optimizer.problem.atoms import Asked, Atom
    from optimizer.problem.set_tally import SetTally
    from optimizer.problem.working_placement import WorkingPlacement

    Hosts = NDArray[np.bool_]

__all__ = ["Kind", "Obstacle", "Obstacles"]


class Kind(Enum):
    """What an obstacle, or another cause, is; the values are the words of a plan's `cause`."""

    PINNED = "pinned"
    REFUSED = "refused"
    LEAVING = "leaving"
    GROUP = "group"
    ROOM = "room"
    BUDGET = "budget"
    PRICE = "price"
    TRADE = "trade"
    SEARCH = "search"
    BEYOND = "beyond"
    SEVERAL = "several"
    NOT_ANALYSED = "not_analysed"


class Obstacle(NamedTuple):
    """A rule or limit in the way of one VM: `subject` is a group, a budget or a reason; `resource` where room lacks."""

    kind: Kind
    rule: str
    subject: str = ""
    resource: str = ""


class Obstacles:
    """The obstacles of VMs in one placement.

    Parameters
    ----------
    work
        The end of the plan.
    spent
        What the plan's moves, staging hops included, spend of each flow.
    """

    def __init__(self, work: WorkingPlacement, spent: Sequence[int]) -> None:
        self.work, self.problem, self.spent = work, work.problem, spent

    def of(self, vm: int) -> dict[Obstacle, Hosts]:
        """Return what keeps the VM off hosts, each with the hosts (bool [H]) that it closes."""
        out: dict[Obstacle, Hosts] = {}
        for obstacle, closed in self._all(vm):
            out[obstacle] = out[obstacle] | closed if obstacle in out else closed
        return {o: closed for o, closed in out.items() if closed.any()}

    def of_unit(
        self, vms: Sequence[int], together: Obstacle, stop: Callable[[], bool] = lambda: False
    ) -> dict[Obstacle, Hosts] | None:
        """Return the same for VMs that travel together: what keeps any of them off, and room and budgets for all.

        `stop` is asked VM by VM, since a group may have thousands; None where it said so.
        """
        out: dict[Obstacle, Hosts] = {}
        for vm in vms:
            if stop():
                return None
            for obstacle, closed in self.of(vm).items():
                if obstacle != together and obstacle.kind not in (Kind.ROOM, Kind.BUDGET):
                    out[obstacle] = out[obstacle] | closed if obstacle in out else closed
        for obstacle, closed in (*self._sums(vms), *self._flows(vms)):
            out[obstacle] = out[obstacle] | closed if obstacle in out else closed
        return {o: closed for o, closed in out.items() if closed.any()}

    def unit_of(self, vm: int) -> tuple[Obstacle, list[int]] | None:
        """Return the group that has to stay together with the VM, where a must or a guard asks for it."""
        for t, _ in self.work.tally.sets_of.get(vm, ()):
            if t.shape.at_end and t.atom.asked.hardness is not Hardness.SHOULD:
                sets = t.atom.sides[0]
                vms = [int(v) for v in sets[t.member] if self.work.placement[v] != ABSENT]
                return Obstacle(Kind.GROUP, t.atom.asked.rule, self._subject(t)), vms
        return None

    def is_paid_later(self, budget: Obstacle, vms: Sequence[int], host: int) -> bool:
        """Whether a budget of which nothing is spent pays for VMs to go to a host; what disruption waits for ends."""
        flows = [f for f in self.problem.flows if (f.rule, f.subject) == (budget.rule, budget.subject)]
        moves = [Move(v, int(self.work.placement[v]), host) for v in vms]
        return all(spent_of(f, moves) <= f.whole for f in flows)

    def instances(self, vm: int, obstacle: Obstacle, host: int) -> list[Instance]:
        """Return the instances of musts and guards that lifting an obstacle lets be exceeded on `host`."""
        return [i for i in self._lifted(vm, obstacle, host) if _binds(self.problem.atoms[i.atom])]

    def _lifted(self, vm: int, obstacle: Obstacle, host: int) -> list[Instance]:
        domain = self.problem.domain
        if obstacle.kind is Kind.ROOM:
            sums = (t for t in self.work.tally.linears if (t.atom.asked.rule, t.atom.resource) == obstacle[1::2])
            return [t.instance(int(domain[t.atom.level][host])) for t in sums]
        if obstacle.kind is Kind.GROUP:
            named = (obstacle.rule, obstacle.subject)  # another group of the rule may be what is to be repaired
            mine = (t for t, _ in self.work.tally.sets_of.get(vm, ()) if (t.atom.asked.rule, self._subject(t)) == named)
            return [t.instance(int(domain[t.atom.level][host]) if t.shape.by_domain else 0) for t in mine]
        if obstacle.kind is Kind.LEAVING:
            leaves = self.problem.demands.leaves.items()
            return [Instance(n, vm, 0) for n, a in leaves if a.asked.rule == obstacle.rule and a.hosts[host]]
        return []

    def _subject(self, of: SetTally) -> str:
        """Return the name of the group, or of the two, that a tally is of."""
        return name_of(self.problem, of.instance(0)).subject

    def _all(self, vm: int) -> Iterator[tuple[Obstacle, Hosts]]:
        yield from self._hard(vm)
        yield from self._leaves(vm)
        yield from self._sums([vm])
        yield from self._groups(vm)
        yield from self._flows([vm])

    def _hard(self, vm: int) -> Iterator[tuple[Obstacle, Hosts]]:
        everywhere = np.ones(self.problem.hosts, np.bool_)
        fixed = [a for a in self.problem.demands.fixed.values() if vm in a.vms]
        for a in fixed:
            if a.rule != DISRUPTION:
                yield Obstacle(Kind.PINNED, a.rule, a.reason), everywhere
        for a in [a for a in fixed if a.rule == DISRUPTION][:1]:  # one wait is for all of them
            yield Obstacle(Kind.BUDGET, a.rule, a.reason), everywhere
        if not fixed and not self.problem.movable[vm]:
            yield Obstacle(Kind.PINNED, "", "not placed, or already migrating"), everywhere
        for e in self.problem.demands.enters.values():
            if e.vms is None or vm in e.vms:
                yield Obstacle(Kind.REFUSED, e.rule, e.reason), ~e.hosts

    def _leaves(self, vm: int) -> Iterator[tuple[Obstacle, Hosts]]:
        start, also = int(self.problem.start[vm]), int(self.problem.also_at[vm])
        for a in self.problem.demands.leaves.values():
            there = any(h != ABSENT and a.hosts[h] for h in (start, also))
            if a.asked.hardness is not Hardness.SHOULD and not there and vm in a.vms:
                yield Obstacle(Kind.LEAVING, a.asked.rule), a.hosts

    def _sums(self, vms: Sequence[int]) -> Iterator[tuple[Obstacle, Hosts]]:
        for t in self.work.tally.linears:
            amount = int(t.atom.amount[list(vms)].sum())
            if not amount or t.atom.asked.hardness is Hardness.SHOULD:
                continue
            full = t.load > t.ceiling - amount
            domain = self.problem.domain[t.atom.level]
            for h in {h for vm in vms for h in self.work.tally.ends[vm]}:
                full[domain[h]] = False
            yield Obstacle(Kind.ROOM, t.atom.asked.rule, resource=t.atom.resource), full[domain]

    def _groups(self, vm: int) -> Iterator[tuple[Obstacle, Hosts]]:
        tally = self.work.tally
        for t, side in tally.sets_of.get(vm, ()):
            if t.atom.asked.hardness is Hardness.SHOULD:
                continue
            domain = self.problem.domain[t.atom.level]
            if t.shape.by_domain:
                others = t.other(side)
                both = others != side and (t, others) in tally.sets_of[vm]
                allowed = np.array(
                    [t.with_one_more(side, d, of_both=both) > t.allowed(d) for d in range(int(domain.max()) + 1)]
                )
                for h in tally.ends[vm]:
                    allowed[domain[h]] = False
            else:
                allowed = tally.excess_in(t, vm) > t.allowed(0)
            yield Obstacle(Kind.GROUP, t.atom.asked.rule, self._subject(t)), allowed[domain]

    def _flows(self, vms: Sequence[int]) -> Iterator[tuple[Obstacle, Hosts]]:
        now = self.work.placement
        for flow, used in zip(self.problem.flows, self.spent, strict=True):
            counted = [v for v in vms if flow.vms is None or flow.vms[v]]
            counted = [v for v in counted if flow.sources is None or flow.sources[int(now[v])]]
            cost = sum(int(flow.cost[v]) for v in counted)
            if cost and used + cost > flow.limit:
                closed = np.ones(self.problem.hosts, np.bool_) if flow.targets is None else flow.targets
                yield Obstacle(Kind.BUDGET, flow.rule, flow.subject), closed


def _binds(atom: Atom) -> bool:
    """Whether an atom with a degree is a must or a guard."""
    asked: Asked = atom.asked  # type: ignore[union-attr]
    return asked.hardness is not Hardness.SHOULD
