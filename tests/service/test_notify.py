"""Notifications, to a real local server: what is told, once, to whoever wants it; and receivers that misbehave."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.clock import SimulatedClock
from optimizer.errors import InputError
from optimizer.execute.states import MoveState
from optimizer.pipeline import Request, make_plan
from optimizer.service import events
from optimizer.service.events import Everybody, Notified
from optimizer.service.notify import receiver as receivers
from optimizer.service.notify.opening import notifying
from optimizer.service.record import Cycle, Outcome
from optimizer.service.roles import Found, Watched
from optimizer.sources.config_yaml import config_from_document
from tests import build
from tests.service.listening import Heard, listening
from tests.service.test_cycle import Ear, at_ease, pair_on_one_host

if TYPE_CHECKING:
    from collections.abc import Iterator

    from optimizer.plan import Plan

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
CYCLE = Cycle("tiny", 1, "time", "me", NOW)
SECRET = "very-secret-token-0123456789"
NOWHERE = Path("/nonexistent/state")


@cache
def a_plan() -> Plan:
    return make_plan(pair_on_one_host(), build.policy(), Request(seconds=5, deterministic=True))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receivers, "PAUSE_S", 0.01)


@pytest.fixture
def heard() -> Iterator[Heard]:
    with listening() as server:
        yield server


class Bench:
    """Receivers of a configuration, and what is told to them."""

    def __init__(self, environ: dict[str, str] | None = None, state: Path = NOWHERE, **notify: Any) -> None:
        self.clock, self.ear = SimulatedClock(NOW), Ear()
        self.told = Everybody([self.ear])
        config = config_from_document({"notify": notify}, "remora.yaml")
        self.context = notifying(config, self.told, self.clock, Random(1), environ or {}, state, 1800.0, 3900.0)

    def __enter__(self) -> Bench:
        self.context.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.context.__exit__(None, None, None)

    def sees(self, *ids: str) -> None:
        found = tuple(Found(i, "full_disk", "h1", NOW, "disk 95 %, limit 90 %") for i in ids)
        self.told.tell(events.Seen(CYCLE, Watched(at_ease(), imbalances=found)))

    def ended(self, outcome: Outcome, **more: Any) -> None:
        self.told.tell(events.CycleEnded(replace(CYCLE, outcome=outcome, ended_at=NOW, **more)))

    def waits(self) -> None:
        self.told.tell(events.PlanWaits(CYCLE, a_plan(), "plan.json"))

    def stops(self, why: str = "ann: stop") -> None:
        self.told.tell(events.Stopped(CYCLE, why))

    def notified(self, number: int = 1) -> list[Notified]:
        until = time.monotonic() + 10
        while time.monotonic() < until:
            found = [e for e in self.ear.heard if isinstance(e, Notified)]
            if len(found) >= number:
                return found
            time.sleep(0.01)
        raise AssertionError("nobody was notified")


def test_each_imbalance_is_told_once(heard: Heard) -> None:
    with Bench(webhooks=[{"url": heard.url + "/hook"}]) as bench:
        bench.sees("i1")
        bench.sees("i1", "i2")
        bench.sees("i1", "i2")
        bench.sees("i2")
        bench.sees("i1", "i2")  # it has closed and opened again
        got = heard.wait(3)
    assert len(heard.got) == 3
    assert [d["imbalance"] for d in got] == ["i1", "i2", "i1"]
    assert got[0] == {
        "format": "remora-notice/1",
        "what": "imbalance",
        "text": "tiny: full_disk: h1: disk 95 %, limit 90 %",
        "at": "2026-11-21T12:00:00Z",
        "fleet": "tiny",
        "monitor": "full_disk",
        "subject": "h1",
        "imbalance": "i1",
    }
    assert heard.got[0][0] == "/hook"


def test_a_stop_is_told_once_until_a_cycle_goes_well(heard: Heard) -> None:
    with Bench(webhooks=[{"url": heard.url}]) as bench:
        for _ in range(3):
            bench.stops()
            bench.ended(Outcome.STOPPED)
        bench.ended(Outcome.DONE)
        bench.stops()
        heard.wait(2)
    assert [d["what"] for _, _, d in heard.got] == ["stop", "stop"]


BETWEEN = [
    pytest.param({"outcome": Outcome.WATCHED, "trigger": "watch"}, id="a look in between"),
    pytest.param({"outcome": Outcome.CLEAN, "trigger": "watch"}, id="a look at a fleet that is well"),
    pytest.param({"outcome": Outcome.ERROR}, id="an inventory that cannot be read"),
]


@pytest.mark.parametrize("between", BETWEEN)
def test_what_says_nothing_of_a_stop_does_not_end_it(heard: Heard, between: dict[str, Any]) -> None:
    with Bench(webhooks=[{"url": heard.url + "/hook"}], alertmanagers=[{"url": heard.url}]) as bench:
        for share in (0.0531, 0.0712):
            bench.stops(f"gate errors: its value is {share}, at most 0.05")
            bench.ended(Outcome.STOPPED)
            bench.ended(**between)
        bench.ended(Outcome.DONE)
    assert [d["what"] for path, _, d in heard.got if path == "/hook"] == ["stop"]
    ends = [alert["endsAt"] for path, _, d in heard.got if path != "/hook" for alert in d]
    assert ends == [(NOW + timedelta(seconds=1800)).isoformat()] * (len(ends) - 1) + [NOW.isoformat()]


def test_a_plan_that_waits_does_so_until_a_cycle_shows_otherwise(heard: Heard) -> None:
    with Bench(webhooks=[{"url": heard.url + "/hook"}], alertmanagers=[{"url": heard.url}]) as bench:
        for outcome in (Outcome.WAITING, Outcome.ERROR, Outcome.STOPPED, Outcome.WAITING):
            bench.waits()
            bench.ended(outcome)
        bench.ended(Outcome.STOPPED, plan=a_plan().id)  # it was approved, and refused
    assert [d["what"] for path, _, d in heard.got if path == "/hook"] == ["approval"]
    ends = [alert["endsAt"] for path, _, d in heard.got if path != "/hook" for alert in d]
    assert ends.count(NOW.isoformat()) == 1 and ends[-1] == NOW.isoformat()


def test_an_alert_holds_while_a_plan_is_carried_out(heard: Heard) -> None:
    with Bench(alertmanagers=[{"url": heard.url}]) as bench:
        bench.sees("i1")
        for _ in range(2):
            bench.told.tell(events.MoveChanged("tiny", "p", a_plan().moves[0], MoveState.INTENDED, NOW, ""))
        bench.ended(Outcome.DONE)
    holds = [(datetime.fromisoformat(a["endsAt"]) - NOW).total_seconds() for _, _, d in heard.got for a in d]
    assert holds == [1800, 1800 + 3900, 1800]


def test_what_was_not_delivered_is_told_again_while_it_holds(heard: Heard) -> None:
    heard.answers = [500, 503, 500, 404]
    with Bench(webhooks=[{"url": heard.url}]) as bench:
        for number in range(1, 4):
            bench.sees("i1")
            bench.ended(Outcome.WATCHED)
            assert bench.notified(number)[-1].delivered == (number == 3)
        bench.sees("i1")
        bench.ended(Outcome.WATCHED)
    assert len(heard.got) == 5


def test_of_many_imbalances_none_is_given_up(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue has room for a hundred: what does not fit in is told with the next looks."""
    monkeypatch.setattr(receivers, "MOST", 3)
    ids = [f"i{number:02}" for number in range(20)]
    with Bench(webhooks=[{"url": heard.url}]) as bench:
        for _ in range(40):
            bench.sees(*ids)
            time.sleep(0.02)
        heard.wait(20)
    assert sorted(d["imbalance"] for _, _, d in heard.got) == ids
    assert all(told.delivered for told in bench.notified())


