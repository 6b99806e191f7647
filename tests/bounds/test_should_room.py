"""More load than a should has room for, over all hosts: what remains at least, as found by trying every placement."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from random import Random

import numpy as np
import pytest

from optimizer.fleet import State
from optimizer.problem.rule import Hardness
from optimizer.verify.verify import verify
from tests.build import Document, fleet, host, policy, vm
from tests.scenarios.outcome import Outcome, solve_fleet
from tests.shares import first_and_rotating


def outcome(seed: int) -> Outcome:
    """Plan for two or three hosts that have, all together, more load than their safe level."""
    rng = Random(f"should room {seed}")
    hosts = [host(f"h{i}", memory=rng.choice((1000, 1000, 1600))) for i in range(rng.choice((2, 3)))]
    vms = [vm(f"v{i}", rng.choice(hosts)["id"], memory=rng.randint(90, 320)) for i in range(rng.randint(4, 6))]
    total = sum(v["demand"]["memory_mib"] for v in vms)
    safe = round(rng.choice((0.8, 0.95, 1.02)) * total / sum(h["capacity"]["memory_mib"] for h in hosts), 3)
    asked: Document = {"rule": "headroom", "resource": "memory_mib", "safe": safe, "alert": safe, "hardness": "should"}
    return solve_fleet(fleet(hosts, vms), policy("capacity", asked), seconds=10)


@pytest.mark.slow
@pytest.mark.parametrize("seed", first_and_rotating(range(25), 6))
def test_what_remains_of_a_should_is_the_least_there_is(seed: int) -> None:
    found = outcome(seed)
    least = min(
        (shoulds(found, at) for at in product(range(len(found.fleet.hosts)), repeat=len(found.fleet.vms))),
        key=lambda harm: harm,
    )
    assert found.value("should_harm") == found.bound("should_harm") == least


def shoulds(found: Outcome, at: tuple[int, ...]) -> int:
    state = State(found.fleet, np.array(at, np.int32))
    violations = [v for rule in found.policy.rules for v in rule.check(state)]
    if any(v.hardness is Hardness.MUST for v in violations):
        return 10**9
    return sum(v.harm for v in violations)


@pytest.mark.slow
def test_the_room_of_all_hosts_is_an_argument_that_verify_follows() -> None:
    """As in a fleet of Proxmox where the mean is above the safe level: 1 of 1,000 less cannot be had."""
    hosts = [host(f"h{i}", memory=25600) for i in range(4)]
    vms = [vm(f"v{i}", f"h{i % 4}", memory=1000 + 37 * i) for i in range(70)]
    asked = {"rule": "headroom", "resource": "memory_mib", "safe": 0.72, "alert": 0.75, "hardness": "should"}
    found = solve_fleet(fleet(hosts, vms), policy(asked), seconds=5)
    over = sum(v["demand"]["memory_mib"] for v in vms) - 4 * 18432
    (proof,) = [p for p in found.plan.proof if p.stage == "should_harm"]
    assert proof.bound == -(-1000 * over // 25600) <= found.value("should_harm")
    assert {part.by for part in proof.parts} == {"room: memory_mib"}
    (part,) = proof.parts
    bolder = replace(proof, bound=proof.bound + 1, parts=(replace(part, at_least=part.at_least + 1),))
    stages = tuple(replace(s, bound=s.bound + (s.stage == "should_harm")) for s in found.plan.objective)
    others = tuple(p for p in found.plan.proof if p is not proof)
    forged = replace(found.plan, objective=stages, proof=(*others, bolder))
    assert any(f.code.startswith("proof") for f in verify(found.fleet, found.policy, forged).findings)


@pytest.mark.parametrize(("hardness", "stage"), [("should", "should_harm"), ("must", "harm")])
def test_the_weight_counts_what_is_rounded_up(hardness: str, stage: str) -> None:
    """2 MiB too much in all, far less than a thousandth of what hosts have: one thousandth, of weight 1,000."""
    hosts = [host(f"h{i}", memory=10_000_000) for i in range(2)]
    vms = [vm("v0", "h0", memory=10_000_000), vm("v1", "h1", memory=10_000_002)]
    asked = {"rule": "capacity", "hardness": hardness, "weight": 1000}
    found = solve_fleet(fleet(hosts, vms), policy(asked), seconds=5)
    assert (found.value(stage), found.bound(stage)) == (1000, 1000)
    (proof,) = [p for p in found.plan.proof if p.stage == stage]
    wrong = replace(proof, parts=tuple(replace(p, at_least=p.at_least + 1, by="room: memory_mib") for p in proof.parts))
    lies = replace(found.plan, proof=tuple(wrong if p is proof else p for p in found.plan.proof))
    assert verify(found.fleet, found.policy, found.plan).findings == ()
    assert verify(found.fleet, found.policy, lies).findings
