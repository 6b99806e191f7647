"""The cause of what remains: over random tiny problems by two judges (`tests.planning.causes`), and by hand."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.pipeline import Request, make_plan
from optimizer.plan import Cause
from tests.build import fleet, host, policy, vm
from tests.planning.causes import counted, ended, said
from tests.planning.single_moves import untrue

if TYPE_CHECKING:
    from optimizer.fleet import Fleet
    from optimizer.plan import Remaining

CHUNKS, CHUNK = 32, 20


@pytest.mark.rotating
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_no_cause_is_wrong(chunk: int) -> None:
    seen, again, wrong = counted(range(chunk * CHUNK, (chunk + 1) * CHUNK))
    assert [(one.number, one.left.would_help, judge) for one, judge in wrong] == []
    assert seen.total() > 10, seen
    assert again.total() > 3, again


@pytest.mark.slow
@pytest.mark.parametrize(
    "number",
    [
        pytest.param(11490, id="two preferences that ask the same"),
        pytest.param(50343, id="a VM that one group keeps where another wants it away: the two are of one rule"),
        pytest.param(40182, id="VMs that others are moving stand where they stood, whatever was tried before"),
        pytest.param(20203, id="a VM that had to make way, and whose way back costs another move"),
    ],
)
def test_what_was_once_wrong(number: int) -> None:
    seen, _, wrong = counted([number])
    assert seen.total() > 2
    assert wrong == []


@pytest.mark.slow
def test_the_judge_of_single_moves_finds_what_is_not_so() -> None:
    """Each kind of claim, made false in one word."""
    refuted = Counter[str]()
    for one in said(range(40)):
        cause = one.left.cause
        assert cause is not None
        other = {
            "several": replace(cause, reason="together they keep it off: together", vm=cause.vm or "v0"),
            "trade": replace(cause, reason="moving it would break nothing"),
            "room": Cause("beyond"),
            "beyond": Cause("search"),
        }.get(cause.kind)
        if other is not None:
            end = ended(one._replace(left=replace(one.left, cause=other)))
            refuted[cause.kind] += bool(untrue(end))
    assert min(refuted[kind] for kind in ("several", "trade", "room")) > 0, refuted


def remaining(of: Fleet, *rules: Any, **policy_fields: Any) -> list[Remaining]:
    plan = make_plan(of, policy(*rules, **policy_fields), Request(seconds=5.0, deterministic=True))
    return list(plan.remaining)


RULES = ("capacity", "spread", "together", "needs", "apart", "anti_affinity", "eligible", "allowed", "maintenance")


def test_a_group_that_cannot_travel_together_is_named_and_not_room() -> None:
    hosts = [host("h1", memory=100, state="draining"), host("h2", memory=100), host("h3", memory=100)]
    vms = [vm(n, "h1", memory=20, groups=["g"]) for n in "abc"]
    vms += [vm("d", "h2", memory=70), vm("e", "h3", memory=70)]
    of = fleet(hosts, vms, groups=[{"id": "g", "rules": [{"rule": "together", "level": "host"}]}])
    left = remaining(of, *RULES)
    assert {(r.cause.kind, r.cause.rule, r.cause.subject) for r in left if r.cause} == {("group", "together", "g")}


def test_the_price_is_named_where_it_is_what_stops_a_move() -> None:
    hosts = [host(f"h{n}", memory=100) for n in range(3)]
    vms = [vm(n, "h0", memory=10, groups=["g"], move_cost=900.0) for n in "ab"]
    soft = {"rule": "anti_affinity", "hardness": "should", "price": 5}
    (left,) = remaining(fleet(hosts, vms), "capacity", "allowed", soft, least="weighted")
    assert left.cause is not None
    assert (left.cause.kind, left.cause.rule) == ("price", "anti_affinity")
    assert "price" in left.would_help


def test_the_other_group_is_named_where_it_blocks_those_that_travel_together() -> None:
    hosts = [host("h1", memory=100, state="draining"), host("h2", memory=100), host("h3", memory=100)]
    vms = [vm(f"A{n}", "h1", memory=20, groups=["A"]) for n in range(3)]
    vms += [vm(f"B{n}", "h2", memory=30, groups=["B"]) for n in range(3)]
    vms += [vm(f"C{n}", "h3", memory=20, groups=["C"]) for n in range(2)]
    whole = {"rule": "together", "level": "host"}
    apart = [{"rule": "apart", "level": "host", "with": other} for other in "BC"]
    groups = [{"id": "A", "rules": [whole, *apart]}, {"id": "B", "rules": [whole]}, {"id": "C", "rules": [whole]}]
    left = remaining(fleet(hosts, vms, groups=groups), *RULES)
    assert {(r.cause.kind, r.cause.rule, r.cause.subject) for r in left if r.cause} == {("group", "apart", "A|C")}


def test_its_own_group_is_named_where_one_leaves_and_one_stays() -> None:
    hosts = [host("n1", memory=100, state="draining", rack="r0"), host("n2", memory=100, rack="r1")]
    hosts += [host("n3", memory=100, rack="r1")]
    vms = [vm(n, "n1", memory=10, groups=["w"]) for n in "ab"]
    rules = [{"rule": "anti_affinity", "level": "rack", "at_most": 1}]
    (left,) = remaining(fleet(hosts, vms, groups=[{"id": "w", "rules": rules}]), *RULES)
    assert left.cause is not None
    assert (left.cause.kind, left.cause.rule, left.cause.subject) == ("group", "anti_affinity", "w")


def test_the_reason_of_the_platform_is_told() -> None:
    hosts = [host("h1", memory=100, state="draining"), host("h2", memory=100)]
    vms = [vm("b", "h1", memory=10, mobility="none", mobility_reason="cdrom attached")]
    (left,) = remaining(fleet(hosts, vms), *RULES)
    assert left.cause is not None
    assert left.cause.kind == "pinned"
    assert "cdrom attached" in left.would_help


def test_what_a_budget_leaves_is_deferred() -> None:
    hosts = [host("h0", memory=100, state="draining"), host("h1", memory=100)]
    vms = [vm(f"v{n}", "h0", memory=10) for n in range(3)]
    limits = {"rule": "budget", "limits": [{"per": "run", "moves": 1}]}
    left = remaining(fleet(hosts, vms), *RULES, limits)
    assert [r.cause.kind for r in left if r.cause] == ["budget", "budget"]
    assert all("deferred" in r.would_help for r in left)
