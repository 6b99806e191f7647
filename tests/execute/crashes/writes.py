"""A power cut at any instant of a run: nothing that the ledger acknowledged is lost, whatever the disk had not synced.

The run writes through a recording VFS; what is then left on disk is opened as ever, by the SQLite of Python.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import apsw

from optimizer.errors import InputError, SafetyStop
from optimizer.execute.ledger import open_ledger
from optimizer.execute.ledger.ledger import Ledger
from optimizer.execute.ledger.sqlite import SqliteDatabase
from tests.execute.crashes.pairs import Life
from tests.execute.crashes.recording import Disk, Recorder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.execute.crashes.recording import Operation

__all__ = ["Recorded", "cuts", "lost_by", "recorded"]

LEDGER = "ledger.sqlite"
TORN = 2
"""How many random outcomes of each instant are tried, beside all lost and all kept."""


class Recorded:
    """A run of which every write is known: the file at first, the operations, and the hashes of the events."""

    def __init__(self, first: bytes, operations: Sequence[Operation], hashes: Sequence[str]) -> None:
        self.first, self.operations, self.hashes = first, operations, hashes


class _Connection:
    """A connection of apsw, as the ledger wants one."""

    def __init__(self, path: Path, recorder: Recorder, synchronous: str) -> None:
        self._db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE, vfs=recorder.name)
        self.execute("PRAGMA foreign_keys = ON")
        self.execute(f"PRAGMA synchronous = {synchronous}")

    @property
    def in_transaction(self) -> bool:
        return self._db.in_transaction

    def execute(self, sql: str, values: Sequence[Any] = ()) -> Any:
        cursor = self._db.cursor()
        rows = cursor.execute(sql, values).fetchall()
        return _Rows(rows, self._db.changes())

    def close(self) -> None:
        self._db.close()


class _Rows:
    def __init__(self, rows: list[Any], rowcount: int) -> None:
        self._rows, self.rowcount = rows, rowcount

    def fetchall(self) -> list[Any]:
        return self._rows

    def fetchone(self) -> Any:
        return self._rows[0] if self._rows else None

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)


class _Database(SqliteDatabase):
    """The ledger's database, with another connection."""

    def __init__(self, path: Path, connection: Any) -> None:
        self.where, self._copy, self._locks, self._db = str(path), None, {}, connection


def recorded(seed: int, synchronous: str = "EXTRA") -> Recorded:
    """Carry a plan out, and record what is asked of the file system."""
    with TemporaryDirectory(prefix="remora-writes-") as directory:
        path = Path(directory) / LEDGER
        open_ledger(str(path)).close()
        first = path.read_bytes()
        recorder = Recorder(f"recording-{seed}-{synchronous}")
        connection = _Connection(path, recorder, synchronous)
        ledger = Ledger(_Database(path, connection))
        life = Life(seed, (), ledger)
        hashes: list[str] = []
        true = ledger.probe

        def probe(at: str) -> None:
            true(at)
            if at.startswith("after"):
                hashes.extend(event.hash for event in ledger.events(life.hypervisors.fleet, len(hashes)))
                recorder.acknowledged = len(hashes)

        ledger.probe = probe
        found = life.run()
        assert found == [], found
        ledger.close()
        recorder.close()
        return Recorded(first, recorder.operations, hashes)


def cuts(run: Recorded, chosen: Sequence[int], seed: int = 0) -> Iterator[tuple[str, int, dict[str, bytes]]]:
    """Yield what may be on disk after a cut behind each chosen operation, and how many events were acknowledged.

    All of what was not synced is lost, all is kept, or some of it is there, `TORN` times at random.
    """
    disk, wanted = Disk({LEDGER: run.first}), set(chosen)
    for number, operation in enumerate(run.operations):
        disk.apply(operation)
        if number not in wanted:
            continue
        following = run.operations[number + 1] if number + 1 < len(run.operations) else operation
        rng = Random(f"{seed} {number}")
        ways = [("lost", disk.lost()), ("kept", disk.kept()), *(("torn", disk.torn(rng)) for _ in range(TORN))]
        for way, files in ways:
            yield f"{way} behind operation {number} ({operation.what} {operation.name})", following.acknowledged, files


def lost_by(run: Recorded, acknowledged: int, files: dict[str, bytes], directory: Path) -> str:
    """Say what is wrong with a ledger that was left on disk; empty if nothing is."""
    for name, data in files.items():
        (directory / name).write_bytes(data)
    try:
        with open_ledger(str(directory / LEDGER)) as ledger:
            hashes = [event.hash for event in ledger.events("tiny")]
            faults = ledger.audit().faults
    except (InputError, SafetyStop, sqlite3.Error) as error:
        return f"it cannot be opened: {error}"
    finally:
        for file in directory.iterdir():
            file.unlink()
    if faults:
        return f"verify finds {faults[0]}"
    if len(hashes) < acknowledged:
        return f"{acknowledged} events were acknowledged, {len(hashes)} are there"
    return (
        "" if hashes == list(run.hashes[: len(hashes)]) or len(hashes) > len(run.hashes) else "other events are there"
    )
