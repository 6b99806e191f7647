"""`--report FILE`: what a command answers as a file for people: HTML, or by its ending a picture alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from commands.common import tell_written, write_text
from commands.path_types import ReportFile
from optimizer.grammar import count

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from optimizer.fleet import Fleet
    from optimizer.plan import Plan
    from optimizer.policy import Policy
    from optimizer.report.charts.drawing import Drawing
    from optimizer.report.page import Page
    from optimizer.report.plan_diff import PlanDiff
    from optimizer.report.violations import CheckFacts

__all__ = ["report_option", "write_answer", "write_check_report", "write_diff_report", "write_report"]

report_option = click.option(
    "--report",
    type=ReportFile(),
    metavar="FILE",
    help="Also write a report there: one HTML file for any browser; a picture alone if FILE ends in .svg or .png.",
)

TITLES = {
    "fit": "How many more fit",
    "flavours": "How many more of each flavour fit",
    "place": "Where new VMs go",
    "lose": "What if hosts are lost",
    "drain": "What it takes to empty hosts",
    "empty": "Hosts that can be emptied",
    "roll": "Maintenance in waves",
    "grow": "When pools are full",
    "size": "VMs by what they use",
    "compare": "Scenarios side by side",
}


def write_report(path: Path, plan: Plan, fleet: Fleet, policy: Policy, page: Page) -> None:
    """Write the report of a plan, under whose scope the policy is."""
    from optimizer.check import check
    from optimizer.report.called import Called
    from optimizer.report.charts.heat_map import picture
    from optimizer.report.explain_plan import moves_of
    from optimizer.report.heat import heat_of
    from optimizer.report.loads import linear_atoms
    from optimizer.report.plan_report import plan_report
    from optimizer.report.violations import describe_check

    heats = heat_of(fleet, linear_atoms(fleet, policy.rules), moves_of(fleet, plan.moves))

    def html() -> str:
        facts = describe_check(fleet, policy.name, policy.rules, check(fleet, policy))
        return plan_report(fleet, plan, facts, page, heats, policy.least, Called.of(fleet))

    title = f"Plan for {fleet.id}: {count(len(plan.moves), 'move')}"
    _write(path, html, lambda: picture(title, fleet.hosts.ids, heats))


def write_check_report(path: Path | None, fleet: Fleet, policy: Policy, facts: CheckFacts, page: Page) -> None:
    """Write the report of what is wrong, where one is asked for."""
    from optimizer.report.charts.drawing import stacked
    from optimizer.report.check_report import check_report, violation_bars
    from optimizer.report.heat import heat_of
    from optimizer.report.loads import linear_atoms

    if path is not None:
        title = f"Check of {fleet.id}"
        heats = heat_of(fleet, linear_atoms(fleet, policy.rules), [])
        _write(path, lambda: check_report(fleet, facts, page, heats), lambda: stacked(title, violation_bars(facts)))


def write_answer(
    path: Path | None, facts: Any, page: Callable[[], Page], drawn: Callable[[], Sequence[Drawing]] | None = None
) -> None:
    """Write the report of a what-if answer, where one is asked for.

    Parameters
    ----------
    facts
        The answer, with what it is about.
    drawn
        Makes the charts; by default those of the facts alone.
    """
    if path is None:
        return
    from optimizer.report.answer_report import answer_report
    from optimizer.report.charts.drawing import stacked
    from optimizer.report.whatif_charts import charts_of
    from optimizer.report.words import count

    about = facts.about
    title = f"{TITLES[facts.question]}: {about.fleet}"
    said = f"fleet {about.fleet} ({about.fleet_digest[:19]}), policy {about.policy}, answered in "
    drawings = drawn() if drawn is not None else charts_of(facts)
    said += count(round(about.seconds), "second")
    _write(path, lambda: answer_report(title, said, page(), drawings), lambda: stacked(title, drawings))


def write_diff_report(path: Path | None, facts: PlanDiff) -> None:
    """Write the report of what differs between two plans, where one is asked for."""
    from optimizer.report.answer_report import answer_report
    from optimizer.report.charts.drawing import stacked
    from optimizer.report.plan_diff import diff_chart, diff_page

    if path is not None:
        title, about = f"Two plans for {facts.fleet}", f"plan {facts.first.id} and plan {facts.second.id}"
        drawings = [diff_chart(facts)]
        _write(path, lambda: answer_report(title, about, diff_page(facts), drawings), lambda: stacked(title, drawings))


def _write(path: Path, html: Callable[[], str], picture: Callable[[], Drawing]) -> None:
    ending = ReportFile.ending(path)
    if ending == ".svg":
        from optimizer.report.charts.svg import svg_file

        write_text(path, svg_file(picture()))
    elif ending == ".png":
        from optimizer.report.charts.png import png_file
        from optimizer.sources.files import write_whole

        write_whole(path, png_file(picture()))
    else:
        write_text(path, html())
    tell_written(path, "report")
