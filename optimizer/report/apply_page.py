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

__all__ = ["AppliedFacts", "HookFailure", "MoveEnd", "apply_page", "describe_applied"]

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
class HookFailure:
    """A hook after a move that went wrong."""

    move: str
    why: str


@dataclass(frozen=True, slots=True)
class AppliedFacts:
    """What came of a plan, move by move; `simulated` where the driver only pretends.

    `guarded` is False where the policy has gates or hooks that were not asked; `hook_failures` names the hooks after
    moves that went wrong.
    """

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
    guarded: bool = True
    hook_failures: tuple[HookFailure, ...] = ()


def describe_applied(plan: Plan, applied: Applied, *, guarded: bool = True) -> AppliedFacts:
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
        guarded=guarded,
        hook_failures=tuple(HookFailure(move, why) for move, why in applied.hook_failures),
    )


def apply_page(facts: AppliedFacts, called: Called = NOBODY) -> Page:
    """Lay out what came of a plan."""
    page = Page()
    if facts.simulated:
        page.line("SIMULATED: no VM is migrated outside this process", Tone.WARN)
    if not facts.guarded:
        page.line("the gates and hooks of the policy are not asked in a simulation: --guards does", Tone.WARN)
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
    for failure in facts.hook_failures:
        page.line(f"hook failed after {failure.move}: {failure.why}", Tone.BAD)
    return page
