"""Which single change lets a VM repair what a plan leaves: tried as one more move at the end of the plan.

A change is said to help only if the plan with that move, judged with the rule or limit lifted for the VM, leaves less:
such a move depends on no other, so it can be made after all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from optimizer.parameters import Causes
from optimizer.plan import Advice, Cause
from optimizer.planning.obstacles import Kind, Obstacle, Obstacles
from optimizer.problem.problem import Stage, stage_of
from optimizer.problem.rounding import harm
from optimizer.problem.rule import HIGHEST_PRICE, Hardness
from optimizer.problem.shapes import LEAVE, SUM
from optimizer.problem.working_placement import WorkingPlacement

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet
    from optimizer.problem.atoms import Harming, Leave, Linear
    from optimizer.problem.instance import Instance
    from optimizer.problem.problem import Problem

__all__ = ["Ending", "Openings", "not_analysed"]

SHOWN = 3
"""VMs of a group that are named, at most."""

CHEAPEST_FIRST = (Kind.BUDGET, Kind.PINNED, Kind.REFUSED, Kind.GROUP, Kind.LEAVING, Kind.ROOM)
"""Which of several obstacles is named, where each would do: those that an operator can lift without hardware first."""


@dataclass(frozen=True)
class Ending:
    """How the search ended (`stopped_by` None: it was finished), when to stop looking for causes, and how far to go."""

    stopped_by: str | None = None
    over: Callable[[], bool] = lambda: False
    causes: Causes = field(default_factory=Causes)


class _Opening(NamedTuple):
    """VMs (one, or a group that travels together), what alone keeps them off some hosts, how many, and what is left.

    `left` is the excess of the violation if they went to `host`.
    """

    vms: tuple[int, ...]
    obstacle: Obstacle
    hosts: int
    host: int
    left: int


@dataclass(frozen=True)
class _Violated:
    """An instance that is exceeded at the end of the plan."""

    atom: Harming
    instance: Instance
    excess: int


class Openings:
    """Answers for the violations that one plan leaves."""

    def __init__(
        self,
        fleet: Fleet,
        problem: Problem,
        placement: NDArray[np.int32],
        spent: Sequence[int],
        ending: Ending,
    ) -> None:
        self.fleet, self.problem, self.spent, self.ending = fleet, problem, spent, ending
        self.given = ending.causes
        self.work = WorkingPlacement(problem)
        self.work.become(placement)
        self.obstacles = Obstacles(self.work, spent)
        self._violated = sum(1 for _ in self.work.violated())
        self.looks = 0

    def advise(self, atom: Harming, instance: Instance, domain: int, vms: Sequence[int]) -> Advice:
        """Return the cause of a violation, and what helps, from the VMs whose moves could lessen it."""
        instance = instance._replace(domain=domain)
        violated = _Violated(atom, instance, self._excess(atom, instance))
        open_now: list[tuple[int, int]] = []
        best: list[_Opening] = []
        closed: set[Obstacle] = set()
        for vm in sorted(vms, key=lambda v: (tuple(self.fleet.vms.demand[v].tolist()), v))[: self.given.vms]:
            self.looks += self.problem.hosts
            if self._over() or any(o.left == 0 for o in best):
                break
            useful = self._useful(violated, vm)
            if not useful.any():
                continue
            masks = self.obstacles.of(vm)
            count = self._count(masks)
            open_now += [(vm, int(h)) for h in np.flatnonzero(useful & (count == 0))[: self.given.tries]]
            closed |= {o for o, mask in masks.items() if (mask & useful).any()}
            best += self._openings(violated, (vm,), masks, useful)
            if unit := self.obstacles.unit_of(vm):
                best += self._as_one(violated, unit[1], unit[0], useful)
        return self._advice(violated, open_now, best, closed, vms)

    def _as_one(
        self, violated: _Violated, vms: Sequence[int], together: Obstacle, useful: NDArray[np.bool_]
    ) -> list[_Opening]:
        """Return what is opened to VMs that travel together; nothing where to look at each of them takes too long."""
        self.looks += len(vms) * self.problem.hosts
        masks = self.obstacles.of_unit(vms, together, self._over)
        return [] if masks is None else self._openings(violated, tuple(vms), masks, useful)

    def _over(self) -> bool:
        return self.looks > self.given.looks or self.ending.over()

    # -- what lessens it ---------------------------------------------------------------------------------------------

    def _excess(self, atom: Harming, instance: Instance) -> int:
        """Return by how much the instance is exceeded in the present placement."""
        if atom.shape is LEAVE:
            return int(cast("Leave", atom).hosts[self.work.placement[instance.member]])
        if atom.shape is SUM:
            tally = next(t for t in self.work.tally.linears if t.atom is atom)
            return int(tally.load[instance.domain]) - int(cast("Linear", atom).limit[instance.domain])
        found = next(t for t in self.work.tally.sets if (t.atom_number, t.member) == instance[:2])
        return found.excess().get(instance.domain if atom.shape.by_domain else 0, 0)

    def _useful(self, violated: _Violated, vm: int) -> NDArray[np.bool_]:
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

    # -- trying ------------------------------------------------------------------------------------------------------

    def _count(self, masks: Mapping[Obstacle, NDArray[np.bool_]]) -> NDArray[np.int64]:
        return sum((m.astype(np.int64) for m in masks.values()), np.zeros(self.problem.hosts, np.int64))

    def _openings(
        self,
        violated: _Violated,
        vms: tuple[int, ...],
        masks: Mapping[Obstacle, NDArray[np.bool_]],
        useful: NDArray[np.bool_],
    ) -> list[_Opening]:
        """Return what lifting each obstacle alone opens, where a trial shows that less is left."""
        count, found = self._count(masks), []
        for obstacle, mask in masks.items():
            hosts = np.flatnonzero(useful & mask & (count == 1))
            for host in self._promising(vms, obstacle, hosts)[: self.given.tries]:
                but_not = {i for v in vms for i in self.obstacles.instances(v, obstacle, host)}
                before, after, left = self._tried(violated, vms, host, but_not)
                if after < before and left < violated.excess:
                    found.append(_Opening(vms, obstacle, int(hosts.size), host, left))
                    break
        return found

    def _tried(
        self, violated: _Violated, vms: Sequence[int], host: int, but_not: Collection[Instance] = ()
    ) -> tuple[tuple[int, ...], tuple[int, ...], int]:
        """Return what the end is worth without and with more moves, and what is then left of the violation."""
        here = [int(self.work.placement[v]) for v in vms]
        before = tuple(self.work.values(but_not).values())
        for v in vms:
            self.work.put(v, host)
        after = tuple(self.work.values(but_not).values()) if self._is_no_worse(but_not) else before
        left = self._excess(violated.atom, violated.instance)
        for v, h in zip(vms, here, strict=True):
            self.work.put(v, h)
        return before, after, max(0, left)

    def _is_no_worse(self, but_not: Collection[Instance]) -> bool:
        """Whether no other must or guard exceeds what it was at the start."""
        return not any(
            excess > tally.allowed(domain)
            for tally, domain, excess in self.work.tally.excesses()
            if tally.atom.asked.hardness is not Hardness.SHOULD and tally.instance(domain) not in but_not
        )

    def _promising(self, vms: Sequence[int], obstacle: Obstacle, hosts: NDArray[np.int64]) -> list[int]:
        """Return the hosts in the order in which they are tried: where least room lacks, else as they come."""
        if obstacle.kind is not Kind.ROOM or not hosts.size:
            return [int(h) for h in hosts]
        lacks = [(self._shortage(vms, obstacle, int(h)), int(h)) for h in hosts]
        return [h for _, h in sorted(lacks)]

    def _shortage(self, vms: Sequence[int], obstacle: Obstacle, host: int) -> int:
        """Return how much of the resource would have to be free on the host beyond what is."""
        lacks = 0
        for t in self.work.tally.linears:
            if (t.atom.asked.rule, t.atom.resource) == (obstacle.rule, obstacle.resource):
                d = int(self.problem.domain[t.atom.level][host])
                lacks = max(lacks, int(t.load[d]) + int(t.atom.amount[list(vms)].sum()) - int(t.ceiling[d]))
        return lacks

    # -- saying ------------------------------------------------------------------------------------------------------

    def _advice(
        self,
        violated: _Violated,
        open_now: list[tuple[int, int]],
        best: list[_Opening],
        closed: set[Obstacle],
        vms: Sequence[int],
    ) -> Advice:
        if best:
            rank = {kind: n for n, kind in enumerate(CHEAPEST_FIRST)}
            return self._opened(min(best, key=lambda o: (o.left, rank[o.obstacle.kind], -o.hosts, o.vms)))
        if open_now:
            return self._not_worth_it(violated, open_now)
        if self._over():
            return not_analysed()
        if violated.atom.shape is LEAVE and not closed:
            rule, vm = violated.atom.asked.rule, self.fleet.vms.ids[violated.instance.member]
            return Advice(Cause(Kind.REFUSED.value, rule, vm), f"a host that may receive {vm}: now none may ({rule})")
        names = sorted({_rule_of(o) for o in closed}) or ["no host on which a move would lessen it"]
        reason = f"several together: {', '.join(names)}"
        vm = self.fleet.vms.ids[vms[0]] if len(vms) == 1 else ""
        return Advice(
            Cause(Kind.SEVERAL.value, vm=vm, reason=reason), f"no single change was found that helps ({reason})"
        )

    def _opened(self, opening: _Opening) -> Advice:
        host = self.fleet.hosts.ids[opening.host]
        vm = ", ".join(self.fleet.vms.ids[v] for v in opening.vms[:SHOWN]) + (
            ", ..." if len(opening.vms) > SHOWN else ""
        )
        o = opening.obstacle
        cause = Cause(o.kind.value, o.rule, vm, o.subject, o.resource, opening.hosts, host)
        end = "" if opening.left == 0 else f" (then {opening.left} of it would be left)"
        return Advice(cause, self._text(o, opening, vm, host) + end, deferred=o.kind is Kind.BUDGET)

    def _text(self, o: Obstacle, opening: _Opening, vm: str, host: str) -> str:
        hosts = f"{opening.hosts} host" + ("s" if opening.hosts != 1 else "")
        if o.kind is Kind.BUDGET:
            return f"deferred by {o.rule} ({o.subject}): a later run, or a larger budget, can move {vm} to {host}"
        if o.kind is Kind.PINNED:
            why = ": ".join(t for t in (o.rule, o.subject, self._platform(opening.vms)) if t)
            return f"let {vm} move ({why}): {hosts} could take it, such as {host}"
        if o.kind is Kind.ROOM:
            lacks = self._shortage(opening.vms, o, opening.host)
            return f"free {lacks} {o.resource} on {host} for {vm}: only {o.rule} keeps it off {hosts}"
        if o.kind is Kind.GROUP:
            return f"lift {o.rule} of {o.subject} for {vm}: only that keeps it off {hosts}, such as {host}"
        why = f"{o.rule} ({o.subject})" if o.subject else o.rule
        return f"let {host} receive {vm}: only {why} keeps it off {hosts}"

    def _platform(self, vms: Sequence[int]) -> str:
        """Return the platform's own reason why one of the VMs does not move; empty where it gives none."""
        reasons = (self.fleet.vms.mobility_reason.get(v) for v in vms)
        return next((r for r in reasons if r), "")

    def _not_worth_it(self, violated: _Violated, open_now: list[tuple[int, int]]) -> Advice:
        """Say why a move that nothing forbids was not made: its price, what it would break, or an early end."""
        trades: list[Advice] = []
        for vm, host in open_now[: 4 * self.given.tries]:
            before, after, left = self._tried(violated, [vm], host)
            if after < before and left < violated.excess:
                return self._unfinished(vm, host)
            trades += self._price(violated, vm, host) or self._trade(vm, host)
        if trades:
            return trades[0]
        return self._unfinished(*open_now[0])

    def _unfinished(self, vm: int, host: int) -> Advice:
        name, ended = self.fleet.vms.ids[vm], self.ending.stopped_by or "order"
        cause = Cause(Kind.SEARCH.value, vm=name, reason=f"the search was ended by {ended}")
        if ended == "time":
            return Advice(cause, "more time: the search was ended before it was finished (--time-limit)")
        return Advice(cause, f"no single change was found that helps: {name} has room on {self.fleet.hosts.ids[host]}")

    def _price(self, violated: _Violated, vm: int, host: int) -> list[Advice]:
        """Return the price that would have to be paid for the move, where too low a price is what stops it."""
        asked = violated.atom.asked
        stage, price = stage_of(asked)
        here = int(self.work.placement[vm])
        if stage is not Stage.PRICED or here != int(self.problem.start[vm]):  # a second trip costs what no stage says
            return []
        before, units = self.work.values(), self._units(asked.rule)
        self.work.put(vm, host)
        after, gain, worse = self.work.values(), units - self._units(asked.rule), not self._is_no_worse(())
        self.work.put(vm, here)
        earlier = self.problem.stages[: self.problem.stages.index(Stage.PRICED)]
        if worse or gain <= 0 or any(after[s] > before[s] for s in earlier):
            return []
        needed = price + (after[Stage.PRICED] - before[Stage.PRICED]) // gain + 1
        cause = Cause(Kind.PRICE.value, asked.rule, self.fleet.vms.ids[vm], reason=f"price {price}, needed {needed}")
        lift = f"raise the price of {asked.rule} from {price} to {needed}"
        if needed > HIGHEST_PRICE:
            lift = f"give {asked.rule} no price (none up to {HIGHEST_PRICE} is enough)"
        return [Advice(cause, f"{lift}: the move of {self.fleet.vms.ids[vm]} costs more")]

    def _units(self, rule: str) -> int:
        """Return the harm of all that a rule's priced demands find, at a price of 1."""
        priced = (v for v in self.work.violated() if v.atom.asked.rule == rule)
        return sum(harm(v.excess, v.unit, 1) for v in priced if stage_of(v.atom.asked)[0] is Stage.PRICED)

    def _trade(self, vm: int, host: int) -> list[Advice]:
        """Return the first rule that the move would break, where that is why it is not made."""
        here = int(self.work.placement[vm])
        old = {v.instance: v.excess for v in self.work.violated()}
        self.work.put(vm, host)
        worse = [v.atom.asked.rule for v in self.work.violated() if v.excess > old.get(v.instance, 0)]
        self.work.put(vm, here)
        if not worse:
            return []
        name = self.fleet.vms.ids[vm]
        cause = Cause(Kind.TRADE.value, worse[0], name, reason=f"moving {name} would break {worse[0]}")
        return [Advice(cause, f"no single change was found that helps: moving {name} would break {worse[0]} elsewhere")]


def not_analysed() -> Advice:
    """Return the answer that no time is left for."""
    return Advice(Cause(Kind.NOT_ANALYSED.value), "not analysed: too much remains for the time left")


def _rule_of(obstacle: Obstacle) -> str:
    return f"{obstacle.rule} ({obstacle.resource})" if obstacle.resource else obstacle.rule or obstacle.subject
