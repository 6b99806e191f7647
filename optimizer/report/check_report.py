"""What is wrong with a fleet as one HTML file: violations by rule, each of them, how full the hosts are."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from optimizer.problem.rule import Hardness
from optimizer.report.answer_report import chart_parts
from optimizer.report.charts.bars import Bar, bars
from optimizer.report.html.blocks import sections
from optimizer.report.html.file import html_file
from optimizer.report.html.heat import heat_parts, kept_of
from optimizer.report.html.section import Figure, Report, Section
from optimizer.report.page import Tone
from optimizer.report.plan_report import about_fleet
from optimizer.report.words import count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.fleet import Fleet
    from optimizer.report.charts.drawing import Drawing
    from optimizer.report.heat import Heat
    from optimizer.report.page import Page
    from optimizer.report.violations import CheckFacts

__all__ = ["check_report", "violation_bars"]


def check_report(fleet: Fleet, facts: CheckFacts, page: Page, heats: Sequence[Heat]) -> str:
    """Return the document; `page` is what the terminal shows."""
    number = len(facts.violations)
    answer = ("no violations", Tone.GOOD) if facts.clean else (count(number, "violation"), Tone.BAD)
    musts = sum(v.hardness is Hardness.MUST for v in facts.violations)
    figures = [
        Figure("must", f"{musts:,}", "violations that a plan repairs", Tone.BAD if musts else Tone.GOOD),
        Figure("should", f"{number - musts:,}", "preferences that are broken"),
        Figure("reported only", f"{len(facts.guards):,}", "limits that bind arrivals"),
    ]
    drawn = chart_parts(violation_bars(facts))
    first, *others = sections(page, "What is wrong")
    full = Section("How full the hosts are", heat_parts(fleet.hosts.ids, heats, changes=False))
    parts = [Section(first.title, [*drawn, *first.parts]), full, *others]
    kept = kept_of(fleet.hosts.ids, heats, changes=False)
    about = f"{about_fleet(fleet)}, policy {facts.policy}"
    return html_file(Report(f"Check of {fleet.id}", about, answer, figures, parts, kept))


def violation_bars(facts: CheckFacts) -> list[Drawing]:
    """Draw how many violations of each rule there are; nothing where there are none."""
    numbers = Counter(v.rule for v in facts.violations)
    rows = [Bar(rule, ((n, "h5"),), count(n, "violation")) for rule, n in numbers.most_common()]
    return [bars("Violations by rule", rows)] if rows else []
