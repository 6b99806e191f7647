"""The ledger in an SQLite file: a rollback journal with synchronous=EXTRA, one writer, a lock file for the leader.

What a commit has acknowledged is on disk: EXTRA also syncs the directory when the journal is deleted. (A write-ahead
log would want synchronous=FULL and a library without the bugs of WAL that were repaired up to 3.51.3; NORMAL may lose
the last commits.) A ledger comes into being whole, under its name or not at all. So a file that is there and holds no
ledger (0 bytes, say) is never a new one: something was lost, and with it the knowledge of what may be migrating.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from optimizer.clock import SystemClock
from optimizer.errors import InputError, SafetyStop
from optimizer.execute.ledger.file_lock import TRY_AGAIN_S, FileLock, Turn
from optimizer.execute.ledger.schema import EXPECTED, MIGRATIONS, SCHEMA, VERSION
from optimizer.execute.ledger.sqlite_file import cut_short, fault_of_place, remedy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from optimizer.execute.ledger.database import Connection

__all__ = ["APPLICATION_ID", "SqliteDatabase"]

APPLICATION_ID = 0x52454D4F  # "REMO": marks the file as a ledger, so that no other database is ever written to
BUSY_S = 60
"""How long a writer waits for another: as long as a driver may take to answer a submit."""

APPEND_ONLY = tuple(
    f"CREATE TRIGGER events_never_{verb.lower()} BEFORE {verb} ON events"
    " BEGIN SELECT RAISE(ABORT, 'events are append-only'); END"
    for verb in ("UPDATE", "DELETE")
)


class SqliteDatabase:
    """An open ledger file."""

    _turn: Turn | None = None

    def __init__(self, path: str, *, write: bool) -> None:
        """Open `path`; with `write` a missing file is made, and one of an older version is brought up to date.

        Raises
        ------
        InputError
            It cannot be opened, or is something else than a ledger, or is damaged.
        """
        self.where = path
        self._db: sqlite3.Connection | None = None
        self._copy: TemporaryDirectory[str] | None = None
        self._locks: dict[str, FileLock] = {}
        self._turn = Turn(Path(path)) if write else None
        try:
            fault = self._open(write=write)
        except (sqlite3.Error, OSError) as error:
            fault = str(error)
        if fault:
            self.close()
            raise InputError(path, "", fault, "a Remora ledger, or the name of a file to be made", remedy(fault))

    def _open(self, *, write: bool) -> str:
        """Open the file; return what is wrong with it, empty if nothing is."""
        place = Path(self.where)
        fault = fault_of_place(place, write=write)
        if not fault and write and not place.exists():
            _make(place)
        fault = fault or _fault_of_file(place)
        if fault:
            return fault
        self._db = self._connect(write=write)
        fault = _fault(self._db)
        if not fault and _version(self._db) < VERSION:
            self._bring_up_to_date(write=write)
        return fault

    def _bring_up_to_date(self, *, write: bool) -> None:
        """Bring an older ledger to this version: the file itself, or for a reader a copy in memory."""
        assert self._db is not None
        if not write:
            memory = sqlite3.connect(":memory:", isolation_level=None)
            self._db.backup(memory)
            self._db.close()
            self._db = memory
        self._db.execute("PRAGMA foreign_keys = OFF")
        self._db.execute("BEGIN IMMEDIATE")
        for version in range(_version(self._db), VERSION):  # none, where somebody else was faster
            MIGRATIONS[version](self._db)
            if version == 1:
                for statement in APPEND_ONLY:
                    self._db.execute(statement)
        self._db.execute(f"PRAGMA user_version = {VERSION}")
        self._db.execute("COMMIT")
        self._db.execute("PRAGMA foreign_keys = ON")

    def _connect(self, *, write: bool) -> sqlite3.Connection:
        """Connect; a reader that finds a transaction cut off by a crash reads a copy, in which it is rolled back."""
        db = _connection(Path(self.where), "rw" if write else "ro")
        try:
            db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except sqlite3.OperationalError:
            journal = Path(f"{self.where}-journal")
            db.close()
            if write or not journal.exists():
                raise
            self._copy = TemporaryDirectory(prefix="remora-ledger-")
            copy = Path(self._copy.name) / "ledger"
            shutil.copyfile(self.where, copy)
            shutil.copyfile(journal, f"{copy}-journal")
            db = _connection(copy, "rw")
        if write and db.execute("PRAGMA journal_mode = DELETE").fetchone()[0] != "delete":
            raise sqlite3.OperationalError("it cannot be taken out of WAL mode: somebody else has it open")
        return db

    def close(self) -> None:
        """Close the file."""
        if self._db is not None:
            self._db.close()
        if self._copy is not None:
            self._copy.cleanup()
        if self._turn is not None:
            self._turn.close()
        for lock in self._locks.values():
            lock.release()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Read; what cannot be read stops the run."""
        assert self._db is not None
        try:
            yield self._db
        except sqlite3.Error as error:
            raise SafetyStop(f"{self.where}: the ledger cannot be read: {error}") from error

    @contextmanager
    def writing(self, fleet: str) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it on disk at the end, or nothing."""
        assert self._db is not None
        try:
            try:
                self._begin(self._db)
                self._db.execute("INSERT OR IGNORE INTO leaders VALUES (?, 0, '', NULL)", (fleet,))
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:  # an interrupt can fall between any two steps, also behind the COMMIT
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise SafetyStop(f"{self.where}: the ledger cannot be written: {error}") from error

    def _begin(self, db: sqlite3.Connection) -> None:
        """Begin to write, in turn: whoever has just written comes behind those that wait."""
        if self._turn is None:
            db.execute("BEGIN IMMEDIATE")
            return
        clock = SystemClock()
        deadline = clock.monotonic() + BUSY_S
        with self._turn.taken(BUSY_S):
            db.execute("PRAGMA busy_timeout = 0")  # only one waits here, so it may look again at once
            try:
                while not _has_begun(db, last=clock.monotonic() > deadline):
                    clock.sleep(TRY_AGAIN_S)
            finally:
                db.execute(f"PRAGMA busy_timeout = {1000 * BUSY_S}")

    def claim(self, connection: Connection, fleet: str, holder: str) -> str | None:
        """Lock the fleet's lock file beside the ledger, and raise the epoch."""
        if fleet not in self._locks:
            lock = FileLock(Path(self.where), fleet)
            if not lock.take():
                (other,) = connection.execute("SELECT holder FROM leaders WHERE fleet = ?", (fleet,)).fetchone()
                return str(other) or "another process"
            self._locks[fleet] = lock
        connection.execute("UPDATE leaders SET epoch = epoch + 1, holder = ? WHERE fleet = ?", (holder, fleet))
        return None

    def keep(self, connection: Connection, fleet: str) -> None:
        """Nothing: the lock lasts as long as the process."""

    def release(self, fleet: str, epoch: int) -> None:
        """Unlock the lock file."""
        lock = self._locks.pop(fleet, None)
        if lock is not None:
            lock.release()


