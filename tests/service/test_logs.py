"""Logs: one line an event, for machines as JSON, and nothing in a name steers a terminal."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from optimizer.execute.states import MoveState
from optimizer.service import events
from optimizer.service.logs import LogPart, open_logs
from optimizer.service.record import Cycle, Outcome
from tests.execute.plans import move, plan_of
from tests.service.test_cycle import applied, pair_on_one_host

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
CYCLE = Cycle("ti\x1b[31mny", 7, "time", "me", NOW)


def told(part: LogPart, *told: events.Event) -> list[str]:
    stream = io.StringIO()
    logs = open_logs(part, stream)
    for event in told:
        logs.tell(event)
    return stream.getvalue().splitlines()


def every_event() -> list[events.Event]:
    fleet = pair_on_one_host()
    plan = plan_of(fleet, move(fleet, 1, "v0", "h0", "h1"))
    return [
        events.CycleBegan(CYCLE),
        events.FleetRead(CYCLE, ("h2 is \x1b[31mblind",)),
        events.PlanMade(CYCLE, plan, "plans/p.json"),
        events.PlanWaits(CYCLE, plan, "plans/p.json"),
        events.MoveChanged("tiny", plan.id, plan.moves[0], MoveState.FAILED, NOW, "it broke"),
        events.RunEnded(CYCLE, plan, applied(plan, done=("m0001",))),
        events.Stopped(CYCLE, "ann: no"),
        events.LeadChanged("tiny", False, "another"),
        events.Trouble("ledger", "away"),
        events.Notified("webhook", "http://x", False, "no answer"),
        events.CycleEnded(replace(CYCLE, outcome=Outcome.ERROR, detail="line\nanother", counts={"violations": 2})),
    ]


def test_one_line_of_json_an_event() -> None:
    lines = [json.loads(line) for line in told(LogPart(format="json"), *every_event())]
    assert [line["event"] for line in lines] == [
        "cycle begun",
        "reading",
        "plan made",
        "plan waits for approval",
        "move failed",
        "plan carried out",
        "stopped",
        "stands by",
        "problem",
        "not notified",
        "cycle ended",
    ]
    assert all({"level", "timestamp"} <= line.keys() for line in lines)
    assert (lines[4]["plan"], lines[4]["move"], lines[4]["vm"]) == (lines[2]["plan"], "m0001", "v0")
    assert (lines[10]["level"], lines[10]["cycle"], lines[10]["violations"]) == ("error", 7, 2)


def test_nothing_in_a_name_steers_a_terminal() -> None:
    lines = told(LogPart(), *every_event())
    assert len(lines) == len(every_event())
    assert "\x1b" not in "".join(lines)


@pytest.mark.parametrize(("level", "number"), [("debug", 11), ("info", 11), ("warning", 6), ("error", 3)])
def test_levels(level: str, number: int) -> None:
    part = LogPart(format="json", level=level)  # type: ignore[arg-type]
    assert len(told(part, *every_event())) == number
