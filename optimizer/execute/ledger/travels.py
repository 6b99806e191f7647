"""Where VMs have been: our own moves, attempt by attempt, and moves by others, seen from one snapshot to the next."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from optimizer.execute.ledger.audit import ABORT_ASKED
from optimizer.execute.ledger.audit_watch import MOVED_BY_OTHERS
from optimizer.execute.ledger.chain import append
from optimizer.execute.ledger.leading import written_by
from optimizer.execute.ledger.plain import to_json, utc_text
from optimizer.execute.ledger.queries import STATES
from optimizer.execute.ledger.records import is_simulated
from optimizer.execute.ledger.watch_records import Travel
from optimizer.execute.states import OPEN, MoveState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optimizer.execute.ledger.database import Connection, Database
    from optimizer.execute.ledger.records import Lead

__all__ = ["NOT_SUBMITTED", "Travels"]

NOT_SUBMITTED = "not submitted: "
"""How the detail of an attempt begins that was taken back before anybody was asked: the VM has travelled nowhere."""

GONE_FOR = timedelta(hours=48)
"""How long a VM that is in no snapshot is remembered: an inventory may miss some."""

_SNAPSHOT = ""
"""The row of `placements` that says when the last snapshot was taken; no VM is called so."""

_MOVE_ENDS = f"('intended', 'done', 'failed', 'gone', '{ABORT_ASKED}')"


class Travels:
    """The part of a `Ledger` that is about where VMs have been."""

    _database: Database

    def see_placements(
        self,
        fleet: str,
        placements: Mapping[str, str],
        at: datetime,
        *,
        by: str,
        lead: Lead | None = None,
        simulated: bool = False,
    ) -> tuple[Travel, ...]:
        """Compare where VMs are with where they were seen last, and write down who was moved by others.

        A VM that is elsewhere, and that no move of ours has taken there, was moved by others: migrated by hand, or
        restarted on another host. A VM of which a move of ours is open is looked at once that has ended.

        Parameters
        ----------
        placements
            VM -> host, of every VM that is placed.
        at
            When the snapshot was taken; one that is not later than the last is left aside.
        simulated
            The snapshot is of a simulation: only there do moves of the simulated driver take a VM anywhere.

        Returns
        -------
        tuple
            The moves by others that were seen.

        Raises
        ------
        LeaseLost
            Somebody else leads: nothing was written.
        """
        with written_by(self._database, fleet, lead) as db:
            query = "SELECT vm, host, gone_at FROM placements WHERE fleet = ?"
            known = {vm: (host, gone) for vm, host, gone in db.execute(query, (fleet,)).fetchall()}
            query = "SELECT seen_at FROM placements WHERE fleet = ? AND vm = ?"
            row = db.execute(query, (fleet, _SNAPSHOT)).fetchone()
            last = None if row is None else datetime.fromisoformat(row[0])
            if last is not None and at <= last:
                return ()
            ours = _done(db, fleet, (last or at) - GONE_FOR, at, simulated=simulated)
            on_their_way = _on_their_way(db, fleet, at)
            found = _moved_by_others(known, placements, ours, on_their_way, last or at, at)
            for travel in found:
                _write(db, fleet, travel, by, lead.epoch if lead else 0)
            _remember(db, fleet, known, placements, at, on_their_way)
        return found

    def travels(self, fleet: str, since: datetime, *, vm: str | None = None) -> tuple[Travel, ...]:
        """Return the travels that ended at `since` or later, of one VM or of all, in the order in which they ended."""
        with self._database.reading() as db:
            found = [*_ours(db, fleet, since, vm), *_others(db, fleet, since, vm)]
        return tuple(sorted(found, key=lambda t: (t.ended_at, t.vm, t.plan, t.move, t.attempt)))


def _ours(db: Connection, fleet: str, since: datetime, vm: str | None) -> list[Travel]:
    """Pair each attempt's intent with its end."""
    only, values = ("AND m.vm = ?", (vm,)) if vm is not None else ("", ())
    query = (
        "SELECT e.plan, e.move, e.state, e.at, e.detail, m.vm, m.source, m.target, r.driver"
        " FROM events e JOIN moves m ON m.fleet = e.fleet AND m.plan = e.plan AND m.move = e.move"
        " JOIN runs r ON r.fleet = e.fleet AND r.plan = e.plan"
        f" WHERE e.fleet = ? AND e.at >= ? AND e.state IN {_MOVE_ENDS} {only} ORDER BY e.number"
    )
    found: list[Travel] = []
    begun: dict[tuple[str, str], datetime] = {}
    attempts: dict[tuple[str, str], int] = {}
    aborted: set[tuple[str, str]] = set()
    looked_back = since - timedelta(days=2)  # for the intents of moves that end later
    for plan, move, state, text, detail, name, source, target, driver in db.execute(
        query, (fleet, utc_text(looked_back), *values)
    ).fetchall():
        key, at = (plan, move), datetime.fromisoformat(text)
        if state == "intended":
            begun[key], attempts[key] = at, attempts.get(key, 0) + 1
            aborted.discard(key)
        elif state == ABORT_ASKED:
            aborted.add(key)
        elif at >= since and not detail.startswith(NOT_SUBMITTED):
            outcome = "done" if state == "done" else "aborted" if key in aborted else "failed"
            at_first, attempt = min(begun.get(key, at), at), attempts.get(key, 1)
            more = ("remora", plan, move, attempt, driver, detail)
            found.append(Travel(name, source, target, at_first, at, outcome, *more))
    return found


