"""A file that is there and is no whole ledger is refused, whoever opens it, and stays as it is."""

from __future__ import annotations

import os
import sqlite3
import threading
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import pytest

from optimizer.errors import InputError, SafetyStop
from optimizer.execute.ledger import open_ledger, peek_ledger
from optimizer.execute.ledger.records import FlyingMove, Order
from optimizer.execute.ledger.schema import VERSION
from optimizer.execute.ledger.sqlite import SqliteDatabase
from optimizer.execute.ledger.sqlite_file import fault_of_place, file_system_of
from optimizer.execute.states import MoveState, RunState
from tests.execute.plans import line_fleet, move, plan_of

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
FLEET = line_fleet()
PLAN = plan_of(FLEET, move(FLEET, 1, "v0", "h0", "h8"), move(FLEET, 2, "v1", "h1", "h9"))
OPENERS = (open_ledger, peek_ledger)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a ledger in which a move may be in flight, and enough happened to fill pages."""
    path = tmp_path / "ledger.sqlite"
    with open_ledger(str(path)) as ledger:
        lead = ledger.lead("tiny", "test", NOW)
        ledger.begin(lead, PLAN, Order("ann", "because"), NOW)
        for i in range(10):
            skipped = FlyingMove(PLAN.id, f"m{i + 10:04}", "v0", "h0", "h8", MoveState.SKIPPED)
            ledger.skip(lead, [(skipped, "x" * 3000)], NOW)
        ledger.intend(lead, FlyingMove(PLAN.id, "m0001", "v0", "h0", "h8", MoveState.INTENDED), NOW, lambda _: None)
    for lock in (*tmp_path.glob("*-leader-*"), *tmp_path.glob("*-turn")):
        lock.unlink()
    return path


def refused(path: Path, text: str = "expected a Remora ledger") -> None:
    """Make sure that nobody takes the file for a ledger, or for the place of a new one, and that it is kept."""
    before = path.read_bytes()
    for opener in OPENERS:
        with pytest.raises(InputError, match=text) as error:
            opener(str(path))
        assert error.value.exit_code == 2
        assert error.value.hint
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_a_ledger_cut_to_nothing_is_not_a_new_one(file: Path) -> None:
    os.truncate(file, 0)
    refused(file, "0 bytes.*make sure that no VM is migrating")


@pytest.mark.parametrize("eighth", range(1, 33))
def test_a_ledger_cut_short_anywhere_is_refused(file: Path, eighth: int) -> None:
    size = file.stat().st_size
    os.truncate(file, size * eighth // 33)
    refused(file)


@pytest.mark.parametrize("bytes_", [1, 15, 16, 99, 100, 511, 4095, 4096, 8192])
def test_a_ledger_cut_within_its_first_pages_is_refused(file: Path, bytes_: int) -> None:
    os.truncate(file, bytes_)
    refused(file)


def with_sql(*statements: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        raw = sqlite3.connect(path)
        for statement in statements:
            raw.execute(statement)
        raw.commit()
        raw.close()

    return change


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (with_sql(f"PRAGMA user_version = {VERSION + 1}"), f"version {VERSION + 1}.*the release that wrote it"),
        (with_sql("PRAGMA user_version = 0"), "version 0"),
        (with_sql("PRAGMA application_id = 1"), "another program.*name another file"),
        (with_sql("DROP TABLE events"), "events, events_by_time missing"),
        (with_sql("DROP TABLE cycles"), "cycles missing"),
        (with_sql("DROP TABLE evidence"), "evidence missing"),
        (with_sql("DROP TABLE travels"), "travels missing"),
        (with_sql("DROP INDEX events_by_time"), "events_by_time missing"),
        (with_sql("DROP INDEX one_live_imbalance"), "one_live_imbalance missing"),
        (with_sql("PRAGMA user_version = 1"), "rebalances missing"),
        (with_sql("DROP INDEX one_flight_per_vm"), "one_flight_per_vm missing"),
        (with_sql("DROP INDEX one_running_run"), "one_running_run missing"),
        (lambda path: path.write_bytes(b"no database at all, but long enough to be one" * 40), "not a database"),
        (lambda path: path.write_bytes(b"SQLite format 3\0" + b"\7" * 4096), "Remora ledger"),
        (lambda path: path.write_bytes(b"\n"), "Remora ledger"),
    ],
)
def test_what_is_no_ledger_of_this_version_is_refused(file: Path, change: Callable[[Path], None], text: str) -> None:
    change(file)
    refused(file, text)


def test_a_database_without_tables_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with_sql("VACUUM")(path)
    with_sql("CREATE TABLE t (x)", "DROP TABLE t")(path)
    refused(path, "without tables")


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "ledger.sqlite")
    for opener in OPENERS:
        with pytest.raises(InputError, match="not a regular file"):
            opener(str(tmp_path / "ledger.sqlite"))


def test_a_new_ledger_comes_whole_and_alone(tmp_path: Path) -> None:
    for _ in range(2):
        open_ledger(str(tmp_path / "new.sqlite")).close()
        assert os.listdir(tmp_path) == ["new.sqlite"]


def test_a_reader_sees_through_a_transaction_that_a_crash_cut_off(file: Path, tmp_path: Path) -> None:
    """The journal of a writer that died is rolled back in a copy: a dry run writes nothing where the ledger is."""
    whole = file.read_bytes()
    raw = sqlite3.connect(file, isolation_level=None)
    raw.execute("PRAGMA cache_size = 1")
    raw.execute("PRAGMA cache_spill = 1")
    raw.execute("BEGIN IMMEDIATE")
    raw.execute("UPDATE moves SET state = 'done'")
    raw.execute("UPDATE moves SET detail = detail || randomblob(3000)")
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for name in (file.name, f"{file.name}-journal"):
        (crashed / name).write_bytes((tmp_path / name).read_bytes())
    raw.execute("ROLLBACK")
    raw.close()
    before = {p.name: p.read_bytes() for p in crashed.iterdir()}
    assert before[file.name] != whole
    peeked = peek_ledger(str(crashed / file.name))
    assert peeked is not None
    with peeked:
        assert [f.move for f in peeked.in_flight("tiny")] == ["m0001"]
    assert {p.name: p.read_bytes() for p in crashed.iterdir()} == before
    with open_ledger(str(crashed / file.name)) as ledger:
        run = ledger.run("tiny", PLAN.id)
        assert run is not None
        assert run.state is RunState.RUNNING
        assert [f.move for f in ledger.in_flight("tiny")] == ["m0001"]


def test_peeking_writes_nothing(file: Path) -> None:
    before = file.read_bytes()
    peeked = peek_ledger(str(file))
    assert peeked is not None
    with peeked:
        assert peeked.run("tiny", PLAN.id) is not None
        with pytest.raises(SafetyStop, match="cannot be written"):
            peeked.controls.set("tiny", "stop", "", Order("ann", "because"), NOW)
    assert [f.name for f in file.parent.iterdir()] == [file.name]
    assert file.read_bytes() == before
    assert peek_ledger(str(file.with_name("none"))) is None


@pytest.mark.parametrize("where", [".", "missing/ledger.sqlite"])
def test_a_place_that_cannot_hold_a_ledger_is_refused(tmp_path: Path, where: str) -> None:
    with pytest.raises(InputError):
        open_ledger(str(tmp_path / where))


def test_not_even_a_mistake_lets_a_vm_fly_twice(file: Path) -> None:
    raw = sqlite3.connect(file)
    with pytest.raises(sqlite3.IntegrityError):
        raw.execute("UPDATE moves SET state = 'copying' WHERE move = 'm0010'")
    raw.close()


def test_a_commit_is_on_disk_in_a_rollback_journal(file: Path) -> None:
    raw = sqlite3.connect(file)
    assert raw.execute("PRAGMA journal_mode = WAL").fetchone() == ("wal",)
    raw.close()
    database = SqliteDatabase(str(file), write=True)
    with database.reading() as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert db.execute("PRAGMA synchronous").fetchone() == (3,)
    database.close()


MOUNTS = """21 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
22 21 0:5 / /srv/with\\040space rw - nfs4 server:/x rw
23 21 0:6 / /srv/with\\040space/local rw - xfs /dev/sdb rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/ledger", "ext4"), ("/srv/with space/a/ledger", "nfs4"), ("/srv/with space/local/ledger", "xfs")],
)
def test_a_network_file_system_is_refused(tmp_path: Path, path: str, kind: str) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS)
    assert file_system_of(Path(path), mounts) == kind
    fault = fault_of_place(Path(path), write=True, mounts=mounts)
    assert ("network file system nfs4" in fault) == (kind == "nfs4")
    assert fault_of_place(Path(path), write=False, mounts=mounts) == ""