def _connection(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    db = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_S)
    db.execute("PRAGMA foreign_keys = ON")
    if mode != "ro":
        db.execute("PRAGMA synchronous = EXTRA")
    return db


def _has_begun(db: sqlite3.Connection, *, last: bool) -> bool:
    """Try to begin a transaction; False where another writes, but an error at the last try."""
    try:
        db.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if last or error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        return False
    return True


def _fault_of_file(path: Path) -> str:
    if not path.is_file():
        return "not a regular file" if path.exists() else "no file"
    return "" if path.stat().st_size else "an empty file (0 bytes), which no ledger ever is: it was cut off"


def _make(path: Path) -> None:
    """Make a ledger beside its name, then give it that name unless somebody else was faster."""
    with TemporaryDirectory(prefix=f".{path.name[:64]}-", dir=path.parent) as directory:
        new = Path(directory) / "ledger"
        db = _connection(new, "rwc")
        try:
            db.execute("BEGIN IMMEDIATE")
            for statement in (*SCHEMA, *APPEND_ONLY):
                db.execute(statement)
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {VERSION}")
            db.execute("COMMIT")
        finally:
            db.close()
        try:
            os.link(new, path)
        except FileExistsError:
            pass  # somebody else was faster, and that is the ledger
        except OSError:  # a file system without links
            if not path.exists():
                new.rename(path)
    with suppress(OSError):  # the name itself has to last, too
        directory_fd = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory_fd)
        finally:
            os.close(directory_fd)


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _fault(db: sqlite3.Connection) -> str:
    """Return what is wrong with a file, empty if it is a whole ledger of this version or of one before."""
    application, version = db.execute("PRAGMA application_id").fetchone()[0], _version(db)
    names = {name for (name,) in db.execute("SELECT name FROM sqlite_schema")}
    if application != APPLICATION_ID:
        return "the database of another program" if names else "a database without tables, which no ledger ever is"
    if not 1 <= version <= VERSION:
        return f"a ledger of version {version}, this program knows versions 1 to {VERSION}"
    damage = str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
    if damage == "ok" and cut_short(db):
        damage = "its end is missing"
    if damage != "ok":
        return f"a damaged ledger: {damage}"
    missing = sorted(EXPECTED[version] - names)
    return f"a damaged ledger: {', '.join(missing)} missing" if missing else ""
