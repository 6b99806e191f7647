"""What the snapshot says may not be done holds in every policy, and the judge says so without the lowering."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from constraints import CATALOGUE
from optimizer.errors import InputError
from optimizer.fleet import HostState, Move, State, VmState
from optimizer.pipeline import Request, make_plan
from optimizer.plan import Status
from optimizer.problem.evaluate import hard_breaches
from optimizer.problem.facts import FACTS
from optimizer.problem.problem import build
from optimizer.problem.snapshot_rule import SnapshotRule, with_snapshot
from optimizer.sources.fleet_json import fleet_from_document
from optimizer.sources.policy_yaml import policy_from_document
from optimizer.verify.effect import Effect
from optimizer.verify.verify import verify
from tests.build import fleet, host, policy, vm
from tests.constraints.contract import by_atoms, by_check, random_states, rule_problem
from tests.constraints.generators import random_document

if TYPE_CHECKING:
    from optimizer.fleet import Fleet
    from optimizer.plan import Plan

CAPACITY = policy("capacity")
LATER, EARLIER = "2026-11-22T00:00:00Z", "2026-11-21T00:00:00Z"
WINDOW = {"from": EARLIER, "to": LATER}
SOON = {"from": "2026-11-21T12:59:00Z", "to": LATER}


def full(first: dict[str, Any], second: dict[str, Any], of_vms: dict[str, Any], **more: Any) -> Fleet:
    """h0 holds twice what it should, h1 has room."""
    hosts = [host("h0", memory=15, **first), host("h1", memory=100, **second)]
    return fleet(hosts, [vm(f"v{i}", "h0", memory=10, **of_vms) for i in range(2)], **more)


def planned(whole: Fleet, rules: Any = CAPACITY) -> Plan:
    plan = make_plan(whole, rules, Request(seconds=5, deterministic=True))
    assert verify(whole, rules, plan).findings == ()
    return plan


FORBIDS: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any], str]] = [
    ("host_state", {}, {"state": "down"}, {}, {}, "hosts that are down take no VM"),
    ("host_state", {}, {"state": "disabled"}, {}, {}, "hosts that are disabled take no VM"),
    ("host_state", {}, {"state": "draining"}, {}, {}, "hosts that are draining take no VM"),
    ("busy", {}, {"busy": ["create"]}, {}, {}, "busy"),
    ("busy", {}, {"busy": ["node_unresponsive"]}, {}, {}, "busy"),
    ("maintenance", {}, {"maintenance": [WINDOW]}, {}, {}, "maintenance window"),
    ("maintenance", {}, {"maintenance": [SOON]}, {}, {}, "maintenance window"),
    ("max_vms", {}, {"max_vms": 0}, {}, {}, ""),
    ("host_down", {"state": "down"}, {}, {}, {}, "nothing leaves a host that is down"),
    ("vm_state", {}, {}, {"state": "stopped"}, {}, "it is stopped"),
    ("vm_state", {}, {}, {"state": "error"}, {}, "it is error"),
    ("vm_state", {}, {}, {"state": "unknown"}, {}, "it is unknown"),
    ("mobility", {}, {}, {"mobility": "cold"}, {}, "mobility"),
    ("mobility", {}, {}, {"mobility": "none", "mobility_reason": "cdrom"}, {}, "cdrom"),
    ("no_move_until", {}, {}, {"no_move_until": LATER}, {}, "no_move_until"),
    ("requires", {}, {}, {"requires": {"cpu": ["a"]}}, {}, "requires"),
    ("forbidden_hosts", {}, {}, {"forbidden_hosts": ["h0"]}, {}, "forbidden_hosts"),
    ("move_within", {}, {}, {}, {"move_within": "zone"}, "move_within"),
    ("host_unobserved", {"unobserved": "disk: 12 min old"}, {}, {}, {}, "on its host is not known (disk: 12 min old)"),
    ("host_unobserved", {}, {"unobserved": "no series"}, {}, {}, "missing or too old take no VM"),
    ("vm_unobserved", {}, {}, {"unobserved": "no series"}, {}, "what it does is not known (no series)"),
]


@pytest.mark.parametrize(("fact", "first", "second", "of_vms", "more", "told"), FORBIDS)
def test_a_fact_binds_where_no_rule_understands_it(
    fact: str, first: Any, second: Any, of_vms: Any, more: Any, told: str
) -> None:
    whole = full({"labels": {"cpu": "a"}} | first, {"labels": {"cpu": "a"}} | second, of_vms, **more)
    plan = planned(whole)
    assert (plan.moves, plan.status) == ((), Status.OPTIMAL)
    assert told in plan.remaining[0].would_help
    moved = State.start(whole).begin([Move(0, 0, 1)])
    assert {v.reason for v in SnapshotRule().check(moved)} == {fact}
    assert list(SnapshotRule(frozenset({fact})).check(moved)) == []
    (refusal,) = SnapshotRule().check(moved)
    assert SnapshotRule().explain(refusal, whole).startswith(refusal.subject)


def test_what_forbids_nothing_forbids_nothing() -> None:
    past = {
        "maintenance": [{"from": "2026-11-20T00:00:00Z", "to": EARLIER}, {"from": LATER, "to": "2027-01-01T00:00:00Z"}]
    }
    whole = full({"state": "draining"}, past | {"max_vms": 1}, {"state": "paused", "no_move_until": EARLIER})
    assert len(planned(whole).moves) == 1


def test_every_fact_is_tried_above() -> None:
    assert {row[0] for row in FORBIDS} == set(FACTS) - {"in_flight"}


def test_max_vms_counts_those_that_come() -> None:
    whole = fleet(
        [host("h0", memory=5), host("h1", memory=100, max_vms=2), host("h2", memory=100, max_vms=1)],
        [vm("w", "h2", memory=50), *(vm(f"v{i}", "h0", memory=5) for i in range(4))],
    )
    plan = planned(whole)
    assert [m.target for m in plan.moves] == ["h1", "h1"]
    assert plan.remaining[0].excess == 5


def test_a_policy_may_not_take_the_name() -> None:
    document = {"format": "remora-policy/1", "rules": [{"rule": "capacity", "name": "snapshot"}]}
    with pytest.raises(InputError, match=r"rules\[0\]\.name"):
        policy_from_document(document, "p", CATALOGUE)


def test_rules_that_understand_a_fact_decide_what_it_means() -> None:
    stopped = full({}, {}, {"state": "stopped"})
    assert len(planned(stopped, policy("capacity", {"rule": "allowed", "states": ["stopped"]})).moves) == 1
    busy = full({}, {"busy": ["create"]}, {})
    assert len(planned(busy, policy("capacity", {"rule": "eligible", "busy": []})).moves) == 1


def test_verify_and_explain_refuse_the_plan_that_ignores_a_fact() -> None:
    plan = planned(full({}, {}, {}))
    whole = full({}, {"state": "down"}, {})
    forged = replace(plan, fleet_digest=whole.digest)
    found = [f for f in verify(whole, CAPACITY, forged).findings if f.code == "hard"]
    assert [f.message for f in found] == ["h1: it is down and takes no VM"]


# -- random fleets ---------------------------------------------------------------------------------------------------


def watched_fleet(rng: Random) -> Fleet:
    """A random fleet of which some hosts and VMs are not observed."""
    document = random_document(rng)
    for record in (*document["hosts"], *document["vms"]):
        if rng.random() < 0.15:
            record["unobserved"] = rng.choice(("no series", "12 min old"))
    return fleet_from_document(document, "random")


@pytest.mark.parametrize("seed", range(200))
def test_check_and_the_atoms_agree(seed: int) -> None:
    rng = Random(f"snapshot {seed}")
    whole = watched_fleet(rng)
    rule = SnapshotRule(frozenset(rng.sample(sorted(FACTS), rng.choice((0, 0, 3, 8)))))
    problem = rule_problem(whole, rule)
    for state in random_states(rng, whole):
        assert by_check(rule, state) == by_atoms(problem, rule, state), (rule, state)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100))
def test_no_plan_breaks_a_fact(seed: int) -> None:
    """Judged by a reading of the document's own words, which knows neither the rule nor the atoms."""
    rng = Random(f"facts {seed}")
    whole = watched_fleet(rng)
    rules = policy("capacity", *rng.sample(["anti_affinity", "spread", "apart", "needs"], rng.randint(0, 2)))
    for move in planned(whole, rules).moves:
        v, source, target = whole.vm_index[move.vm], whole.host_index[move.source], whole.host_index[move.target]
        assert whole.vms.state[v] in (VmState.RUNNING, VmState.PAUSED)
        assert whole.vms.mobility[v] == 0
        assert not whole.vms.requires.get(v)
        assert not whole.vms.forbidden_hosts.get(v)
        assert not whole.vms.no_move_until[v] > whole.now
        assert whole.move_within is None
        assert whole.hosts.state[source] != HostState.DOWN
        assert whole.hosts.state[target] == HostState.ACTIVE
        assert not whole.hosts.busy.get(target)
        assert not whole.hosts.unobserved.keys() & {source, target}
        assert v not in whole.vms.unobserved
        assert v not in {m.vm for m in whole.in_flight}
        assert not any(w.start <= whole.now < w.end for w in whole.hosts.maintenance.get(target, ()))


def test_the_rule_is_added_once() -> None:
    once = with_snapshot(CAPACITY.rules)
    assert with_snapshot(once) == once
    assert len(once) == 2
    assert CAPACITY.judges == once


def test_the_atoms_refuse_as_well() -> None:
    whole = full({}, {"state": "down"}, {})
    problem = build(whole, CAPACITY.rules)
    assert hard_breaches(problem, [Move(0, 0, 1)]) == ["snapshot: v0 may not arrive at h1"]
    assert [v.reason for _, v in Effect.of(whole, CAPACITY, [Move(0, 0, 1)]).after if v.rule == "snapshot"] == [
        "host_state"
    ]
