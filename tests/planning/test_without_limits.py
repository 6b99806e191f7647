"""What a plan leaves for the limits on moves alone, where no single move more would be of use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from optimizer.pipeline import Request, make_plan
from optimizer.verify.verify import verify
from tests.build import fleet, host, policy, vm
from tests.scoped import plan_under

if TYPE_CHECKING:
    from optimizer.fleet import Fleet
    from optimizer.plan import Plan
    from optimizer.verify.verdict import Verdict
    from tests.build import Document

ASK = Request(seconds=5.0, deterministic=True)


def one_makes_way(pairs: int = 1) -> Fleet:
    """For each pair, a host that drains, whose VM needs a whole host: one of two VMs that share the load makes way."""
    hosts, vms = [], []
    for p in range(pairs):
        hosts += [host(f"h{p}", memory=100, state="draining"), host(f"a{p}", memory=100), host(f"b{p}", memory=100)]
        mine = [vm(f"v{p}", f"h{p}", memory=100), vm(f"x{p}", f"a{p}", memory=50), vm(f"y{p}", f"b{p}", memory=50)]
        vms += [v | {"requires": {"pair": [f"p{p}"]}} for v in mine]
        for h in hosts[-3:]:
            h["labels"] = {"pair": f"p{p}"}
    full = [vm("w", "full", memory=100)]  # so that evening out lets a host be full
    return fleet([*hosts, host("full", memory=100)], [*vms, *full])


def planned(of: Fleet, **limit: Any) -> tuple[Plan, Verdict]:
    rules: list[Document] = [{"rule": "capacity"}, {"rule": "maintenance"}, {"rule": "allowed"}]
    under = policy(*rules, *([{"rule": "budget", "limits": [limit]}] if limit else []))
    plan = make_plan(of, under, ASK)
    return plan, verify(of, under, plan)


@pytest.mark.parametrize("limit", [{"moves": 1}, {"moves": 0}])
def test_a_repair_of_two_moves_takes_a_larger_limit(limit: Document) -> None:
    assert planned(one_makes_way())[0].remaining == ()
    plan, _ = planned(one_makes_way(), **limit)
    (left,) = plan.remaining
    assert left.would_help == "a larger limit (budget: run): 2 moves together repair it"
    assert left.cause is not None
    assert (left.cause.kind, left.cause.rule, left.cause.subject) == ("budget", "budget", "run")
    assert not left.deferred  # no later run has more


def test_where_others_spent_the_limit_a_later_run_does_it() -> None:
    plan, verdict = planned(one_makes_way(2), moves=3)
    assert len(plan.moves) == 2
    (left,) = plan.remaining
    assert left.would_help == "a later run, or a larger limit (budget: run): 2 moves together repair it"
    assert left.deferred == "budget: run"
    assert verdict.findings == ()


@pytest.mark.parametrize("balance", [(), ("memory_mib",)])
def test_a_limit_of_the_run_is_named_too(balance: tuple[str, ...]) -> None:
    """Also where the plan evens out loads: what is paid for is no part of what is planned without limits."""
    rules = policy({"rule": "capacity"}, {"rule": "maintenance"}, {"rule": "allowed"})
    plan = plan_under(one_makes_way(), rules, max_moves=1, balance=balance)
    (left,) = plan.remaining
    assert left.would_help == "a larger limit (--max-moves: at most 1 move): 2 moves together repair it"


def test_what_is_left_with_and_without_a_limit_is_not_blamed_on_it() -> None:
    """Nothing repairs it, and the limit is spent by another repair."""
    of = fleet(
        [host("h0", memory=100, state="draining"), host("h1", memory=100), host("h2", memory=50)],
        [vm("big", "h0", memory=150), vm("small", "h0", memory=10)],
    )
    plan, _ = planned(of, moves=1)
    said = {r.subject: r.would_help for r in plan.remaining}
    assert "limit" not in said["big"], said


def test_a_group_that_waits_for_what_others_spent_is_named_whole() -> None:
    """The judge of what is deferred adds up what they cost."""
    hosts = [host("h0", memory=100, state="draining"), host("h1", memory=100), host("h2", memory=100)]
    mates = [vm(f"v{i}", "h0", memory=10, groups=["g"]) for i in range(5)]
    other = [vm("a", "h1", memory=10)]
    spent = [
        {"vm": "a", "outcome": "done", "by": "remora", "from": f"h{2 - n}", "to": f"h{1 + n}"}
        | {"started_at": f"2026-11-21T11:5{n}:00Z", "ended_at": f"2026-11-21T11:5{n}:30Z"}
        for n in range(2)
    ]
    of = fleet(
        hosts,
        [*mates, *other],
        groups=[{"id": "g", "rules": [{"rule": "together", "level": "host"}]}],
        history=spent,
        history_since="2026-11-20T12:00:00Z",
    )
    rules: list[Document] = [{"rule": "capacity"}, {"rule": "maintenance"}, {"rule": "together"}]
    under = policy(*rules, {"rule": "budget", "limits": [{"moves": 6, "window_s": 3600}]})
    plan = make_plan(of, under, ASK)
    (cause,) = {r.cause for r in plan.remaining}
    assert cause is not None
    assert cause.vm == "v0, v1, v2, v3, v4"
    assert {bool(r.deferred) for r in plan.remaining} == {True}
    assert verify(of, under, plan).findings == ()


def test_a_limit_that_binds_nobody_is_not_blamed() -> None:
    """One of three moves is made already: what is left would fit into the run, but not out of the host."""
    ways = {"v": ("h", ["a", "h"]), "x": ("a", ["a", "b"]), "w": ("a", ["a", "c"])}
    hosts = [host("h", memory=100, state="draining"), host("a", memory=120)]
    hosts += [host("b", memory=100), host("c", memory=100)]
    sizes = {"v": 100, "x": 60, "w": 80}
    vms = [vm(v, at, memory=sizes[v]) | {"requires": {"name": names}} for v, (at, names) in ways.items()]
    of = fleet([h | {"labels": {"name": h["id"]}} for h in hosts], vms)
    budget = {"rule": "budget", "limits": [{"moves": 3}, {"per": "source", "moves": 1}]}
    plan = make_plan(of, policy({"rule": "capacity"}, {"rule": "maintenance"}, {"rule": "allowed"}, budget), ASK)
    (left,) = plan.remaining
    assert len(plan.moves) == 1
    assert left.would_help == "a later run, or a larger limit (budget: out of host a): 2 moves together repair it"


@pytest.mark.parametrize(("per", "later"), [("owner", True), ("source", False)])
def test_what_a_later_run_has_is_counted_for_the_moves_that_a_budget_is_of(per: str, later: bool) -> None:
    """Three VMs that stay together, of three owners: each owner's account pays for its own."""
    hosts = [host("h0", memory=100, state="draining"), host("h1", memory=100), host("h2", memory=100)]
    mates = [vm(f"v{i}", "h0", memory=10, groups=["g"], owner=f"u{i}") for i in range(3)]
    spent = [
        {"vm": "z", "outcome": "done", "by": "remora", "from": f"h{2 - n}", "to": f"h{1 + n}"}
        | {"started_at": f"2026-11-21T11:5{n}:00Z", "ended_at": f"2026-11-21T11:5{n}:30Z"}
        for n in range(2)
    ]
    of = fleet(
        hosts,
        [*mates, vm("z", "h1", memory=10, owner="u0")],
        groups=[{"id": "g", "rules": [{"rule": "together", "level": "host"}]}],
        history=spent,
        history_since="2026-11-20T12:00:00Z",
    )
    rules: list[Document] = [{"rule": "capacity"}, {"rule": "maintenance"}, {"rule": "together"}]
    under = policy(*rules, {"rule": "budget", "limits": [{"moves": 2, "window_s": 3600, "per": per}]})
    plan = make_plan(of, under, ASK)
    assert len(plan.remaining) == 3
    assert {bool(r.deferred) for r in plan.remaining} == {later}
    assert verify(of, under, plan).findings == ()


