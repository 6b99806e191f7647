"""What `remora interference` says: pairs with their cost, and what became of earlier ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optimizer.report.page import Page, Table, Tone
from optimizer.report.words import count, percent
from optimizer.signals.interference.feed import noisy_ones
from optimizer.signals.interference.records import State

if TYPE_CHECKING:
    from optimizer.signals.interference.confirmation import Outcome
    from optimizer.signals.interference.records import Record
    from optimizer.signals.interference.settings import Settings

__all__ = ["InterferenceFacts", "describe_interference", "interference_page", "sentence"]

TONES = {State.EVIDENT: Tone.BAD, State.SEPARATED: Tone.WARN, State.CONFIRMED: Tone.GOOD, State.REFUTED: Tone.QUIET}


@dataclass(frozen=True)
class InterferenceFacts:
    """What was read and found."""

    hosts: int
    vms: int
    kinds: tuple[str, ...]
    windows: int
    window: int
    interval_s: float
    too_short: int
    """Hosts whose series were shorter than one window, or that had fewer than two VMs."""
    pairs: tuple[dict[str, Any], ...]
    noisy: dict[str, int]
    changes: tuple[dict[str, Any], ...]

    @property
    def evident(self) -> int:
        """How many pairs are evidence now, and not yet acted on."""
        return sum(pair["state"] == State.EVIDENT.value for pair in self.pairs)


def describe_interference(outcome: Outcome, settings: Settings, hosts: int, interval_s: float) -> InterferenceFacts:
    """Gather the facts."""
    found = outcome.attributions
    return InterferenceFacts(
        hosts=len({a.host for a in found}),
        vms=len({vm for a in found for vm in a.vms}),
        kinds=tuple(dict.fromkeys(a.kind for a in found)),
        windows=max((len(a.by_window) for a in found), default=0),
        window=settings.window,
        interval_s=interval_s,
        too_short=hosts - len(found),
        pairs=tuple({**record.to_dict(), "text": sentence(record)} for record in _ordered(outcome)),
        noisy=noisy_ones(outcome.records, settings),
        changes=tuple(
            {
                **c.pair._asdict(),
                "before": c.before and c.before.value,
                "after": c.after and c.after.value,
                "why": c.why,
            }
            for c in outcome.changes
        ),
    )


def _ordered(outcome: Outcome) -> list[Record]:
    order = list(State)
    return sorted(outcome.records, key=lambda r: (order.index(r.state), -r.score, r.pair))


def sentence(record: Record) -> str:
    """Say a pair in one line: "v9 costs v0 6.0 % of its time, p 0.005, 4 of 5 windows"."""
    cost = f"{record.noisy} costs {record.suffers} {percent(record.score, 1)} of its time"
    return f"{cost}, p {record.p:.2g}, {record.lasted} of {count(record.windows, 'window')}"


def interference_page(facts: InterferenceFacts) -> Page:
    """Lay out the facts."""
    page = Page()
    page.heading(f"Evidence of interference: {count(facts.evident, 'pair')}")
    what = ", ".join(facts.kinds) or "nothing"
    page.line(
        f"read: {count(facts.hosts, 'host')}, {count(facts.vms, 'VM')} ({what}), {count(facts.windows, 'window')} of "
        f"{facts.window} samples, {facts.interval_s:g} s each"
    )
    if facts.too_short:
        page.line(f"{count(facts.too_short, 'series', 'series')} too short, or with fewer than two VMs", Tone.WARN)
    table = Table(("state", "kind", "host", "~what"))
    for pair in facts.pairs:
        table.add(pair["state"], pair["kind"], pair["host"], pair["text"], tone=TONES[State(pair["state"])])
    page.table(table, empty="no VM costs another enough of its time, for long enough, to be no chance")
    for vm, victims in facts.noisy.items():
        page.line(f"{vm} disturbs {count(victims, 'VM')}: it is the noisy one", Tone.WARN)
    for change in facts.changes:
        if change["before"] is not None:  # what is new stands in the table
            after = change["after"] or "forgotten"
            words = f"{change['noisy']} and {change['suffers']}: {change['before']} -> {after}: {change['why']}"
            page.line(words, Tone.QUIET)
    return page
