"""Every change of a ledger that did not come through it is found."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from optimizer.execute.ledger import open_ledger, peek_ledger
from optimizer.execute.ledger.records import Change
from optimizer.execute.ledger.watch_records import Seen
from optimizer.execute.states import MoveState, RunState
from tests.execute.ledger_rows import imbalance, pair
from tests.execute.test_ledger import FIRST, NOW, ORDER, SECOND, accepts, begun, free

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> str:
    place = str(tmp_path / "ledger.sqlite")
    with open_ledger(place) as ledger:
        lead = begun(ledger)
        for one in (FIRST, SECOND):
            ledger.intend(lead, one, NOW, free)
            ledger.submit(lead, one.key, NOW, accepts(one))
        ledger.record(lead, [Change(FIRST.key, MoveState.DONE)], NOW)
        ledger.record(lead, [Change(SECOND.key, MoveState.FAILED, "no room")], NOW)
        ledger.end(lead, "plan-1", RunState.FAILED, NOW)
        ledger.controls.approve("tiny", "plan-1", "sha256:1", ORDER, NOW)
        ledger.controls.set("tiny", "stop", "", ORDER, NOW)
        ledger.end_cycle("tiny", ledger.begin_cycle("tiny", "interval", NOW, by="test"), "done", NOW, plan="plan-1")
        ledger.begin_cycle("tiny", "request", NOW, by="test")
        ledger.watch("tiny", NOW, lambda _: Seen((imbalance(state="open"), imbalance("imb-2", "h4"))), by="test")
        ledger.watch("tiny", NOW, lambda _: Seen((imbalance(state="closed"),)), by="test")
        ledger.write_evidence([pair(), pair("v8")], NOW, by="test")
        for minutes, host in enumerate(("h1", "h5")):
            ledger.see_placements("tiny", {"v4": host}, NOW + timedelta(minutes=minutes), by="test")
        ledger.drop_evidence([pair("v8")], NOW, by="test")
    return place


UNGUARD = ("DROP TRIGGER events_never_update", "DROP TRIGGER events_never_delete")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET detail = 'x' WHERE number = 2",
        "UPDATE events SET at = '2020-01-01T00:00:00+00:00' WHERE number = 1",
        "UPDATE events SET state = 'done' WHERE state = 'failed' AND move IS NOT NULL",
        "UPDATE events SET by = 'eve' WHERE number = 2",
        "UPDATE events SET epoch = 7 WHERE number = 3",
        "UPDATE events SET hash = '0' WHERE number = 4",
        "DELETE FROM events WHERE number = 3",
        "DELETE FROM events WHERE number = 1",
        "UPDATE events SET number = number + 1 WHERE number = (SELECT max(number) FROM events)",
        "DELETE FROM events WHERE number = (SELECT max(number) FROM events)",
        "INSERT INTO events SELECT fleet, number + 100, at, plan, move, state, detail, by, epoch, hash FROM events",
        "UPDATE moves SET state = 'done' WHERE move = 'm0002'",
        "UPDATE moves SET vm = 'v7' WHERE move = 'm0001'",
        "UPDATE moves SET target = 'h11' WHERE move = 'm0001'",
        "UPDATE moves SET copied_mib = 1 WHERE move = 'm0001'",
        "UPDATE moves SET attempt = 9 WHERE move = 'm0001'",
        "DELETE FROM moves WHERE move = 'm0001'",
        "UPDATE runs SET state = 'done'",
        "UPDATE runs SET ordered_by = 'eve'",
        "UPDATE runs SET reason = 'another'",
        "DELETE FROM controls",
        "UPDATE controls SET value = '999'",
        "UPDATE controls SET by = 'somebody else'",
        "UPDATE controls SET reason = 'another'",
        "UPDATE approvals SET by = 'somebody else'",
        "UPDATE approvals SET digest = 'sha256:2'",
        "DELETE FROM approvals",
        "UPDATE events SET detail = '[]' WHERE state = 'imbalance open'",
        "UPDATE events SET state = 'imbalance open' WHERE state = 'imbalance closed'",
        "UPDATE imbalances SET state = 'open' WHERE state = 'closed'",
        "UPDATE imbalances SET subject = 'h5' WHERE state = 'closed'",
        "UPDATE imbalances SET since = '2020-01-01T00:00:00+00:00' WHERE state = 'closed'",
        "UPDATE imbalances SET opened_at = NULL WHERE state = 'closed'",
        "UPDATE imbalances SET state = 'open' WHERE state = 'pending'",
        "DELETE FROM imbalances",
        "UPDATE cycles SET outcome = 'done'",
        "UPDATE cycles SET ended_at = NULL",
        "UPDATE cycles SET started_at = '2020-01-01T00:00:00+00:00' WHERE number = 1",
        "UPDATE cycles SET plan = 'plan-2' WHERE number = 1",
        "UPDATE cycles SET by = 'eve' WHERE number = 2",
        "DELETE FROM cycles WHERE number = 2",
        "UPDATE evidence SET state = 'confirmed'",
        "UPDATE evidence SET record = '{}'",
        "UPDATE evidence SET noisy = 'v1'",
        "DELETE FROM evidence",
        "DELETE FROM travels",
        "UPDATE travels SET vm = 'v1'",
        "UPDATE travels SET started_at = '2020-01-01T00:00:00+00:00'",
    ],
)
def test_every_change_is_found(path: str, statement: str) -> None:
    raw = sqlite3.connect(path)
    for one in (*UNGUARD, statement):
        raw.execute(one)
    raw.commit()
    raw.close()
    ledger = peek_ledger(path)
    assert ledger is not None
    with ledger:
        assert ledger.audit().faults


def test_a_ledger_that_was_left_alone_agrees(path: str) -> None:
    ledger = peek_ledger(path)
    assert ledger is not None
    with ledger:
        audit = ledger.audit()
        assert audit.faults == ()
        number, head = audit.heads["tiny"]
        assert (number, head) == (ledger.events("tiny")[-1].number, ledger.events("tiny")[-1].hash)


@pytest.mark.parametrize("verb", ["UPDATE events SET detail = ''", "DELETE FROM events"])
def test_the_database_itself_refuses_to_change_events(path: str, verb: str) -> None:
    raw = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        raw.execute(verb)
    raw.close()
