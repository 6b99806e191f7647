"""How even the use of resources is before and after a plan, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.report.page import Tone
from optimizer.report.words import spoken

if TYPE_CHECKING:
    from optimizer.plan import Plan
    from optimizer.report.page import Page

__all__ = ["balance_lines"]

PER_CENT = 100
"""Of the figures, which are in 10^-4."""


def balance_lines(page: Page, plan: Plan) -> None:
    """Say for each resource of `--balance` how far hosts are apart, and what the stage `cost` counts."""
    said = plan.stats.get("balance")
    if not isinstance(said, dict):
        return
    for resource, after in said["after"].items():
        before = said["before"][resource]
        spans = [f"{_percent(f['lowest'])} to {_percent(f['highest'])}" for f in (before, after)]
        points = [f"{f['deviation'] / PER_CENT:.1f}" for f in (before, after)]
        page.line(
            f"{spoken(resource)}: hosts use {spans[0]} -> {spans[1]} of allocatable; deviation from the mean of "
            f"{_percent(before['mean'])}: {points[0]} -> {points[1]} points"
        )
    page.line("cost: what loads are over levels two points apart, over all hosts and levels", Tone.QUIET)


def _percent(value: int) -> str:
    return f"{value / PER_CENT:.1f} %"