def test_the_next_process_repeats_nothing(heard: Heard, tmp_path: Path) -> None:
    """As a cron job makes its cycles, or where a service is restarted; another receiver has not been told."""
    elsewhere = f"{heard.url}/{SECRET}"
    for number, urls in enumerate(([heard.url], [heard.url], [heard.url, elsewhere], [heard.url, elsewhere])):
        with Bench(state=tmp_path, webhooks=[{"url": url} for url in urls]) as bench:
            bench.sees("i1", *["i2"] * (number == 3))
            bench.ended(Outcome.PROPOSED)
    told = [(path, d["imbalance"]) for path, _, d in heard.got]
    assert sorted(told) == sorted([("/", "i1"), (f"/{SECRET}", "i1"), ("/", "i2"), (f"/{SECRET}", "i2")])
    assert SECRET not in (tmp_path / "told.json").read_text()
    (tmp_path / "told.json").write_text("[]")  # what is none says nothing
    with Bench(state=tmp_path, webhooks=[{"url": heard.url}]) as bench:
        bench.sees("i1")
    assert len(heard.got) == 5


def test_a_replica_that_takes_over_repeats_nothing(heard: Heard, tmp_path: Path) -> None:
    hooks = [{"url": heard.url}]
    with Bench(state=tmp_path, webhooks=hooks) as stands_by:
        with Bench(state=tmp_path, webhooks=hooks) as leads:
            leads.sees("i1")
            heard.wait(1)
        stands_by.told.tell(events.LeadChanged("tiny", True))
        stands_by.sees("i1", "i2")
    assert [d["imbalance"] for _, _, d in heard.got] == ["i1", "i2"]


