from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from constraints.journey import CoolDown, Journey, Within
from optimizer.fleet import Move, State
from optimizer.pipeline import Request, make_plan
from optimizer.problem.atoms import Enter, Fixed, Leave
from optimizer.problem.rule import Hardness
from optimizer.verify.verify import verify
from tests.build import fleet, host, policy, vm
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


def test_it_does_not_return_to_a_host_that_it_left_lately() -> None:
    rule = Journey(no_return_s=3600)
    start = given(rule, traveller((600, "done")))
    start.is_content()
    start.under_way("v0 h1").refuses("return")
    start.finished("v0 h1").says("h1", "v0 left it 600 s ago", "in 3000 s")
    given(rule, traveller((3600, "done"))).under_way("v0 h1").refuses("return")
    given(rule, traveller((3601, "done"))).under_way("v0 h1").is_content()
    given(rule, traveller((600, "failed"))).under_way("v0 h1").is_content()
    given(rule, traveller((600, "done"))).under_way("v1 h0").is_content()  # it is v0 that was here
    atoms = list(rule.lower(traveller((600, "done"))))
    assert [type(a) for a in atoms] == [Enter]
    given(rule, traveller((600, "done"), since=1200)).lacks(history=2)


def test_it_rather_goes_elsewhere_than_back() -> None:
    rule = Journey(avoid_return_s=3600)
    start = given(rule, traveller((600, "done")))
    start.is_content()  # where it is, it may stay
    start.finished("v0 h1").says("v0", "left 600 s ago", "for 3600 s others")
    assert [(v.reason, v.hardness) for v in rule.check(start.finished("v0 h1").state)] == [("back", Hardness.SHOULD)]
    given(rule, traveller((3601, "done"))).finished("v0 h1").is_content()
    given(rule, traveller((600, "failed"))).finished("v0 h1").is_content()
    given(rule, traveller((600, "done"))).finished("v1 h0").is_content()  # it is v0 that was here
    given(rule, traveller((600, "done"), since=1200)).lacks(history=2)
    assert list(rule.lower(replace(traveller((600, "done")), history=()))) == []


def test_where_it_is_now_it_may_stay_though_it_left_that_once() -> None:
    """It was on h1, went to h0, and is on h1 again: neither host is one to leave."""
    left = traveller((600, "done"))
    again = replace(left, history=(*left.history, replace(left.history[0], source="h0", target="h1")))
    rule = Journey(avoid_return_s=3600)
    given(rule, again).is_content()
    (atom,) = rule.lower(again)
    assert isinstance(atom, Leave) and atom.hosts.tolist() == [False, True]


def test_what_is_ruled_out_need_not_be_avoided() -> None:
    with pytest.raises(ValueError, match="more than no_return_s 3600"):
        Journey(no_return_s=3600, avoid_return_s=3600)


@pytest.mark.parametrize(("rule", "moves"), [({"avoid_return_s": 3600}, 1), ({"no_return_s": 3600}, 0)])
def test_what_is_avoided_is_done_where_nothing_else_repairs(rule: dict[str, int], moves: int) -> None:
    """Both replicas are on h0, and nothing but h1 is left, from where v0 came; v1 was never there."""
    groups: dict[str, Any] = {"groups": ["db"]}
    hosts = [host("h0"), host("h1")]
    past = traveller((600, "done")).history
    of = replace(
        fleet(hosts, [vm("v0", "h0", **groups), vm("v1", "h0", no_move_until=at(9000), **groups)]), history=past
    )
    rules = policy("anti_affinity", "allowed", {"rule": "journey", **rule})
    plan = make_plan(of, rules, Request(seconds=5, deterministic=True))
    assert len(plan.moves) == moves
    assert verify(of, rules, plan).findings == ()


