"""Which single change lets a VM repair what a plan leaves: tried as one more move at the end of the plan.

A change is said to help only if the plan with that move, judged with the rule or limit lifted for the VM, leaves less:
such a move depends on no other, so it can be made after all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from optimizer.fleet import ABSENT
from optimizer.grammar import listed
from optimizer.plan import Advice, Cause
from optimizer.planning.not_made import NotMade
from optimizer.planning.obstacles import Kind, Obstacle, Obstacles
from optimizer.planning.trials import Trials, Unrepaired
from optimizer.problem.amounts import amount_of
from optimizer.problem.shapes import LEAVE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet
    from optimizer.planning.ending import Ending
    from optimizer.problem.atoms import Harming
    from optimizer.problem.instance import Instance
    from optimizer.problem.problem import Problem

__all__ = ["Openings", "not_analysed"]

SHOWN = 3
"""VMs of a group that are named, at most."""

DEFERRED = 100
"""VMs of a group that may be called deferred together: each is named, since whoever judges it has to know them."""

CHEAPEST_FIRST = (Kind.BUDGET, Kind.PINNED, Kind.REFUSED, Kind.GROUP, Kind.LEAVING, Kind.ROOM)
"""Which of several obstacles is named, where each would do: those that an operator can lift without hardware first."""


class _Opening(NamedTuple):
    """VMs (one, or a group that travels together), what alone keeps them off some hosts, how many, and what is left.

    `left` is the excess of the violation if they went to `host`; `stay` the VMs that the plan sends there, and that
    would have to stay where they are instead.
    """

    vms: tuple[int, ...]
    obstacle: Obstacle
    hosts: int
    host: int
    left: int
    stay: tuple[int, ...] = ()


class _Combined(NamedTuple):
    """A VM, a host, and the obstacles (two or more) that keep it off there."""

    vm: int
    host: int
    obstacles: tuple[Obstacle, ...]

    @property
    def rules(self) -> frozenset[str]:
        """The rules that the obstacles are of."""
        return frozenset(o.rule for o in self.obstacles)

    @property
    def size(self) -> tuple[int, int, int, int]:
        """How much would have to be lifted, and a fixed order among equals."""
        return len(self.rules), len(self.obstacles), self.vm, self.host


@dataclass
class _Seen:
    """What was found about one violation: single obstacles that open hosts, free hosts, and obstacles that combine.

    `closed`: some host that would lessen it is closed.
    """

    openings: list[_Opening] = field(default_factory=list)
    free: list[tuple[int, int]] = field(default_factory=list)
    combined: list[_Combined] = field(default_factory=list)
    closed: bool = False


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
        self.trials = Trials(problem, placement)
        self.obstacles = Obstacles(self.trials.work, spent)
        self.looks = 0

    def advise(self, atom: Harming, instance: Instance, domain: int, vms: Sequence[int]) -> Advice:
        """Return the cause of a violation, and what helps, from the VMs whose moves could lessen it."""
        instance = instance._replace(domain=domain)
        violated = Unrepaired(atom, instance, self.trials.excess(atom, instance))
        seen = _Seen()
        for vm in sorted(vms, key=lambda v: (tuple(self.fleet.vms.demand[v].tolist()), v))[: self.given.vms]:
            self.looks += self.problem.hosts
            if self._over() or any(o.left == 0 for o in seen.openings):
                break
            self._look(violated, vm, seen)
        return self._advice(violated, seen)

    def _look(self, violated: Unrepaired, vm: int, seen: _Seen) -> None:
        """Gather what one VM could do, and what keeps it from that."""
        useful = self.trials.useful(violated, vm)
        if not useful.any():
            return
        masks = self.obstacles.of(vm)
        count = self._count(masks)
        free, closed = np.flatnonzero(useful & (count == 0)), np.flatnonzero(useful & (count > 0))
        seen.free += [(vm, int(h)) for h in free[: self.given.tries]]
        seen.closed |= bool(closed.size)
        seen.openings += self._openings(violated, (vm,), masks, useful)
        if self.problem.also_at[vm] == ABSENT:  # what others move counts at both ends, whatever is lifted
            seen.combined += self._combined(vm, masks, closed)
        if unit := self.obstacles.unit_of(vm):
            seen.openings += self._as_one(violated, unit[1], unit[0], useful)

    def _combined(
        self, vm: int, masks: Mapping[Obstacle, NDArray[np.bool_]], hosts: NDArray[np.int64]
    ) -> list[_Combined]:
        """Return the obstacles that together keep the VM off hosts, those of the fewest rules first."""
        ways = (_Combined(vm, int(h), tuple(o for o, mask in masks.items() if mask[h])) for h in hosts)
        several = sorted((c for c in ways if len(c.obstacles) > 1), key=lambda c: c.size)
        return several[: self.given.tries]

    def _as_one(
        self, violated: Unrepaired, vms: Sequence[int], together: Obstacle, useful: NDArray[np.bool_]
    ) -> list[_Opening]:
        """Return what is opened to VMs that travel together; nothing where to look at each of them takes too long."""
        self.looks += len(vms) * self.problem.hosts
        masks = self.obstacles.of_unit(vms, together, self._over)
        return [] if masks is None else self._openings(violated, tuple(vms), masks, useful)

    def _over(self) -> bool:
        return self.looks > self.given.looks or self.ending.over()

    # -- trying ------------------------------------------------------------------------------------------------------

    def _count(self, masks: Mapping[Obstacle, NDArray[np.bool_]]) -> NDArray[np.int64]:
        return sum((m.astype(np.int64) for m in masks.values()), np.zeros(self.problem.hosts, np.int64))

    def _openings(
        self,
        violated: Unrepaired,
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
                tried = self.trials.tried(violated, vms, host, but_not, later=obstacle.kind is Kind.BUDGET)
                if tried.helps and not self._still_bound(obstacle, vms):
                    found.append(_Opening(vms, obstacle, int(hosts.size), host, tried.left))
                    break
        return found

    def _still_bound(self, obstacle: Obstacle, vms: Sequence[int]) -> bool:
        """Whether the group that VMs would leave forbids without them what the plan does."""
        return obstacle.kind is Kind.GROUP and self.trials.binds_without(obstacle.rule, vms)

    def _promising(self, vms: Sequence[int], obstacle: Obstacle, hosts: NDArray[np.int64]) -> list[int]:
        """Return the hosts in the order in which they are tried: where room can be freed, then where least lacks."""
        if obstacle.kind is not Kind.ROOM or not hosts.size:
            return [int(h) for h in hosts]
        asked = (vms, [obstacle.rule], obstacle.resource)
        lacks = [(self.trials.shortage(*asked, int(h)), int(h)) for h in hosts]
        return [h for _, _, h in sorted((n > self.trials.freeable(*asked, h), n, h) for n, h in lacks)]

    def _instead(self, violated: Unrepaired, ways: Sequence[_Combined]) -> _Opening | None:
        """Return what one obstacle opens where VMs that the plan sends to the same host stay; None without any."""
        for way in sorted(ways, key=lambda c: c.size)[: 4 * self.given.tries]:
            stay = self.trials.sent_to(way.host)
            if not stay:
                continue
            with self.trials.at_home(stay):
                alone = [o for o, mask in self.obstacles.of(way.vm).items() if mask[way.host]]
                if len(alone) != 1 or alone[0].kind in (Kind.ROOM, Kind.BUDGET):
                    continue
                but_not = set(self.obstacles.instances(way.vm, alone[0], way.host))
                tried = self.trials.tried(violated, (way.vm,), way.host, but_not)
                bound = self._still_bound(alone[0], (way.vm,))
            if tried.helps and tried.after < self.trials.values(but_not) and not bound:
                return _Opening((way.vm,), alone[0], 1, way.host, tried.left, stay)
        return None

    # -- saying ------------------------------------------------------------------------------------------------------

    def _advice(self, violated: Unrepaired, seen: _Seen) -> Advice:
        if seen.openings:
            rank = {kind: n for n, kind in enumerate(CHEAPEST_FIRST)}
            return self._opened(min(seen.openings, key=lambda o: (o.left, rank[o.obstacle.kind], -o.hosts, o.vms)))
        if advice := self._combination(violated, [c for c in seen.combined if len(c.rules) == 1]):
            return advice
        not_made = NotMade(self.fleet, self.trials, self.ending.stopped_by)
        if advice := not_made.advise(violated, seen.free[: 4 * self.given.tries]):
            return advice
        if self._over():
            return not_analysed()
        if violated.atom.shape is LEAVE and not seen.closed and not seen.free:
            rule, vm = violated.atom.asked.rule, self.fleet.vms.ids[violated.instance.member]
            return Advice(Cause(Kind.REFUSED.value, rule, vm), f"a host that may receive {vm}: now none may ({rule})")
        if opening := self._instead(violated, seen.combined):
            return self._opened(opening)
        if advice := self._combination(violated, seen.combined):
            return advice
        none = "no move of one VM helps of those that were tried"
        return Advice(Cause(Kind.SEVERAL.value, reason=none), f"no single change was found that helps: {none}")

    def _combination(self, violated: Unrepaired, ways: Sequence[_Combined]) -> Advice | None:
        """Name the fewest rules that, lifted together for a VM, open a host to it and help; None where none do."""
        for way in sorted(ways, key=lambda c: c.size)[: 4 * self.given.tries]:
            but_not = {i for o in way.obstacles for i in self.obstacles.instances(way.vm, o, way.host)}
            later = any(o.kind is Kind.BUDGET for o in way.obstacles)  # the plan's own moves are what spends it
            tried = self.trials.tried(violated, [way.vm], way.host, but_not, later=later)
            if tried.helps:
                return self._together(way, tried.left)
        return None

    def _together(self, way: _Combined, left: int) -> Advice:
        vm, host = self.fleet.vms.ids[way.vm], self.fleet.hosts.ids[way.host]
        end = "" if left == 0 else f" (then {left} of it would be left)"
        resources = {o.resource for o in way.obstacles}
        if len(resources) == 1 and all(o.kind is Kind.ROOM for o in way.obstacles):
            rules, resource = sorted(way.rules), resources.pop()
            cause = Cause(Kind.ROOM.value, ", ".join(rules), vm, resource=resource, hosts=1, host=host)
            verb = "keeps" if len(rules) == 1 else "keep"
            room = self._room([way.vm], rules, resource, way.host, vm)
            return Advice(cause, f"{room}: {listed(rules)} {verb} it off{end}")
        if len(way.rules) == 1 and not any(o.kind is Kind.ROOM for o in way.obstacles):
            return self._of_one_rule(way, vm, host, end)
        said = ", ".join(sorted({_rule_of(o) for o in way.obstacles}))
        cause = Cause(Kind.SEVERAL.value, vm=vm, host=host, reason=f"together they keep {vm} off {host}: {said}")
        return Advice(cause, f"no single change was found that helps; together, for {vm} to go to {host}: {said}{end}")

    @staticmethod
    def _of_one_rule(way: _Combined, vm: str, host: str, end: str) -> Advice:
        """Say that one rule, for several reasons, keeps the VM off the host."""
        rule, reasons = next(iter(way.rules)), list(dict.fromkeys(o.subject for o in way.obstacles if o.subject))
        said = f"{rule} ({listed(reasons)})" if reasons else rule
        cause = Cause(
            Kind.SEVERAL.value, vm=vm, host=host, reason=f"for several reasons it keeps {vm} off {host}: {rule}"
        )
        return Advice(cause, f"lift {said} for {vm}: only that keeps it off {host}{end}")

    def _room(self, vms: Sequence[int], rules: Sequence[str], resource: str, host: int, vm: str) -> str:
        """Say how much room lacks on a host, or that it is too small for the VMs even where it is empty."""
        lacks, freed = (f(vms, rules, resource, host) for f in (self.trials.shortage, self.trials.freeable))
        name = self.fleet.hosts.ids[host]
        if lacks <= freed:
            return f"free {amount_of(resource, lacks)} on {name} for {vm}"
        return f"let {name} hold {amount_of(resource, lacks)} more, since even empty it has no room for {vm}"

    def _opened(self, opening: _Opening) -> Advice:
        host = self.fleet.hosts.ids[opening.host]
        vm, o = self._names(opening.vms, SHOWN), opening.obstacle
        named = self._names(opening.vms, DEFERRED if o.kind is Kind.BUDGET else SHOWN)
        instead, shown = (self._instead_of(opening.stay, most) for most in (len(opening.stay), SHOWN))
        cause = Cause(o.kind.value, o.rule, named, o.subject, o.resource, opening.hosts, host, instead)
        end = f", {shown}" if shown else ""
        end += "" if opening.left == 0 else f" (then {opening.left} of it would be left)"
        later = (
            o.kind is Kind.BUDGET
            and self.obstacles.is_paid_later(o, opening.vms, opening.host)
            and len(opening.vms) <= DEFERRED
        )
        return Advice(cause, self._text(o, opening, vm, host, later=later) + end, deferred=later)

    def _instead_of(self, stay: Sequence[int], most: int) -> str:
        """Say which of the plan's moves would not be made; nothing where all would."""
        moves = "move" if len(stay) == 1 else "moves"
        return f"in place of the plan's {moves} of {self._names(stay, most)}" if stay else ""

    def _names(self, vms: Sequence[int], most: int) -> str:
        return ", ".join(self.fleet.vms.ids[v] for v in vms[:most]) + (", ..." if len(vms) > most else "")

    def _text(self, o: Obstacle, opening: _Opening, vm: str, host: str, *, later: bool) -> str:
        hosts = f"{opening.hosts} host" + ("s" if opening.hosts != 1 else "")
        if o.kind is Kind.BUDGET:
            if not later:
                return f"a larger budget ({o.rule}: {o.subject}): all of it does not pay for {vm} to go to {host}"
            return f"deferred by {o.rule} ({o.subject}): a later run, or a larger budget, can move {vm} to {host}"
        if o.kind is Kind.PINNED:
            why = ": ".join(t for t in (o.rule, o.subject, self._platform(opening.vms)) if t)
            return f"let {vm} move ({why}): {hosts} could take it, such as {host}"
        if o.kind is Kind.ROOM:
            return (
                f"{self._room(opening.vms, [o.rule], o.resource, opening.host, vm)}: only {o.rule} keeps it off {hosts}"
            )
        if o.kind is Kind.GROUP:
            of = f"{o.rule} of {o.subject}"
            if self.trials.is_needed(o.rule, opening.vms):  # by others: out of the group it would be missed
                return f"lift {of}: only that keeps {vm} off {hosts}, such as {host}"
            return f"lift {of} for {vm}: only that keeps it off {hosts}, such as {host}"
        why = f"{o.rule} ({o.subject})" if o.subject else o.rule
        return f"let {host} receive {vm}: only {why} keeps it off {hosts}"

    def _platform(self, vms: Sequence[int]) -> str:
        """Return the platform's own reason why one of the VMs does not move; empty where it gives none."""
        reasons = (self.fleet.vms.mobility_reason.get(v) for v in vms)
        return next((r for r in reasons if r), "")


def not_analysed() -> Advice:
    """Return the answer that no time is left for."""
    return Advice(Cause(Kind.NOT_ANALYSED.value), "not analysed: too much remains for the time left")


def _rule_of(obstacle: Obstacle) -> str:
    return f"{obstacle.rule} ({obstacle.resource})" if obstacle.resource else obstacle.rule or obstacle.subject
