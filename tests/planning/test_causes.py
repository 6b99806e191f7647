"""The cause of what remains, judged by the rules' own check over every host; no planner code is asked.

A cause is true if there are hosts on which the VM would lessen the violation, and which the named rule alone closes:
every other must and guard would be no worse than at the start, in flight and at the end, and no hard demand broken.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.fleet import Move, State
from optimizer.pipeline import Request, make_plan
from optimizer.problem.rule import Hardness
from tests.build import fleet, host, policy, vm
from tests.oracle.problems import tiny_problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from optimizer.fleet import Fleet
    from optimizer.plan import Plan, Remaining
    from optimizer.policy import Policy

CHUNKS, CHUNK = 8, 75
LIFTED = {"room", "group", "refused", "pinned", "leaving", "budget"}
"""Causes that name one rule."""

Excesses = dict[tuple[str, str, str, str], int]


def judged(policy_: Policy, state: State, *, softly: bool = False) -> tuple[Excesses, set[str]]:
    """Return the excess of each must and guard (and should) by its names, and the rules with a hard breach."""
    excess: Excesses = {}
    hard: set[str] = set()
    for rule in policy_.rules:
        for v in rule.check(state):
            if v.hardness is Hardness.HARD:
                hard.add(v.rule)
                continue
            if v.hardness is not Hardness.SHOULD or softly:
                excess[v.rule, v.subject, v.resource or "", v.domain or ""] = v.excess
    return excess, hard


def worse(policy_: Policy, state: State, start: Excesses) -> set[str]:
    """Return the rules of which an instance that binds is worse than at the start, or a hard demand is broken."""
    excess, hard = judged(policy_, state)
    return hard | {k[0] for k, e in excess.items() if e > start.get(k, 0)}


def ended(of: Fleet, plan: Plan) -> State:
    moves = (Move(of.vm_index[m.vm], of.host_index[m.source], of.host_index[m.target]) for m in plan.moves)
    return State.start(of).finish(moves)


def true_hosts(of: Fleet, policy_: Policy, plan: Plan, left: Remaining) -> int:
    """Return how many hosts the named rule alone closes to the VM, of those on which it would lessen the violation."""
    assert left.cause is not None
    start, end = judged(policy_, State.start(of))[0], ended(of, plan)
    key = (left.rule, left.subject, left.resource or "", left.domain or "")
    v = of.vm_index[left.cause.vm]
    here, found = int(end.placement[v]), 0
    for h in range(len(of.hosts.ids)):
        move = Move(v, here, h)
        if h == here:
            continue
        then = end.finish([move])
        closing = worse(policy_, end.begin([move]), start) | worse(policy_, then, start)
        if closing == {left.cause.rule} and judged(policy_, then, softly=True)[0].get(key, 0) < left.excess:
            found += 1
    return found


def causes(chunk: int) -> Iterator[tuple[int, Fleet, Policy, Plan, Remaining]]:
    for number in range(chunk * CHUNK, (chunk + 1) * CHUNK):
        tiny = tiny_problem(number)
        plan = make_plan(tiny.fleet, tiny.policy, Request(seconds=5.0, deterministic=True))
        for left in plan.remaining:
            yield number, tiny.fleet, tiny.policy, plan, left


@pytest.mark.rotating
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_no_cause_is_wrong(chunk: int) -> None:
    seen: Counter[str] = Counter()
    wrong = []
    for number, of, policy_, plan, left in causes(chunk):
        assert left.cause is not None
        assert left.would_help
        seen[left.cause.kind] += 1
        single = left.cause.kind in LIFTED and left.cause.vm in of.vm_index and left.cause.rule
        if single and true_hosts(of, policy_, plan, left) < min(1, left.cause.hosts):
            wrong.append((number, left.rule, left.subject, left.cause))
    assert wrong == []
    assert sum(seen.values()) > 10, seen


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
