"""What people decide about a fleet while a plan is carried out: the button, a lower limit, approvals.

None of it wants the lead: whoever can write to the ledger can stop every machine that acts by it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.execute.ledger import queries
from optimizer.execute.ledger.chain import append
from optimizer.execute.ledger.records import Control

if TYPE_CHECKING:
    from datetime import datetime

    from optimizer.execute.ledger.database import Database
    from optimizer.execute.ledger.records import Approval, Order

__all__ = ["Controls"]


class Controls:
    """Reads and writes the controls and approvals of a ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def set(self, fleet: str, name: str, value: str, order: Order, at: datetime) -> None:
        """Let something hold from now on; once this returns, no intent and no submit is written without it."""
        with self._database.writing(fleet) as db:
            db.execute("DELETE FROM controls WHERE fleet = ? AND name = ?", (fleet, name))
            values = (fleet, name, value, at.isoformat(), order.by, order.reason)
            db.execute("INSERT INTO controls VALUES (?, ?, ?, ?, ?, ?)", values)
            detail = Control(fleet, name, value, at, order.by, order.reason).detail
            append(db, fleet, at=at.isoformat(), state=name, detail=detail, by=order.by)

    def lift(self, fleet: str, name: str, order: Order, at: datetime) -> bool:
        """Let it hold no longer; returns whether it did."""
        with self._database.writing(fleet) as db:
            gone = db.execute("DELETE FROM controls WHERE fleet = ? AND name = ?", (fleet, name)).rowcount
            if gone:
                append(db, fleet, at=at.isoformat(), state=f"no {name}", detail=order.reason, by=order.by)
            return bool(gone)

    def of(self, fleet: str) -> dict[str, Control]:
        """Return what holds for a fleet, by name; also what was ordered for every fleet."""
        with self._database.reading() as db:
            return queries.holding(db, fleet)

    def approve(self, fleet: str, plan: str, digest: str, order: Order, at: datetime) -> None:
        """Write down that somebody approves a plan, bound to the digest of what it says."""
        with self._database.writing(fleet) as db:
            db.execute("DELETE FROM approvals WHERE fleet = ? AND plan = ?", (fleet, plan))
            values = (fleet, plan, digest, at.isoformat(), order.by, order.reason)
            db.execute("INSERT INTO approvals VALUES (?, ?, ?, ?, ?, ?)", values)
            detail = f"{digest}: {order.reason}"
            append(db, fleet, at=at.isoformat(), plan=plan, state="approved", detail=detail, by=order.by)

    def approval(self, fleet: str, plan: str) -> Approval | None:
        """Return the approval of a plan."""
        with self._database.reading() as db:
            return queries.approval(db, fleet, plan)
