"""What a plan says of its moves: reasons, which they make room for, batches, the highest load, its identity."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import orjson

from optimizer.fleet import ABSENT, Move
from optimizer.pipeline import Request, make_plan
from optimizer.plan import Cause, Reason, Remaining, Status
from optimizer.plan_identity import _said, identify
from optimizer.planning.describe import Described, describe, highest_load
from optimizer.problem.problem import build
from optimizer.sequence.order import order
from tests.build import fleet, host, policy, vm
from tests.problem.tiny import GUARD, SHOULD, problem, room

if TYPE_CHECKING:
    from optimizer.fleet import Fleet
    from optimizer.plan import Plan
    from optimizer.policy import Policy

CAPACITY = policy("capacity", "anti_affinity", "allowed")


def described(of: Fleet, rules: Policy, **targets: str) -> Described:
    """Describe the moves that take VMs to the hosts named."""
    asked = build(of, rules.rules, rules.least)
    placement = asked.start.copy()
    for name, target in targets.items():
        placement[of.vm_index[name]] = of.host_index[target]
    return describe(of, rules, asked, order(asked, placement))


def crowded() -> Fleet:
    """h0 holds 10 of 8 MiB, h1 has room for 3, h2 for 2."""
    hosts = [host("h0", memory=8), host("h1", memory=6), host("h2", memory=3)]
    vms = [vm("a", "h0", memory=6), vm("b", "h0", memory=4), vm("c", "h1", memory=3), vm("d", "h2", memory=1)]
    return fleet(hosts, vms)


# -- reasons ---------------------------------------------------------------------------------------------------------


def test_a_move_says_what_it_mends_with_the_values_at_the_start() -> None:
    (move,) = described(
        fleet([host("h0", memory=8), host("h1", memory=9)], [vm("a", "h0", memory=6), vm("b", "h0", memory=4)]),
        CAPACITY,
        b="h1",
    ).moves
    assert (move.id, move.vm, move.source, move.target, move.after) == ("m0001", "b", "h0", "h1", ())
    assert move.reasons == (Reason("capacity", "h0", 10, 8, "memory_mib"),)
    assert move.why.startswith("h0: ")
    assert not move.staging
    assert move.copied_mib == 4
    assert move.seconds > 0


def test_whoever_makes_room_says_for_whom() -> None:
    found = described(crowded(), CAPACITY, b="h1", c="h2", d="h1")
    by_vm = {m.vm: m for m in found.moves}
    assert by_vm["b"].reasons
    assert not by_vm["c"].reasons
    assert by_vm["c"].id in by_vm["b"].after
    assert by_vm["c"].why == "makes room on h1 for b"


def test_a_move_that_nobody_waits_for_and_that_mends_nothing_says_where_it_makes_room() -> None:
    (move,) = described(
        fleet([host("h0", memory=8), host("h1", memory=9)], [vm("a", "h0", memory=6)]), CAPACITY, a="h1"
    ).moves
    assert (move.reasons, move.why) == ((), "makes room on h0")


def test_a_vm_without_any_of_the_resource_is_not_moved_for_it() -> None:
    hosts = [host("h0", memory=8, cpu=9), host("h1", memory=9, cpu=9)]
    vms = [vm("a", "h0", memory=9), vm("b", "h0", cpu=1), vm("c", "h0", memory=1)]
    found = described(fleet(hosts, vms), CAPACITY, a="h1", b="h1")
    assert {m.vm: bool(m.reasons) for m in found.moves} == {"a": True, "b": False}


def test_groups_name_the_domain_where_they_were_crowded() -> None:
    hosts = [host("h0", memory=8), host("h1", memory=8)]
    vms = [vm("a", "h0", memory=1, groups=["g"]), vm("b", "h0", memory=1, groups=["g"])]
    (move,) = described(fleet(hosts, vms), CAPACITY, b="h1").moves
    assert move.reasons == (Reason("anti_affinity", "g", 2, 1, None, "host:h0"),)


def test_what_is_only_eased_is_a_reason_and_remains() -> None:
    hosts = [host("h0", memory=8), host("h1", memory=6)]
    vms = [vm("a", "h0", memory=6), vm("b", "h0", memory=5), vm("c", "h0", memory=5)]
    found = described(fleet(hosts, vms), CAPACITY, a="h1")
    assert [r.value for r in found.moves[0].reasons] == [16]
    (left,) = found.remaining
    assert (left.rule, left.subject, left.resource, left.excess) == ("capacity", "h0", "memory_mib", 2)
    assert left.why
    assert left.would_help


def test_a_hop_is_called_a_hop() -> None:
    """a and b swap hosts that are full; h2 has room for one of them."""
    hosts = [host("h0", memory=5), host("h1", memory=5), host("h2", memory=5)]
    found = described(fleet(hosts, [vm("a", "h0", memory=5), vm("b", "h1", memory=5)]), CAPACITY, a="h1", b="h0")
    assert [m.staging for m in found.moves] == [True, False, False]
    assert found.moves[0].why.startswith("staging hop: makes room on ")
    assert found.moves[0].target == "h2"


# -- batches and placement -------------------------------------------------------------------------------------------


def test_batches_hold_all_moves_and_after_names_only_earlier_ones() -> None:
    found = described(crowded(), CAPACITY, b="h1", c="h2", d="h1")
    batch = {m.id: m.batch for m in found.moves}
    assert sorted(n for b in found.batches for n in b.moves) == sorted(batch)
    assert all(batch[n] == b.batch for b in found.batches for n in b.moves)
    assert all(batch[a] < m.batch for m in found.moves for a in m.after)
    seconds = {m.id: m.seconds for m in found.moves}
    assert all(b.seconds == max(seconds[n] for n in b.moves) for b in found.batches)


def test_placement_counts_arcs_and_the_highest_load() -> None:
    found = described(fleet([host("h0", memory=8), host("h1", memory=16)], [vm("a", "h0", memory=9)]), CAPACITY, a="h1")
    assert found.placement_value == 9 * 10_000 // 16
    chain = described(crowded(), CAPACITY, b="h1", c="h2", d="h1")
    arcs = sum(len(m.after) for m in chain.moves)
    assert arcs > 0
    assert chain.placement_value == 10_000 * arcs + 10_000  # h2 is full


def test_the_highest_load_is_that_of_musts_on_hosts_that_are_touched() -> None:
    end = np.array([1, 1, 2], np.int32)
    moves = [Move(0, 0, 1)]
    loads = room([3, 2, 9], [10, 8, 10], base=[1, 2, 0])
    assert highest_load(problem([0, 1, 2], [loads]), end, moves) == 8750
    for asked in (GUARD, SHOULD):
        soft = room([3, 2, 9], [10, 8, 10], asked=asked)
        assert highest_load(problem([0, 1, 2], [soft]), end, moves) == 0
    assert highest_load(problem([0, 1, 2], [loads]), end, []) == 0
    assert highest_load(problem([ABSENT, 1, 2], [loads]), np.array([ABSENT, 0, 2], np.int32), [Move(1, 1, 0)]) == 3000


# -- identity --------------------------------------------------------------------------------------------------------


def said_of(plan: Plan) -> bytes:
    """Return what the id of a plan without scope is the digest of, field by field."""
    said = orjson.loads(orjson.dumps(replace(plan, id="", made_at=plan.taken_at, stats={}, warnings=())))
    del said["scope"]
    for remaining in (r for r in said["remaining"] if not r["deferred"]):
        del remaining["deferred"]
    for part in (part for proof in said["proof"] for part in proof["parts"] if not part["prices"]):
        del part["prices"]
    return orjson.dumps(said)


def test_the_id_follows_from_what_to_do_and_not_from_when_it_was_made() -> None:
    vms = [vm("a", "h0", memory=6), vm("b", "h0", memory=4)]
    of = fleet([host("h0", memory=8), host("h1", memory=9)], vms)
    plan = make_plan(of, CAPACITY, Request(deterministic=True))
    assert plan.status is Status.OPTIMAL
    assert plan.id.startswith("plan-")
    assert identify(replace(plan, id="", stats={}, made_at=plan.expires_at)).id == plan.id
    assert plan.remaining == () and said_of(plan) == _said(plan)
    odd = Remaining("r", "s", 1, 'why,"deferred":"",', "help", cause=Cause("k", reason='\\","deferred":""'))
    left = replace(plan, remaining=(odd, replace(odd, deferred="a limit"), replace(odd, resource="disk_gib")))
    assert said_of(left) == _said(left)
    changed = replace(plan.moves[0], target="h7")
    for other in (replace(plan, moves=(changed,)), replace(plan, fleet="x"), replace(plan, status=Status.FEASIBLE)):
        assert identify(other).id != plan.id


def test_without_moves_there_is_nothing_but_what_remains() -> None:
    found = described(crowded(), CAPACITY)
    assert (found.moves, found.batches, found.placement_value) == ((), (), 0)
    assert [r.subject for r in found.remaining] == ["h0"]
