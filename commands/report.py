"""The HTML report of `remora plan --report`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from commands.common import tell_written, write_text

if TYPE_CHECKING:
    from pathlib import Path

    from optimizer.fleet import Fleet
    from optimizer.plan import Plan
    from optimizer.policy import Policy
    from optimizer.report.page import Page

__all__ = ["write_report"]


def write_report(path: Path, plan: Plan, fleet: Fleet, policy: Policy, page: Page) -> None:
    """Write the report of a plan, under whose scope the policy is."""
    from optimizer.check import check
    from optimizer.report.called import Called
    from optimizer.report.explain_plan import moves_of
    from optimizer.report.heat import heat_of
    from optimizer.report.loads import linear_atoms
    from optimizer.report.plan_report import plan_report
    from optimizer.report.violations import describe_check

    facts = describe_check(fleet, policy.name, policy.rules, check(fleet, policy))
    heats = heat_of(fleet, linear_atoms(fleet, policy.rules), moves_of(fleet, plan.moves))
    write_text(path, plan_report(fleet, plan, facts, page, heats, policy.least, Called.of(fleet)))
    tell_written(path, "report")
