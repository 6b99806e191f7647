"""Was the ledger tampered with? Every chain is recomputed, and what the tables say is held against its events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from optimizer.execute.ledger import queries
from optimizer.execute.ledger.audit_watch import Watched, is_watched
from optimizer.execute.ledger.chain import START, link
from optimizer.execute.ledger.records import Key
from optimizer.execute.states import LEGAL, OPEN, MoveState

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from optimizer.execute.ledger.database import Connection
    from optimizer.execute.ledger.records import EventRecord

__all__ = ["ABORT_ASKED", "Audit", "audit"]

MOVES = {state.value for state in MoveState}
CONTROLS = ("stop", "limit")
ABORT_ASKED = "abort asked"
"""The event of a move that the driver was asked to give up; how it stands did not change by that."""
NOTES = ("gate open", "gate closed", "hook failed", "fleet read again")
"""Events of a run that say nothing of how it stands."""


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found.

    Attributes
    ----------
    heads
        Fleet -> (number of events, hash of the last): kept elsewhere, it shows whether the end was cut off later.
    faults
        (where, what) of all that does not agree.
    """

    heads: Mapping[str, tuple[int, str]]
    faults: tuple[tuple[str, str], ...]


def audit(db: Connection) -> Audit:
    """Recompute every chain, and hold the tables against it."""
    heads: dict[str, tuple[int, str]] = {}
    faults: list[tuple[str, str]] = []
    for fleet in _all_fleets(db):
        said = _Said()
        head = (0, START)
        for event in queries.events(db, fleet):
            faults += ((f"{fleet} event {event.number}", what) for what in _fault(event, *head))
            faults += ((f"{fleet} event {event.number}", what) for what in said.hear(event))
            head = event.number, event.hash
        heads[fleet] = head
        faults += ((f"{fleet} {where}", what) for where, what in said.against(db, fleet))
    return Audit(heads, tuple(faults))


def _all_fleets(db: Connection) -> list[str]:
    tables = ("events", "runs", "moves", "controls", "approvals", "imbalances", "cycles", "evidence", "travels")
    return sorted({fleet for t in tables for (fleet,) in db.execute(f"SELECT DISTINCT fleet FROM {t}").fetchall()})


def _fault(event: EventRecord, number: int, before: str) -> Iterator[str]:
    if event.number != number + 1:
        yield f"follows event {number}: events are missing"
    said = (event.fleet, event.number, event.at, event.plan, event.move, event.state, event.detail, event.by)
    if link(before, *said, event.epoch) != event.hash:
        yield "its hash is not that of what it says and of the events before it"


class _Said:
    """What the events of a fleet say of runs, moves and controls."""

    def __init__(self) -> None:
        self.runs: dict[str, str] = {}
        self.moves: dict[tuple[str, str], str] = {}
        self.facts: dict[tuple[str, str], str] = {}
        self.orders: dict[str, tuple[str, str]] = {}
        self.controls: dict[str, str] = {}
        self.approvals: dict[str, str] = {}
        self.watched = Watched()
        self.epoch = 0

    def hear(self, event: EventRecord) -> Iterator[str]:
        """Take an event in; yield what it says that cannot be."""
        if event.epoch and event.epoch < self.epoch:
            yield f"epoch {event.epoch} after epoch {self.epoch}"
        self.epoch = max(self.epoch, event.epoch)
        if event.plan is not None and event.move is not None:
            yield from self._hear_of_move(Key(event.plan, event.move), event)
        elif event.plan is None and is_watched(event):
            yield from self.watched.hear(event)
        elif event.state == "approved" and event.plan is not None:
            self.approvals[event.plan] = f"{event.detail} (by {event.by})"
        elif event.plan is not None:
            self._hear_of_run(event.plan, event)
        elif event.state in CONTROLS:
            self.controls[event.state] = f"{event.detail} (by {event.by})"
        else:
            self.controls.pop(event.state.removeprefix("no "), None)

    def _hear_of_move(self, key: Key, event: EventRecord) -> Iterator[str]:
        before = MoveState(self.moves[key]) if key in self.moves else None
        if event.state == ABORT_ASKED:
            if before not in OPEN:
                yield f"{key.move} was to be aborted, but it is {before.value if before else 'not known'}"
            return
        if event.state not in MOVES or MoveState(event.state) not in LEGAL[before]:
            yield f"{key.move} passes from {before.value if before else 'nothing'} into {event.state}"
        if event.state == MoveState.INTENDED.value and event.detail:
            self.facts[key] = event.detail
        self.moves[key] = event.state if event.state in MOVES else MoveState.UNKNOWN.value

    def _hear_of_run(self, plan: str, event: EventRecord) -> None:
        if event.state not in NOTES:
            self.orders.setdefault(plan, (event.by, event.detail))
            self.runs[plan] = event.state

    def against(self, db: Connection, fleet: str) -> Iterator[tuple[str, str]]:
        """Yield where the tables say something else."""
        runs = dict(db.execute("SELECT plan, state FROM runs WHERE fleet = ?", (fleet,)).fetchall())
        yield from _differ("run", runs, self.runs)
        query = "SELECT plan, ordered_by, reason FROM runs WHERE fleet = ?"
        for plan, *order in db.execute(query, (fleet,)).fetchall():
            if tuple(order) != self.orders.get(plan, tuple(order)):
                yield f"run {plan}", f"says {order} ordered it, by its events {self.orders[plan]}"
        for key, facts in self.facts.items():
            row = queries.move(db, fleet, *key)
            if row is not None and row.facts != facts:
                yield f"move {'/'.join(key)}", f"says {row.facts}, by its events {facts}"
        rows = db.execute("SELECT plan, move, state FROM moves WHERE fleet = ?", (fleet,)).fetchall()
        moves = {(plan, move): state for plan, move, state in rows}
        yield from _differ("move", {"/".join(k): s for k, s in moves.items()}, _joined(self.moves))
        held = {name: f"{found.detail} (by {found.by})" for name, found in queries.controls(db, fleet).items()}
        yield from _differ("control", held, self.controls)
        query = "SELECT plan, digest, reason, by FROM approvals WHERE fleet = ?"
        rows = db.execute(query, (fleet,)).fetchall()
        approved = {plan: f"{digest}: {reason} (by {by})" for plan, digest, reason, by in rows}
        yield from _differ("approval of", approved, self.approvals)
        yield from self.watched.against(db, fleet)


def _joined(moves: Mapping[tuple[str, str], str]) -> dict[str, str]:
    return {"/".join(key): state for key, state in moves.items()}


def _differ(what: str, table: Mapping[str, str], said: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name in sorted(table.keys() | said.keys()):
        if table.get(name) != said.get(name):
            yield f"{what} {name}", f"is {table.get(name, 'missing')}, by its events {said.get(name, 'missing')}"