def test_a_writer_gets_its_turn_from_one_that_writes_without_a_pause(file: Path) -> None:
    """SQLite alone lets it sleep and look again, for seconds: once it waits, one write comes before its own.

    On a busy machine more may come before it begins to wait, so the usual turn counts: the median of eleven.
    """
    order, between, begun = [], [], threading.Event()
    with open_ledger(str(file)) as stopper:
        stopped = threading.Event()

        def write_on() -> None:
            with open_ledger(str(file)) as busy:
                while not stopped.is_set():
                    busy.controls.set("tiny", "limit", "1", Order("ann", "because"), NOW)
                    order.append("busy")
                    begun.set()

        writer = threading.Thread(target=write_on)
        writer.start()
        assert begun.wait(30)
        for _ in range(11):
            before = len(order)
            stopper.controls.set("tiny", "stop", "", Order("bob", "because"), NOW)
            order.append("stop")
            between.append(order[before:].count("busy"))
        stopped.set()
        writer.join(30)
    assert median(between) == 1  # without turns each writes dozens of times in a row
    assert file.with_name(f"{file.name}-turn").stat().st_mode == file.stat().st_mode


def test_a_turn_that_cannot_be_taken_is_gone_without(file: Path) -> None:
    """A file beside it that may not be made keeps nobody from writing; SQLite's own lock counts."""
    file.with_name(f"{file.name}-turn").mkdir()
    with open_ledger(str(file)) as ledger:
        ledger.controls.set("tiny", "stop", "", Order("ann", "because"), NOW)
        assert ledger.audit().faults == ()
