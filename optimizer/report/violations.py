"""What is wrong with a fleet, instance by instance, in data and in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from optimizer.problem.rule import Hardness
from optimizer.report.arrivals import reason_of
from optimizer.report.called import NOBODY, Called
from optimizer.report.page import Page, Table, Tone
from optimizer.report.words import amount, count, pair, spoken

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from optimizer.fleet import Fleet
    from optimizer.plan import Unevaluated
    from optimizer.problem.rule import NotEvaluated, Rule, Violation

__all__ = [
    "CheckFacts",
    "ViolationFacts",
    "check_page",
    "describe_check",
    "describe_violations",
    "measured",
    "measured_pair",
]


@dataclass(frozen=True, slots=True)
class ViolationFacts:
    """One violation, with names instead of indices and its explanation."""

    rule: str
    hardness: Hardness
    subject: str
    reason: str
    resource: str | None
    domain: str | None
    value: int
    limit: int
    excess: int
    harm: int
    vms: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class CheckFacts:
    """What `check` found; `guards` are reported only: the policy asks for no repair of them."""

    fleet: str
    policy: str
    clean: bool
    harm: int
    should_harm: int
    violations: tuple[ViolationFacts, ...]
    guards: tuple[ViolationFacts, ...]
    not_evaluated: tuple[NotEvaluated, ...]
    notes: tuple[str, ...]


@runtime_checkable
class _Noting(Protocol):
    """A rule that has something to say of its own parameters on this fleet, such as a limit that nothing reaches."""

    def notes(self, fleet: Fleet) -> list[str]: ...


def describe_violations(
    fleet: Fleet, rules: Sequence[Rule], violations: Iterable[Violation]
) -> tuple[ViolationFacts, ...]:
    """Say violations in words: each by its own rule."""
    named: Mapping[str, Rule] = {rule.name: rule for rule in rules}
    return tuple(
        ViolationFacts(
            rule=v.rule,
            hardness=v.hardness,
            subject=v.subject,
            reason=v.reason or reason_of(v),
            resource=v.resource,
            domain=v.domain,
            value=v.value,
            limit=v.limit,
            excess=v.excess,
            harm=v.harm,
            vms=tuple(fleet.vms.ids[vm] for vm in v.vms),
            why=named[v.rule].explain(v, fleet) if v.rule in named else "",
        )
        for v in violations
    )


def describe_check(fleet: Fleet, policy: str, rules: Sequence[Rule], violations: Sequence[Violation]) -> CheckFacts:
    """Part what is wrong from limits that bind arrivals only."""
    wrong = [v for v in violations if v.hardness is not Hardness.GUARD]
    guards = [v for v in violations if v.hardness is Hardness.GUARD]
    return CheckFacts(
        fleet=fleet.id,
        policy=policy,
        clean=not wrong,
        harm=sum(v.harm for v in wrong if v.hardness is Hardness.MUST),
        should_harm=sum(v.harm for v in wrong if v.hardness is Hardness.SHOULD),
        violations=describe_violations(fleet, rules, wrong),
        guards=describe_violations(fleet, rules, guards),
        not_evaluated=tuple(missing for rule in rules for missing in rule.not_evaluated(fleet)),
        notes=tuple(note for rule in rules if isinstance(rule, _Noting) for note in rule.notes(fleet)),
    )


def check_page(facts: CheckFacts, called: Called = NOBODY) -> Page:
    """Lay out what `check` found."""
    page = Page()
    if facts.clean:
        page.line(f"{facts.fleet}: no violations (policy {facts.policy})", Tone.GOOD)
    else:
        page.line(f"{facts.fleet}: {count(len(facts.violations), 'violation')} of policy {facts.policy}", Tone.BAD)
    page.table(violations_table(facts.violations, called))
    if facts.guards:
        page.heading("Reported only: no plan repairs this")
        page.table(violations_table(facts.guards))
    not_evaluated(page, facts.not_evaluated)
    if facts.notes:
        page.heading("Limits to look at")
        for note in facts.notes:
            page.line(note, Tone.WARN)
    return page


def violations_table(violations: Iterable[ViolationFacts], called: Called = NOBODY) -> Table:
    """Tabulate violations."""
    table = Table(("rule", "", "subject", "where", "?>value", "?>limit", "~why"))
    for v in violations:
        tone = Tone.BAD if v.hardness is Hardness.MUST else Tone.WARN
        where = v.domain or (spoken(v.resource) if v.resource else "-")
        value, limit = measured_pair(v.resource, v.value, v.limit)
        table.add(v.rule, v.hardness.value, called.subject(v.subject), where, value, limit, v.why, tone=tone)
    return table


def measured(resource: str | None, value: int) -> str:
    """Render a value of a violation in its resource's unit."""
    return amount(resource, value) if resource else f"{value:,}"


def measured_pair(resource: str | None, value: int, limit: int) -> tuple[str, str]:
    """Render a value of a violation and its limit, both in one unit."""
    return pair(resource, value, limit) if resource else (f"{value:,}", f"{limit:,}")


def not_evaluated(page: Page, missing: Iterable[NotEvaluated | Unevaluated]) -> None:
    """List the facts that rules wanted and the snapshot lacks."""
    table = Table(("fact", ">missing for", "~rules that want it"))
    wanted: dict[tuple[str, int, int], list[str]] = {}
    for m in missing:
        wanted.setdefault((m.what, m.vms, m.hosts), []).append(m.rule)
    for (fact, vms, hosts), rules in wanted.items():
        parts = [count(vms, "VM")] * bool(vms) + [count(hosts, "host")] * bool(hosts)
        table.add(fact, ", ".join(parts) or "-", ", ".join(dict.fromkeys(rules)), tone=Tone.QUIET)
    if table.rows:
        page.heading("Not evaluated: facts that the snapshot lacks")
        page.table(table)
