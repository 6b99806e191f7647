"""What would help, demand by demand: said from the atom, with names and numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from optimizer.fleet import Move, State
from optimizer.planning.advice import Outlook
from optimizer.problem.problem import build
from optimizer.problem.rule import Hardness, Violation
from tests.build import Document, fleet, host, policy, vm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.fleet import Fleet
    from optimizer.policy import Policy

RULES = ("capacity", "anti_affinity", "spread", "together", "needs", "apart", "maintenance", "allowed", "journey")


def helps(of: Fleet, *more: Any, moves: Sequence[tuple[str, str, str]] = (), rules: Policy | None = None) -> list[str]:
    """Return what would help with each violation that is left after the moves, rule by rule."""
    wanted = rules or policy(*RULES, *more)
    made = [Move(of.vm_index[v], of.host_index[a], of.host_index[b]) for v, a, b in moves]
    end = State.start(of).finish(made)
    outlook = Outlook(of, build(of, wanted.rules, wanted.least), end.placement, made)
    left = [v for r in wanted.rules for v in r.check(end) if v.hardness is not Hardness.HARD]
    return [outlook.advise(v).would_help for v in left]


def two(first: int, second: int, **more: Any) -> Fleet:
    """h0 has room for 8 MiB, h1 for 8 MiB."""
    hosts = [host("h0", memory=8, rack="r0"), host("h1", memory=8, rack="r1")]
    return fleet(hosts, [vm("a", "h0", memory=first, **more), vm("b", "h0", memory=second, **more)])


def group(*rules: Document, name: str = "g") -> Document:
    return {"id": name, "rules": list(rules)}


# -- room ------------------------------------------------------------------------------------------------------------


def test_room_for_the_smallest_that_may_go() -> None:
    assert helps(two(9, 10)) == ["a host with room for a (9 memory_mib), reachable by live moves"]


def test_only_those_that_weigh_something_there_are_named_where_the_plan_leaves_them() -> None:
    """The smallest has left h0 already, and the next one has no memory at all."""
    hosts = [host("h0", memory=8), host("h1", memory=8)]
    vms = [vm("a", "h0", memory=1), vm("b", "h0", cpu=1), vm("c", "h0", memory=9)]
    assert helps(fleet(hosts, vms), moves=[("a", "h0", "h1")]) == [
        "a host with room for c (9 memory_mib), reachable by live moves"
    ]


def test_a_host_that_nobody_loads_wants_capacity() -> None:
    taken = host("h0", memory=8, measured={"memory_mib": 9})
    assert helps(fleet([taken, host("h1", memory=8)], [])) == ["more capacity: no VM is to blame"]


# -- who may not move ------------------------------------------------------------------------------------------------


def test_those_that_may_not_move_are_named_with_their_reason() -> None:
    (text,) = helps(two(9, 10, mobility="none"))
    assert text.startswith("if one of these could move: a (allowed: ")
    assert ", b (allowed: " in text


def test_many_are_counted() -> None:
    hosts = [host("h0", memory=8), host("h1", memory=8)]
    (text,) = helps(fleet(hosts, [vm(f"v{i}", "h0", memory=2, mobility="none") for i in range(6)]))
    assert text.endswith(" and 2 more")


def test_somebody_elses_move_counts_at_both_ends_and_is_named() -> None:
    hosts = [host("h0", memory=8), host("h1", memory=4)]
    ends = {"from": "h0", "to": "h1", "started_at": "2026-11-21T11:59:00Z", "by": "other"}
    of = fleet(hosts, [vm("a", "h0", memory=5)], in_flight=[{"id": "x", "vm": "a"} | ends])
    assert helps(of) == ["if one of these could move: a (snapshot: somebody is moving it right now)"]


# -- where they may not go -------------------------------------------------------------------------------------------


def test_hosts_that_may_not_receive_are_said_to_be_shut_and_by_whom() -> None:
    of = two(9, 10, forbidden_hosts=["h1"])
    assert helps(of) == ["a host that may receive a: now none may (allowed)"]


def test_the_vm_that_has_somewhere_to_go_is_named_before_a_smaller_one_that_has_not() -> None:
    hosts = [host("h0", memory=8), host("h1", memory=8)]
    vms = [vm("a", "h0", memory=1, forbidden_hosts=["h1"]), vm("b", "h0", memory=9)]
    assert helps(fleet(hosts, vms)) == ["a host with room for b (9 memory_mib), reachable by live moves"]


# -- budgets ---------------------------------------------------------------------------------------------------------


def budget(**limit: Any) -> Document:
    return {"rule": "budget", "limits": [limit]}


def crowd(n: int, **more: Any) -> Fleet:
    hosts = [host(f"h{i}", memory=9) for i in range(4)]
    return fleet(hosts, [vm(f"v{i}", "h0", memory=1, groups=["g"], **more) for i in range(n)])


def test_a_budget_that_the_plan_used_up_is_named() -> None:
    moves = [("v0", "h0", "h1")]
    assert helps(crowd(3), budget(per="run", moves=1), moves=moves) == [
        "a larger budget (budget: run, 1 of 1 used by this plan)"
    ]
    assert helps(crowd(3), budget(per="run", moves=2), moves=moves) == [
        "a host with room for v1 (1 memory_mib), reachable by live moves"
    ]


def test_a_budget_of_one_way_does_not_bar_the_others() -> None:
    moves = [("v0", "h0", "h1")]
    (text,) = helps(crowd(3), budget(per="target", moves=1), moves=moves)
    assert text.startswith("a host with room for v1")
    (text,) = helps(crowd(3), budget(per="source", moves=1), moves=moves)
    assert text == "a larger budget (budget: out of host h0, 1 of 1 used by this plan)"


def test_budgets_of_owners_are_named_one_by_one() -> None:
    hosts = [host(f"h{i}", memory=9) for i in range(3)]
    vms = [vm(f"v{i}", "h0", memory=1, groups=["g"], owner=f"u{i}") for i in range(2)]
    (text,) = helps(fleet(hosts, vms), budget(per="owner", moves=0))
    assert text == (
        "a larger budget (budget: owner u0, 0 of 0 used by this plan, budget: owner u1, 0 of 0 used by this plan)"
    )


# -- groups ----------------------------------------------------------------------------------------------------------


def test_a_group_with_too_few_vms_is_told_so() -> None:
    three = group({"rule": "spread", "level": "host", "at_least": 3})
    assert helps(_spread(2, three)) == ["more VMs in g: it has too few, 2 where 3 of level host are asked"]


def test_vms_that_are_not_placed_do_not_count() -> None:
    hosts = [host(f"h{i}", memory=9) for i in range(3)]
    vms = [vm("a", "h0", memory=1, groups=["g"]), vm("b", None, memory=1, groups=["g"])]
    of = fleet(hosts, vms, groups=[group({"rule": "spread", "level": "host", "at_least": 2})])
    assert helps(of) == ["more VMs in g: it has too few, 1 where 2 of level host are asked"]


def test_a_fleet_with_too_few_racks_is_told_so() -> None:
    assert helps(_spread(3, group({"rule": "spread", "level": "rack", "at_least": 3}))) == [
        "more of level rack: g is asked to be on 3, there are 2"
    ]


def test_a_group_that_could_be_spread_wants_room() -> None:
    (text,) = helps(_spread(3, group({"rule": "spread", "level": "host", "at_least": 3})))
    assert text == "a host with room for v0 (1 memory_mib), reachable by live moves"


def _spread(n: int, declared: Document) -> Fleet:
    hosts = [host(f"h{i}", memory=9, rack=f"r{i % 2}") for i in range(3)]
    return fleet(hosts, [vm(f"v{i}", "h0", memory=1, groups=["g"]) for i in range(n)], groups=[declared])


def test_more_rivals_than_hosts_cannot_all_be_apart() -> None:
    moves = [("v0", "h0", "h1"), ("v1", "h0", "h2"), ("v2", "h0", "h3")]
    assert helps(crowd(5), moves=moves) == ["fewer VMs in g, or more of level host: it has 5, at most 1 on each of 4"]


def pair(*, cache: str | None, mobility: str = "live", app: str = "live") -> Fleet:
    """app a on h0 needs a cache on its rack."""
    hosts = [host("h0", memory=9, rack="r0"), host("h1", memory=9, rack="r1"), host("h2", memory=9, rack="r1")]
    vms = [vm("a", "h0", memory=2, groups=["app"], mobility=app)]
    if cache:
        vms.append(vm("c", cache, memory=1, groups=["cache"], mobility=mobility))
    asked = group({"rule": "needs", "level": "rack", "with": "cache"}, name="app")
    return fleet(hosts, vms, groups=[asked, group(name="cache")])


def test_a_need_for_what_there_is_not() -> None:
    assert helps(pair(cache=None)) == ["a VM of cache: none is placed"]


def test_a_need_whose_partner_may_not_move_says_where_the_room_has_to_be() -> None:
    (text,) = helps(pair(cache="h1", mobility="none"))
    assert text.startswith(
        "a host with room for a (2 memory_mib), reachable by live moves, on the rack of one of cache, "
        "of which none may move: c (allowed: "
    )


def test_a_need_may_be_met_by_the_partner_that_comes() -> None:
    assert helps(pair(cache="h1", app="none")) == ["a host with room for c (1 memory_mib), reachable by live moves"]


def test_a_need_of_which_no_side_may_move_names_both() -> None:
    (text,) = helps(pair(cache="h1", mobility="none", app="none"))
    assert text.startswith("if one of these could move: a (allowed: ")
    assert ", c (allowed: " in text


@pytest.mark.parametrize("fixed", [(), ("b", "c"), ("a", "b", "c")])
def test_a_group_that_belongs_together(fixed: tuple[str, ...]) -> None:
    """a stands alone on r0, b and c on r1."""
    hosts = [host("h0", memory=9, rack="r0"), host("h1", memory=9, rack="r1")]
    ends = {"a": "h0", "b": "h1", "c": "h1"}
    vms = [vm(n, h, memory=1, groups=["g"], mobility="none" if n in fixed else "live") for n, h in ends.items()]
    (text,) = helps(fleet(hosts, vms, groups=[group({"rule": "together", "level": "rack"})]))
    room = "a host with room for a (1 memory_mib), reachable by live moves"
    if not fixed:
        assert text == room
    elif "a" in fixed:
        assert text.startswith("if one of these could move: a (allowed: ")
    else:
        assert text.startswith(f"{room}, on the rack of one of g, of which none may move: b (allowed: ")


def test_a_vm_that_must_leave_is_meant_itself() -> None:
    drained = host("h0", memory=9, state="draining")
    of = fleet([drained, host("h1", memory=1)], [vm("a", "h0", memory=2), vm("b", "h0", memory=1, mobility="none")])
    first, second = helps(of)
    assert first == "a host with room for a (2 memory_mib), reachable by live moves"
    assert second.startswith("if one of these could move: b (allowed: ")


def test_a_violation_that_no_atom_asked_for_is_judged_by_the_vms_it_names() -> None:
    of = two(1, 2)
    rules = policy(*RULES)
    outlook = Outlook(of, build(of, rules.rules, rules.least), State.start(of).placement, [])
    odd = Violation("odd", "x", Hardness.MUST, 1, 0, 1, vms=(1,))
    assert outlook.advise(odd).would_help == "a host with room for b (2 memory_mib), reachable by live moves"
    assert (
        outlook.advise(Violation("odd", "x", Hardness.MUST, 1, 0, 1)).would_help == "more capacity: no VM is to blame"
    )
