"""What only a ledger in PostgreSQL has: leases on the database's clock, several machines, an address with secrets."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from optimizer.errors import InputError, LeaseLost, SafetyStop
from optimizer.execute.apply import apply
from optimizer.execute.drivers.simulated import SimulatedDriver
from optimizer.execute.ledger import open_ledger, peek_ledger
from optimizer.execute.ledger.postgres import PostgresDatabase
from optimizer.execute.ledger.records import Change
from optimizer.execute.states import MoveState
from optimizer.pipeline import Request, make_plan
from tests.execute.test_end_to_end import FLEET as CROWDED
from tests.execute.test_end_to_end import POLICY
from tests.execute.test_ledger import FIRST, NOW, ORDER, SECOND, accepts, begun, free

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def address(new_schema: Callable[[], str]) -> str:
    return new_schema()


def run_out(address: str) -> None:
    """Let every lease be over, as if its leader had been silent for long."""
    database = PostgresDatabase(address, write=True)
    with database.writing("tiny") as db:
        db.execute("UPDATE leaders SET until = (clock_timestamp() - interval '1 s')::text")
    database.close()


def test_a_lease_that_ran_out_is_taken_and_its_old_leader_cannot_act(address: str) -> None:
    with open_ledger(address) as old, open_ledger(address) as new:
        paused = begun(old)
        old.intend(paused, FIRST, NOW, free)
        with pytest.raises(SafetyStop, match="lease lasts until"):
            new.lead("tiny", "new", NOW)
        run_out(address)
        lead = new.lead("tiny", "new", NOW)
        called: list[int] = []

        def call() -> tuple[Change, str]:
            called.append(1)
            return Change(FIRST.key, MoveState.ACCEPTED), ""

        with pytest.raises(LeaseLost):
            old.submit(paused, FIRST.key, NOW, call)
        assert called == []
        old.release(paused)  # which is not the new leader's
        with open_ledger(address) as third, pytest.raises(SafetyStop, match="lease lasts until"):
            third.lead("tiny", "third", NOW)
        new.submit(lead, FIRST.key, NOW, accepts(FIRST))


def test_a_lease_that_ran_out_and_was_not_taken_is_renewed(address: str) -> None:
    with open_ledger(address) as ledger:
        lead = begun(ledger)
        run_out(address)
        ledger.keep(lead)
        with open_ledger(address) as other, pytest.raises(SafetyStop):
            other.lead("tiny", "other", NOW)


def test_a_stop_waits_for_the_submit_that_is_being_made(address: str) -> None:
    """And none follows it: the order of what happened is that of the database."""
    order: list[str] = []
    inside, finish = threading.Event(), threading.Event()
    with open_ledger(address) as ledger, open_ledger(address) as console:
        lead = begun(ledger)
        for one in (FIRST, SECOND):
            ledger.intend(lead, one, NOW, free)

        def call() -> tuple[Change, str]:
            inside.set()
            assert finish.wait(30)
            order.append("submitted")
            return Change(FIRST.key, MoveState.ACCEPTED), ""

        def press() -> None:
            assert inside.wait(30)
            console.controls.set("tiny", "stop", "", ORDER, NOW)
            order.append("stopped")

        submitting = threading.Thread(target=lambda: ledger.submit(lead, FIRST.key, NOW, call))
        pressing = threading.Thread(target=press)
        submitting.start()
        pressing.start()
        assert inside.wait(30)
        pressing.join(0.3)
        assert order == []
        finish.set()
        submitting.join(30)
        pressing.join(30)
        assert order == ["submitted", "stopped"]
        with pytest.raises(SafetyStop, match="stopped by ann"):
            ledger.submit(lead, SECOND.key, NOW, call)


def test_a_plan_is_carried_out(address: str) -> None:
    plan = make_plan(CROWDED, POLICY, Request(seconds=10, deterministic=True))
    with open_ledger(address) as ledger:
        assert apply(CROWDED, POLICY, plan, SimulatedDriver(CROWDED), ledger, act=True).exit_code == 0
        assert set(ledger.states(plan.fleet, plan.id).values()) == {MoveState.DONE}
        assert ledger.audit().faults == ()


def test_two_machines_make_one_ledger(address: str) -> None:
    opened: list[str] = []

    def open_() -> None:
        with open_ledger(address) as ledger:
            opened.append(ledger.where)

    threads = [threading.Thread(target=open_) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(opened) == 4


def test_a_reader_makes_and_writes_nothing(address: str) -> None:
    with pytest.raises(InputError, match="a database without a ledger"):
        peek_ledger(address)
    open_ledger(address).close()
    peeked = peek_ledger(address)
    assert peeked is not None
    with peeked, pytest.raises(SafetyStop, match="opened to read"):
        peeked.controls.set("tiny", "stop", "", ORDER, NOW)


def test_events_are_append_only(address: str) -> None:
    with open_ledger(address) as ledger:
        begun(ledger)
    database = PostgresDatabase(address, write=True)
    for verb in ("UPDATE events SET detail = ''", "DELETE FROM events", "TRUNCATE events"):
        with pytest.raises(SafetyStop, match="append-only"), database.writing("tiny") as db:
            db.execute(verb)
    database.close()


def test_a_ledger_of_another_version_is_refused(address: str) -> None:
    open_ledger(address).close()
    database = PostgresDatabase(address, write=True)
    with database.writing("tiny") as db:
        db.execute("UPDATE remora_ledger SET version = 9")
    database.close()
    with pytest.raises(InputError, match="version 9"):
        open_ledger(address)


@pytest.mark.slow
def test_one_that_cannot_be_reached_is_named_without_its_password() -> None:
    with pytest.raises(InputError) as refused:
        open_ledger("postgresql://ann:secret@127.0.0.1:9/ledgers?connect_timeout=1")
    assert "127.0.0.1/ledgers" in str(refused.value)
    assert "secret" not in str(refused.value)
