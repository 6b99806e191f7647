"""Read-only writes nothing: neither the driver is asked to move anything, nor does a byte of the ledger change."""

from __future__ import annotations

import json
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.errors import SafetyStop
from optimizer.execute import admission
from optimizer.execute.apply import apply
from optimizer.execute.drivers.simulated import SimulatedDriver
from optimizer.execute.ledger import open_ledger, peek_ledger
from optimizer.execute.ledger.records import Order
from optimizer.pipeline import Request, make_plan
from optimizer.sources.fleet_json import fleet_from_document
from optimizer.sources.plan_json import plan_document
from optimizer.verify.verdict import Verdict
from tests import build
from tests.command_line import run

if TYPE_CHECKING:
    from collections.abc import Callable

    from optimizer.plan import Plan

ORDER = Order("ann", "tried")
HOSTS = [build.host(f"h{i}", memory=100, state="draining" if i < 2 else "active") for i in range(5)]
VMS = [build.vm(f"v{i}", f"h{i % 2}", memory=30) for i in range(4)]
DOCUMENT = build.document(HOSTS, VMS)
FLEET = fleet_from_document(DOCUMENT, "test")
ENDINGS = ("none", "done", "cut off", "stopped", "limited")


class Reading(SimulatedDriver):
    """A driver that may only be read."""

    def submit(self, request: Any) -> str:
        raise AssertionError(f"{request.token} was submitted")

    def abort(self, request: Any) -> None:
        raise AssertionError(f"{request.token} was to be aborted")


class Died(BaseException):
    """The process dies here."""


@pytest.fixture(scope="module")
def plan() -> Plan:
    made = make_plan(FLEET, build.policy(), Request(seconds=5, deterministic=True))
    assert len(made.moves) == 4
    return made


@pytest.fixture(params=ENDINGS)
def left(request: pytest.FixtureRequest, place: str, plan: Plan) -> str:
    """Where a ledger is, in a state that something else has left behind."""
    ending = request.param
    if ending == "none":
        return place
    with open_ledger(place) as ledger:
        if ending == "cut off":

            def probe(at: str) -> None:
                if at == "after submit":
                    raise Died

            ledger.probe = probe
        try:
            apply(FLEET, build.policy(), plan, SimulatedDriver(FLEET), ledger, act=True, order=ORDER)
        except Died:
            ledger.probe = lambda _: None
        if ending == "stopped":
            ledger.controls.set(FLEET.id, "stop", "", ORDER, FLEET.taken_at)
        if ending == "limited":
            ledger.controls.set(FLEET.id, "limit", "1", ORDER, FLEET.taken_at)
    return place


def contents(place: str) -> Callable[[], object]:
    """Return what tells whether anything was written since: all bytes and times of files; transactions of a server."""
    if place.startswith("postgresql:"):
        import psycopg

        def last_write() -> object:
            with psycopg.connect(place, autocommit=True) as connection:
                row = connection.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text").fetchone()
                tables = connection.execute("SELECT to_regclass('events')::text").fetchone()
            return row, tables

        return last_write
    directory = Path(place).parent
    return lambda: {
        p.relative_to(directory): (p.read_bytes(), p.stat().st_mtime_ns) if p.is_file() else p.stat().st_mtime_ns
        for p in [directory, *directory.rglob("*")]
    }


def test_a_dry_run_asks_the_driver_for_nothing_and_writes_nothing(left: str, plan: Plan) -> None:
    now = contents(left)
    if left.startswith("postgresql:") and now()[1] == (None,):  # type: ignore[index]
        return  # without tables there is nothing to peek into: `peek_ledger` refuses
    before = now()
    ledger = peek_ledger(left)
    driver = Reading(FLEET)
    world = (dict(driver.world.place), dict(driver.world.jobs))
    try:
        applied = apply(FLEET, build.policy(), plan, driver, ledger, act=False, order=ORDER)
        assert applied.would_do == tuple(m.id for m in plan.moves)
    except SafetyStop as refused:
        assert "already applied" in str(refused) or "stopped by" in str(refused)
    finally:
        if ledger is not None:
            ledger.close()
    assert (driver.world.place, driver.world.jobs) == world
    assert driver.clock.now() == FLEET.taken_at
    assert now() == before


