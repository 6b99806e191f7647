"""What came of a plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from optimizer.report.called import NOBODY, Called
from optimizer.report.page import Page, Table, Tone
from optimizer.report.words import count, duration

if TYPE_CHECKING:
    from datetime import datetime

    from optimizer.execute.apply import Applied
    from optimizer.plan import Plan

__all__ = ["AppliedFacts", "MoveEnd", "apply_page", "describe_applied"]

TONES = {"done": Tone.GOOD, "failed": Tone.BAD, "unknown": Tone.BAD, "skipped": Tone.WARN}


@dataclass(frozen=True, slots=True)
class MoveEnd:
    """How one move ended: ``done``, ``failed``, ``skipped``, ``unknown``, or ``would do`` in a dry run."""

    move: str
    vm: str
    source: str
    target: str
    outcome: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class AppliedFacts:
    """What came of a plan, move by move; `simulated` where the driver only pretends."""

    plan: str
    fleet: str
    acted: bool
    simulated: bool
    started_at: datetime
    ended_at: datetime
    done: int
    failed: int
    skipped: int
    unknown: int
    stopped: str
    moves: tuple[MoveEnd, ...]


def describe_applied(plan: Plan, applied: Applied) -> AppliedFacts:
    """Say of each move of a plan how it ended."""
    outcomes = {name: ("would do", "") for name in applied.would_do}
    outcomes |= {name: ("done", "") for name in applied.done}
    outcomes |= {name: ("failed", "") for name in applied.failed}
    outcomes |= {name: ("skipped", why) for name, why in applied.skipped}
    outcomes |= {name: ("unknown", "the ledger keeps it open") for name in applied.unknown}
    return AppliedFacts(
        plan=applied.plan,
        fleet=applied.fleet,
        acted=applied.acted,
        simulated=applied.simulated,
        started_at=applied.started_at,
        ended_at=applied.ended_at,
        done=len(applied.done),
        failed=len(applied.failed),
        skipped=len(applied.skipped),
        unknown=len(applied.unknown),
        stopped=applied.stopped,
        moves=tuple(
            MoveEnd(m.id, m.vm, m.source, m.target, *outcomes.get(m.id, ("skipped", applied.stopped)))
            for m in plan.moves
        ),
    )


def apply_page(facts: AppliedFacts, called: Called = NOBODY) -> Page:
    """Lay out what came of a plan."""
    page = Page()
    if facts.simulated:
        page.line("SIMULATED: no VM is migrated outside this process", Tone.WARN)
    took = duration((facts.ended_at - facts.started_at).total_seconds())
    if not facts.acted:
        moves = count(len(facts.moves), "move")
        page.line(f"plan {facts.plan} could be carried out: {moves}. Nothing was done: --act does it", Tone.WARN)
    elif facts.stopped:
        page.line(f"plan {facts.plan} was stopped after {count(facts.done, 'move')}: {facts.stopped}", Tone.BAD)
    elif facts.failed or facts.skipped:
        ends = f"{facts.done:,} done, {facts.failed:,} failed, {facts.skipped:,} skipped"
        page.line(f"plan {facts.plan}: {ends}, in {took}", Tone.BAD)
    else:
        page.line(f"plan {facts.plan} is done: {count(facts.done, 'move')} in {took}", Tone.GOOD)
    table = Table(("move", "VM", "from", "to", "outcome", "~why"))
    for move in facts.moves:
        tone = TONES.get(move.outcome, Tone.PLAIN)
        table.add(
            move.move,
            called.vm(move.vm),
            called.host(move.source),
            called.host(move.target),
            move.outcome,
            move.why,
            tone=tone,
        )
    page.table(table)
    return page
