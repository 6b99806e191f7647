"""What `verify` found of a plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from optimizer.plan_identity import altered
from optimizer.report.page import Page, Table, Tone
from optimizer.report.words import count
from optimizer.verify.verdict import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from optimizer.plan import Plan
    from optimizer.sources.plan_structure import Misfit
    from optimizer.verify.verdict import Verdict

__all__ = ["VerdictFacts", "describe_verdict", "verify_page"]


@dataclass(frozen=True, slots=True)
class VerdictFacts:
    """The judgement: `recomputed` are the plan's values and bounds, recomputed; `notes` what was not judged."""

    plan: str
    holds: bool
    moves: int
    findings: tuple[Finding, ...]
    recomputed: dict[str, int]
    notes: tuple[str, ...]


def describe_verdict(
    plan: Plan, verdict: Verdict, misfits: Iterable[Misfit] = (), notes: Iterable[str] = ()
) -> VerdictFacts:
    """Gather what was found, in the document's own words (`misfits`) and in what they mean; `notes` come first."""
    findings = (*_altered(plan), *(_finding(plan, misfit) for misfit in misfits), *verdict.findings)
    return VerdictFacts(
        plan=plan.id,
        holds=not findings,
        moves=len(plan.moves),
        findings=findings,
        recomputed=dict(verdict.recomputed),
        notes=(*notes, *verdict.notes),
    )


def _altered(plan: Plan) -> Iterator[Finding]:
    """Notice what was changed in a plan of Remora's, even where the change does no harm; others name theirs freely."""
    if own := altered(plan):
        yield Finding("plan_id", "id", f"says {plan.id}, but a plan with these claims and moves is {own}")


def _finding(plan: Plan, misfit: Misfit) -> Finding:
    where = f"objective[{plan.objective[misfit.stage].stage}].{misfit.field}"
    return Finding(f"stage_{misfit.field}", where, f"says {misfit.says}, it is {misfit.expected}")


def verify_page(facts: VerdictFacts) -> Page:
    """Lay out what was found."""
    page = Page()
    if facts.holds:
        page.line(
            f"plan {facts.plan} holds: {count(facts.moves, 'move')}, safe in every state that it can reach", Tone.GOOD
        )
    else:
        page.line(f"plan {facts.plan} does not hold: {count(len(facts.findings), 'finding')}", Tone.BAD)
    table = Table(("finding", "where", "~what"))
    for finding in facts.findings:
        table.add(finding.code, finding.where, finding.message, tone=Tone.BAD)
    page.table(table)
    if facts.recomputed:
        values = ", ".join(f"{name} {value:,}" for name, value in facts.recomputed.items())
        page.line(f"Recomputed: {values}", Tone.QUIET)
    for note in facts.notes:
        page.line(f"note: {note}", Tone.WARN)
    return page
