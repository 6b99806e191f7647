"""What came of a problem whose only stage is its cost (ROADEF)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from optimizer.plan import StageResult, StageStatus
from optimizer.problem.evaluate import placement_cost
from optimizer.problem.problem import Stage
from optimizer.report.page import Page, Tone

if TYPE_CHECKING:
    from optimizer.problem.problem import Problem
    from optimizer.reassignment.search import CostOutcome

__all__ = ["BoundFacts", "CostFacts", "bound_page", "cost_page", "describe_cost"]


@dataclass(frozen=True, slots=True)
class CostFacts:
    """The cost found, a true lower bound, and the start's; `moved` processes are on another machine than at first.

    `bound_by` is the argument for the bound, in words.
    """

    status: StageStatus
    initial_cost: int
    cost: int
    bound: int
    bound_by: str
    gap: float
    moved: int
    processes: int
    machines: int
    stopped_by: str | None


@dataclass(frozen=True, slots=True)
class BoundFacts:
    """A true lower bound on the cost of any assignment that breaks nothing, the argument for it, and the start's cost.

    `aggregate` is what the cheapest argument, all machines taken together, gives.
    """

    bound: int
    bound_by: str
    aggregate: int
    initial_cost: int
    processes: int
    machines: int


def describe_cost(problem: Problem, outcome: CostOutcome) -> CostFacts:
    """Gather what came of it; the start's cost is the evaluator's."""
    stage = StageResult(Stage.COST.value, outcome.value, outcome.bound, outcome.stopped_by)
    return CostFacts(
        status=stage.status,
        initial_cost=placement_cost(problem, problem.start.tolist()),
        cost=stage.value,
        bound=stage.bound,
        bound_by=outcome.bound_by.value,
        gap=stage.gap,
        moved=int((outcome.placement != problem.start).sum()),
        processes=problem.vms,
        machines=problem.hosts,
        stopped_by=stage.stopped_by,
    )


def cost_page(facts: CostFacts) -> Page:
    """Lay out what came of it."""
    page = Page()
    proven = facts.status is StageStatus.OPTIMAL
    stopped = f", stopped by {facts.stopped_by}" if facts.stopped_by else ""
    page.line(f"cost {facts.cost}, bound {facts.bound}, gap {100 * facts.gap:.4f} %{stopped}", Tone.PLAIN)
    if proven:
        page.line("optimal: no assignment costs less, proven", Tone.GOOD)
    page.line(f"the bound is from {facts.bound_by}")
    page.line(
        f"{facts.moved:,} of {facts.processes:,} processes moved on {facts.machines:,} machines; "
        f"the initial assignment costs {facts.initial_cost}"
    )
    return page


def bound_page(facts: BoundFacts) -> Page:
    """Lay out a bound."""
    page = Page()
    page.line(f"bound {facts.bound}, from {facts.bound_by}", Tone.PLAIN)
    page.line(
        f"{facts.processes:,} processes on {facts.machines:,} machines; all machines taken together give "
        f"{facts.aggregate}, the initial assignment costs {facts.initial_cost}"
    )
    return page
