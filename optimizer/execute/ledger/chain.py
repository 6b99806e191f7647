"""The chain of events of a fleet: each has the hash of itself and of all before it, so a change anywhere shows."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optimizer.execute.ledger.database import Connection

__all__ = ["START", "append", "link"]

START = "0" * 64
"""What stands for the hash before the first event."""


def link(before: str, *said: object) -> str:
    """Return the hash of an event: SHA-256 of the hash before it and of what it says, as canonical JSON."""
    return sha256((before + json.dumps(said, ensure_ascii=True, separators=(",", ":"))).encode()).hexdigest()


def append(
    db: Connection,
    fleet: str,
    *,
    at: str,
    state: str,
    plan: str | None = None,
    move: str | None = None,
    detail: str = "",
    by: str = "",
    epoch: int = 0,
) -> None:
    """Add an event to a fleet's chain, within the transaction of what it tells."""
    query = "SELECT number, hash FROM events WHERE fleet = ? ORDER BY number DESC LIMIT 1"
    number, before = db.execute(query, (fleet,)).fetchone() or (0, START)
    said = (fleet, number + 1, at, plan, move, state, detail, by, epoch)
    db.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*said, link(before, *said)))
