"""A plan as one HTML file that needs nothing else: what is wrong, what is done, before and after, what remains."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from optimizer.plan import Status
from optimizer.problem.problem import Stage
from optimizer.report.charts.bars import Bar, bars
from optimizer.report.charts.svg import svg
from optimizer.report.html.blocks import blocks, sections
from optimizer.report.html.file import html_file
from optimizer.report.html.heat import heat_parts, kept_of
from optimizer.report.html.section import Figure, Report, Section
from optimizer.report.page import Page, Tone
from optimizer.report.plan_page import status_line
from optimizer.report.violations import check_page
from optimizer.report.words import amount, count, duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from optimizer.fleet import Fleet
    from optimizer.plan import Plan
    from optimizer.problem.problem import Least
    from optimizer.report.called import Called
    from optimizer.report.heat import Heat
    from optimizer.report.violations import CheckFacts

__all__ = ["about_fleet", "plan_report"]


def plan_report(
    fleet: Fleet, plan: Plan, wrong: CheckFacts, page: Page, heats: Sequence[Heat], least: Least, called: Called
) -> str:
    """Return the document.

    Parameters
    ----------
    wrong
        What `check` says of the fleet as it is.
    page
        The plan as the terminal shows it.
    heats
        How full the hosts are, before and after.
    least
        What the policy counts as moving.
    """
    hosts = fleet.hosts.ids
    checked = check_page(replace(wrong, not_evaluated=()), called)  # the plan says what was not evaluated
    parts = [
        Section("What is wrong", [*_by_rule(plan, wrong), *blocks(checked, "What is wrong")]),
        Section("How full the hosts are, before and after", heat_parts(hosts, heats)),
        *sections(page, "The plan"),
    ]
    report = Report(
        title=f"Plan for {fleet.id}",
        about=f"{about_fleet(fleet)}, plan {plan.id}",
        answer=status_line(plan, least),
        figures=list(_figures(fleet, plan, wrong, least)),
        sections=parts,
        kept=kept_of(hosts, heats),
    )
    return html_file(report)


def about_fleet(fleet: Fleet) -> str:
    """Say what a report is about."""
    at = fleet.taken_at.isoformat(timespec="seconds").replace("+00:00", "Z")
    return f"snapshot of {at}, {count(len(fleet.hosts), 'host')}, {count(len(fleet.vms), 'VM')}"


def _figures(fleet: Fleet, plan: Plan, wrong: CheckFacts, least: Least) -> Iterator[Figure]:
    had, left = len(wrong.violations), len(plan.remaining)
    tone = Tone.GOOD if not left else Tone.WARN
    yield Figure("violations", f"{had:,} → {left:,}", "now, and after the plan", tone)
    yield Figure("migrations", f"{len(plan.moves):,}", _bound(plan, least))
    copied, lasts = sum(m.copied_mib for m in plan.moves), sum(b.seconds for b in plan.batches)
    yield Figure("copied", amount("copied_mib", copied))
    yield Figure("takes about", duration(lasts), count(len(plan.batches), "batch", "batches"))
    changed = {name for m in plan.moves for name in (m.source, m.target)}
    yield Figure("hosts changed", f"{len(changed):,}", f"of {len(fleet.hosts):,}")


def _bound(plan: Plan, least: Least) -> str:
    """Say how far the migrations are from the fewest."""
    moving = next((s for s in plan.objective if s.stage == Stage.MOVING.value), None)
    if moving is None or not plan.moves:
        return ""
    if plan.status is Status.OPTIMAL or moving.value <= moving.bound:
        return "the fewest, proven" if least.value == "moves" else "the least, proven"
    return f"not proven: the gap is {100 * moving.gap:.1f} %"


def _by_rule(plan: Plan, wrong: CheckFacts) -> list[str]:
    """Draw how many violations of each rule there are, and how many are left."""
    had, left = Counter(v.rule for v in wrong.violations), Counter(r.rule for r in plan.remaining)
    rows = []
    for rule in sorted({*had, *left}, key=lambda rule: (-had[rule], rule)):
        stays = min(left[rule], had[rule])
        said = f"{had[rule]:,} → {left[rule]:,}"
        rows.append(Bar(rule, ((stays, "h5"), (had[rule] - stays, "soft")), said))
    if not rows:
        return []
    picture = svg(bars("Violations by rule, now and after the plan", rows))
    caption = "Violations by rule, now → after the plan: light is repaired, red is left"
    return [f"<figure><figcaption>{caption}</figcaption>{picture}</figure>"]
