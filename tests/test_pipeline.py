"""The spine: what each status means, limits that bind, and the same plan twice."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from optimizer.check import check
from optimizer.clock import SimulatedClock
from optimizer.pipeline import Request, make_plan
from optimizer.plan import Plan, Status
from optimizer.sources.plan_json import plan_document
from optimizer.verify.verify import verify
from tests.build import fleet, host, policy, vm

if TYPE_CHECKING:
    from optimizer.fleet import Fleet
    from optimizer.policy import Policy

NOON = datetime(2026, 11, 21, 12, 0, 30, tzinfo=UTC)
RULES = policy("capacity", "anti_affinity", "allowed")
WORK = Request(deterministic=True)


def plan(of: Fleet, request: Request = WORK, rules: Policy = RULES, **more: Any) -> Plan:
    """Make a plan and have it verified."""
    clock = SimulatedClock(NOON)
    made = make_plan(of, rules, request, clock=clock, **more)
    verdict = verify(of, rules, made)
    assert verdict.holds, verdict.findings
    return made


def crowded(**more: Any) -> Fleet:
    """h0 is over by 2, and only with c out of the way is there room for b."""
    hosts = [host("h0", memory=8), host("h1", memory=6), host("h2", memory=4)]
    vms = [vm("a", "h0", memory=6, **more), vm("b", "h0", memory=4, **more), vm("c", "h1", memory=3, **more)]
    return fleet(hosts, [*vms, vm("d", "h2", memory=1, **more)])


def stuck() -> Fleet:
    """h0 is over by 2, and nobody may move."""
    return crowded(mobility="none")


def many(n: int = 24) -> Fleet:
    """Rivals on one host two by two, and hardly any room that is not taken."""
    hosts = [host(f"h{i:02}", memory=10, rack=f"r{i % 3}") for i in range(n)]
    vms = [
        vm(f"v{i:03}", f"h{i % (n - 2):02}", memory=1 + i * 7 % 4, groups=[f"g{i % (n - 2) // 2}"])
        for i in range(3 * n)
    ]
    return fleet(hosts, vms)


def values(made: Plan) -> dict[str, tuple[int, int, str | None]]:
    return {s.stage: (s.value, s.bound, s.stopped_by) for s in made.objective}


# -- status ----------------------------------------------------------------------------------------------------------


def test_where_nothing_is_wrong_there_is_nothing_to_do() -> None:
    made = plan(fleet([host("h0", memory=8)], [vm("a", "h0", memory=6)]))
    assert made.status is Status.NOTHING_TO_DO
    assert (made.moves, made.remaining, made.proof) == ((), (), ())
    assert values(made) == {"harm": (0, 0, None), "moving": (0, 0, None), "placement": (0, 0, None)}


def test_what_is_wrong_is_put_right_and_proven() -> None:
    made = plan(crowded())
    assert made.status is Status.OPTIMAL
    first, second = made.moves
    assert (second.source, second.after) == ("h0", (first.id,))
    assert first.target != "h0"
    assert values(made)["moving"] == (2, 2, None)
    assert made.remaining == ()
    assert made.stats["displaced"] == 2


def test_where_nobody_may_move_that_is_proven_too() -> None:
    made = plan(stuck())
    assert made.status is Status.OPTIMAL
    assert values(made)["harm"] == (250, 250, None)
    assert [r.subject for r in made.remaining] == ["h0"]


def test_a_clean_end_that_is_provably_out_of_reach_is_impossible() -> None:
    made = plan(stuck(), replace(WORK, require_clean=True))
    assert made.status is Status.IMPOSSIBLE
    assert "250" in made.reason
    assert made.moves == ()
    assert [r.subject for r in made.remaining] == ["h0"]


def test_a_clean_end_is_not_impossible_because_time_is_short() -> None:
    made = plan(crowded(), Request(seconds=0.0, require_clean=True))
    assert made.status is Status.NO_PLAN_IN_TIME
    assert made.moves == ()


def test_half_a_mend_is_no_answer_where_a_clean_end_is_required() -> None:
    """g has five VMs on three hosts; with the rest free to go two moves help, but clean is out of reach."""
    hosts = [host(f"h{i}", memory=9) for i in range(3)]
    of = fleet(hosts, [vm(f"v{i}", "h0", memory=1, groups=["g"]) for i in range(5)])
    helped = plan(of)
    assert (len(helped.moves), values(helped)["harm"]) == (2, (2000, 2000, None))
    made = plan(of, replace(WORK, require_clean=True))
    assert (made.status, made.moves) == (Status.IMPOSSIBLE, ())
    assert values(made)["harm"][:2] == (4000, 2000)


def test_a_clean_end_that_is_reached_is_what_was_asked_for() -> None:
    assert plan(crowded(), replace(WORK, require_clean=True)).status is Status.OPTIMAL


# -- limits ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("gap", "bound", "status"), [(0.5, 1, Status.FEASIBLE), (0.49, 2, Status.OPTIMAL)])
def test_a_gap_ends_the_search_where_it_is_reached(gap: float, bound: int, status: Status) -> None:
    """The host that is too full wants one move, a second makes room for it: the gap is a half until that is proven."""
    made = plan(crowded(), replace(WORK, gap=gap))
    assert values(made)["moving"] == (2, bound, "gap" if status is Status.FEASIBLE else None)
    assert made.status is status


@pytest.mark.parametrize("deterministic", [False, True])
def test_no_time_is_no_plan_and_not_a_proof(deterministic: bool) -> None:
    made = plan(crowded(), Request(seconds=0.0, deterministic=deterministic))
    assert made.status is Status.NO_PLAN_IN_TIME
    assert made.moves == ()
    assert values(made)["harm"] == (250, 0, "work_limit" if deterministic else "time")


def test_an_interrupt_beforehand_still_gives_a_valid_plan() -> None:
    event = threading.Event()
    event.set()
    made = plan(many(), interrupt=event)
    assert made.status is Status.NO_PLAN_IN_TIME
    value, bound, stopped_by = values(made)["harm"]
    assert 0 <= bound < value
    assert stopped_by == "interrupt"


def test_too_little_memory_still_gives_a_valid_plan() -> None:
    made = plan(many(), Request(memory_mib=1))
    assert made.status is Status.NO_PLAN_IN_TIME
    assert values(made)["harm"][2] == "memory"


@pytest.mark.slow
def test_time_is_that_of_the_clock_handed_in() -> None:
    """A clock that stands still never runs out, and the plan bears its time."""
    made = plan(crowded(), Request(seconds=1e-3))
    assert made.status is Status.OPTIMAL
    assert made.made_at == NOON
    assert made.expires_at == datetime(2026, 11, 21, 12, 15, tzinfo=UTC)
    assert set(made.stats["seconds"].values()) == {0.0}  # type: ignore[attr-defined]


# -- the same plan twice ---------------------------------------------------------------------------------------------


def _document(made: Plan) -> bytes:
    """Return the document without its times and memory."""
    said = plan_document(made)
    del said["made_at"]
    for name in ("seconds", "peak_rss_mib"):
        del said["stats"][name]
    return orjson.dumps(said)


@pytest.mark.slow
@pytest.mark.parametrize("request_", [Request(seconds=3.0, deterministic=True, seed=7), Request()])
def test_twice_the_same(request_: Request) -> None:
    for of in (crowded(), many()):
        first = make_plan(of, RULES, request_)
        clock = SimulatedClock(NOON + timedelta(hours=1))
        second = make_plan(of, RULES, request_, clock=clock)
        if request_.deterministic or all(stage.stopped_by != "time" for stage in first.objective):
            assert _document(first) == _document(second)
        assert first.moves


@pytest.mark.slow
@pytest.mark.parametrize("path", ["auto", "exact", "repair"])
def test_every_path_gives_a_safe_plan(path: str) -> None:
    made = plan(crowded(), replace(WORK, path=path))
    assert values(made)["harm"][0] == 0
    assert len(made.moves) == 2


@pytest.mark.slow
def test_its_stages_are_told() -> None:
    told: list[str] = []
    plan(crowded(), progress=told.append)
    assert told == ["build", "solve", "place", "describe"]


# -- check -----------------------------------------------------------------------------------------------------------


def test_check_lists_musts_first_and_the_worst_first() -> None:
    soft = policy("capacity", {"rule": "anti_affinity", "hardness": "should"}, "allowed")
    hosts = [host("h0", memory=8), host("h1", memory=2)]
    vms = [vm("a", "h0", memory=9, groups=["g"]), vm("b", "h0", memory=1, groups=["g"]), vm("c", "h1", memory=9)]
    found = check(fleet(hosts, vms), soft)
    assert [(v.rule, v.subject) for v in found] == [("capacity", "h1"), ("capacity", "h0"), ("anti_affinity", "g")]
    assert check(fleet(hosts, []), soft) == []
