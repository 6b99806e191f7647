"""Faults that were seen in use: every kind of them with its right value, and at least 20 further inputs of the kind.

`TRIED` says where each kind is tried; what is tried nowhere else is tried below. The inputs are made here, by hand or
by a generator, and judged by counting, by planning again with one thing changed, or by `verify`.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.clock import SystemClock
from optimizer.errors import InputError
from optimizer.fleet import AMOUNT_LIMIT
from optimizer.pipeline import Request, make_plan
from optimizer.plan import Part, Proof
from optimizer.verify import proof_whole
from optimizer.verify.verify import verify
from tests.build import document, fleet, host, policy, vm
from tests.command_line import run, write
from tests.scenarios.reported import ALL, harm, planned

if TYPE_CHECKING:
    from optimizer.fleet import Fleet
    from optimizer.plan import Plan

SNAPSHOT, UNKNOWN, STANDING = "problem/test_snapshot_rule", "test_unknown_names", "constraints/test_standing"
ON_TIME, CAUSES, LARGE = "planning/test_on_time", "planning/test_causes", "exact/test_large"
EVEN, OVERCOMMIT, DISRUPTION = "planning/test_even_out", "constraints/test_overcommit", "test_disruption"
HERE, STAYS = "scenarios/test_reported_faults", "scenarios/test_reported_stays"

TRIED: dict[str, tuple[tuple[str, str], tuple[str, str]]] = {
    "a host that is down receives": (
        (SNAPSHOT, "test_a_fact_binds_where_no_rule_understands_it"),
        (SNAPSHOT, "test_no_plan_breaks_a_fact"),
    ),
    "a VM leaves a host that is down": (
        (SNAPSHOT, "test_a_fact_binds_where_no_rule_understands_it"),
        (SNAPSHOT, "test_no_plan_breaks_a_fact"),
    ),
    "a VM moves before it may": (
        (SNAPSHOT, "test_a_fact_binds_where_no_rule_understands_it"),
        (SNAPSHOT, "test_no_plan_breaks_a_fact"),
    ),
    "a name that matches nothing": (
        (HERE, "test_a_short_name_of_a_host_is_refused_with_its_full_one"),
        (UNKNOWN, "test_a_name_that_matches_nothing_is_refused_where_it_stands"),
    ),
    "a VM stands where its labels say no": (
        (STANDING, "test_a_label_that_the_host_lacks_is_a_violation_and_repaired"),
        (STANDING, "test_random_fleets_move_exactly_the_misplaced"),
    ),
    "a VM stands where it has no license": (
        (STANDING, "test_licenses_and_forbidden_hosts"),
        (STANDING, "test_random_fleets_move_exactly_the_misplaced"),
    ),
    "a limit that does not bind": (
        (ON_TIME, "test_a_plan_is_made_in_time"),
        (HERE, "test_full_hosts_end_in_time"),
    ),
    "chains that take all the time": (
        (HERE, "test_twenty_chains_are_repaired_within_two_seconds"),
        (HERE, "test_any_number_of_chains_is_repaired"),
    ),
    "an end by a count of moves": (
        (HERE, "test_a_hundred_moves_are_made_where_a_hundred_are_needed"),
        (ON_TIME, "test_a_group_gets_as_many_moves_as_it_wants"),
    ),
    "room is blamed, a group has to stay together": (
        (CAUSES, "test_a_group_that_cannot_travel_together_is_named_and_not_room"),
        (STAYS, "test_random_groups_that_cannot_travel_together"),
    ),
    "room is blamed, a price is too low": (
        (CAUSES, "test_the_price_is_named_where_it_is_what_stops_a_move"),
        (STAYS, "test_random_prices_that_are_too_low"),
    ),
    "room is blamed, another group is there": (
        (CAUSES, "test_the_other_group_is_named_where_it_blocks_those_that_travel_together"),
        (STAYS, "test_random_groups_that_keep_apart"),
    ),
    "room is blamed, its own group is there": (
        (CAUSES, "test_its_own_group_is_named_where_one_leaves_and_one_stays"),
        (STAYS, "test_random_groups_that_are_everywhere"),
    ),
    "the reason that was given is not told": (
        (STAYS, "test_each_vm_that_stays_says_its_own_reason"),
        (STAYS, "test_random_reasons_are_told"),
    ),
    "the fullest of equal targets": (
        (EVEN, "test_the_empty_host_is_chosen_and_not_the_one_that_is_nearly_full"),
        (EVEN, "test_no_host_is_hotter_than_it_must"),
    ),
    "hosts at 99 and 0 % are left as they are": (
        ("scenarios/test_balance", "test_hosts_at_99_and_0_percent_are_evened_out"),
        ("scenarios/test_balance", "test_the_least_imbalance_with_the_fewest_moves"),
    ),
    "overcommit for one rule only": (
        (OVERCOMMIT, "test_said_on_capacity_it_holds_for_eligible_and_the_other_way_round"),
        (OVERCOMMIT, "test_random_ratios_bind_both_rules_at_the_same_amount"),
    ),
    "replicas on their way together": (
        (DISRUPTION, "test_two_replicas_are_never_on_their_way_together"),
        (DISRUPTION, "test_batches_hold_what_the_limits_allow_and_no_later_move_fits_an_earlier_batch"),
    ),
    "harm beyond the model": (
        (LARGE, "test_harm_beyond_the_limit_is_refused_by_name"),
        (HERE, "test_any_weight_and_amount_is_answered_or_refused"),
    ),
    "harm beyond a float": (
        (LARGE, "test_harm_beyond_what_a_float_counts_is_exact"),
        (LARGE, "test_large_problems_against_every_plan_there_is"),
    ),
    "a fleet without VMs": (
        (LARGE, "test_a_fleet_without_vms_is_in_order"),
        (LARGE, "test_a_fleet_without_vms_is_in_order"),
    ),
    "a proof that cannot be followed": (
        (HERE, "test_a_proof_of_a_stage_that_is_not_asked_for_is_named"),
        (HERE, "test_any_argument_about_any_stage_is_followed_or_named"),
    ),
    "its own right plans refused": (
        (LARGE, "test_moves_that_cost_nothing_give_a_proof_that_the_judge_accepts"),
        (HERE, "test_own_plans_are_verified_and_applied"),
    ),
}
"""By kind: the test with the value that is right, and the test of further inputs."""


class CpuClock(SystemClock):
    """Counts the CPU time of this process, so that other work on the machine does not matter."""

    def monotonic(self) -> float:
        return time.process_time()


def within(whole: Fleet, seconds: float) -> Plan:
    """Plan under a limit of CPU time, with one worker."""
    return make_plan(whole, policy(), Request(seconds=seconds, workers=1), clock=CpuClock())


def test_every_kind_has_a_value_and_further_inputs() -> None:
    for kind, places in TRIED.items():
        for file, name in places:
            assert f"def {name}(" in (Path(__file__).parents[1] / f"{file}.py").read_text("utf-8"), (kind, name)


# -- names -----------------------------------------------------------------------------------------------------------


def test_a_short_name_of_a_host_is_refused_with_its_full_one(tmp_path: Path) -> None:
    hosts = [host(f"hv0{i}.fra1.example.net", memory=100) for i in range(6)]
    snapshot = write(tmp_path / "fleet.json", document(hosts, [vm("a", "hv03.fra1.example.net", memory=1)]))
    drains = {"format": "remora-policy/1", "rules": [{"rule": "maintenance", "hosts": ["hv03"]}]}
    found = run("plan", snapshot, "--policy", write(tmp_path / "policy.yaml", drains))
    assert (found.code, found.out) == (2, "")
    assert "rules[0].hosts[0]: 'hv03'" in found.err
    assert "did you mean hv03.fra1.example.net?" in found.err


# -- time and counts ---------------------------------------------------------------------------------------------------


def full_hosts(rng: Random, count: int, size: int) -> Fleet:
    """Draining hosts whose VMs fill the others to the last MiB."""
    hosts: list[dict[str, Any]] = []
    vms: list[dict[str, Any]] = []
    for h in range(count):
        cuts = sorted(rng.sample(range(1, size), rng.choice((2, 3, 4))))
        hosts.append(host(f"t{h}", memory=size))
        for amount in (b - a for a, b in zip([0, *cuts], [*cuts, size], strict=True)):
            vms.append(vm(f"v{len(vms)}", f"s{h // 3}", memory=amount))
    hosts += [host(f"s{s}", memory=5 * size, state="draining") for s in range(-(-count // 3))]
    return fleet(hosts, rng.sample(vms, len(vms)))


@pytest.mark.rotating
@pytest.mark.parametrize("seed", range(20))
def test_full_hosts_end_in_time(seed: int) -> None:
    """A third of a second is no time for a packing without slack; what is found in it is a plan all the same."""
    rng = Random(f"full {seed}")
    whole = full_hosts(rng, rng.randint(20, 45), rng.randint(30, 90))
    began = time.process_time()
    plan = within(whole, 0.3)
    assert time.process_time() - began < 0.3 + 1.0
    assert verify(whole, policy(), plan).findings == ()


def chain_fleet(scales: list[int]) -> Fleet:
    """For each scale a host that is over, one with a VM that can make way, and one that has room for just that VM."""
    hosts, vms = [], []
    for i, n in enumerate(scales):
        hosts += [host(f"{name}{i}", memory=n * size) for name, size in (("a", 11), ("b", 11), ("c", 4))]
        vms += [vm(f"{name}{i}", f"a{i}", memory=n * size) for name, size in (("x", 6), ("y", 5), ("w", 5))]
        vms += [vm(f"z{i}", f"b{i}", memory=n * 4), vm(f"q{i}", f"b{i}", memory=n * 6, mobility="none")]
    return fleet(hosts, vms)


@pytest.mark.slow
def test_twenty_chains_are_repaired_within_two_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof_whole, "SECONDS", 1.0)  # its bound is not what this is about
    whole = chain_fleet([1] * 20)
    began = time.process_time()
    plan = within(whole, 2.0)
    assert time.process_time() - began < 2.0 + 1.0
    assert (harm(plan), len(plan.moves)) == (0, 40)
    assert verify(whole, policy(), plan).findings == ()


@pytest.mark.rotating
@pytest.mark.parametrize("seed", range(20))
def test_any_number_of_chains_is_repaired(seed: int) -> None:
    """Two moves each, and no chain can do with one: nothing else fits anywhere without a move before it."""
    rng = Random(f"chains {seed}")
    scales = [5 ** rng.randint(0, 3) for _ in range(rng.randint(1, 5))]
    plan = planned(chain_fleet(scales))
    assert harm(plan) == 0
    assert len(plan.moves) <= 2 * len(scales)


def test_a_hundred_moves_are_made_where_a_hundred_are_needed() -> None:
    """One group over 500 hosts of which it holds 400: each move is easy, and there are more of them than any cap."""
    hosts = [host(f"h{i}", memory=10**6) for i in range(500)]
    vms = [vm(f"v{i}", f"h{i % 400}", memory=5 + i % 25, groups=["g"]) for i in range(2000)]
    groups = [{"id": "g", "rules": [{"rule": "spread", "level": "host", "at_least": 500}]}]
    plan = within(fleet(hosts, vms, groups=groups), 30.0)
    assert (harm(plan), len(plan.moves), plan.status.value) == (0, 100, "optimal")


# -- large numbers -----------------------------------------------------------------------------------------------------


@pytest.mark.rotating
@pytest.mark.parametrize("seed", range(30))
def test_any_weight_and_amount_is_answered_or_refused(seed: int) -> None:
    """Amounts and weights up to the largest there may be: a plan that holds, or a line that names the amount."""
    rng = Random(f"weights {seed}")
    amounts = (1, 3, 10**6, 10**9, AMOUNT_LIMIT // 2, AMOUNT_LIMIT)
    hosts = [host(f"h{i}", memory=rng.choice(amounts)) for i in range(rng.randint(2, 12))]
    vms = [vm(f"v{i}", rng.choice(hosts)["id"], memory=rng.choice(amounts)) for i in range(rng.randint(2, 12))]
    weight = rng.choice((1, 10, 1000))
    try:
        planned(fleet(hosts, vms), {"rule": "capacity", "weight": weight})
    except InputError as error:
        assert "capacity: memory_mib on h" in str(error)
        held = {h["id"]: sum(v["demand"]["memory_mib"] for v in vms if v["host"] == h["id"]) for h in hosts}
        over = [(held[h["id"]] - h["capacity"]["memory_mib"], h["capacity"]["memory_mib"]) for h in hosts]
        assert sum(1000 * weight * max(0, excess) // unit for excess, unit in over) > 10**15


# -- proofs ------------------------------------------------------------------------------------------------------------

ARGUMENTS = (
    "own minimum",
    "irreducible",
    "room: memory_mib",
    "pigeonhole: anti_affinity",
    "budget",
    "whole model",
    "no order",
    "refuted",
    "faith",
)


def two_hosts() -> Fleet:
    return fleet([host("h0", memory=15), host("h1", memory=100)], [vm(f"v{i}", "h0", memory=10) for i in range(2)])


def forged(whole: Fleet, plan: Plan, stage: str, by: str, *, about_all: bool) -> Plan:
    hosts, vms = (whole.hosts.ids, whole.vms.ids) if about_all else (("h0",), ("v0", "v1"))
    others = tuple(proof for proof in plan.proof if proof.stage != stage)
    return replace(plan, proof=(*others, Proof(stage, 1, (Part(hosts, vms, 1, by),))))


@pytest.mark.parametrize("stage", ["priced", "placement"])
def test_a_proof_of_a_stage_that_is_not_asked_for_is_named(stage: str) -> None:
    whole = two_hosts()
    found = verify(whole, policy(*ALL), forged(whole, planned(whole), stage, "whole model", about_all=True)).findings
    assert f"whole model: cannot be followed for stage {stage}" in " ".join(f.message for f in found)


@pytest.mark.parametrize("stage", ["harm", "should_harm", "priced", "moving", "placement", "cost", "luck"])
@pytest.mark.parametrize("by", ARGUMENTS)
def test_any_argument_about_any_stage_is_followed_or_named(stage: str, by: str) -> None:
    """One move is needed and does it: only of moving is 1 a bound, and only by some of the arguments."""
    whole = two_hosts()
    plan = planned(whole)
    for about_all in (False, True):
        found = verify(whole, policy(*ALL), forged(whole, plan, stage, by, about_all=about_all)).findings
        if stage not in ("harm", "moving"):
            assert f"cannot be followed for stage {stage}" in " ".join(f.message for f in found)
        elif stage == "harm" or by in ("irreducible", "room: memory_mib", "pigeonhole: anti_affinity", "faith"):
            assert found


@pytest.mark.rotating
@pytest.mark.parametrize("seed", range(30))
def test_own_plans_are_verified_and_applied(seed: int, tmp_path: Path) -> None:
    """VMs with nothing to copy, hosts without room, budgets of nothing: moves that cost nothing, and that all may."""
    rng = Random(f"own {seed}")
    hosts = [host(f"h{i}", memory=rng.choice((0, 8, 4000)), rack=f"r{i % 2}") for i in range(rng.randint(2, 4))]
    for one in rng.sample(hosts, rng.randint(0, 2)):
        one["state"] = "draining"
    free: dict[str, Any] = {"move_cost": 0} if rng.random() < 0.5 else {}
    vms = [
        vm(f"v{i}", rng.choice(hosts)["id"], memory=rng.choice((0, 0, 1, 1888)), **free)
        for i in range(rng.randint(1, 4))
    ]
    limits = [{"per": "run", "moves": rng.randint(1, 4)}, {"per": "run", "gib": rng.choice((0, 1))}]
    drained = {"rule": "maintenance", "hosts": [rng.choice(hosts)["id"]]}
    rules = [{"rule": "budget", "limits": rng.sample(limits, rng.randint(1, 2))}, drained]
    if rng.random() < 0.5:
        rules.append({"rule": "capacity"})
    asked = {"format": "remora-policy/1", "rules": rules, "least": rng.choice(("moves", "gib", "seconds", "weighted"))}
    snapshot, by = write(tmp_path / "fleet.json", document(hosts, vms)), write(tmp_path / "policy.yaml", asked)
    plan, after = tmp_path / "plan.json", tmp_path / "after.json"
    assert run("plan", snapshot, "--policy", by, "-o", plan).code in (0, 1)
    assert run("verify", snapshot, plan, "--policy", by).code == 0
    applied = run("apply", snapshot, plan, "--policy", by, "--act", "-o", after, "--ledger", tmp_path / "ledger")
    assert applied.code == 0, applied
