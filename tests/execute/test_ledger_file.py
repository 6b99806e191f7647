"""A file that is there and is no whole ledger is refused, whoever opens it, and stays as it is."""

from __future__ import annotations

import os
import sqlite3
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from optimizer.errors import InputError
from optimizer.execute.ledger import Ledger, MoveState, RebalanceState
from tests.execute.plans import line_fleet, move, plan_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
FLEET = line_fleet()
PLAN = plan_of(FLEET, move(FLEET, 1, "v0", "h0", "h8"), move(FLEET, 2, "v1", "h1", "h9"))
OPENERS = (Ledger.create_or_open, Ledger.peek)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a ledger in which a move may be in flight, and enough happened to fill pages."""
    path = tmp_path / "ledger.sqlite"
    with Ledger.create_or_open(str(path)) as ledger:
        ledger.begin(PLAN, NOW)
        for i in range(10):
            ledger.record(PLAN, move(FLEET, i + 10, "v0", "h0", "h8"), MoveState.SKIPPED, NOW, "x" * 3000)
        ledger.intend(PLAN, PLAN.moves[0], NOW, lambda _: None)
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
        (with_sql("PRAGMA user_version = 2"), "version 2.*the release that wrote it"),
        (with_sql("PRAGMA user_version = 0"), "version 0"),
        (with_sql("PRAGMA application_id = 1"), "another program.*name another file"),
        (with_sql("DROP TABLE events"), "events missing"),
        (with_sql("DROP INDEX one_flight_per_vm"), "one_flight_per_vm missing"),
        (with_sql("DROP INDEX one_running_rebalance"), "one_running_rebalance missing"),
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
        Ledger.create_or_open(str(tmp_path / "new.sqlite")).close()
        assert os.listdir(tmp_path) == ["new.sqlite"]


def test_a_reader_sees_through_a_transaction_that_a_crash_cut_off(file: Path, tmp_path: Path) -> None:
    """The journal of a writer that died is rolled back in a copy: a dry run writes nothing where the ledger is."""
    whole = file.read_bytes()
    raw = sqlite3.connect(file, isolation_level=None)
    raw.execute("PRAGMA cache_size = 1")
    raw.execute("PRAGMA cache_spill = 1")
    raw.execute("BEGIN IMMEDIATE")
    raw.execute("UPDATE moves SET state = 'done'")
    raw.execute("UPDATE events SET detail = detail || randomblob(3000)")
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for name in (file.name, f"{file.name}-journal"):
        (crashed / name).write_bytes((tmp_path / name).read_bytes())
    raw.execute("ROLLBACK")
    raw.close()
    before = {p.name: p.read_bytes() for p in crashed.iterdir()}
    assert before[file.name] != whole
    peeked = Ledger.peek(str(crashed / file.name))
    assert peeked is not None
    with peeked:
        assert [f.move for f in peeked.in_flight("tiny")] == ["m0001"]
    assert {p.name: p.read_bytes() for p in crashed.iterdir()} == before
    with Ledger.create_or_open(str(crashed / file.name)) as ledger:
        assert ledger.rebalance("tiny", PLAN.id) is RebalanceState.RUNNING
        assert [f.move for f in ledger.in_flight("tiny")] == ["m0001"]
