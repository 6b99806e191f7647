"""Every move of one VM at the end of a plan, tried by the rules' own `check` and the reference evaluator.

By these is judged what a plan says where no single rule or limit is the cause: `several`, `trade`, `beyond`, `search`,
and that no host may receive a VM. Nothing of the planner's is used, and nothing is left out: tiny fleets only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from optimizer.fleet import ABSENT, Move, State
from optimizer.problem.evaluate import evaluate
from optimizer.problem.problem import build
from optimizer.problem.rounding import harm
from optimizer.problem.rule import Hardness

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from optimizer.fleet import Fleet
    from optimizer.plan import Cause, Plan, Remaining
    from optimizer.policy import Policy
    from optimizer.problem.atoms import Asked, Atom
    from optimizer.problem.instance import Instance
    from optimizer.problem.problem import Problem
    from optimizer.problem.rule import Rule, Violation

__all__ = ["End", "Trial", "untrue"]

MOST_PLACEMENTS = 5000
"""Placements that are enumerated for one claim that no placement repairs something."""


class Trial(NamedTuple):
    """One VM sent to one host, as a further move of the plan.

    `closing`: the rules that forbid it. `lessens`: the violation would be less. `gains`: the plan would be better, if
    those rules were lifted for this VM there. `worsened`: the rules of shoulds, and of repaired musts, that suffer.
    `gains_without`: the plan would be better if those were lifted as well.
    """

    vm: str
    host: str
    closing: frozenset[str]
    lessens: bool
    gains: bool
    worsened: frozenset[str]
    gains_without: bool

    @property
    def opens(self) -> bool:
        """Whether lifting what forbids the move makes the plan better."""
        return self.lessens and self.gains


@dataclass(frozen=True, eq=False)
class End:
    """Where a plan ends, and one violation that it leaves."""

    fleet: Fleet
    policy: Policy
    plan: Plan
    left: Remaining

    @cached_property
    def problem(self) -> Problem:
        return build(self.fleet, self.policy.demands, self.policy.least)

    @cached_property
    def start(self) -> State:
        return State.start(self.fleet)

    @cached_property
    def state(self) -> State:
        of = self.fleet
        moves = (Move(of.vm_index[m.vm], of.host_index[m.source], of.host_index[m.target]) for m in self.plan.moves)
        return self.start.finish(moves)

    @cached_property
    def trials(self) -> list[Trial]:
        """Every VM that is placed, to every host where it is not; what others move counts at both ends and stays."""
        flying = {m.vm for m in self.fleet.in_flight}
        vms = [v for v in range(len(self.fleet.vms.ids)) if self.state.placement[v] != ABSENT and v not in flying]
        hosts = range(len(self.fleet.hosts.ids))
        return [self._try(v, h) for v, h in product(vms, hosts) if h != self.state.placement[v]]

    def _try(self, vm: int, host: int) -> Trial:
        move = Move(vm, int(self.state.placement[vm]), host)
        then = self.state.finish([move])
        hard = self._closing(self.state.begin([move])) | self._closing(then)
        now, after = (evaluate(self.problem, s.placement.tolist()) for s in (self.state, then))
        lifted = set(after.worse)
        start = self.problem.start[vm]
        trips = int(host != start) if "budget" not in hard else 2 - int(host != start)  # of this VM, beyond one away
        again = trips * int(self.problem.moving[vm]) if move.source != start else 0
        more = {i for i, e in after.excess.items() if e > now.excess.get(i, 0) and _counts(self.problem.atoms[i.atom])}
        return Trial(
            self.fleet.vms.ids[vm],
            self.fleet.hosts.ids[host],
            frozenset(hard),
            self.excess(then) < self.left.excess,
            self._worth(after.excess, then, lifted, again) < self._worth(now.excess, self.state, lifted),
            frozenset(_asked(self.problem.atoms[i.atom]).rule for i in more - lifted),
            self._worth(after.excess, then, lifted | more, again) < self._worth(now.excess, self.state, lifted | more),
        )

    def _closing(self, state: State) -> set[str]:
        """Return the rules of musts and guards that are worse than at the start, and of broken hard demands."""
        out = set()
        for rule in self.policy.demands:
            had = {v.instance: v.excess for v in rule.check(self.start)}
            for v in rule.check(state):
                if v.hardness is not Hardness.SHOULD and v.excess > had.get(v.instance, 0):
                    out.add(v.rule)
        return out

    def _worth(
        self, excess: Mapping[Instance, int], state: State, lifted: Collection[Instance], again: int = 0
    ) -> tuple[int, ...]:
        """Return what a placement is worth by stage, with some instances left out and `again` paid for moves."""
        stages = [0, 0, 0]
        for i, e in excess.items():
            atom = self.problem.atoms[i.atom]
            asked, unit = _asked(atom), int(atom.unit[i.domain]) if hasattr(atom, "unit") else 1
            if i in lifted or asked.hardness not in (Hardness.MUST, Hardness.SHOULD):
                continue
            if asked.hardness is Hardness.MUST:
                stages[0] += harm(e, unit, asked.weight)
            elif asked.price is None:
                stages[1] += harm(e, unit, asked.weight)
            else:
                stages[2] += asked.price * harm(e, unit, 1)
        away = [v for v in range(self.problem.vms) if state.placement[v] != self.problem.start[v]]
        moving = int(self.problem.moving[away].sum()) + again
        priced = any(getattr(getattr(a, "asked", None), "price", None) is not None for a in self.problem.atoms)
        return (stages[0], stages[1], stages[2] + 1000 * moving if priced else 0, moving)

    # -- the violation itself ----------------------------------------------------------------------------------------

    def excess(self, state: State, *, everywhere: bool = False) -> int:
        """Return what is left of the violation in another state; in all its domains together, if so asked."""
        found = self._found(state)
        if everywhere:
            return sum(v.excess for _, v in found)
        mine = {v.instance for rule, v in self._found(self.state) if rule.explain(v, self.fleet) == self.left.why}
        return sum(v.excess for _, v in found if v.instance in mine)

    def _found(self, state: State) -> list[tuple[Rule, Violation]]:
        """Return what the violation's rule finds in a state about its subject and resource, in any domain."""
        key = (self.left.rule, self.left.subject, self.left.resource)
        found = ((rule, v) for rule in self.policy.rules for v in rule.check(state))
        return [(rule, v) for rule, v in found if (v.rule, v.subject, v.resource) == key]

    def placements(self, vms: Sequence[int]) -> Iterator[State]:
        """Yield the state with these VMs anywhere at all."""
        for hosts in product(range(len(self.fleet.hosts.ids)), repeat=len(vms)):
            placement = self.state.placement.copy()
            placement[list(vms)] = hosts
            yield replace(self.start, placement=placement)


