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
    from collections.abc import Iterable, Sequence

    from optimizer.fleet import Fleet
    from optimizer.policy import Policy
    from optimizer.problem.atoms import AtMost

UNUSED = "no single change was found that helps: {vm} has room on {host}"
"""Said of a plan that leaves a move unmade which nothing forbids."""

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


def test_room_for_the_one_that_lacks_least() -> None:
    assert helps(two(9, 10)) == [
        "let h1 hold 2 MiB of memory more, since even empty it has no room for b: only capacity keeps it off 1 host"
        " (then 1 of it would be left)"
    ]


def test_only_those_that_weigh_something_there_are_named_where_the_plan_leaves_them() -> None:
    """The smallest has left h0 already, and the next one has no memory at all."""
    hosts = [host("h0", memory=8), host("h1", memory=8)]
    vms = [vm("a", "h0", memory=1), vm("b", "h0", cpu=1), vm("c", "h0", memory=9)]
    assert helps(fleet(hosts, vms), moves=[("a", "h0", "h1")]) == [
        "let h1 hold 2 MiB of memory more, since even empty it has no room for c: only capacity keeps it off 1 host"
    ]


def test_a_host_that_nobody_loads_wants_capacity() -> None:
    taken = host("h0", memory=8, measured={"memory_mib": 9})
    assert helps(fleet([taken, host("h1", memory=8)], [])) == ["more capacity: no VM is the cause"]


# -- who may not move ------------------------------------------------------------------------------------------------


def test_one_that_may_not_move_is_named_with_the_reason_of_its_platform() -> None:
    hosts = [host("h0", memory=8), host("h1", memory=20)]
    vms = [vm("a", "h0", memory=9, mobility="none", mobility_reason="cdrom attached")]
    assert helps(fleet(hosts, vms)) == [
        "let a move (allowed: it cannot be moved: cdrom attached): 1 host could take it, such as h1"
    ]


def test_what_a_remedy_leaves_is_told() -> None:
    hosts = [host("h0", memory=8), host("h1", memory=8)]
    (text,) = helps(fleet(hosts, [vm(f"v{i}", "h0", memory=2, mobility="none") for i in range(6)]))
    assert text.endswith("(then 2 of it would be left)")


def test_several_changes_are_not_sold_as_one() -> None:
    (text,) = helps(two(9, 10, mobility="none"))
    assert text == (
        "no single change was found that helps; together, for a to go to h1: allowed, capacity (memory_mib) "
        "(then 2 of it would be left)"
    )


def test_a_change_that_helps_in_place_of_a_move_of_the_plan_is_one_change() -> None:
    """The plan sends b to h1, and a finds no room there; were a free to move, b could stay."""
    hosts = [host("h0", memory=10), host("h1", memory=20)]
    vms = [vm("a", "h0", memory=15, mobility="none"), vm("b", "h0", memory=10)]
    assert helps(fleet(hosts, vms), moves=[("b", "h0", "h1")]) == [
        "let a move (allowed: it cannot be moved): 1 host could take it, such as h1, in place of the plan's move of b"
    ]


def test_all_moves_in_place_of_which_it_helps_are_named_for_machines() -> None:
    small = [vm(f"b{i}", "h0", memory=2) for i in range(5)]
    of = fleet([host("h0", memory=10), host("h1", memory=20)], [vm("a", "h0", memory=15, mobility="none"), *small])
    made = [Move(of.vm_index[f"b{i}"], 0, 1) for i in range(5)]
    wanted = policy(*RULES)
    outlook = Outlook(of, build(of, wanted.rules, wanted.least), State.start(of).finish(made).placement, made)
    (left,) = [v for r in wanted.rules for v in r.check(State.start(of).finish(made)) if v.subject == "h0"]
    advice = outlook.advise(left)
    assert advice.cause.reason == "in place of the plan's moves of b0, b1, b2, b3, b4"
    assert advice.would_help.endswith("in place of the plan's moves of b0, b1, b2, ...")


