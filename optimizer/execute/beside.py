"""What is kept beside a ledger's file, under its name and one of these endings; to overwrite one is to lose it."""

from __future__ import annotations

__all__ = ["AGENTS", "LEADER", "SQLITE", "STOP", "TURN", "endings"]

SQLITE = ("-wal", "-shm", "-journal")
"""What SQLite adds to a database's name for the files that it keeps beside it; to lose one is to lose data."""

TURN = "-turn"
"""The file whose lock says whose turn it is to write."""

LEADER = "-leader-"
"""What the files begin with, after the ledger's name, whose locks say who leads a fleet; a hash follows."""

AGENTS = "-agents"
"""The database of the gateway."""

STOP = ".stop"
"""The file that stops every run while it is there."""


def endings(*, stop: bool = True) -> tuple[str, ...]:
    """Return every ending that is whole (all but `LEADER`); without that of the `stop` file where it is elsewhere."""
    return (*SQLITE, TURN, AGENTS, *(AGENTS + ending for ending in SQLITE), *([STOP] if stop else []))