def test_a_memory_that_cannot_be_written_is_said(heard: Heard) -> None:
    with Bench(webhooks=[{"url": heard.url}]) as bench:
        bench.sees("i1")
    (trouble,) = [e for e in bench.ear.heard if isinstance(e, events.Trouble)]
    assert trouble.where == "notify"


@pytest.mark.slow
def test_what_was_not_sent_when_the_service_ended_is_said(
    heard: Heard, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("optimizer.service.notify.opening.LAST_S", 0.2)
    heard.last = "hangs"
    with Bench(state=tmp_path, webhooks=[{"url": heard.url}]) as bench:
        bench.sees("i1", "i2")
        heard.wait(1)
    said = [e for e in bench.ear.heard if isinstance(e, Notified)]
    assert [e.delivered for e in said] == [False, False]
    assert all("not sent within 0.2 s, when the service ended" in e.detail for e in said)
    assert not (tmp_path / "told.json").exists()


def test_receivers_are_told_what_they_want(heard: Heard) -> None:
    with Bench(
        webhooks=[{"url": heard.url + "/a", "of": ["stop"]}, {"url": heard.url + "/b", "of": ["imbalance"]}]
    ) as bench:
        bench.sees("i1")
        bench.stops()
        heard.wait(2)
    assert sorted((path, d["what"]) for path, _, d in heard.got) == [("/a", "stop"), ("/b", "imbalance")]


def test_alertmanager_has_what_holds_and_what_is_over(heard: Heard) -> None:
    with Bench(alertmanagers=[{"url": heard.url}]) as bench:
        bench.sees("i1")
        (first,) = heard.wait(1)
        bench.ended(Outcome.DONE)
        heard.wait(2)
        bench.clock.sleep(600)
        bench.sees()
        *_, last = heard.wait(3)
    assert {path for path, _, _ in heard.got} == {"/api/v2/alerts"}
    (alert,) = first
    assert alert["labels"] == {
        "alertname": "RemoraImbalance",
        "severity": "warning",
        "fleet": "tiny",
        "monitor": "full_disk",
        "subject": "h1",
        "imbalance": "i1",
    }
    assert alert["startsAt"] == NOW.isoformat()
    assert alert["endsAt"] == (NOW + timedelta(seconds=1800)).isoformat()
    (over,) = last
    assert over["labels"] == alert["labels"]
    assert over["endsAt"] == (NOW + timedelta(seconds=600)).isoformat()


def test_secrets_are_sent_and_never_said(heard: Heard, tmp_path) -> None:
    (tmp_path / "token").write_text(SECRET + "\n")
    environ = {"HOOK": f"{heard.url}/T0/{SECRET}", "PASSWORD": SECRET}
    hooks = [
        {"url_env": "HOOK", "token_file": str(tmp_path / "token")},
        {"url": heard.url + "/basic", "username": "ann", "password_env": "PASSWORD"},
    ]
    heard.last = 403
    with Bench(environ, webhooks=hooks) as bench:
        bench.stops()
        heard.wait(2)
        bench.notified()
    headers = {path: headers["authorization"] for path, headers, _ in heard.got}
    assert headers[f"/T0/{SECRET}"] == f"Bearer {SECRET}"
    assert headers["/basic"].startswith("Basic ")
    said = repr(bench.ear.heard)
    assert "answered 403" in said
    assert SECRET not in said


@pytest.mark.parametrize(
    ("answers", "tries"),
    [([500, 503, 200], 3), ([429, 200], 2), (["closes", 200], 2), ([200], 1)],
)
def test_what_fails_is_tried_again(heard: Heard, answers: list[int | str], tries: int) -> None:
    heard.answers = answers
    with Bench(webhooks=[{"url": heard.url}]) as bench:
        bench.stops()
        (told,) = bench.notified()
    assert (told.delivered, len(heard.got)) == (True, tries)


@pytest.mark.parametrize(
    ("answer", "tries", "said"),
    [(500, 3, "answered 500"), (404, 1, "answered 404"), (302, 1, "answered 302"), ("closes", 3, "")],
)
def test_tries_are_bounded_and_no_redirect_is_followed(heard: Heard, answer: int | str, tries: int, said: str) -> None:
    heard.last = answer
    with Bench(webhooks=[{"url": heard.url}]) as bench:
        bench.stops()
        (told,) = bench.notified()
    assert (told.delivered, len(heard.got)) == (False, tries)
    assert said in told.detail


@pytest.mark.parametrize("how", ["hangs", "drips"])
def test_the_deadline_is_over_the_whole_answer(heard: Heard, how: str) -> None:
    heard.last = how
    with Bench(webhooks=[{"url": heard.url, "deadline_s": 0.3, "tries": 1}]) as bench:
        began = time.monotonic()
        bench.stops()
        assert time.monotonic() - began < 1.0  # nobody waits for it
        (told,) = bench.notified()
        assert time.monotonic() - began < 5
    assert "no answer within 0.3 s" in told.detail or "timed out" in told.detail  # as the socket or we notice first


def test_nobody_listens() -> None:
    with Bench(webhooks=[{"url": "http://127.0.0.1:9", "tries": 2}]) as bench:
        bench.stops()
        (told,) = bench.notified()
    assert not told.delivered


@pytest.mark.slow
def test_a_queue_that_is_full_gives_up_the_oldest(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receivers, "MOST", 2)
    heard.last = "hangs"
    with Bench(webhooks=[{"url": heard.url, "deadline_s": 0.5, "tries": 1}]) as bench:
        for i in range(6):
            bench.stops(f"reason {i}")
        assert any("one is given up" in told.detail for told in bench.notified())


@pytest.mark.parametrize(
    ("notify", "said"),
    [
        ({"webhooks": [{}]}, "notify.webhooks[0]"),
        ({"webhooks": [{"url": "ftp://x"}]}, "notify.webhooks[0].url"),
        ({"webhooks": [{"url": f"nonsense {SECRET}"}]}, "notify.webhooks[0].url"),
        ({"webhooks": [{"url": "http://x", "url_env": "Y"}]}, "url, url_env"),
        ({"webhooks": [{"url_env": "NOT_SET"}]}, "notify.webhooks[0].url_env"),
        ({"webhooks": [{"url_file": "/no/such/file"}]}, "notify.webhooks[0].url_file"),
        ({"webhooks": [{"url": "http://x", "token_env": "NOT_SET"}]}, "notify.webhooks[0].token_env"),
        ({"webhooks": [{"url": "http://x", "token_env": "A", "token_file": "b"}]}, "notify.webhooks[0]"),
        ({"webhooks": [{"url": "http://x", "username": "ann"}]}, "notify.webhooks[0]"),
        ({"webhooks": [{"url": "http://x", "tries": 0}]}, "notify.webhooks[0].tries"),
        ({"webhooks": [{"url": "http://x", "of": ["rain"]}]}, "notify.webhooks[0].of"),
        ({"webhooks": [{"url": "http://x", "of": []}]}, "notify.webhooks[0].of"),
        ({"webhooks": [{"url": "http://x", "token": SECRET}]}, "notify.webhooks[0].token"),
        ({"alertmanagers": [{"url_env": "NOT_SET"}]}, "notify.alertmanagers[0].url_env"),
        ({"alertmanager": []}, "notify.alertmanager"),
    ],
)
def test_what_is_wrong_is_named_and_no_secret_said(notify: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as error, Bench(**notify):
        pass
    assert said in str(error.value)
    assert SECRET not in str(error.value)
