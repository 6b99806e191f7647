"""The cycles of the periodic run, laid out for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.report.page import Page, Table, Tone
from optimizer.report.words import count, duration

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
    headers = (">cycle", "fleet", "began", "took", "cause", "outcome", ">violations", ">moves", ">done", "plan", "~why")
    table = Table(headers)
    for one in cycles:
        outcome = one.outcome if one.ended_at is not None else "running"
        took = "" if one.ended_at is None else duration((one.ended_at - one.started_at).total_seconds())
        began = one.started_at.isoformat(timespec="seconds").replace("+00:00", "Z")
        numbers = [_number(one, name) for name in ("violations", "moves", "done")]
        tone = TONES.get(outcome, Tone.PLAIN)
        row = (one.number, one.fleet, began, took, one.trigger, outcome, *numbers, one.plan or "", one.detail)
        table.add(*row, tone=tone)
    page.table(table, empty="no cycle was made yet")
    return page


def _number(cycle: Cycle, name: str) -> str:
    return f"{cycle.counts[name]:,.0f}" if name in cycle.counts else ""