# -- where they may not go -------------------------------------------------------------------------------------------


def test_hosts_that_may_not_receive_are_said_to_be_shut_and_by_whom() -> None:
    of = fleet([host("h0", memory=8), host("h1", memory=9)], [vm("a", "h0", memory=9, forbidden_hosts=["h1"])])
    assert helps(of) == ["let h1 receive a: only allowed keeps it off 1 host"]


def test_the_vm_that_has_somewhere_to_go_is_named_before_a_smaller_one_that_has_not() -> None:
    hosts = [host("h0", memory=8), host("h1", memory=8)]
    vms = [vm("a", "h0", memory=1, forbidden_hosts=["h1"]), vm("b", "h0", memory=9)]
    more = "let h1 hold 1 MiB of memory more, since even empty it has no room for b"
    assert helps(fleet(hosts, vms)) == [f"{more}: only capacity keeps it off 1 host"]


# -- budgets ---------------------------------------------------------------------------------------------------------


def budget(**limit: Any) -> Document:
    return {"rule": "budget", "limits": [limit]}


def crowd(n: int, **more: Any) -> Fleet:
    hosts = [host(f"h{i}", memory=9) for i in range(4)]
    return fleet(hosts, [vm(f"v{i}", "h0", memory=1, groups=["g"], **more) for i in range(n)])


def test_a_budget_that_the_plan_used_up_defers_the_rest() -> None:
    moves = [("v0", "h0", "h1")]
    assert helps(crowd(3), budget(per="run", moves=1), moves=moves) == [
        "deferred by budget (run): a later run, or a larger budget, can move v1 to h2"
    ]


def test_a_budget_of_one_way_does_not_bar_the_others() -> None:
    moves = [("v0", "h0", "h1")]
    assert helps(crowd(3), budget(per="target", moves=1), moves=moves) == [UNUSED.format(vm="v1", host="h2")]
    (text,) = helps(crowd(3), budget(per="source", moves=1), moves=moves)
    assert text == "deferred by budget (out of host h0): a later run, or a larger budget, can move v1 to h2"


def test_the_budget_of_an_owner_is_named() -> None:
    hosts = [host(f"h{i}", memory=9) for i in range(3)]
    vms = [vm(f"v{i}", "h0", memory=1, groups=["g"], owner=f"u{i}") for i in range(2)]
    (text,) = helps(fleet(hosts, vms), budget(per="owner", moves=0))
    assert text == "a larger budget (budget: owner u0): all of it does not pay for v0 to go to h1"


# -- groups ----------------------------------------------------------------------------------------------------------


def test_a_group_with_too_few_vms_is_told_so() -> None:
    three = group({"rule": "spread", "level": "host", "at_least": 3})
    moves = [("v1", "h0", "h1")]
    assert helps(_spread(2, three), moves=moves) == ["more VMs in g: it has too few, 2 where 3 of level host are asked"]


def test_vms_that_are_not_placed_do_not_count() -> None:
    hosts = [host(f"h{i}", memory=9) for i in range(3)]
    vms = [vm("a", "h0", memory=1, groups=["g"]), vm("b", None, memory=1, groups=["g"])]
    of = fleet(hosts, vms, groups=[group({"rule": "spread", "level": "host", "at_least": 2})])
    assert helps(of) == ["more VMs in g: it has too few, 1 where 2 of level host are asked"]


def test_a_fleet_with_too_few_racks_is_told_so() -> None:
    three = group({"rule": "spread", "level": "rack", "at_least": 3})
    assert helps(_spread(3, three), moves=[("v1", "h0", "h1")]) == [
        "more of level rack: g is asked to be on 3, there are 2"
    ]


def test_a_move_that_nothing_forbids_is_told_as_one_that_the_search_did_not_make() -> None:
    (text,) = helps(_spread(3, group({"rule": "spread", "level": "host", "at_least": 3})))
    assert text == UNUSED.format(vm="v0", host="h1")


