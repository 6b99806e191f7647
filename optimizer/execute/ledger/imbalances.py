"""Imbalances: what the monitors see, kept so that a restart goes on where it was.

An event is written for each change into open, closing or closed; readings in between change only the row.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from optimizer.errors import SafetyStop
from optimizer.execute.ledger.chain import append
from optimizer.execute.ledger.leading import written_by
from optimizer.execute.ledger.plain import from_json, to_json, utc_text
from optimizer.execute.ledger.watch_records import CLOSED, PENDING, Imbalance
from optimizer.execute.states import IllegalTransition

if TYPE_CHECKING:
    from collections.abc import Callable

    from optimizer.execute.ledger.database import Connection, Database
    from optimizer.execute.ledger.records import Lead
    from optimizer.execute.ledger.watch_records import Seen

__all__ = ["FOLLOWS", "IMBALANCE", "Imbalances", "said_of"]

IMBALANCE = "imbalance "
"""Before the state of an imbalance in the name of its event."""

FOLLOWS: dict[str | None, frozenset[str]] = {
    None: frozenset({PENDING, "open"}),
    PENDING: frozenset({PENDING, "open"}),
    "open": frozenset({"open", "closing", CLOSED}),
    "closing": frozenset({"open", "closing", CLOSED}),
    CLOSED: frozenset(),
}
"""Which states may follow a state (None: it is new)."""

_KEPT = ("place", "since", "opened_at", "closed_at", "changed_at", "epoch")
"""What a reading that changes no state leaves as it was."""

_COLUMNS = (
    "fleet, id, monitor, subject, place, state, since, opened_at, closed_at, changed_at, seen_at, evidence, machine, "
    "epoch"
)


class Imbalances:
    """The part of a `Ledger` that is about imbalances."""

    _database: Database

    def watch(
        self,
        fleet: str,
        at: datetime,
        step: Callable[[tuple[Imbalance, ...]], Seen],
        *,
        by: str,
        lead: Lead | None = None,
    ) -> Seen:
        """Let `step` say what became of the imbalances that are not closed, in one transaction.

        Two watchers cannot open the same imbalance twice: the second steps from what the first has written.

        Parameters
        ----------
        step
            Takes the imbalances that are not closed; returns which are new or changed, and which pending ones came to
            nothing. It has no side effects.

        Returns
        -------
        Seen
            What `step` said. When an imbalance opened, closed and changed is written by the ledger: at `at`.

        Raises
        ------
        SafetyStop
            The fleet was looked at later than `at` already: what is older would open and close by what is over.
        IllegalTransition
            `FOLLOWS` does not allow a change: a defect, and nothing was written.
        LeaseLost
            Somebody else leads: nothing was written.
        """
        epoch = lead.epoch if lead else 0
        with written_by(self._database, fleet, lead) as db:
            _refuse_older(db, fleet, at, self._database.where)
            live = {found.id: found for found in _live(db, fleet)}
            seen = step(tuple(live.values()))
            for id_ in seen.dropped:
                if id_ not in live or live[id_].state != PENDING:
                    raise IllegalTransition(f"imbalance {id_} is not pending, and cannot be dropped")
                db.execute("DELETE FROM imbalances WHERE fleet = ? AND id = ?", (fleet, id_))
            for one in seen.kept:
                _write(db, live.get(one.id), one, at, by, epoch)
        return seen

    def imbalances(self, fleet: str, *, every: bool = False) -> tuple[Imbalance, ...]:
        """Return the imbalances of a fleet that are not closed, or with `every` all, the latest first."""
        with self._database.reading() as db:
            if not every:
                return _live(db, fleet)
            query = f"SELECT {_COLUMNS} FROM imbalances WHERE fleet = ? ORDER BY since DESC, monitor, subject, id"
            return tuple(_imbalance(*row) for row in db.execute(query, (fleet,)).fetchall())


def _refuse_older(db: Connection, fleet: str, at: datetime, where: str) -> None:
    (text,) = db.execute("SELECT max(seen_at) FROM imbalances WHERE fleet = ?", (fleet,)).fetchone()
    last = at if text is None else datetime.fromisoformat(text)
    if at < last:
        what = f"the snapshot is of {utc_text(at)}, and fleet {fleet} was looked at as of {utc_text(last)}"
        ahead = "if that time is still to come, a clock was ahead: wait for it, or go on with a new ledger"
        raise SafetyStop(f"{where}: {what}: take a new snapshot; {ahead} once remora status shows no move in flight")


def said_of(one: Imbalance) -> str:
    """Return what the event of a change says."""
    what = {"id": one.id, "monitor": one.monitor, "subject": one.subject, "place": one.place}
    return to_json({**what, "since": utc_text(one.since), "evidence": dict(one.evidence)})


def _write(db: Connection, before: Imbalance | None, one: Imbalance, at: datetime, by: str, epoch: int) -> None:
    state = before.state if before else _state_of(db, one)
    if one.state not in FOLLOWS[state]:
        raise IllegalTransition(f"imbalance {one.id}: {state or 'new'} cannot become {one.state}")
    if one.state != state:
        closed = at if one.state == CLOSED else None
        opened = (before.opened_at if before else None) or (None if one.state == PENDING else at)
        one = replace(one, opened_at=opened, closed_at=closed, changed_at=at, epoch=epoch)
    elif before is not None:
        one = replace(one, **{name: getattr(before, name) for name in _KEPT})
    db.execute("DELETE FROM imbalances WHERE fleet = ? AND id = ?", (one.fleet, one.id))
    times = tuple(utc_text(t) if t else None for t in (one.since, one.opened_at, one.closed_at))
    seen = (utc_text(one.changed_at), utc_text(one.seen_at), to_json(one.evidence), to_json(one.machine))
    values = (one.fleet, one.id, one.monitor, one.subject, one.place, one.state, *times, *seen, one.epoch)
    db.execute(f"INSERT INTO imbalances VALUES ({', '.join('?' * len(values))})", values)
    if one.state not in (state, PENDING):
        event = IMBALANCE + one.state
        append(db, one.fleet, at=utc_text(at), state=event, detail=said_of(one), by=by, epoch=epoch)


def _state_of(db: Connection, one: Imbalance) -> str | None:
    row = db.execute("SELECT state FROM imbalances WHERE fleet = ? AND id = ?", (one.fleet, one.id)).fetchone()
    return None if row is None else str(row[0])


def _live(db: Connection, fleet: str) -> tuple[Imbalance, ...]:
    query = (
        f"SELECT {_COLUMNS} FROM imbalances WHERE fleet = ? AND state <> 'closed'"
        " ORDER BY since DESC, monitor, subject, id"
    )
    return tuple(_imbalance(*row) for row in db.execute(query, (fleet,)).fetchall())


def _imbalance(
    fleet: str,
    id_: str,
    monitor: str,
    subject: str,
    place: str,
    state: str,
    since: str,
    opened_at: str | None,
    closed_at: str | None,
    changed_at: str,
    seen_at: str,
    evidence: str,
    machine: str,
    epoch: int,
) -> Imbalance:
    return Imbalance(
        fleet,
        id_,
        monitor,
        subject,
        place,
        state,
        datetime.fromisoformat(since),
        None if opened_at is None else datetime.fromisoformat(opened_at),
        None if closed_at is None else datetime.fromisoformat(closed_at),
        datetime.fromisoformat(changed_at),
        datetime.fromisoformat(seen_at),
        from_json(evidence),
        from_json(machine),
        epoch,
    )
