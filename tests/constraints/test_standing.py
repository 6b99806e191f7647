"""A VM that stands where `requires` or `forbidden_hosts` says no: found, moved to where it may be, or named."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from constraints.allowed import Allowed
from constraints.standing import COMPARED, offered_nowhere
from optimizer.check import check
from optimizer.pipeline import Request, make_plan
from optimizer.problem.rule import Hardness
from optimizer.verify.verify import verify
from tests.build import fleet, host, policy, vm
from tests.constraints.given import given

if TYPE_CHECKING:
    from optimizer.fleet import Fleet
    from optimizer.plan import Plan

INTEL: dict[str, Any] = {"labels": {"cpu": "intel"}}
AMD: dict[str, Any] = {"labels": {"cpu": "amd"}}


def planned(whole: Fleet, rules: Any) -> Plan:
    plan = make_plan(whole, rules, Request(seconds=5, deterministic=True))
    assert verify(whole, rules, plan).findings == ()
    return plan


def moves(plan: Plan) -> list[tuple[str, str]]:
    return sorted((m.vm, m.target) for m in plan.moves)


def test_a_label_that_the_host_lacks_is_a_violation_and_repaired() -> None:
    whole = fleet(
        [host("h1", memory=100, **INTEL), host("h2", memory=100, **AMD)],
        [vm("a", "h1", memory=10, requires={"cpu": ["amd"]}), vm("b", "h2", memory=10)],
    )
    (violation,) = check(whole, policy())
    assert (violation.rule, violation.subject, violation.hardness) == ("allowed", "a", Hardness.MUST)
    plan = planned(whole, policy())
    assert (plan.status.value, moves(plan)) == ("optimal", [("a", "h2")])
    assert plan.moves[0].why.startswith("a: it stands on h1, where it may not: cpu intel, amd required")


def test_licenses_and_forbidden_hosts() -> None:
    whole = fleet(
        [host("a", memory=1000, labels={"license": "none"}), host("b", memory=1000, labels={"license": "oracle"})],
        [
            vm("ora", "a", memory=50, requires={"license": ["oracle"]}),
            vm("bad", "a", memory=50, forbidden_hosts=["a"]),
        ],
    )
    assert moves(planned(whole, policy())) == [("bad", "b"), ("ora", "b")]


def both(**more: Any) -> Fleet:
    return fleet(
        [host("h1", memory=100, **INTEL), host("h2", memory=100, **AMD)],
        [vm("a", "h1", memory=10, requires={"cpu": ["amd"]}, forbidden_hosts=["h1"], **more)],
    )


def test_two_reasons_are_one_violation() -> None:
    case = given(Allowed(weight=3), both())
    case.penalizes_by(3000)
    assert case.only.reason == "standing"
    case.says("cpu intel, amd required", "among its forbidden hosts")
    case.finished("a h2").is_content()


def test_what_cannot_be_repaired_is_named_with_what_would_help() -> None:
    plan = planned(both(mobility="none", mobility_reason="a GPU"), policy())
    assert plan.moves == ()
    (left,) = plan.remaining
    assert (left.rule, left.subject) == ("allowed", "a")
    assert "it cannot be moved" in left.would_help
    nowhere = fleet([host("h1", memory=9, **INTEL)], [vm("a", "h1", memory=1, requires={"cpu": ["amd"]})])
    assert "now none may (allowed)" in planned(nowhere, policy()).remaining[0].would_help


def test_a_policy_may_report_only_or_soften() -> None:
    report = policy("capacity", {"rule": "allowed", "standing": "report"})
    (violation,) = check(both(), report)
    assert (violation.hardness, violation.harm) == (Hardness.GUARD, 0)
    plan = planned(both(), report)
    assert (plan.moves, plan.remaining, plan.status.value) == ((), (), "nothing_to_do")
    soft = policy("capacity", {"rule": "allowed", "standing": "should"})
    assert [s.stage for s in planned(both(), soft).objective][:2] == ["harm", "should_harm"]
    assert moves(planned(both(), soft)) == [("a", "h2")]


def test_without_the_rule_the_vm_stays_and_with_a_draining_host_it_goes_where_it_may() -> None:
    assert planned(both(), policy("capacity", "maintenance")).moves == ()
    whole = fleet(
        [host("h0", memory=9, state="draining", **AMD), host("h1", memory=99, **INTEL), host("h2", memory=99, **AMD)],
        [vm("a", "h0", memory=1, requires={"cpu": ["amd"]}), vm("b", "h1", memory=1, forbidden_hosts=["h1"])],
    )
    assert moves(planned(whole, policy())) == [("a", "h2"), ("b", "h2")]


@pytest.mark.parametrize("seed", range(60))
def test_random_fleets_move_exactly_the_misplaced(seed: int) -> None:
    """Where there is room everywhere, each misplaced VM that may stand somewhere moves once, and no other."""
    rng = Random(f"standing {seed}")
    kinds, names = ("x", "y", "z"), [f"h{i}" for i in range(rng.randint(2, 5))]
    labels = {name: {"cpu": rng.choice(kinds), "net": rng.choice(kinds)} for name in names}
    facts: dict[str, tuple[str, dict[str, list[str]], list[str]]] = {}
    for i in range(rng.randint(1, 8)):
        need = {key: rng.sample(kinds, rng.randint(1, 2)) for key in ("cpu", "net") if rng.random() < 0.4}
        facts[f"v{i}"] = rng.choice(names), need, rng.sample(names, rng.choice((0, 0, 1)))
    whole = fleet(
        [host(name, memory=1000, labels=labels[name]) for name in names],
        [vm(v, h, memory=1, requires=need, forbidden_hosts=shut) for v, (h, need, shut) in facts.items()],
    )
    fits = {
        v: [h for h in names if h not in shut and all(labels[h][key] in values for key, values in need.items())]
        for v, (_, need, shut) in facts.items()
    }
    wrong = {v for v, (h, _, _) in facts.items() if h not in fits[v]}
    plan = planned(whole, policy("capacity", "allowed"))
    assert {v.subject for v in check(whole, policy("capacity", "allowed"))} == wrong
    assert {m.vm for m in plan.moves} == {v for v in wrong if fits[v]}
    assert len(plan.moves) == len({m.vm for m in plan.moves})
    assert all(m.target in fits[m.vm] for m in plan.moves)
    assert {r.subject for r in plan.remaining} == {v for v in wrong if not fits[v]}


def test_a_value_that_no_host_has_is_looked_for_where_that_takes_no_time() -> None:
    """The text is made for every VM: of ten thousand host names none is compared with it letter by letter."""
    few, many = (
        fleet([host(f"h{i}", memory=100) | {"labels": {"hostname": f"node-{i}"}} for i in range(n)], [])
        for n in (3, COMPARED + 1)
    )
    assert offered_nowhere(few, "hostname", ("node-1",)) == ""
    assert offered_nowhere(few, "hostname", ("nod-1",)).endswith("has hostname nod-1 (did you mean node-1?)")
    assert offered_nowhere(many, "hostname", ("nod-1",)).endswith("has hostname nod-1")
    assert offered_nowhere(many, "hostnam", ("x",)).endswith("has the label hostnam (did you mean hostname?)")