def test_of_two_targets_it_takes_the_one_where_it_has_not_been() -> None:
    """h1 and h2 are alike but that h2 has a VM already, so by itself the move goes to h1."""
    groups: dict[str, Any] = {"groups": ["db"]}
    hosts = [host("h0"), host("h1"), host("h2")]
    vms = [vm("v0", "h0", **groups), vm("v1", "h0", **groups, no_move_until=at(9000)), vm("v2", "h2")]
    of = replace(fleet(hosts, vms), history=traveller((600, "done")).history)
    for rule, target in ({}, "h1"), ({"avoid_return_s": 3600}, "h2"):
        rules = policy("capacity", "anti_affinity", "allowed", {"rule": "journey", **rule})
        plan = make_plan(of, rules, Request(seconds=5, deterministic=True))
        assert [(m.vm, m.target) for m in plan.moves] == [("v0", target)], rule
        assert verify(of, rules, plan).findings == ()


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


def test_a_cool_down_doubles_with_each_move() -> None:
    rule = Journey(cool_down=CoolDown())
    given(rule, traveller((899, "done"))).under_way("v0 h1").refuses("cool_down")
    given(rule, traveller((899, "done"))).under_way("v0 h1").says("v0", "moved 899 s ago", "in 1 s")
    given(rule, traveller((900, "done"))).under_way("v0 h1").is_content()
    given(rule, traveller((1799, "done"), (90_000, "done"))).under_way("v0 h1").refuses("cool_down")
    given(rule, traveller((1800, "done"), (90_000, "done"))).under_way("v0 h1").is_content()
    given(rule, traveller((899, "done"), (172_801, "done"))).under_way("v0 h1").refuses("cool_down")
    given(rule, traveller((900, "done"), (172_801, "done"))).under_way("v0 h1").is_content()
    many = [(21_599 + 60 * i, "done") for i in range(12)]
    given(rule, traveller(*many)).under_way("v0 h1").refuses("cool_down")
    given(rule, traveller(*[(ago + 1, how) for ago, how in many])).under_way("v0 h1").is_content()
    other = [(60, "failed"), (60, "aborted"), (60, "unknown")]
    given(rule, traveller(*other)).under_way("v0 h1").is_content()


@pytest.mark.parametrize("seed", range(25))
def test_what_holds_a_vm_ends_when_it_says(seed: int) -> None:
    """`holds` against `check` at every instant around it: held just before, free (of that reason) at that time."""
    random = Random(seed)
    rule = Journey(
        baby_s=random.choice([None, 3600]),
        unmovable=Within(times=random.randint(1, 3), within_s=21_600),
        bouncing=Within(times=random.randint(1, 4), within_s=DAY_S),
        moves_per_hour=random.choice([None, 1, 2]),
        cool_down=random.choice([CoolDown(), CoolDown(first_s=3600, within_s=30_000)]),
    )
    past = [(random.randint(0, 40_000), random.choice(["done", "failed"])) for _ in range(random.randint(0, 8))]
    facts: dict[str, Any] = random.choice([{}, {"created_at": at(-600)}, {"no_move_until": at(5000)}])
    fleet_ = traveller(*past, **facts)
    held = {hold.reason: hold.until for hold in rule.holds(fleet_, 0)}
    assert set(held) == refusals(rule, fleet_)
    now = fleet_.now
    for reason, until in held.items():
        assert until > now
        # a habit counts a move that ended exactly at its edge, so it holds until just after
        assert reason in refusals(rule, later(fleet_, until - 0.001))
        assert reason not in refusals(rule, later(fleet_, until + 0.001))


def later(fleet_: Fleet, seconds: float) -> Fleet:
    return replace(fleet_, taken_at=datetime.fromtimestamp(seconds, UTC))


def refusals(rule: Journey, fleet_: Fleet) -> set[str]:
    state = State.start(fleet_).begin([Move(0, 0, 1)])
    return {violation.reason for violation in rule.check(state)}


@pytest.mark.parametrize(
    ("parameters", "text"),
    [({"first_s": 900, "at_most_s": 600}, "at least first_s"), ({"within_s": 3600}, "at least at_most_s")],
)
def test_a_cool_down_has_to_fit_together(parameters: dict[str, int], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        CoolDown(**parameters)
