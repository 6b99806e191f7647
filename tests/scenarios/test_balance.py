"""Uneven fleets under the rule balance: the least imbalance, with the fewest moves, as found by trying everything."""

from __future__ import annotations

from itertools import product
from random import Random

import numpy as np
import pytest

from optimizer.fleet import State
from optimizer.plan import Status
from tests.build import fleet, host, policy, vm
from tests.scenarios.outcome import Outcome, solve_fleet
from tests.shares import first_and_rotating


def test_hosts_at_99_and_0_percent_are_evened_out() -> None:
    """Eleven VMs of 90 on one of two hosts of 1,000: at most 545 stay, so five leave."""
    two = fleet([host("a", memory=1000), host("b", memory=1000)], [vm(f"v{i}", "a", memory=90) for i in range(11)])
    asked = policy("capacity", {"rule": "balance", "resource": "memory_mib", "tolerance": "5%"})
    found = solve_fleet(two, asked, seconds=10).proven().clean()
    assert len(found.moves) == 5
    assert solve_fleet(two, policy("capacity"), seconds=10).status is Status.NOTHING_TO_DO


def uneven(seed: int) -> Outcome:
    """Two to four hosts, one of which has most of the VMs; capacity is in nobody's way."""
    rng = Random(f"uneven {seed}")
    hosts = [host(f"h{i}", memory=rng.choice((800, 1000, 1000, 2000))) for i in range(rng.randint(2, 4))]
    vms = [
        vm(f"v{i}", "h0" if rng.random() < 0.7 else rng.choice(hosts)["id"], memory=rng.randint(20, 90))
        for i in range(rng.randint(4, 6))
    ]
    asked = {"rule": "balance", "resource": "memory_mib", "tolerance": rng.choice(("2%", "4%", 0.08))}
    return solve_fleet(fleet(hosts, vms), policy("capacity", asked), seconds=10)


@pytest.mark.parametrize("seed", first_and_rotating(range(30), 6))
def test_the_least_imbalance_with_the_fewest_moves(seed: int) -> None:
    found = uneven(seed)
    placements = product(range(len(found.fleet.hosts)), repeat=len(found.fleet.vms))
    least = min(worth(found, np.array(at, np.int32)) for at in placements)
    assert (found.value("should_harm"), found.value("moving")) == least
    assert found.status is (Status.OPTIMAL if worth(found, found.fleet.vms.host)[0] else Status.NOTHING_TO_DO)


def worth(found: Outcome, at: np.ndarray) -> tuple[int, int]:
    violations = [v for rule in found.policy.rules for v in rule.check(State(found.fleet, at))]
    return sum(v.harm for v in violations), int((at != found.fleet.vms.host).sum())
