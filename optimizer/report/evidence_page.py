"""The evidence of interference that the ledger has, laid out for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.report.interference import TONES, sentence
from optimizer.report.page import Page, Table, Tone
from optimizer.report.words import count, percent
from optimizer.signals.interference.records import Record, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.execute.ledger.watch_records import Evidence

__all__ = ["evidence_page", "evidence_rows", "evidence_sentence"]


def evidence_page(found: Sequence[Evidence]) -> Page:
    """Lay out pairs, one a row: those that are together first."""
    page = Page()
    together = sum(one.state == State.EVIDENT.value for one in found)
    page.line(
        f"{count(together, 'pair')} on one host with evidence of interference", Tone.BAD if together else Tone.GOOD
    )
    several = len({one.fleet for one in found}) > 1
    table = Table((*["fleet"] * several, "state", "kind", "host", "since", "~what"))
    for one in evidence_rows(found):
        since = str(one.record["since"]).replace("+00:00", "Z")
        cells = (one.state, one.kind, str(one.record["host"]), since, evidence_sentence(one))
        table.add(*[one.fleet] * several, *cells, tone=TONES[State(one.state)])
    page.table(table, empty="nothing is known of any pair")
    return page


def evidence_rows(found: Sequence[Evidence]) -> list[Evidence]:
    """Return pairs in the order in which they are shown: by state, the highest cost first."""
    order = [state.value for state in State]
    return sorted(found, key=lambda one: (one.fleet, order.index(one.state), -float(one.record["score"]), one.noisy))


def evidence_sentence(one: Evidence) -> str:
    """Say a pair in one line, and what came of separating it."""
    record = Record.from_dict(dict(one.record))
    if record.stall_after is None:
        return sentence(record)
    before, after = percent(record.stall_before, 1), percent(record.stall_after, 1)
    return f"{sentence(record)}; stalled {before} before, {after} apart"
