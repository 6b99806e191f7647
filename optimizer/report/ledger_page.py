"""What the ledger remembers, laid out for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from optimizer.execute.states import MoveState, RunState
from optimizer.report.page import Page, Table, Tone
from optimizer.report.words import count, duration, minute, moment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from optimizer.execute.ledger.audit import Audit
    from optimizer.execute.ledger.records import Control, EventRecord, FlyingMove, MoveRecord, Run

__all__ = ["Status", "audit_page", "events_page", "moves_page", "runs_page", "status_page"]

TONES = {
    "done": Tone.GOOD,
    "failed": Tone.BAD,
    "gone": Tone.BAD,
    "stopped": Tone.BAD,
    "unknown": Tone.BAD,
    "skipped": Tone.WARN,
    "superseded": Tone.WARN,
}


NOTHING_MOVED = "SIMULATED: no VM was migrated"
NO_RUN = "no plan was carried out yet"


@dataclass(frozen=True, slots=True)
class Status:
    """How a fleet stands: its latest run, its moves by state, what is in flight, and what holds it back.

    `gate` is what the gates of the run answered last.
    """

    fleet: str
    run: Run | None
    moves: Mapping[str, int]
    in_flight: tuple[FlyingMove, ...]
    stop: Control | None
    limit: Control | None
    gate: EventRecord | None = None

    @property
    def is_running(self) -> bool:
        """Whether the latest run has not ended."""
        return self.run is not None and self.run.state is RunState.RUNNING


def runs_page(runs: Sequence[Run]) -> Page:
    """Lay out runs, one a row."""
    page = Page()
    simulated = sum(run.simulated for run in runs)
    if simulated:
        named = "" if simulated == len(runs) else f" in {count(simulated, 'run')} of these, by the driver"
        page.line(f"{NOTHING_MOVED}{named}", Tone.WARN)
    several = len({run.fleet for run in runs}) > 1
    headers = ("plan", ">moves", "state", "started", "?took", "driver", "~by", "~approved by", "~reason")
    table = Table((*["fleet"] * several, *headers))
    for run in runs:
        took = "" if run.ended_at is None else duration((run.ended_at - run.started_at).total_seconds())
        how = (run.moves, run.state.value, minute(run.started_at), took, run.driver)
        who = (run.ordered_by, run.approved_by, run.reason)
        tone = TONES.get(run.state.value, Tone.PLAIN)
        table.add(*[run.fleet] * several, run.plan, *how, *who, tone=tone)
    page.table(table, empty=NO_RUN)
    return page


def moves_page(run: Run, moves: Sequence[MoveRecord]) -> Page:
    """Lay out the moves of a run."""
    page = Page()
    page.line(f"plan {run.plan} of fleet {run.fleet}: {run.state.value}, {count(run.moves, 'move')}")
    if run.simulated:
        page.line(NOTHING_MOVED, Tone.WARN)
    table = Table(("move", "VM", "from", "to", "state", ">attempt", "?changed", "~why"))
    for move in moves:
        f = move.flying
        state = f.state.value if move.failure is None else f"{f.state.value} ({move.failure.value})"
        tone = TONES.get(f.state.value, Tone.PLAIN)
        table.add(f.move, f.vm, f.source, f.target, state, f.attempt, moment(move.changed_at), move.detail, tone=tone)
    page.table(table)
    return page


def events_page(events: Sequence[EventRecord]) -> Page:
    """Lay out events, one a row."""
    page = Page()
    several = len({e.fleet for e in events}) > 1
    table = Table((*["fleet"] * several, ">number", "at", "plan", "move", "state", "?>epoch", "~by", "~detail"))
    for e in events:
        table.add(*[e.fleet] * several, e.number, e.at, e.plan or "", e.move or "", e.state, e.epoch, e.by, e.detail)
    page.table(table, empty="no events")
    return page


def audit_page(audit: Audit, *, known: bool) -> Page:
    """Say whether the ledger agrees with itself."""
    page = Page()
    for fleet, (number, head) in audit.heads.items():
        page.line(f"{fleet or 'every fleet'}: {count(number, 'event')}, head {head}")
    if not known:
        page.line("the expected head is not there: events were removed, or this is another ledger", Tone.BAD)
    if not audit.faults:
        page.line("runs, moves and events agree", Tone.GOOD)
        return page
    page.line(f"TAMPERED WITH: {count(len(audit.faults), 'fault')}", Tone.BAD)
    table = Table(("where", "~what"))
    for where, what in audit.faults:
        table.add(where, what, tone=Tone.BAD)
    page.table(table)
    return page


def status_page(found: Sequence[Status], stop: Control | None = None) -> Page:
    """Lay out how fleets stand; where there is none, `stop` is what stops every one."""
    page = Page()
    if not found:
        if stop is not None:
            page.line(_stopped("every fleet", stop), Tone.BAD)
        page.line(NO_RUN)
    for one in found:
        _lay_out(page, one)
    return page


def _lay_out(page: Page, one: Status) -> None:
    if one.stop is not None:
        page.line(_stopped(one.fleet, one.stop), Tone.BAD)
    if one.limit is not None:
        page.line(f"{one.fleet}: at most {one.limit.value} moves at once: {one.limit.reason}", Tone.WARN)
    if one.run is None:
        page.line(f"{one.fleet}: {NO_RUN}")
    else:
        waiting = one.run.moves - sum(one.moves.values())
        states = [f"{n:,} {state}" for state, n in one.moves.items()] + [f"{waiting:,} waiting"] * bool(waiting)
        tone = TONES.get(one.run.state.value, Tone.PLAIN)
        page.line(f"{one.fleet}: plan {one.run.plan} {one.run.state.value}: {', '.join(states)}", tone)
        if one.run.simulated:
            page.line(f"{one.fleet}: {NOTHING_MOVED}", Tone.WARN)
    if one.gate is not None and one.gate.state == "gate closed":
        page.line(f"{one.fleet}: gate closed since {one.gate.at}: {one.gate.detail}", Tone.BAD)
    if one.in_flight:
        table = Table(("move", "VM", "from", "to", "state", ">GiB", "?plan"))
        for f in one.in_flight:
            tone = Tone.BAD if f.state is MoveState.UNKNOWN else Tone.PLAIN
            gib = f"{f.copied_mib / 1024:.1f}"
            table.add(f.move, f.vm, f.source, f.target, f.state.value, gib, f.plan, tone=tone)
        page.table(table)


def _stopped(what: str, stop: Control) -> str:
    return f"{what}: STOPPED by {stop.by}: {stop.reason} (`remora resume` lifts it)"