def _spread(n: int, declared: Document) -> Fleet:
    hosts = [host(f"h{i}", memory=9, rack=f"r{i % 2}") for i in range(3)]
    return fleet(hosts, [vm(f"v{i}", "h0", memory=1, groups=["g"]) for i in range(n)], groups=[declared])


def test_more_rivals_than_hosts_cannot_all_be_apart() -> None:
    moves = [("v0", "h0", "h1"), ("v1", "h0", "h2"), ("v2", "h0", "h3")]
    assert helps(crowd(5), moves=moves) == ["fewer VMs in g, or more of level host: it has 5, at most 1 on each of 4"]


def test_what_a_group_lacks_is_found_once_however_many_domains_it_is_over_in(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    counted = Outlook._per_domain

    def per_domain(self: Outlook, atom: AtMost, i: int) -> Iterable[int]:
        asked.append(i)
        return counted(self, atom, i)

    monkeypatch.setattr(Outlook, "_per_domain", per_domain)
    hosts = [host(f"h{i}", memory=99) for i in range(40)]
    vms = [vm(f"v{i}", f"h{i % 20}", memory=1, groups=["g"]) for i in range(42)]
    texts = helps(fleet(hosts, vms, groups=[group({"rule": "anti_affinity"})]))
    assert len(texts) == 20
    assert len(asked) <= 2  # two sizes of excess, 20 hosts


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


def test_a_need_whose_partner_may_not_move_is_told_so() -> None:
    (text,) = helps(pair(cache="h1", mobility="none"))
    assert text == "let c move (allowed: it cannot be moved): 1 host could take it, such as h0"


def test_a_need_may_be_met_by_the_partner_that_comes() -> None:
    (text,) = helps(pair(cache="h1", app="none", mobility="none"))
    assert text == "let c move (allowed: it cannot be moved): 1 host could take it, such as h0"


@pytest.mark.parametrize("fixed", [(), ("b", "c"), ("a", "b", "c")])
def test_a_group_that_belongs_together(fixed: tuple[str, ...]) -> None:
    """a stands alone on r0, b and c on r1."""
    hosts = [host("h0", memory=9, rack="r0"), host("h1", memory=9, rack="r1")]
    ends = {"a": "h0", "b": "h1", "c": "h1"}
    vms = [vm(n, h, memory=1, groups=["g"], mobility="none" if n in fixed else "live") for n, h in ends.items()]
    (text,) = helps(fleet(hosts, vms, groups=[group({"rule": "together", "level": "rack"})]))
    assert (
        text
        == {
            (): UNUSED.format(vm="a", host="h1"),
            ("b", "c"): "let a, b, c move (allowed: it cannot be moved): 1 host could take it, such as h1",
            ("a", "b", "c"): "let a move (allowed: it cannot be moved): 1 host could take it, such as h1",
        }[fixed]
    )


def test_a_vm_that_must_leave_is_meant_itself() -> None:
    drained = host("h0", memory=9, state="draining")
    of = fleet([drained, host("h1", memory=1)], [vm("a", "h0", memory=2), vm("b", "h0", memory=1, mobility="none")])
    first, second = helps(of)
    more = "let h1 hold 1 MiB of memory more, since even empty it has no room for a"
    assert first == f"{more}: only capacity keeps it off 1 host"
    assert second == "let b move (allowed: it cannot be moved): 1 host could take it, such as h1"


def test_a_violation_that_no_atom_asked_for_is_not_explained_away() -> None:
    of = two(1, 2)
    rules = policy(*RULES)
    outlook = Outlook(of, build(of, rules.rules, rules.least), State.start(of).placement, [])
    advice = outlook.advise(Violation("odd", "x", Hardness.MUST, 1, 0, 1, vms=(1,)))
    assert advice.cause.kind == "beyond"
