"""Room that is kept for VMs to come, until a time: written only if nobody else has kept any since it was looked at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from optimizer.execute.ledger.chain import append
from optimizer.execute.ledger.plain import from_json, to_json, utc_text

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from optimizer.execute.ledger.database import Database

__all__ = ["Reservation", "Reservations"]


@dataclass(frozen=True, slots=True)
class Reservation:
    """A reservation; what `room` says is not the ledger's business."""

    fleet: str
    id: str
    room: Mapping[str, Any]
    made_at: datetime
    until: datetime
    by: str


class Reservations:
    """Reads and writes reservations. Those whose time is over keep nothing, and go with the next write."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, fleet: str, at: datetime) -> tuple[Reservation, ...]:
        """Return what is kept at a time, the oldest first."""
        query = "SELECT id, room, made_at, until, by FROM reservations WHERE fleet = ? AND until > ?"
        with self._database.reading() as db:
            rows = db.execute(f"{query} ORDER BY made_at, id", (fleet, utc_text(at))).fetchall()
        return tuple(
            Reservation(fleet, id_, from_json(room), datetime.fromisoformat(made), datetime.fromisoformat(until), by)
            for id_, room, made, until, by in rows
        )

    def keep(self, one: Reservation, seen: Collection[str]) -> bool:
        """Keep room, if what is kept is still no more than `seen` (ids); returns whether it was written."""
        with self._database.writing(one.fleet) as db:
            now = utc_text(one.made_at)
            db.execute("DELETE FROM reservations WHERE fleet = ? AND until <= ?", (one.fleet, now))
            held = {
                id_ for (id_,) in db.execute("SELECT id FROM reservations WHERE fleet = ?", (one.fleet,)).fetchall()
            }
            if not held <= set(seen):
                return False
            values = (one.fleet, one.id, to_json(one.room), now, utc_text(one.until), one.by)
            db.execute("INSERT INTO reservations VALUES (?, ?, ?, ?, ?, ?)", values)
            detail = f"{one.id} until {utc_text(one.until)}"
            append(db, one.fleet, at=now, state="reserved", detail=detail, by=one.by)
        return True

    def release(self, fleet: str, name: str, by: str, at: datetime) -> bool:
        """Keep it no longer; returns whether it was kept."""
        with self._database.writing(fleet) as db:
            gone = db.execute("DELETE FROM reservations WHERE fleet = ? AND id = ?", (fleet, name)).rowcount
            if gone:
                append(db, fleet, at=utc_text(at), state="not reserved", detail=name, by=by)
            return bool(gone)
