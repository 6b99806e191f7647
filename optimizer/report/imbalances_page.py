"""Imbalances, laid out for people: what is open, since when, by what evidence, and what could not be judged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optimizer.report.page import Page, Table, Tone
from optimizer.report.words import count, duration, minute

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from optimizer.execute.ledger.watch_records import Imbalance
    from optimizer.monitors.watching import Told, Unjudged, Watched

__all__ = ["evidence_text", "imbalances_page", "watched_document", "watched_page"]

OPEN = ("open", "closing")
TONES = {"open": Tone.BAD, "closing": Tone.WARN, "pending": Tone.QUIET, "closed": Tone.GOOD}
MOST_NAMES = 5


def watched_document(fleet: str, watched: Watched, at: datetime, *, recorded: bool) -> dict[str, Any]:
    """Return what came of looking once, for machines."""
    return {
        "fleet": fleet,
        "at": at,
        "recorded": recorded,
        "imbalances": watched.live,
        "changes": [
            {"id": t.imbalance.id, "monitor": t.monitor, "subject": t.subject, "before": t.before, "after": t.after}
            for t in watched.changes
        ],
        "not_judged": watched.unjudged,
    }


def watched_page(fleet: str, watched: Watched, *, recorded: bool) -> Page:
    """Lay out what came of looking once."""
    page = Page()
    open_ = len(watched.open)
    pending = len(watched.live) - open_
    what = f"{count(open_, 'imbalance')} open" + (f", {pending:,} pending" if pending else "")
    page.line(f"{fleet}: {what}", Tone.BAD if open_ else Tone.GOOD)
    page.table(_table(watched.live))
    _changes(page, watched.changes)
    _not_judged(page, watched.unjudged)
    if not recorded:
        page.line(
            "not recorded: with --record the ledger remembers it, and the next look goes on from here", Tone.QUIET
        )
    return page


def imbalances_page(found: Sequence[Imbalance]) -> Page:
    """Lay out what the ledger has."""
    page = Page()
    open_ = sum(one.state in OPEN for one in found)
    page.line(f"{count(open_, 'imbalance')} open", Tone.BAD if open_ else Tone.GOOD)
    page.table(_table(found, fleets=len({one.fleet for one in found}) > 1))
    return page


def _table(found: Iterable[Imbalance], *, fleets: bool = False) -> Table:
    """Tabulate imbalances; how long they last is known until the last look."""
    table = Table((*["fleet"] * fleets, "monitor", "subject", "state", "since", ">lasted", "?id", "~evidence"))
    for one in found:
        lasts = duration(((one.closed_at or one.seen_at) - one.since).total_seconds())
        unjudged = one.machine.get("unjudged")
        evidence = evidence_text(one.evidence) + (f"; not judged now: {unjudged}" if unjudged else "")
        cells = (one.monitor, _subject(one), one.state, minute(one.since), lasts, one.id, evidence)
        table.add(*[one.fleet] * fleets, *cells, tone=TONES.get(one.state, Tone.PLAIN))
    return table


def _subject(one: Imbalance) -> str:
    return f"{one.subject} on {one.place}" if one.place and one.place not in one.subject else one.subject


def evidence_text(evidence: Mapping[str, Any]) -> str:
    """Say evidence in words: what the rule says of it, or the number and its levels."""
    if evidence.get("why"):
        return str(evidence["why"])
    value = evidence.get("value")
    if "opens_below_s" in evidence:
        lasts = "more than the limit" if value is None else duration(float(value))
        return f"full in {lasts} (opens below {duration(evidence['opens_below_s'])})"
    if "signal" in evidence or "capacity" in evidence:
        what = evidence.get("signal") or f"{evidence['resource']} in use"
        return f"{what} {_percent(value)} (opens above {_percent(evidence['opens_above'])})"
    if "labels" in evidence:
        names = ", ".join(f"{name}={text}" for name, text in evidence["labels"].items())
        return f"{value if value is not None else evidence.get('value_text')} of {{{names}}}"
    return "no longer violated" if evidence.get("excess") == 0 else str(value)


def _changes(page: Page, changes: Sequence[Told]) -> None:
    if not changes:
        return
    page.heading("Changes")
    table = Table(("monitor", "subject", "from", "to"))
    for told in changes:
        table.add(told.monitor, told.subject, told.before or "well", told.after or "well", tone=_tone(told))
    page.table(table)


def _tone(told: Told) -> Tone:
    return TONES.get(told.after, Tone.PLAIN)


def _not_judged(page: Page, unjudged: Sequence[Unjudged]) -> None:
    if not unjudged:
        return
    page.heading("Not judged: nothing opens or closes by this")
    table = Table(("monitor", ">subjects", "~why"))
    for one in unjudged:
        names = ", ".join(one.subjects[:MOST_NAMES]) + ("..." if len(one.subjects) > MOST_NAMES else "")
        number = f"{len(one.subjects):,}" if one.subjects else "-"
        table.add(one.monitor, number, f"{one.why}: {names}" if names else one.why, tone=Tone.QUIET)
    page.table(table)


def _percent(share: Any) -> str:
    return f"{100 * float(share):.1f} %"
