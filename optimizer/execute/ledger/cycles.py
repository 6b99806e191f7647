"""The cycles of the periodic run: every one is accounted for, also one that a crash cut off."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from optimizer.execute.ledger.chain import append
from optimizer.execute.ledger.leading import written_by
from optimizer.execute.ledger.plain import from_json, to_json, utc_text
from optimizer.execute.ledger.watch_records import Cycle
from optimizer.execute.states import IllegalTransition

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optimizer.execute.ledger.database import Connection, Database
    from optimizer.execute.ledger.records import Lead

__all__ = ["CYCLE_BEGUN", "CYCLE_ENDED", "LOST", "Cycles"]

CYCLE_BEGUN, CYCLE_ENDED = "cycle begun", "cycle ended"
LOST = "lost"
"""The outcome of a cycle that began and of which no end was written: its process died."""

_COLUMNS = "fleet, number, cause, by, started_at, ended_at, outcome, plan, counts, detail, epoch"


class Cycles:
    """The part of a `Ledger` that is about cycles."""

    _database: Database

    def begin_cycle(self, fleet: str, trigger: str, at: datetime, *, by: str, lead: Lead | None = None) -> int:
        """Write down that a cycle begins, before it does anything.

        Cycles that are still without an end were cut off, and end now as `LOST`: those of the same `by`, and for a
        leader all of them.

        Parameters
        ----------
        trigger
            What starts it, in a word: ``interval``, ``signal``, ``imbalance``, ``request``.
        by
            Who runs it: the same name again after a restart, another for each replica.
        lead
            The lead of the fleet, where the cycle may act; None where it only watches.

        Returns
        -------
        int
            Its number, from 1 on.

        Raises
        ------
        LeaseLost
            Somebody else leads: nothing was written.
        """
        with written_by(self._database, fleet, lead) as db:
            for cut_off in _cycles(db, fleet, "AND ended_at IS NULL"):
                if lead is not None or cut_off.by == by:
                    _end(db, cut_off, at, LOST, None, {}, "its process ended without a word", by, lead)
            (last,) = db.execute("SELECT max(number) FROM cycles WHERE fleet = ?", (fleet,)).fetchone()
            number, epoch = int(last or 0) + 1, lead.epoch if lead else 0
            values = (fleet, number, trigger, by, utc_text(at), None, "", None, "{}", "", epoch)
            db.execute(f"INSERT INTO cycles VALUES ({', '.join('?' * len(values))})", values)
            detail = to_json({"number": number, "trigger": trigger})
            append(db, fleet, at=utc_text(at), state=CYCLE_BEGUN, detail=detail, by=by, epoch=epoch)
        return number

    def end_cycle(
        self,
        fleet: str,
        number: int,
        outcome: str,
        at: datetime,
        *,
        plan: str | None = None,
        counts: Mapping[str, int | float] | None = None,
        detail: str = "",
        lead: Lead | None = None,
    ) -> None:
        """Write down how a cycle ended, in one word; `detail` is a line for people, such as the error.

        Raises
        ------
        IllegalTransition
            There is no such cycle, or it has ended.
        LeaseLost
            Somebody else leads: nothing was written.
        """
        with written_by(self._database, fleet, lead) as db:
            found = _cycles(db, fleet, "AND number = ?", number)
            if not found or found[0].ended_at is not None:
                what = f"has ended ({found[0].outcome})" if found else "has not begun"
                raise IllegalTransition(f"cycle {number} of fleet {fleet} {what}, and cannot end as {outcome}")
            _end(db, found[0], at, outcome, plan, counts or {}, detail, found[0].by, lead)

    def cycles(self, fleet: str, last: int | None = None) -> tuple[Cycle, ...]:
        """Return the cycles of a fleet, the latest first; with `last` at most that number."""
        limit = "" if last is None else f" LIMIT {int(last)}"
        with self._database.reading() as db:
            return _cycles(db, fleet, f"ORDER BY number DESC{limit}")


def _end(
    db: Connection,
    cycle: Cycle,
    at: datetime,
    outcome: str,
    plan: str | None,
    counts: Mapping[str, int | float],
    detail: str,
    by: str,
    lead: Lead | None,
) -> None:
    epoch = lead.epoch if lead else cycle.epoch
    db.execute(
        "UPDATE cycles SET ended_at = ?, outcome = ?, plan = ?, counts = ?, detail = ?, epoch = ?"
        " WHERE fleet = ? AND number = ?",
        (utc_text(at), outcome, plan, to_json(counts), detail, epoch, cycle.fleet, cycle.number),
    )
    said = {"number": cycle.number, "outcome": outcome, "plan": plan, "counts": dict(counts), "detail": detail}
    epoch = lead.epoch if lead else 0
    append(db, cycle.fleet, at=utc_text(at), state=CYCLE_ENDED, detail=to_json(said), by=by, epoch=epoch)


def _cycles(db: Connection, fleet: str, more: str, *values: object) -> tuple[Cycle, ...]:
    rows = db.execute(f"SELECT {_COLUMNS} FROM cycles WHERE fleet = ? {more}", (fleet, *values)).fetchall()
    return tuple(_cycle(*row) for row in rows)


def _cycle(
    fleet: str,
    number: int,
    trigger: str,
    by: str,
    started_at: str,
    ended_at: str | None,
    outcome: str,
    plan: str | None,
    counts: str,
    detail: str,
    epoch: int,
) -> Cycle:
    ended = None if ended_at is None else datetime.fromisoformat(ended_at)
    started = datetime.fromisoformat(started_at)
    return Cycle(fleet, number, trigger, by, started, ended, outcome, plan, from_json(counts), detail, epoch)
