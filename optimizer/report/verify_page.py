"""What `verify` found of a plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from optimizer.report.page import Page, Table, Tone
from optimizer.report.words import count

if TYPE_CHECKING:
    from optimizer.plan import Plan
    from optimizer.sequence.verdict import Finding, Verdict

__all__ = ["VerdictFacts", "describe_verdict", "verify_page"]


@dataclass(frozen=True, slots=True)
class VerdictFacts:
    """The judgement: `recomputed` are the plan's values and bounds, computed again; `notes` what was not judged."""

    plan: str
    holds: bool
    moves: int
    findings: tuple[Finding, ...]
    recomputed: dict[str, int]
    notes: tuple[str, ...]


def describe_verdict(plan: Plan, verdict: Verdict) -> VerdictFacts:
    """Gather what was found."""
    return VerdictFacts(
        plan=plan.id,
        holds=verdict.holds,
        moves=len(plan.moves),
        findings=verdict.findings,
        recomputed=dict(verdict.recomputed),
        notes=verdict.notes,
    )


def verify_page(facts: VerdictFacts) -> Page:
    """Lay out what was found."""
    page = Page()
    if facts.holds:
        page.line(
            f"plan {facts.plan} holds: {count(facts.moves, 'move')}, safe in every state that it can reach", Tone.GOOD
        )
    else:
        page.line(f"plan {facts.plan} does not hold: {count(len(facts.findings), 'finding')}", Tone.BAD)
    table = Table(("finding", "where", "what"))
    for finding in facts.findings:
        table.add(finding.code, finding.where, finding.message, tone=Tone.BAD)
    page.table(table)
    if facts.recomputed:
        values = ", ".join(f"{name} {value:,}" for name, value in facts.recomputed.items())
        page.line(f"computed again: {values}", Tone.QUIET)
    for note in facts.notes:
        page.line(f"note: {note}", Tone.WARN)
    return page