def _counts(atom: Atom) -> bool:
    """Whether what is left of it is a reason to move, or not to."""
    return _asked(atom).hardness in (Hardness.MUST, Hardness.SHOULD)


def _asked(atom: Atom) -> Asked:
    asked: Asked = atom.asked  # type: ignore[union-attr]
    return asked


# -- what is claimed ---------------------------------------------------------------------------------------------------


def untrue(end: End) -> str:
    """Return what is not so of a cause that names no single rule or limit; empty where all of it is."""
    cause = end.left.cause
    assert cause is not None
    if cause.kind == "refused" and not cause.hosts:
        return next((f"{t.vm} to {t.host} would lessen it" for t in end.trials if t.vm == cause.vm and t.lessens), "")
    judge = {"several": _several, "trade": _trade, "beyond": _beyond, "search": _search}.get(cause.kind)
    return "" if judge is None else judge(end, cause)


def _several(end: End, cause: Cause) -> str:
    opening = [t for t in end.trials if t.opens]
    if not cause.vm:
        return next(
            (f"lifting {sorted(t.closing)} opens {t.host} to {t.vm}" for t in opening if len(t.closing) < 2), ""
        )
    mine = [t for t in end.trials if (t.vm, t.host) == (cause.vm, cause.host)]
    said = {word.split(" (")[0] for word in cause.reason.split(": ")[1].split(", ")}
    if not mine or mine[0].closing != said:
        return f"{cause.vm} to {cause.host}: {[sorted(t.closing) for t in mine]} are in the way, said {sorted(said)}"
    if not mine[0].opens:
        return f"lifting {sorted(said)} for {cause.vm} gains nothing"
    fewer = (t for t in opening if len(t.closing) < len(said))
    return next((f"{sorted(t.closing)} alone open {t.host} to {t.vm}" for t in fewer), "")


def _trade(end: End, cause: Cause) -> str:
    opening = [t for t in end.trials if t.opens and len(t.closing) <= 1]
    if opening:
        return f"lifting {sorted(opening[0].closing)} opens {opening[0].host} to {opening[0].vm}"
    mine = [t for t in end.trials if (t.vm, t.host) == (cause.vm, cause.host) and not t.closing and t.lessens]
    if not mine:
        return f"{cause.vm} to {cause.host} is no move that lessens it and that nothing forbids"
    said = set(cause.reason.split(" would break ")[1].split(", "))
    if mine[0].worsened != said:
        return f"{cause.vm} to {cause.host}: {sorted(mine[0].worsened)} suffer, said {sorted(said)}"
    if not mine[0].gains_without:
        return f"without {sorted(said)} the move still gains nothing"
    fewer = (t for t in end.trials if t.lessens and not t.closing and t.gains_without and len(t.worsened) < len(said))
    return next((f"{t.vm} to {t.host} breaks only {sorted(t.worsened)}" for t in fewer), "")


def _search(end: End, cause: Cause) -> str:
    return "" if any(t.opens and not t.closing for t in end.trials) else "no move of one VM would help"


def _beyond(end: End, cause: Cause) -> str:
    group = {v for g in end.fleet.groups if g.id in end.left.subject.split("|") for v in g.members.tolist()}
    flying = {m.vm for m in end.fleet.in_flight}
    vms = [v for v in group or range(len(end.fleet.vms.ids)) if end.state.placement[v] != ABSENT and v not in flying]
    if len(end.fleet.hosts.ids) ** len(vms) > MOST_PLACEMENTS:
        return ""
    now = end.excess(end.state, everywhere=True)
    least = min(end.excess(state, everywhere=True) for state in end.placements(vms))
    return "" if least == now else f"some placement has {least}, the plan leaves {now}"
