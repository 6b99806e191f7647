"""The ledger's file: an SQLite database with a mark that says whose it is, and transactions that are all or nothing."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from optimizer.errors import InputError, SafetyStop

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Store"]

APPLICATION_ID = 0x52454D4F  # "REMO": marks the file as a ledger, so that no other database is ever written to
VERSION = 1
TABLES = frozenset({"rebalances", "moves", "events"})
INDEXES = frozenset({"one_running_rebalance", "one_flight_per_vm"})
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

        A ledger comes into being whole, under its name or not at all. So a file that is there and holds no ledger (0
        bytes, say) is never a new one: something was lost, and with it the knowledge of what may be migrating.

        Raises
        ------
        InputError
            It cannot be opened, or is something else than a ledger, or is damaged.
        """
        self.path = path
        self._db: sqlite3.Connection | None = None
        self._copy: TemporaryDirectory[str] | None = None
        try:
            fault = _fault_of_file(Path(path), write=write)
            if not fault:
                self._db = self._connect(write=write)
                fault = _fault(self._db)
        except (sqlite3.Error, OSError) as error:
            fault = str(error)
        if fault:
            self.close()
            raise InputError(path, "", fault, "a Remora ledger, or the name of a file to be made", _remedy(fault))

    def _connect(self, *, write: bool) -> sqlite3.Connection:
        """Connect; a reader that finds a transaction cut off by a crash reads a copy, in which it is rolled back."""
        db = _connection(Path(self.path), "rw" if write else "ro")
        try:
            db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except sqlite3.OperationalError:
            journal = Path(f"{self.path}-journal")
            db.close()
            if write or not journal.exists():
                raise
            self._copy = TemporaryDirectory(prefix="remora-ledger-")
            copy = Path(self._copy.name) / "ledger"
            shutil.copyfile(self.path, copy)
            shutil.copyfile(journal, f"{copy}-journal")
            db = _connection(copy, "rw")
        return db

    def close(self) -> None:
        """Close the file."""
        if self._db is not None:
            self._db.close()
        if self._copy is not None:
            self._copy.cleanup()

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
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:  # an interrupt can fall between any two steps, also behind the COMMIT
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise SafetyStop(f"{self.path}: the ledger cannot be written: {error}") from error


def _connection(path: Path, mode: str) -> sqlite3.Connection:
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=5)
    db.execute("PRAGMA foreign_keys = ON")
    return db


def _fault_of_file(path: Path, *, write: bool) -> str:
    """Make a ledger where there is no file and one may be made; return what speaks against any other file."""
    if write and not path.exists():
        _make(path)
    if not path.is_file():
        return "not a regular file" if path.exists() else "no file"
    return "" if path.stat().st_size else "an empty file (0 bytes), which no ledger ever is: it was cut off"


def _make(path: Path) -> None:
    """Make a ledger beside its name, then give it that name unless somebody else was faster."""
    with TemporaryDirectory(prefix=f".{path.name[:64]}-", dir=path.parent) as directory:
        new = Path(directory) / "ledger"
        db = _connection(new, "rwc")
        try:
            db.executescript(SCHEMA)
        finally:
            db.close()
        try:
            os.link(new, path)
        except FileExistsError:
            pass  # somebody else was faster, and that is the ledger
        except OSError:  # a file system without links
            if not path.exists():
                new.rename(path)


def _fault(db: sqlite3.Connection) -> str:
    """Return what is wrong with a file, empty if it is a whole ledger of this version."""
    application, version = (db.execute(f"PRAGMA {p}").fetchone()[0] for p in ("application_id", "user_version"))
    names = {name for (name,) in db.execute("SELECT name FROM sqlite_schema")}
    if application != APPLICATION_ID:
        return "the database of another program" if names else "a database without tables, which no ledger ever is"
    if version != VERSION:
        return f"a ledger of version {version}, this program knows version {VERSION}"
    damage = str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
    if damage == "ok" and _cut_short(db):
        damage = "its end is missing"
    if damage != "ok":
        return f"a damaged ledger: {damage}"
    missing = sorted((TABLES | INDEXES) - names)
    return f"a damaged ledger: {', '.join(missing)} missing" if missing else ""


def _cut_short(db: sqlite3.Connection) -> bool:
    """Whether the file is shorter than its header says; SQLite looks only for pages that it needs."""
    size = int(db.execute("PRAGMA page_size").fetchone()[0])
    path = db.execute("PRAGMA database_list").fetchone()[2]
    db.execute("BEGIN")
    try:
        db.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # from here on nobody can write
        with Path(path).open("rb") as file:
            pages = int.from_bytes(file.read(32)[28:], "big")
            return file.seek(0, os.SEEK_END) != pages * size
    finally:
        db.execute("ROLLBACK")


def _remedy(fault: str) -> str:
    """Say what to do about a file that is no ledger."""
    if "another program" in fault or "regular file" in fault:
        return "name another file"
    if "version" in fault:
        return "use the release that wrote it, or name another file once none of its moves may be in flight"
    return (
        "restore it from a copy; without one, make sure that no VM is migrating, put the file aside under another "
        "name, take a new snapshot and make a new plan"
    )
