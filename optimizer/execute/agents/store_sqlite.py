"""The gateway's tables in an SQLite file beside the ledger: one connection, for one machine."""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from optimizer.errors import InputError, SafetyStop
from optimizer.execute.agents.schema import MIGRATIONS, VERSION
from optimizer.execute.ledger.sqlite_file import fault_of_place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from optimizer.clock import Clock
    from optimizer.execute.agents.store import Transaction
    from optimizer.execute.ledger.database import Connection

__all__ = ["APPLICATION_ID", "SqliteStore"]

APPLICATION_ID = 0x52454D41  # "REMA"
BUSY_S = 30


class SqliteStore:
    """An open file; every call comes from one thread at a time."""

    connections = 1
    unlocked = ""

    def __init__(self, path: str, clock: Clock) -> None:
        """Open `path`, which is made where there is none, and bring it up to date.

        Raises
        ------
        InputError
            It cannot be opened, or is something else.
        """
        self.where, self._clock = path, clock
        self._opened: sqlite3.Connection | None = None
        place = Path(path)
        try:
            fault = fault_of_place(place, write=True)
            if not fault and not place.exists():
                _make(place)
            if not fault:
                self._opened = _connection(place)
                fault = _prepare(self._opened)
            if not fault:
                self._set_out()
        except (sqlite3.Error, OSError) as error:
            fault = str(error)
        if fault:
            self.close()
            raise InputError(path, "", fault, "the file of a gateway, or the name of a file to be made")

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Open one transaction."""
        db = self._opened
        assert db is not None
        try:
            try:
                db.execute("BEGIN IMMEDIATE")
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise SafetyStop(f"{self.where}: {error}") from error

    def now(self, connection: Connection) -> float:
        """Return the machine's seconds when the file was opened, and those that have passed since.

        So a machine whose clock is set back neither waits an hour for what seems to have ended in the future, nor takes
        what was seen an hour ago for news.
        """
        return self._first + self._clock.monotonic() - self._began

    def _set_out(self) -> None:
        """Begin to count: from the machine's seconds, but not from less than what is written."""
        db = self._opened
        assert db is not None
        orders, hosts = "SELECT max(changed_s) FROM agent_orders", "SELECT max(seen_s) FROM agent_hosts"
        written = [db.execute(query).fetchone()[0] or 0.0 for query in (orders, hosts)]
        self._first, self._began = max(self._clock.now().timestamp(), *written), self._clock.monotonic()

    def close(self) -> None:
        """Close the file."""
        if self._opened is not None:
            self._opened.close()


def _connection(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, timeout=BUSY_S, check_same_thread=False)
    db.execute("PRAGMA synchronous = EXTRA")
    return db


def _make(path: Path) -> None:
    """Make the file whole beside its name, then give it that name unless another gateway was faster."""
    with TemporaryDirectory(prefix=f".{path.name[:64]}-", dir=path.parent) as directory:
        new = Path(directory) / "agents"
        db = _connection(new)
        try:
            db.execute("BEGIN IMMEDIATE")
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            _migrate(db, 0)
            db.execute("COMMIT")
        finally:
            db.close()
        try:
            os.link(new, path)
        except FileExistsError:
            pass
        except OSError:  # a file system without links
            if not path.exists():
                new.rename(path)


def _migrate(db: sqlite3.Connection, version: int) -> None:
    for statements in MIGRATIONS[version:]:
        for statement in statements:
            db.execute(statement)
    db.execute(f"PRAGMA user_version = {VERSION}")


def _prepare(db: sqlite3.Connection) -> str:
    """Bring the tables up to date; return what is wrong with the file."""
    if db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        return "the database of another program"
    db.execute("BEGIN IMMEDIATE")
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if 1 <= version < VERSION:
        _migrate(db, version)
    db.execute("COMMIT")
    return "" if 1 <= version <= VERSION else f"version {version}, this program knows versions 1 to {VERSION}"
