from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from constraints.budget import Budget, Limit
from optimizer.problem.atoms import Flow
from tests.build import fleet, host, vm
from tests.constraints.given import given

if TYPE_CHECKING:
    from optimizer.fleet import Fleet

PAST = {"from": "h0", "to": "h2", "by": "other"}


def racks(**more: Any) -> Fleet:
    """h0 and h1 in rack r0, h2 in r1; two VMs of u0 on h0, one of u1 on h1; 10 GiB each."""
    labels = [{"pool": "a"}, {"pool": "a"}, {"pool": "b"}]
    hosts = [host(f"h{i}", rack=f"r{i // 2}", labels=labels[i]) for i in range(3)]
    vms = [
        vm("v0", "h0", memory=2048, disk=8192, cpu=5, owner="u0", labels={"tier": "gold"}),
        vm("v1", "h0", memory=10240, owner="u0"),
        vm("v2", "h1", memory=10240, owner="u1", labels={"tier": "gold"}),
    ]
    return fleet(hosts, vms, **more)


def past(vm_id: str, minutes_ago: int, outcome: str = "done") -> dict[str, Any]:
    start, end = f"2026-11-21T{11 - minutes_ago // 60}:{59 - minutes_ago % 60:02}:00Z", "2026-11-21T11:59:59Z"
    return {"vm": vm_id, "started_at": start, "ended_at": end, "outcome": outcome} | PAST


def budget(**limit: Any) -> Budget:
    return Budget(limits=(Limit(**limit),))


@pytest.mark.parametrize(
    ("limit", "fits", "breaks", "subject"),
    [
        ({"per": "run"}, ["v0 h1"], ["v0 h1", "v2 h2"], "run"),
        ({"per": "source"}, ["v0 h1", "v2 h2"], ["v0 h1", "v1 h2"], "out of host h0"),
        ({"per": "target"}, ["v0 h1", "v1 h2"], ["v0 h2", "v2 h2"], "into host h2"),
        ({"per": "source", "level": "rack"}, ["v0 h1"], ["v0 h1", "v2 h2"], "out of rack r0"),
        ({"per": "domain", "level": "rack"}, ["v0 h2"], ["v0 h2", "v1 h2"], "out of rack r0"),
        ({"per": "owner"}, ["v0 h1", "v2 h2"], ["v0 h1", "v1 h1"], "owner u0"),
        ({"per": "pool", "label": "pool"}, ["v0 h2"], ["v0 h2", "v2 h2"], "out of pool pool a"),
        ({"per": "label", "label": "tier"}, ["v0 h2", "v1 h2"], ["v0 h2", "v2 h2"], "label tier gold"),
    ],
)
def test_moves_by_purse(limit: dict[str, Any], fits: list[str], breaks: list[str], subject: str) -> None:
    start = given(budget(moves=1, **limit), racks())
    start.is_content()
    start.finished(*fits).is_content()
    for broken in (start.finished(*breaks), start.under_way(*breaks), start.finished(breaks[0]).under_way(breaks[1])):
        first = broken.violations[0]
        assert (first.subject, first.reason, first.value, first.limit) == (subject, "moves", 2, 1)
        assert len(first.vms) == 2
        broken.says(subject, "2 moves, 1 allowed")


def test_staging_hops_count() -> None:
    start = given(budget(moves=1), racks())
    start.finished("v0 h1", "v0 h2").refuses("moves")
    assert start.finished("v0 h1", "v0 h2").only.vms == (0,)


def test_gib_counts_what_travels() -> None:
    start = given(budget(gib=19), racks())
    start.under_way("v0 h1").is_content()
    start.under_way("v0 h1", "v1 h2").refuses("gib")
    start.under_way("v0 h1", "v1 h2").says("run: 20 GiB copied, 19 GiB allowed")
    given(budget(gib=20), racks()).under_way("v0 h1", "v1 h2").is_content()


def test_history_within_the_window_has_used_part_of_it() -> None:
    used = racks(
        history_since="2026-11-20T00:00:00Z",
        history=[past("v0", 10, "failed"), past("v1", 20), past("gone", 20), past("v2", 90)],
    )
    given(budget(moves=4, window_s=3600), used).under_way("v0 h1").is_content()
    full = given(budget(moves=3, window_s=3600), used)
    full.is_content()
    full.under_way("v0 h1").refuses("moves")
    full.under_way("v0 h1").says("run in 3600 s: 4 moves, 3 allowed")
    given(budget(moves=3), used).under_way("v0 h1").is_content()
    given(budget(gib=30, window_s=3600), used).under_way("v0 h1").is_content()
    given(budget(gib=29, window_s=3600), used).under_way("v0 h1").refuses("gib")


def test_more_used_than_allowed_is_no_reason_to_do_anything() -> None:
    used = racks(history_since="2026-11-20T00:00:00Z", history=[past("v0", 1), past("v1", 1)])
    start = given(budget(moves=1, window_s=3600), used)
    start.is_content()
    start.under_way("v2 h2").refuses("moves")


def test_what_others_have_under_way_counts_in_a_window() -> None:
    flight = [{"id": "x", "vm": "v1", "from": "h0", "to": "h2", "started_at": "2026-11-21T11:59:00Z", "by": "other"}]
    start = given(budget(moves=1, window_s=3600), racks(in_flight=flight))
    start.is_content()
    start.under_way("v0 h1").refuses("moves")


def test_limits_that_cannot_bind_are_left_out() -> None:
    few = {"per": "source", "moves": 10}
    assert list(budget(**few).lower(racks())) == []
    flows = [a for a in budget(per="source", moves=9).lower(racks()) if isinstance(a, Flow)]
    assert [(f.subject, f.limit) for f in flows] == [("out of host h0", 9)]


def test_absent_facts_are_named() -> None:
    rule = Budget(
        limits=(
            Limit(per="owner", moves=1, window_s=60),
            Limit(per="label", label="tier", moves=1),
            Limit(per="source", level="row", moves=1),
        )
    )
    given(rule, racks()).lacks(history=3, label=1, level=3)


@pytest.mark.parametrize(
    "limit", [{}, {"per": "pool", "moves": 1}, {"label": "x", "moves": 1}, {"moves": -1}, {"per": "rack", "moves": 1}]
)
def test_limits_that_make_no_sense(limit: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Limit(**limit)
