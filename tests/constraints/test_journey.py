from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from constraints.journey import Journey, Within
from optimizer.problem.atoms import Fixed
from tests.build import fleet, host, vm
from tests.constraints.given import given

if TYPE_CHECKING:
    from optimizer.fleet import Fleet

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY_S = 86400


def at(seconds: float) -> str:
    return (NOW + timedelta(seconds=seconds)).isoformat()


def traveller(*past: tuple[int, str], since: int = 10 * DAY_S, **facts: Any) -> Fleet:
    """v0 on h0, with moves that ended that many seconds ago and how."""
    history = [
        {"vm": "v0", "from": "h1", "to": "h0", "started_at": at(-ago - 60), "ended_at": at(-ago), "outcome": outcome}
        | {"by": "remora"}
        for ago, outcome in past
    ]
    more = {"history_since": at(-since), "history": history} if since else {}
    return fleet([host("h0"), host("h1")], [vm("v0", "h0", **facts), vm("v1", "h1")], **more)


def test_a_baby_stays_until_it_is_old_enough() -> None:
    rule = Journey(baby_s=3600)
    start = given(rule, traveller(created_at=at(-3599)))
    start.is_content()
    start.under_way("v0 h1").refuses("baby")
    start.finished("v0 h1").says("v0", "3599 s old", "in 1 s")
    given(rule, traveller(created_at=at(-3600))).under_way("v0 h1").is_content()
    given(rule, traveller(created_at=at(+5))).under_way("v0 h1").refuses("baby")


def test_a_vm_without_an_age_is_no_baby_and_is_named() -> None:
    rule = given(Journey(baby_s=3600), traveller())
    rule.under_way("v0 h1").is_content()
    rule.lacks(created_at=2)


@pytest.mark.parametrize(
    ("rule", "outcome", "reason"),
    [
        (Journey(unmovable=Within(times=3, within_s=21600)), "failed", "unmovable"),
        (Journey(bouncing=Within(times=3, within_s=21600)), "done", "bouncing"),
    ],
)
def test_what_happened_often_enough_within_the_time_counts(rule: Journey, outcome: str, reason: str) -> None:
    often = [(60, outcome), (7200, outcome), (21600, outcome)]
    given(rule, traveller(*often)).under_way("v0 h1").refuses(reason)
    given(rule, traveller(*often)).under_way("v0 h1").says("v0", f"{reason}: 3 ", "within 21600 s")
    given(rule, traveller(*often[:2], (21601, outcome))).under_way("v0 h1").is_content()
    other = "done" if outcome == "failed" else "failed"
    given(rule, traveller(*often[:2], (60, other), (60, "aborted"), (60, "unknown"))).under_way("v0 h1").is_content()
    given(rule, traveller(*often)).under_way("v1 h0").is_content()


def test_moves_per_hour() -> None:
    rule = Journey(moves_per_hour=2)
    given(rule, traveller((60, "done"), (3600, "done"))).under_way("v0 h1").refuses("hourly")
    given(rule, traveller((60, "done"), (3601, "done"))).under_way("v0 h1").is_content()


def test_no_move_until_always_counts() -> None:
    given(Journey(), traveller(no_move_until=at(90))).under_way("v0 h1").refuses("no_move_until")
    given(Journey(), traveller(no_move_until=at(90))).under_way("v0 h1").says("90 s more")
    given(Journey(), traveller(no_move_until=at(0))).under_way("v0 h1").is_content()


def test_each_reason_is_an_atom_of_its_own() -> None:
    rule = Journey(baby_s=3600, unmovable=Within(times=1, within_s=3600))
    restless = traveller((60, "failed"), created_at=at(-60), no_move_until=at(60))
    reasons = [a.reason.split(":")[0] for a in rule.lower(restless) if isinstance(a, Fixed)]
    assert reasons == ["baby", "no_move_until", "unmovable"]
    given(rule, restless).under_way("v0 h1").refuses("baby", "no_move_until", "unmovable")


@pytest.mark.parametrize("since", [0, 3599])
def test_a_short_history_counts_for_what_it_shows_and_is_named(since: int) -> None:
    rule = Journey(unmovable=Within(times=1, within_s=3600))
    given(rule, traveller(since=since)).lacks(history=2)
    given(rule, traveller(since=since)).under_way("v0 h1").is_content()
    given(rule, traveller((60, "failed"), since=3599)).under_way("v0 h1").refuses("unmovable")
    given(rule, traveller(since=3600)).lacks()


def test_without_thresholds_nothing_is_asked() -> None:
    given(Journey(), traveller(since=0)).lacks()
    assert list(Journey().lower(traveller((1, "failed"), (1, "done"), created_at=at(0)))) == []
