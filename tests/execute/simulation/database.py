"""A ledger in memory: it outlives the processes that use it, and now and then it cannot be written."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from optimizer.errors import SafetyStop
from optimizer.execute.ledger.schema import SCHEMA
from optimizer.execute.ledger.sqlite import SqliteDatabase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["DATABASE_DOWN", "DISK_FULL", "MemoryDatabase"]

DATABASE_DOWN, DISK_FULL = "database down", "disk full"


class MemoryDatabase(SqliteDatabase):
    """A ledger that costs no disk; `fails` names what goes wrong with the next transaction."""

    def __init__(self) -> None:
        self.where, self._copy, self._locks = "memory", None, {}
        self._db = sqlite3.connect(":memory:", isolation_level=None)
        for statement in SCHEMA:
            self._db.execute(statement)
        self.fails: Callable[[], str] = str

    def close(self) -> None:
        pass

    @contextmanager
    def writing(self, fleet: str) -> Iterator[sqlite3.Connection]:
        how = self.fails()
        if how == DATABASE_DOWN:
            raise SafetyStop(f"{self.where}: the ledger cannot be written: no connection")
        with super().writing(fleet) as db:
            yield db
            if how == DISK_FULL:
                raise sqlite3.OperationalError("database or disk is full")

    def claim(self, connection: Any, fleet: str, holder: str) -> str | None:
        connection.execute("UPDATE leaders SET epoch = epoch + 1, holder = ? WHERE fleet = ?", (holder, fleet))
        return None

    def usurp(self, fleet: str) -> int:
        """Let another process take the lead behind the back of the one that has it; returns its epoch."""
        assert self._db is not None
        self._db.execute("INSERT OR IGNORE INTO leaders VALUES (?, 0, '', NULL)", (fleet,))
        self.claim(self._db, fleet, "another")
        (epoch,) = self._db.execute("SELECT epoch FROM leaders WHERE fleet = ?", (fleet,)).fetchone()
        return int(epoch)
