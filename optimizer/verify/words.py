"""What a plan says about itself beside its numbers: when it was made, its reasons in words, what ended the search.

Everything that follows from the fleet, the policy and the moves is made again, by the rules' own `explain`, and
compared. A field that may be left out and is left out claims nothing.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING

from optimizer.fleet.plausible import SKEW_S
from optimizer.grammar import listed
from optimizer.plan import STOPPED_BY, Reason, Status, impossible_because
from optimizer.problem.amounts import spoken
from optimizer.problem.problem import Stage
from optimizer.problem.rule import Hardness
from optimizer.verify.verdict import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from optimizer.fleet import Fleet
    from optimizer.plan import Plan, PlannedMove
    from optimizer.problem.rule import Rule, Violation
    from optimizer.verify.effect import Effect, Judged
    from optimizer.verify.form import Script

__all__ = ["judge_time", "judge_words"]


def judge_time(fleet: Fleet, plan: Plan, latest: datetime | None) -> Iterator[Finding]:
    """Yield where the plan was made before its snapshot, or after `latest`; clocks may differ a little.

    A snapshot from the future is the snapshot's fault: a plan that warns of it may be older than it.
    """
    warned = any(w.where == "taken_at" for w in plan.warnings)
    if plan.made_at < fleet.taken_at - timedelta(seconds=SKEW_S) and not warned:
        said = f"{plan.made_at.isoformat()} is before the snapshot, {fleet.taken_at.isoformat()}"
        yield Finding("made_at", "made_at", said)
    elif latest is not None and plan.made_at > latest + timedelta(seconds=SKEW_S):
        yield Finding("made_in_future", "made_at", f"{plan.made_at.isoformat()} is in the future")


def judge_words(fleet: Fleet, plan: Plan, script: Script, effect: Effect) -> Iterator[Finding]:
    """Yield each word of the plan that is not what the rules say."""
    yield from _Reasons(fleet, plan, script, effect).judge()
    yield from _remaining(fleet, plan, effect)
    yield from _ends(plan)
    yield from _reason_of_status(plan)
    moved = len(script.chains)
    if plan.stats.get("displaced", moved) != moved:
        said = f"says {plan.stats['displaced']}, its moves displace {moved}"
        yield Finding("displaced", "stats.displaced", said)


def _ends(plan: Plan) -> Iterator[Finding]:
    """Compare what ended each search: nothing at a bound, else one word for all stages, placement apart."""
    words = set()
    for stage in plan.objective:
        where, said = f"objective[{stage.stage}].stopped_by", stage.stopped_by
        if (said is None) != (stage.value == stage.bound):
            expected = "nothing was left to look for" if said else "something ended the search"
            yield Finding("stopped_by", where, f"says {said or 'nothing'}, but at value {stage.value} {expected}")
        elif said is not None and said not in STOPPED_BY:
            yield Finding("stopped_by", where, f"{said} is none of {', '.join(sorted(STOPPED_BY))}")
        elif said is not None and stage.stage != Stage.PLACEMENT.value:
            words.add(said)
    if len(words) > 1:
        yield Finding("stopped_by", "objective", f"one search ended by {' and by '.join(sorted(words))}")


def _reason_of_status(plan: Plan) -> Iterator[Finding]:
    least = next((s.bound for s in plan.objective if s.stage == Stage.HARM.value), 0)
    expected = impossible_because(least) if plan.status is Status.IMPOSSIBLE else ""
    if plan.reason != expected:
        yield Finding("reason", "reason", f"says {plan.reason!r}, expected {expected!r}")


def _remaining(fleet: Fleet, plan: Plan, effect: Effect) -> Iterator[Finding]:
    left: dict[tuple[str, str, str | None, str | None], list[tuple[Rule, Violation]]] = defaultdict(list)
    for rule, v in effect.after:
        left[v.rule, v.subject, v.resource, v.domain].append((rule, v))
    for r in plan.remaining:
        true = {rule.explain(v, fleet) for rule, v in left[r.rule, r.subject, r.resource, r.domain]}
        if true and r.why not in true:  # one that is not there at all is told elsewhere
            yield Finding("why", f"remaining[{r.rule} {r.subject}].why", f"the rule says: {min(true)}")


class _Reasons:
    """Why each move is made: the violations of its VM, or of what it leaves, that are smaller at the end."""

    def __init__(self, fleet: Fleet, plan: Plan, script: Script, effect: Effect) -> None:
        self.fleet, self.plan, self.script = fleet, plan, script
        self.rules = {v.instance: rule for rule, v in effect.before}
        end = {v.instance: v.excess for _, v in effect.after}
        self.of_vm: dict[int, list[Violation]] = defaultdict(list)
        self.about: dict[str, list[Violation]] = defaultdict(list)
        for v in _in_order(effect.before):
            if v.excess > end.get(v.instance, 0):
                self.about[v.subject].append(v)
                for vm in v.vms:
                    self.of_vm[vm].append(v)
        self.waiting: dict[int, list[int]] = defaultdict(list)
        for m, before in enumerate(script.after):
            for p in before:
                self.waiting[p].append(m)

    def judge(self) -> Iterator[Finding]:
        """Yield reasons, and words for them, that are not so."""
        for m, said in enumerate(self.plan.moves):
            true = self._of(m)
            reasons = tuple(Reason(v.rule, v.subject, v.value, v.limit, v.resource, v.domain) for v in true)
            if said.reasons and said.reasons != reasons:
                named = ", ".join(f"{r.rule} {r.subject}" for r in reasons) or "none"
                yield Finding("reason", f"moves[{said.id}].reasons", f"its reasons by the rules: {named}")
            why = self._why(m, said, true)
            if said.why and said.why != why:
                yield Finding("why", f"moves[{said.id}].why", f"the rules say: {why}")

    def _of(self, m: int) -> list[Violation]:
        vm = self.script.moves[m].vm
        found = {v.instance: v for v in (*self.of_vm[vm], *self.about[self.fleet.vms.ids[vm]])}
        home = int(self.fleet.vms.host[vm])
        for level, names in enumerate(self.fleet.domain_ids):
            for v in self.about[names[self.fleet.hosts.domain[level, home]]]:
                r = self.fleet.resource_index.get(v.resource or "")
                if not v.vms and (r is None or self.fleet.vms.demand[vm, r] > 0):
                    found[v.instance] = v
        return sorted(found.values(), key=lambda v: (v.hardness.value, v.instance))

    def _why(self, m: int, said: PlannedMove, reasons: list[Violation]) -> str:
        if reasons:
            text = self.rules[reasons[0].instance].explain(reasons[0], self.fleet)
        else:
            vms = [self.plan.moves[w].vm for w in self.waiting[m]]
            text = f"makes room on {said.source}" + (f" for {', '.join(vms)}" if vms else "")
            if not vms and self.plan.scope.balance:
                text = f"evens out {listed(spoken(resource) for resource in self.plan.scope.balance)}"
        return f"staging hop: {text}" if said.staging else text


def _in_order(judged: Judged) -> list[Violation]:
    """Return what may be a reason to move, in the order in which a plan names it."""
    found = [v for _, v in judged if v.hardness in (Hardness.MUST, Hardness.SHOULD)]
    return sorted(found, key=lambda v: (v.hardness.value, v.instance))
