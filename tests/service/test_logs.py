"""Logs: one line an event, for machines as JSON, and nothing in a name steers a terminal."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from optimizer.cautions import NOT_COMPILED
from optimizer.execute.states import MoveState
from optimizer.monitors.watching import Unjudged
from optimizer.service import events
from optimizer.service.logs import LogPart, open_logs
from optimizer.service.record import Cycle, Outcome
from optimizer.service.roles import Watched
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
        events.PlanWarned(CYCLE, (NOT_COMPILED,)),
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
        "plan doubtful",
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
    assert (lines[3]["level"], lines[3]["code"], lines[3]["cycle"]) == ("warning", "not_compiled", 7)
    assert NOT_COMPILED.text in lines[3]["detail"]
    assert (lines[5]["plan"], lines[5]["move"], lines[5]["vm"]) == (lines[2]["plan"], "m0001", "v0")
    assert (lines[11]["level"], lines[11]["cycle"], lines[11]["violations"]) == ("error", 7, 2)


def test_nothing_in_a_name_steers_a_terminal() -> None:
    lines = told(LogPart(), *every_event())
    assert len(lines) == len(every_event())
    assert "\x1b" not in "".join(lines)


def unjudged(*looks: tuple[Unjudged, ...]) -> list[list[str]]:
    """What is warned of at each look, one after the other."""
    stream, found = io.StringIO(), []
    logs = open_logs(LogPart(format="json"), stream)
    for look in looks:
        before = len(stream.getvalue())
        logs.tell(events.Seen(CYCLE, Watched(pair_on_one_host(), unjudged=look)))
        lines = [json.loads(line) for line in stream.getvalue()[before:].splitlines()]
        found.append([f"{line['monitor']} {line['subjects']} {line['detail']}" for line in lines])
    return found


def test_what_is_not_judged_is_said_when_it_begins_and_names_what_is_new() -> None:
    """VMs come and go, and signals get older: only who was not there before is news."""
    vms = [f"v{i}" for i in range(9)]
    assert unjudged(
        (Unjudged("wait", "it is blind", tuple(vms[:7])),),
        (Unjudged("wait", "it is blind", tuple(vms[:8])),),
        (Unjudged("wait", "it is blind", tuple(vms[1:])),),
        (Unjudged("wait", "it is blind", tuple(vms[2:])), Unjudged("psi", "it is blind", ("h1",))),
        (),
        (Unjudged("wait", "it is blind", ("v3",)),),
    ) == [
        ["wait 7 it is blind: v0, v1, v2, v3, v4, ..."],
        ["wait 1 it is blind: v7"],
        ["wait 1 it is blind: v8"],
        ["psi 1 it is blind: h1"],
        [],
        ["wait 1 it is blind: v3"],
    ]


def test_another_cause_is_another_beginning_and_another_age_is_not() -> None:
    causes = (
        "119 s old",
        "2 min old",
        "1 h 20 min old, of 1 VM",
        "3 h old, of 1,234 VMs",
        "no series",
        "4 h old",
        "no series",
    )
    assert unjudged(*((Unjudged("psi", cause, ("h1",)),) for cause in causes)) == [
        ["psi 1 119 s old: h1"],
        [],
        ["psi 1 1 h 20 min old, of 1 VM: h1"],
        [],
        ["psi 1 no series: h1"],
        ["psi 1 4 h old: h1"],
        ["psi 1 no series: h1"],
    ]


@pytest.mark.parametrize(
    ("first", "second", "news"),
    [
        ("HTTP status code 500: ", "HTTP status code 401: ", True),
        ("two series: {vm=v1}", "two series: {vm=v2}", True),
        ("seen on h-7, and is on h-8", "seen on h-7, and is on h-9", True),
        ("10.0.0.5 does not answer", "10.0.0.6 does not answer", True),
        ("host 17: no capacity", "host 18: no capacity", True),
        ("the command exited with 1", "the command exited with 127", True),
        ("1.37 is no fraction of time", "1.4e+05 is no fraction of time", False),
        ("none of its 7 VMs has it (3 min old)", "none of its 12 VMs has it (90 s old)", False),
    ],
)
def test_which_numbers_make_another_cause(first: str, second: str, news: bool) -> None:
    assert len(unjudged(*((Unjudged("psi", why, ("h1",)),) for why in (first, second)))[1]) == news


def test_a_monitor_that_can_judge_nothing_has_causes_and_no_subjects() -> None:
    causes = ("no answer within 5 s", "no answer within 10 s", "refused", "refused")
    assert unjudged(*((Unjudged("raid", cause, ()),) for cause in causes)) == [
        ["raid 0 no answer within 5 s"],
        [],
        ["raid 0 refused"],
        [],
    ]


@pytest.mark.parametrize(("level", "number"), [("debug", 12), ("info", 12), ("warning", 7), ("error", 3)])
def test_levels(level: str, number: int) -> None:
    part = LogPart(format="json", level=level)  # type: ignore[arg-type]
    assert len(told(part, *every_event())) == number


def test_what_is_doubtful_about_a_reading_is_said_when_it_begins() -> None:
    """A cause that stays is told once, whatever its counts; each name is a cause of its own."""
    stream = io.StringIO()
    logs = open_logs(LogPart(format="json"), stream)
    looks = (
        (
            "2 of 9 hosts not observed, such as h2: no value",
            "groups[0].vms[1]: '5' is no VM",
            "groups[0].vms[2]: '6' is no VM",
        ),
        ("3 of 9 hosts not observed, such as h2: no value", "groups[0].vms[1]: '6' is no VM"),
        ("groups[0].vms[1]: '7' is no VM",),
        ("2 of 9 hosts not observed, such as h2: no value",),
    )
    told = []
    for look in looks:
        before = len(stream.getvalue())
        logs.tell(events.FleetRead(CYCLE, look))
        told.append([json.loads(line)["detail"] for line in stream.getvalue()[before:].splitlines()])
    assert told == [list(looks[0]), [], list(looks[2]), list(looks[3])]
