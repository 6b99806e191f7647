"""Scenarios side by side, in data and as a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from optimizer.problem.problem import Stage
from optimizer.problem.rule import Hardness
from optimizer.report.page import Page, Table, Tone
from optimizer.report.show import describe_fleet
from optimizer.report.whatif_page import about_line
from optimizer.report.words import percent, spoken

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.plan import Plan
    from optimizer.report.whatif_facts import About
    from optimizer.whatif.compare import Outcome

__all__ = ["CompareFacts", "ScenarioFacts", "compare_page", "describe_scenario"]


@dataclass(frozen=True, slots=True)
class ScenarioFacts:
    """One scenario; `allocated` is the share of what may be allocated, by resource."""

    name: str
    policy: str
    fleet_digest: str
    hosts: int
    vms: int
    allocated: dict[str, float]
    without_host: int
    placed: int
    placed_bound: int
    violations_must: int
    violations_should: int
    plan_status: str
    moves: int
    moves_bound: int | None
    violations_left: int
    fit: int | None
    fit_bound: int | None
    seconds: float


@dataclass(frozen=True, slots=True)
class CompareFacts:
    """Scenarios side by side, the fleet as it is first."""

    question: str
    about: About
    unit: str
    scenarios: tuple[ScenarioFacts, ...]


def describe_scenario(name: str, policy: str, outcome: Outcome, seconds: float) -> ScenarioFacts:
    """Gather the figures of one scenario."""
    facts, plan = describe_fleet(outcome.fleet), outcome.plan
    return ScenarioFacts(
        name=name,
        policy=policy,
        fleet_digest=outcome.fleet.digest,
        hosts=facts.hosts,
        vms=facts.vms,
        allocated={
            use.resource: round((use.demand + use.unexplained) / use.sellable, 4)
            for use in facts.resources
            if use.sellable
        },
        without_host=outcome.waiting.vms,
        placed=len(outcome.waiting.created),
        placed_bound=outcome.waiting.bound,
        violations_must=outcome.broken(Hardness.MUST),
        violations_should=outcome.broken(Hardness.SHOULD),
        plan_status=plan.status.value,
        moves=len(plan.moves),
        moves_bound=_bound(plan),
        violations_left=len(plan.remaining),
        fit=None if outcome.fit is None else outcome.fit.value,
        fit_bound=None if outcome.fit is None else outcome.fit.bound,
        seconds=round(seconds, 3),
    )


def _bound(plan: Plan) -> int | None:
    return next((stage.bound for stage in plan.objective if stage.stage == Stage.MOVING.value), None)


def compare_page(facts: CompareFacts) -> Page:
    """Lay out scenarios, one a column."""
    page = Page()
    page.line(about_line(facts.about), Tone.QUIET)
    table = Table(("", *(f">{scenario.name}" for scenario in facts.scenarios)))
    for label, cells in _rows(facts):
        table.add(label, *cells)
    page.table(table)
    page.line(
        "a value without a bound beside it is proven: fewer moves, or a larger number that fits, is impossible",
        Tone.QUIET,
    )
    return page


def _rows(facts: CompareFacts) -> list[tuple[str, list[str]]]:
    all_ = facts.scenarios
    rows = [
        ("hosts", [f"{s.hosts:,}" for s in all_]),
        ("VMs", [f"{s.vms:,}" for s in all_]),
        *((f"{spoken(r)} allocated", [_share(s, r) for s in all_]) for r in _resources(all_)),
        ("violations (must)", [f"{s.violations_must:,}" for s in all_]),
        ("violations (should)", [f"{s.violations_should:,}" for s in all_]),
        ("moves that repair", [_bounded(s.moves, s.moves_bound, "at least") for s in all_]),
        ("violations left", [f"{s.violations_left:,}" for s in all_]),
    ]
    if any(s.without_host for s in all_):
        rows.append(("VMs without a host", [f"{s.without_host:,}" for s in all_]))
        rows.append(("of these, room for", [_bounded(s.placed, s.placed_bound, "at most") for s in all_]))
    if facts.unit:
        rows.append(
            (
                f"{facts.unit} more that fit",
                ["-" if s.fit is None else _bounded(s.fit, s.fit_bound, "at most") for s in all_],
            )
        )
    return rows


def _resources(scenarios: Sequence[ScenarioFacts]) -> list[str]:
    return list(dict.fromkeys(r for s in scenarios for r in s.allocated))


def _share(scenario: ScenarioFacts, resource: str) -> str:
    return percent(scenario.allocated[resource], 1) if resource in scenario.allocated else "-"


def _bounded(value: int, bound: int | None, word: str) -> str:
    return f"{value:,}" if bound is None or bound == value else f"{value:,} ({word} {bound:,})"
