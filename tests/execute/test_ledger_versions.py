"""Ledgers that earlier releases wrote: read, brought up to date, and gone on with. `ledgers/` has one of each."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from optimizer.clock import SimulatedClock
from optimizer.concurrency import Concurrency
from optimizer.errors import AlreadyApplied
from optimizer.execute import admission
from optimizer.execute.apply import apply
from optimizer.execute.drivers.simulated import SimulatedDriver
from optimizer.execute.ledger import open_ledger, peek_ledger
from optimizer.execute.ledger.reservations import Reservation
from optimizer.execute.ledger.schema import VERSION
from optimizer.execute.ledger.watch_records import Seen
from optimizer.execute.states import MoveState, RunState
from optimizer.policy import Policy
from optimizer.verify.verdict import Verdict
from tests.execute.ledger_rows import imbalance, pair
from tests.execute.plans import line_fleet, move, plan_of, request_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from optimizer.execute.ledger import Ledger

RECORDED = sorted((Path(__file__).parent / "ledgers").glob("*.sqlite"))
IN_POSTGRES = Path(__file__).parent / "ledgers" / "v2.postgres.sql"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
FLEET = line_fleet()
CUT_OFF = plan_of(
    FLEET,
    move(FLEET, 1, "v2", "h2", "h10"),
    move(FLEET, 2, "v4", "h4", "h2", after=(1,), batch=2),
    move(FLEET, 3, "v5", "h5", "h7"),
    id="plan-c",
)


@pytest.fixture(params=RECORDED, ids=lambda p: p.stem)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(shutil.copy(request.param, tmp_path / "ledger.sqlite"))


@pytest.fixture
def address(new_schema: Callable[[], str]) -> str:
    """Return a recorded ledger in a real PostgreSQL."""
    import psycopg

    place = new_schema()
    with psycopg.connect(place) as connection:
        connection.execute(IN_POSTGRES.read_bytes())
    return place


def says_what_was_written(ledger: Ledger) -> None:
    states = {run.plan: run.state for run in ledger.runs("tiny")}
    assert states == {"plan-a": RunState.DONE, "plan-b": RunState.FAILED, "plan-c": RunState.RUNNING}
    assert [run.state for run in ledger.runs("other")] == [RunState.STOPPED]
    assert set(ledger.states("tiny", "plan-a").values()) == {MoveState.DONE}
    wanted = {"m0001": MoveState.FAILED, "m0002": MoveState.DONE, "m0003": MoveState.SKIPPED}
    assert ledger.states("tiny", "plan-b") == wanted
    flying = {f.move: (f.vm, f.state) for f in ledger.in_flight("tiny")}
    assert flying == {"m0001": ("v2", MoveState.ACCEPTED), "m0003": ("v5", MoveState.INTENDED)}
    assert ledger.audit().faults == ()
    assert (ledger.imbalances("tiny", every=True), ledger.cycles("tiny"), ledger.evidence("tiny")) == ((), (), ())
    with pytest.raises(AlreadyApplied):
        ledger.refuse_second(plan_of(FLEET, id="plan-a"))


def goes_on_with_what_is_new(place: str) -> None:
    """Write to the tables that it did not have; the chain goes on from the events that were there."""
    with open_ledger(place) as ledger:
        before = len(ledger.events("tiny"))
        assert ledger.begin_cycle("tiny", "interval", NOW, by="test") == 1
        ledger.watch("tiny", NOW, lambda live: Seen((imbalance(state="open"),)), by="test")
        assert ledger.write_evidence([pair()], NOW, by="test") == 1
        ledger.end_cycle("tiny", 1, "done", NOW)
        assert [e.number for e in ledger.events("tiny")][before:] == [before + n for n in (1, 2, 3, 4)]
        assert ledger.audit().faults == ()


@pytest.mark.parametrize("opener", [open_ledger, peek_ledger])
def test_what_it_says_is_what_was_written(path: str, opener) -> None:
    before = Path(path).read_bytes()
    with opener(path) as ledger:
        says_what_was_written(ledger)
    assert (Path(path).read_bytes() == before) == (opener is peek_ledger)


@pytest.mark.parametrize("openers", [(open_ledger, peek_ledger), (peek_ledger, open_ledger, open_ledger)])
def test_one_in_postgres_says_the_same(address: str, openers) -> None:
    for opener in openers:
        with opener(address) as ledger:
            says_what_was_written(ledger)
    goes_on_with_what_is_new(address)


def test_one_of_version_3_in_postgres_keeps_what_it_has(new_schema: Callable[[], str]) -> None:
    import psycopg

    place = new_schema()
    with open_ledger(place) as ledger:
        ledger.write_evidence([pair("a", "b")], NOW, by="test")
        held = ledger.evidence("tiny")
        assert held
    with psycopg.connect(place) as connection:
        connection.execute("DROP TABLE reservations")
        connection.execute("UPDATE remora_ledger SET version = 3")
    reader = peek_ledger(place)
    assert reader is not None
    with reader:
        assert reader.evidence("tiny") == held
        assert reader.reservations.of("tiny", NOW) == ()
    with open_ledger(place) as ledger:
        one = Reservation("tiny", "r1", {"vms": []}, NOW, NOW + timedelta(seconds=60), "me")
        assert ledger.reservations.keep(one, ())
        assert not ledger.reservations.keep(replace(one, id="r2"), ())
        assert ledger.reservations.keep(replace(one, id="r2"), ["r1", "gone"])
        assert [r.id for r in ledger.reservations.of("tiny", NOW)] == ["r1", "r2"]
        assert ledger.reservations.of("tiny", NOW + timedelta(seconds=60)) == ()
        assert ledger.evidence("tiny") == held
        assert ledger.audit().faults == ()


def test_one_brought_up_to_date_takes_what_is_new(path: str) -> None:
    goes_on_with_what_is_new(path)


@pytest.mark.parametrize("really_started", [(), ("m0001",), ("m0001", "m0003")])
def test_its_run_that_was_cut_off_goes_on(path: str, really_started: tuple[str, ...], monkeypatch) -> None:
    monkeypatch.setattr(admission, "verify", lambda *_, **__: Verdict(()))
    driver = SimulatedDriver(FLEET, clock=SimulatedClock(NOW))
    driver.clock.sleep(204)
    for one in CUT_OFF.moves:
        if one.id in really_started:
            driver.submit(request_of(one, plan="plan-c"))
    policy = replace(Policy("test", ()), concurrency=Concurrency(per_domain={}))
    with open_ledger(path) as ledger:
        applied = apply(FLEET, policy, CUT_OFF, driver, ledger, act=True)
        assert (sorted(applied.done), applied.exit_code) == (["m0001", "m0002", "m0003"], 0)
        assert ledger.audit().faults == ()
    assert sorted(j.request.move for j in driver.world.jobs.values()) == ["m0001", "m0002", "m0003"]


def test_there_is_one_of_each_version() -> None:
    assert [p.stem for p in RECORDED] == [f"v{n}" for n in range(1, VERSION)]
