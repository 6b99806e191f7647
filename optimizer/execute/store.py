"""The ledger's file: an SQLite database with a mark that says whose it is, and transactions that are all or nothing."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from optimizer.errors import InputError, SafetyStop

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Store"]

APPLICATION_ID = 0x52454D4F  # "REMO": marks the file as a ledger, so that no other database is ever written to
VERSION = 1
SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS rebalances (
    fleet TEXT NOT NULL, plan TEXT NOT NULL, fleet_digest TEXT NOT NULL, policy_digest TEXT NOT NULL,
    state TEXT NOT NULL, started_at TEXT NOT NULL, ended_at TEXT,
    PRIMARY KEY (fleet, plan)
) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS one_running_rebalance ON rebalances (fleet) WHERE state = 'running';
CREATE TABLE IF NOT EXISTS moves (
    fleet TEXT NOT NULL, plan TEXT NOT NULL, move TEXT NOT NULL,
    vm TEXT NOT NULL, source TEXT NOT NULL, target TEXT NOT NULL, state TEXT NOT NULL,
    PRIMARY KEY (fleet, plan, move), FOREIGN KEY (fleet, plan) REFERENCES rebalances
) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS one_flight_per_vm ON moves (fleet, vm) WHERE state IN ('intended', 'submitted');
CREATE TABLE IF NOT EXISTS events (
    number INTEGER PRIMARY KEY, at TEXT NOT NULL, fleet TEXT NOT NULL, plan TEXT NOT NULL,
    move TEXT, state TEXT NOT NULL, detail TEXT NOT NULL
);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};
COMMIT;
"""


class Store:
    """An open ledger file."""

    def __init__(self, path: str, *, write: bool) -> None:
        """Open `path`; with `write` a missing file is made.

        Raises
        ------
        InputError
            It cannot be opened, or is something else than a ledger, or is damaged.
        """
        self.path = path
        self._db: sqlite3.Connection | None = None
        uri = f"{Path(path).absolute().as_uri()}?mode={'rwc' if write else 'ro'}"
        try:
            self._db = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=5)
            fault = _prepare(self._db)
        except sqlite3.Error as error:
            fault = str(error)
        if fault:
            self.close()
            raise InputError(path, "", fault, "a Remora ledger, or the name of a file to be made", "name another file")

    def close(self) -> None:
        """Close the file."""
        if self._db is not None:
            self._db.close()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Read; what cannot be read stops the run."""
        assert self._db is not None
        try:
            yield self._db
        except sqlite3.Error as error:
            raise SafetyStop(f"{self.path}: the ledger cannot be read: {error}") from error

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it on disk at the end, or nothing."""
        assert self._db is not None
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise SafetyStop(f"{self.path}: the ledger cannot be written: {error}") from error


def _prepare(db: sqlite3.Connection) -> str:
    """Make the tables in an empty file; return what is wrong with any other, empty if nothing is."""
    db.execute("PRAGMA foreign_keys = ON")
    application, version = (db.execute(f"PRAGMA {p}").fetchone()[0] for p in ("application_id", "user_version"))
    if application == 0 and not db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
        db.executescript(SCHEMA)
        return ""
    if application != APPLICATION_ID:
        return "the database of another program"
    if version != VERSION:
        return f"a ledger of version {version}"
    damage = str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
    return "" if damage == "ok" else f"a damaged ledger: {damage}"