COMMANDS = (
    "apply FLEET PLAN",
    "apply FLEET PLAN --json",
    "status",
    "status --json",
    "ledger runs",
    "ledger moves PLAN_ID",
    "ledger events",
    "ledger events --json",
    "ledger export",
    "ledger verify",
    "plan FLEET --undo PLAN_ID --time-limit 1",
    "watch FLEET",
    "imbalances --all",
    "journey VM --snapshot FLEET",
    "plan FLEET --time-limit 1",
    "verify FLEET PLAN",
)


def test_no_command_that_reads_writes(
    left: str, plan: Plan, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of them; and a driver is handed out that may only be read."""
    monkeypatch.setattr("commands.apply._open", lambda _, fleet, *__: Reading(fleet))
    files = tmp_path_factory.mktemp("files")
    (files / "fleet.json").write_text(json.dumps(DOCUMENT))
    (files / "plan.json").write_text(json.dumps(plan_document(plan)))
    words = {"FLEET": files / "fleet.json", "PLAN": files / "plan.json", "PLAN_ID": plan.id, "VM": "v0"}
    monkeypatch.chdir(files)
    listed = sorted(files.iterdir())
    now = contents(left)
    before = now()
    for command in COMMANDS:
        run(*(words.get(word, word) for word in command.split()), "--ledger", left)
        assert now() == before, command
    assert sorted(files.iterdir()) == listed


def test_a_dry_run_leaves_no_file_behind(
    plan: Plan, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also under the name that a ledger has by default."""
    files = tmp_path_factory.mktemp("files")
    (files / "fleet.json").write_text(json.dumps(DOCUMENT))
    (files / "plan.json").write_text(json.dumps(plan_document(plan)))
    monkeypatch.chdir(tmp_path)
    assert run("apply", files / "fleet.json", files / "plan.json").code == 0
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_reads_past_a_journal_and_leaves_it(tmp_path: Path, plan: Plan) -> None:
    """A crash within a commit: the reader rolls it back in a copy of its own, elsewhere."""
    place = tmp_path / "ledger.sqlite"
    with open_ledger(str(place)) as ledger:
        apply(FLEET, build.policy(), plan, SimulatedDriver(FLEET), ledger, act=True, order=ORDER)
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    raw = sqlite3.connect(place, isolation_level=None)
    raw.execute("PRAGMA cache_size = 1")
    raw.execute("BEGIN IMMEDIATE")
    raw.execute("UPDATE moves SET detail = detail || randomblob(30000)")
    for file in tmp_path.glob("ledger.sqlite*"):
        shutil.copy(file, crashed / file.name)
    raw.execute("ROLLBACK")
    raw.close()
    assert (crashed / "ledger.sqlite-journal").exists()
    now = contents(str(crashed / "ledger.sqlite"))
    before = now()
    peeked = peek_ledger(str(crashed / "ledger.sqlite"))
    assert peeked is not None
    with peeked, pytest.raises(SafetyStop, match="already applied"):
        apply(FLEET, build.policy(), plan, Reading(FLEET), peeked, act=False, order=ORDER)
    assert now() == before


def test_a_reader_of_postgresql_is_refused_by_the_database(new_schema: Callable[[], str]) -> None:
    place = new_schema()
    open_ledger(place).close()
    ledger = peek_ledger(place)
    assert ledger is not None
    with (
        ledger,
        pytest.raises(SafetyStop, match="read-only transaction"),
        ledger._database.reading() as db,
    ):
        db.execute("DELETE FROM runs")


def test_what_writes_would_be_found(left: str, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above can fail: with `act` it does."""
    now = contents(left)
    before = now()
    monkeypatch.setattr(admission, "verify", lambda *_, **__: Verdict(()))
    with open_ledger(left) as ledger, pytest.raises((AssertionError, SafetyStop)):
        ledger.controls.lift(FLEET.id, "stop", ORDER, FLEET.taken_at)
        other = replace(plan, id="plan-other")
        monkeypatch.setattr("optimizer.execute.admission.altered", lambda _: "")
        apply(FLEET, build.policy(), other, Reading(FLEET), ledger, act=True, order=ORDER)
    assert now() != before
