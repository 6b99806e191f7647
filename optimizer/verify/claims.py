"""The claims of a plan: values, bounds, status, reasons, what remains, what was not evaluated; by the rules' check."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from optimizer.cautions import cautions
from optimizer.fleet import ABSENT, State
from optimizer.plan import Status
from optimizer.problem.atoms import UNLIMITED
from optimizer.problem.problem import Stage
from optimizer.problem.rounding import MILLI, harm
from optimizer.problem.rule import Costing, Hardness
from optimizer.verify.verdict import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from optimizer.fleet import Fleet
    from optimizer.plan import Plan
    from optimizer.policy import Policy
    from optimizer.problem.problem import Problem
    from optimizer.problem.rule import Rule, Violation
    from optimizer.verify.effect import Effect
    from optimizer.verify.form import Script

__all__ = ["Claims", "judge_claims"]

TEN_THOUSANDTHS = 10_000


@dataclass
class Claims:
    """What the claims came to."""

    findings: list[Finding] = field(default_factory=list)
    recomputed: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def judge_claims(fleet: Fleet, policy: Policy, problem: Problem, plan: Plan, script: Script, effect: Effect) -> Claims:
    """Compute again what the plan says of its effect."""
    judge = _Judge(fleet, policy, problem, plan, script, effect)
    out = Claims(recomputed=judge.values)
    if "clean_displaces_at_least" in plan.stats:
        out.notes.append("stats.clean_displaces_at_least: not recomputed: no stage rests on it")
    out.findings += [*judge.stages(), *judge.remaining(), *judge.not_evaluated(), *judge.status()]
    out.findings += [*judge.warnings(), *judge.figures()]
    return out


class _Judge:
    """Start and end of one plan, by `check`."""

    def __init__(
        self, fleet: Fleet, policy: Policy, problem: Problem, plan: Plan, script: Script, effect: Effect
    ) -> None:
        self.fleet, self.policy, self.problem, self.plan, self.script = fleet, policy, problem, plan, script
        self.end = effect.end
        self.before = [(r, v) for r, v in effect.before if v.hardness is not Hardness.HARD]
        self.after = [(r, v) for r, v in effect.after if v.hardness is not Hardness.HARD]

    # -- the objective ---------------------------------------------------------------------------------------------

    @cached_property
    def values(self) -> dict[str, int]:
        """Value of each stage at the end."""
        found = self._harms(self.after)
        moving = sum(int(self.problem.moving[m.vm]) for m in self.script.moves)
        found[Stage.PRICED] += MILLI * moving
        found[Stage.MOVING] = moving
        found[Stage.COST] = self._cost(self.end)
        found[Stage.PLACEMENT] = TEN_THOUSANDTHS * sum(map(len, self.script.after)) + self._highest_load()
        return {stage.value: found[stage] for stage in self.problem.stages if stage in found}

    def _cost(self, state: State) -> int:
        """Add up what rules that are paid for, rather than repaired, say that a state costs."""
        return sum(rule.cost(state) for rule in self.policy.demands if isinstance(rule, Costing))

    @staticmethod
    def _harms(found: Iterable[tuple[Rule, Violation]]) -> dict[Stage, int]:
        harms = {Stage.HARM: 0, Stage.SHOULD_HARM: 0, Stage.PRICED: 0}
        for rule, v in found:
            price: int | None = getattr(rule, "price", None)
            if v.hardness is Hardness.MUST:
                harms[Stage.HARM] += harm(v.excess, v.unit, v.weight)
            elif v.hardness is Hardness.SHOULD and price is None:
                harms[Stage.SHOULD_HARM] += harm(v.excess, v.unit, v.weight)
            elif v.hardness is Hardness.SHOULD and price is not None:
                harms[Stage.PRICED] += price * harm(v.excess, v.unit, 1)
        return harms

    def _highest_load(self) -> int:
        """Return the highest load of a must on a host that the plan touches, in 10^-4 of its limit, rounded down."""
        touched = np.zeros(len(self.fleet.hosts), np.bool_)
        for move in self.script.moves:
            touched[[move.source, move.target]] = True
        placed = self.end.placement != ABSENT
        highest = 0
        for atom in self.problem.demands.sums.values():
            if atom.level == 0 and atom.asked.hardness is Hardness.MUST:
                load = np.zeros(len(touched), np.int64)
                np.add.at(load, self.end.placement[placed], atom.amount[placed])
                for h in np.flatnonzero(touched & (atom.limit > 0) & (atom.limit < UNLIMITED)).tolist():
                    there = int(load[h]) + int(atom.base[h])
                    highest = max(highest, TEN_THOUSANDTHS * there // int(atom.limit[h]))
        return highest

    def stages(self) -> Iterator[Finding]:
        """Yield where the objective is not what the plan comes to."""
        said = [s.stage for s in self.plan.objective]
        expected = [s.value for s in self.problem.stages]
        if said != expected:
            yield Finding("stages", "objective", f"{', '.join(said)}: the policy asks for {', '.join(expected)}")
        for stage in self.plan.objective:
            value = self.values.get(stage.stage)
            if value is not None and value != stage.value:
                yield Finding("value", f"objective[{stage.stage}].value", f"says {stage.value}, it is {value}")
            if not 0 <= stage.bound <= stage.value:
                yield Finding("bound", f"objective[{stage.stage}].bound", f"{stage.bound} is no bound of {stage.value}")

    def figures(self) -> Iterator[Finding]:
        """Yield where the figures of balance before and after are others."""
        rules = [rule for rule in self.policy.demands if isinstance(rule, Costing)]
        said = self.plan.stats.get("balance")
        for name, state in (("before", State.start(self.fleet)), ("after", self.end)) if said is not None else ():
            true = {k: v for rule in rules for k, v in rule.figures(state).items()}
            if not isinstance(said, dict) or said.get(name) != true:
                yield Finding("figures", f"stats.balance.{name}", f"it is {true}")

    def status(self) -> Iterator[Finding]:
        """Yield where the status does not follow from the rest, or the plan is no better than staying."""
        said = self.plan.status
        at_start = self._harms(self.before)
        sound = not any(at_start[s] for s in self.problem.stages if s in at_start)
        at_start[Stage.COST] = self._cost(State.start(self.fleet))
        closed = all(s.value == s.bound for s in self.plan.objective if s.stage != Stage.PLACEMENT.value)
        fitting = {
            Status.NOTHING_TO_DO: sound and not self.plan.moves,
            Status.OPTIMAL: closed and not (sound and not self.plan.moves),
            Status.FEASIBLE: bool(self.plan.moves) and not closed,
            Status.NO_PLAN_IN_TIME: not self.plan.moves and not closed and not sound,
            Status.IMPOSSIBLE: not self.plan.moves
            and any(s.stage == Stage.HARM.value and s.bound > 0 for s in self.plan.objective),
        }
        if not fitting[said]:
            yield Finding("status", "status", f"{said.value} does not follow from the objective and the moves")
        if self.plan.moves and not self._better(at_start):
            yield Finding("no_better", "moves", "the plan is not better than staying put")

    def _better(self, at_start: Mapping[Stage, int]) -> bool:
        weighed = (Stage.HARM, Stage.SHOULD_HARM, Stage.COST, Stage.PRICED)
        order = [s for s in self.problem.stages if s in weighed]
        return tuple(self.values[s.value] for s in order) < tuple(at_start[s] for s in order)

    # -- violations ------------------------------------------------------------------------------------------------

    def remaining(self) -> Iterator[Finding]:
        """Yield what the plan leaves and does not say, and what it says and does not leave.

        Violations of guards may be listed, and need not be: they are never a reason to move.
        """
        said = Counter((r.rule, r.subject, r.resource, r.domain, r.excess) for r in self.plan.remaining)
        left: Counter[tuple[str, str, str | None, str | None, int]] = Counter()
        guards: Counter[tuple[str, str, str | None, str | None, int]] = Counter()
        for _, v in self.after:
            listed = guards if v.hardness is Hardness.GUARD else left
            listed[v.rule, v.subject, v.resource, v.domain, v.excess] += 1
        for key in sorted((left - said).elements(), key=str):
            yield Finding(
                "remaining", "remaining", f"{key[0]} {key[1]} keeps an excess of {key[4]}; the plan does not say so"
            )
        for key in sorted((said - left - guards).elements(), key=str):
            yield Finding("remaining", "remaining", f"{key[0]} {key[1]} does not keep an excess of {key[4]}")

    def not_evaluated(self) -> Iterator[Finding]:
        """Yield what the rules could not evaluate and the plan does not say, and the other way round."""
        true = Counter((n.rule, n.what, n.vms, n.hosts) for r in self.policy.rules for n in r.not_evaluated(self.fleet))
        said = Counter((n.rule, n.what, n.vms, n.hosts) for n in self.plan.not_evaluated)
        for rule, what, vms, hosts in sorted(((true - said) + (said - true)).elements()):
            place = f"{vms} VMs and {hosts} hosts"
            yield Finding("not_evaluated", "not_evaluated", f"{rule}: {what} for {place}: not as the rules say")

    def warnings(self) -> Iterator[Finding]:
        """Yield warnings that the plan gives without a cause, and those that it should give and does not."""
        true, said = Counter(cautions(self.fleet, self.policy, self.plan.made_at)), Counter(self.plan.warnings)
        for caution in (said - true).elements():
            yield Finding("warnings", "warnings", f"{caution.where}: nothing is doubtful about it in this way")
        for caution in (true - said).elements():
            yield Finding("warnings", "warnings", f"the plan does not say: {caution.where}: {caution.text}")