def _others(db: Connection, fleet: str, since: datetime, vm: str | None) -> list[Travel]:
    only, values = ("AND vm = ?", (vm,)) if vm is not None else ("", ())
    query = (
        "SELECT vm, source, target, started_at, ended_at FROM travels"
        f" WHERE fleet = ? AND ended_at >= ? {only} ORDER BY ended_at"
    )
    rows = db.execute(query, (fleet, utc_text(since), *values)).fetchall()
    times = datetime.fromisoformat
    return [Travel(v, a, b, times(began), times(ended), "done", "other") for v, a, b, began, ended in rows]


def _on_their_way(db: Connection, fleet: str, at: datetime) -> set[str]:
    """Return the VMs of which a move of ours was open at a time, or is.

    The texts of times of moves are those of a driver's clock, so they are compared as times.
    """
    query = (
        "SELECT vm, state, intended_at, changed_at FROM moves WHERE fleet = ? AND state <> 'skipped'"
        f" AND (changed_at > ? OR state IN ({STATES}))"
    )
    rows = db.execute(query, (fleet, utc_text(at - timedelta(days=1)))).fetchall()
    times = datetime.fromisoformat
    return {
        vm
        for vm, state, intended, changed in rows
        if times(intended) <= at and (times(changed) > at or MoveState(state) in OPEN)
    }


def _done(db: Connection, fleet: str, since: datetime, at: datetime, *, simulated: bool) -> dict[str, list[Travel]]:
    """Return by VM what moves of ours have done until a time, in order."""
    found: dict[str, list[Travel]] = {}
    for travel in _ours(db, fleet, since, None):
        if travel.outcome == "done" and travel.ended_at <= at and (simulated or not is_simulated(travel.driver)):
            found.setdefault(travel.vm, []).append(travel)
    return found


def _moved_by_others(
    known: Mapping[str, tuple[str, str | None]],
    placements: Mapping[str, str],
    ours: Mapping[str, list[Travel]],
    on_their_way: set[str],
    last: datetime,
    at: datetime,
) -> tuple[Travel, ...]:
    """Follow each VM along our own moves to where it is now; what these leave unexplained, others did."""
    there = {vm: host for vm, (host, _) in known.items() if vm != _SNAPSHOT and vm in placements}
    suspects = {vm for vm, host in there.items() if host != placements[vm] or vm in ours}
    found = []
    for vm in sorted(suspects - on_their_way):
        here, gone = known[vm]
        seen = datetime.fromisoformat(gone) if gone else last
        for step in (t for t in ours.get(vm, ()) if t.ended_at > seen):
            if step.source != here:
                found.append(Travel(vm, here, step.source, seen, max(seen, step.started_at), "done", "other"))
            here, seen = step.target, step.ended_at
        if here != placements[vm]:
            found.append(Travel(vm, here, placements[vm], seen, at, "done", "other"))
    return tuple(found)


def _write(db: Connection, fleet: str, travel: Travel, by: str, epoch: int) -> None:
    times = utc_text(travel.started_at), utc_text(travel.ended_at)
    values = (fleet, travel.vm, travel.source, travel.target, *times)
    db.execute(f"INSERT INTO travels VALUES ({', '.join('?' * len(values))})", values)
    said = {"vm": travel.vm, "from": travel.source, "to": travel.target, "started_at": times[0], "ended_at": times[1]}
    append(db, fleet, at=times[1], state=MOVED_BY_OTHERS, detail=to_json(said), by=by, epoch=epoch)


def _remember(
    db: Connection,
    fleet: str,
    known: Mapping[str, tuple[str, str | None]],
    placements: Mapping[str, str],
    at: datetime,
    on_their_way: set[str],
) -> None:
    """Write down where VMs are; only rows that change are written."""
    rows = [(vm, host, None) for vm, host in placements.items() if vm not in on_their_way]
    changed = [row for row in rows if known.get(row[0]) != row[1:]]
    missing = [vm for vm, (_, gone) in known.items() if vm != _SNAPSHOT and vm not in placements and gone is None]
    for vm, *_ in changed:
        db.execute("DELETE FROM placements WHERE fleet = ? AND vm = ?", (fleet, vm))
    for vm, host, _ in changed:
        db.execute("INSERT INTO placements VALUES (?, ?, ?, ?, NULL)", (fleet, vm, host, utc_text(at)))
    for vm in missing:
        db.execute("UPDATE placements SET gone_at = ? WHERE fleet = ? AND vm = ?", (utc_text(at), fleet, vm))
    db.execute("DELETE FROM placements WHERE fleet = ? AND gone_at < ?", (fleet, utc_text(at - GONE_FOR)))
    db.execute("DELETE FROM placements WHERE fleet = ? AND vm = ?", (fleet, _SNAPSHOT))
    db.execute("INSERT INTO placements VALUES (?, ?, '', ?, NULL)", (fleet, _SNAPSHOT, utc_text(at)))
