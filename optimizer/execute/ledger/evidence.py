"""The evidence of interference, pair by pair: plain records, whose meaning is not the ledger's business."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from optimizer.execute.ledger.chain import append
from optimizer.execute.ledger.leading import written_by
from optimizer.execute.ledger.plain import from_json, to_json, utc_text
from optimizer.execute.ledger.watch_records import Evidence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.execute.ledger.database import Database
    from optimizer.execute.ledger.records import Lead

__all__ = ["EVIDENCE", "EVIDENCE_DROPPED", "EvidenceTable", "said_of"]

EVIDENCE = "evidence "
"""Before the state of a pair in the name of its event."""
EVIDENCE_DROPPED = "evidence dropped"

_COLUMNS = "fleet, noisy, suffers, kind, state, record, changed_at, epoch"
_PAIR = "fleet = ? AND noisy = ? AND suffers = ? AND kind = ?"


class EvidenceTable:
    """The part of a `Ledger` that is about evidence."""

    _database: Database

    def write_evidence(self, pairs: Sequence[Evidence], at: datetime, *, by: str, lead: Lead | None = None) -> int:
        """Write down what is held of pairs now, all of it or nothing; an event for each that differs from before.

        Parameters
        ----------
        pairs
            All of one fleet; `changed_at` and `epoch` are written anew.

        Returns
        -------
        int
            How many were new or differed.

        Raises
        ------
        LeaseLost
            Somebody else leads: nothing was written.
        """
        fleets = {pair.fleet for pair in pairs}
        if not fleets:
            return 0
        (fleet,) = fleets
        epoch, changed = lead.epoch if lead else 0, 0
        with written_by(self._database, fleet, lead) as db:
            for pair in pairs:
                key, record = (fleet, pair.noisy, pair.suffers, pair.kind), to_json(pair.record)
                row = db.execute(f"SELECT state, record FROM evidence WHERE {_PAIR}", key).fetchone()
                if row is not None and tuple(row) == (pair.state, record):
                    continue
                changed += 1
                db.execute(f"DELETE FROM evidence WHERE {_PAIR}", key)
                values = (*key, pair.state, record, utc_text(at), epoch)
                db.execute(f"INSERT INTO evidence VALUES ({', '.join('?' * len(values))})", values)
                state, detail = EVIDENCE + pair.state, said_of(pair)
                append(db, fleet, at=utc_text(at), state=state, detail=detail, by=by, epoch=epoch)
        return changed

    def drop_evidence(self, pairs: Sequence[Evidence], at: datetime, *, by: str, lead: Lead | None = None) -> None:
        """Forget pairs: a VM that is gone, say. That it was held stays in the events."""
        for fleet in sorted({pair.fleet for pair in pairs}):
            with written_by(self._database, fleet, lead) as db:
                for pair in pairs:
                    key = (fleet, pair.noisy, pair.suffers, pair.kind)
                    if pair.fleet != fleet or not db.execute(f"DELETE FROM evidence WHERE {_PAIR}", key).rowcount:
                        continue
                    epoch, detail = lead.epoch if lead else 0, said_of(pair)
                    append(db, fleet, at=utc_text(at), state=EVIDENCE_DROPPED, detail=detail, by=by, epoch=epoch)

    def evidence(self, fleet: str) -> tuple[Evidence, ...]:
        """Return what is held of every pair of a fleet, in the order of their names."""
        query = f"SELECT {_COLUMNS} FROM evidence WHERE fleet = ? ORDER BY noisy, suffers, kind"
        with self._database.reading() as db:
            rows = db.execute(query, (fleet,)).fetchall()
        return tuple(
            Evidence(of, noisy, suffers, kind, state, from_json(record), datetime.fromisoformat(at), epoch)
            for of, noisy, suffers, kind, state, record, at, epoch in rows
        )


def said_of(pair: Evidence) -> str:
    """Return what the event of a pair says."""
    what = {"noisy": pair.noisy, "suffers": pair.suffers, "kind": pair.kind, "record": dict(pair.record)}
    return to_json(what)
