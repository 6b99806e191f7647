"""The cycles of the periodic run, laid out for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.report.page import Page, Table, Tone
from optimizer.report.words import count, duration, minute

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.execute.ledger.watch_records import Cycle

__all__ = ["cycles_page"]

TONES = {
    "clean": Tone.GOOD,
    "done": Tone.GOOD,
    "error": Tone.BAD,
    "lost": Tone.BAD,
    "no_plan": Tone.BAD,
    "stopped": Tone.WARN,
    "partly": Tone.WARN,
    "remains": Tone.WARN,
    "waiting": Tone.WARN,
}


def cycles_page(cycles: Sequence[Cycle]) -> Page:
    """Lay out cycles, one a row."""
    page = Page()
    simulated = [one.number for one in cycles if one.counts.get("simulated")]
    if simulated:
        named = "" if len(simulated) == len(cycles) else f" in {count(len(simulated), 'cycle')} of these"
        page.line(f"SIMULATED: no VM was migrated{named}", Tone.WARN)
    several = len({one.fleet for one in cycles}) > 1
    headers = (">cycle", "began", "?took", "trigger", "outcome", ">violations", ">moves", "~plan", "~why")
    table = Table((*["fleet"] * several, *headers))
    for one in cycles:
        outcome = one.outcome if one.ended_at is not None else "running"
        took = "" if one.ended_at is None else duration((one.ended_at - one.started_at).total_seconds())
        numbers = (_number(one, "violations"), _moves(one))
        tone = TONES.get(outcome, Tone.PLAIN)
        row = (one.number, minute(one.started_at), took, one.trigger, outcome, *numbers, one.plan or "", one.detail)
        table.add(*[one.fleet] * several, *row, tone=tone)
    page.table(table, empty="no cycle was made yet")
    return page


def _moves(cycle: Cycle) -> str:
    """Say how many moves were planned, and, where the plan was carried out, how many of them are done.

    Ledgers have cycles from before that carried out a plan that had waited, and of which only the latter is known.
    """
    planned, done = _number(cycle, "moves"), _number(cycle, "done")
    return f"{done} of {planned}" if done and planned else planned or done


def _number(cycle: Cycle, name: str) -> str:
    return f"{cycle.counts[name]:,.0f}" if name in cycle.counts else ""