def test_a_vm_that_the_plan_moves_and_that_would_go_elsewhere_is_counted_once() -> None:
    """v2 leaves h1 in either way, so the budget of h1 keeps nothing: that of h2 does, which v5 has spent."""
    hosts = [host(h, memory=m, disk=d) for h, m, d in (("h0", 5120, 9), ("h1", 4096, 14), ("h2", 1024, 4))]
    at = {"v0": ("h0", 2048, 3), "v1": ("h0", 2048, 0), "v2": ("h1", 1024, 2)}
    at |= {"v3": ("h2", 1024, 1), "v4": ("h1", 1024, 3), "v5": ("h2", 2560, 1)}
    vms = [vm(v, h, memory=m, disk=d) | ({"mobility": "none"} if h == "h0" else {}) for v, (h, m, d) in at.items()]
    headroom = {"rule": "headroom", "resource": "disk_mib", "alert": 0.6, "safe": 0.5, "hardness": "should"}
    budget = {"rule": "budget", "limits": [{"moves": 6}, {"per": "source", "moves": 1}]}
    of, under = fleet(hosts, vms), policy({"rule": "capacity"}, headroom | {"weight": 5}, budget)
    plan = make_plan(of, under, ASK)
    assert [r.deferred for r in plan.remaining] == ["budget: out of host h2"]
    assert verify(of, under, plan).findings == ()


def test_a_vm_that_has_to_move_twice_is_counted_twice_in_what_a_budget_keeps() -> None:
    """v3 makes room for v2, and goes to where that was: with v0, which is moved, four moves of three."""
    hosts = [host("h0", memory=126), host("h1", memory=26), host("h2", memory=202)]
    groups = [{"id": "g0", "rules": [{"rule": "spread", "level": "host", "at_least": 3}]}]
    vms = [vm("v0", "h2", memory=100, groups=["g0"]), vm("v1", "h2", memory=51, groups=["g0"], mobility="none")]
    vms += [vm("v2", "h1", memory=127), vm("v3", "h2", memory=25, groups=["g0"])]
    rules: list[Document] = [
        {"rule": "capacity"},
        {"rule": "spread"},
        {"rule": "prefer", "entries": [{"vms": ["v0"], "hosts": ["h0"]}]},
    ]
    budget = {"rule": "budget", "limits": [{"moves": 3}, {"per": "source", "moves": 1}]}
    of, under = fleet(hosts, vms, groups=groups), policy(*rules, budget)
    plan = make_plan(of, under, ASK)
    left = {r.rule: (r.deferred, r.cause.vm if r.cause else "") for r in plan.remaining}
    assert left["spread"] == ("budget: run", "v3, v2, v3")
    assert verify(of, under, plan).findings == ()
