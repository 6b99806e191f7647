"""Whether a leader still leads: asked in the transaction in which it wants to write."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from optimizer.errors import LeaseLost

if TYPE_CHECKING:
    from collections.abc import Iterator

    from optimizer.execute.ledger.database import Connection, Database
    from optimizer.execute.ledger.records import Lead

__all__ = ["require_lead", "written_by"]


def require_lead(database: Database, db: Connection, lead: Lead) -> None:
    """Go on only if the epoch of `lead` is still the fleet's; its lease is renewed.

    Raises
    ------
    LeaseLost
        Somebody else leads.
    """
    row = db.execute("SELECT epoch, holder FROM leaders WHERE fleet = ?", (lead.fleet,)).fetchone()
    if row is None or row[0] != lead.epoch:
        other = f"{row[1]} leads, in epoch {row[0]}" if row else "nobody leads"
        raise LeaseLost(f"this run (epoch {lead.epoch}) no longer leads fleet {lead.fleet}: {other}")
    database.keep(db, lead.fleet)


@contextmanager
def written_by(database: Database, fleet: str, lead: Lead | None) -> Iterator[Connection]:
    """Open a transaction of a leader, or of somebody who only watches (`lead` is None)."""
    with database.writing(fleet) as db:
        if lead is not None:
            require_lead(database, db, lead)
        yield db
