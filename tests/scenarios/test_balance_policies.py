"""The shipped policies `balance` and `consolidate`, on generated uneven fleets."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import numpy as np
import pytest

from constraints import CATALOGUE, SHIPPED
from optimizer.plan import Status
from optimizer.sources.fleet_json import fleet_from_document
from optimizer.sources.policy_yaml import read_policy
from tests.build import document, host, vm
from tests.scenarios.outcome import Outcome, solve_fleet
from tests.scoped import plan_under

if TYPE_CHECKING:
    from optimizer.fleet import Fleet

LOAD = "cpu_load_millicores"


def uneven(seed: int, *, measured: bool = True) -> Fleet:
    """Twenty hosts, the first five of which are busy."""
    rng = Random(f"policies {seed}")
    hosts = [host(f"h{i}", cpu=32000, memory=131072) for i in range(20)]
    vms = []
    for h in range(20):
        for i in range(8):
            load = rng.randint(1500, 3500) if h < 5 else rng.randint(200, 1200)
            vms.append(vm(f"v{h}-{i}", f"h{h}", cpu=2000, memory=rng.choice((4096, 8192))))
            vms[-1]["demand"] |= {LOAD: load} if measured else {}
    for one in hosts:
        one["capacity"] |= {LOAD: 32000} if measured else {}
    whole = document(hosts, vms)
    whole["resources"] = [*whole["resources"], {"name": LOAD, "copied": False}] if measured else whole["resources"]
    return fleet_from_document(whole, "uneven")


def use(found: Outcome, resource: str) -> np.ndarray:
    fleet, r = found.fleet, found.fleet.resource_index[resource]
    load = np.zeros(len(fleet.hosts))
    np.add.at(load, found.end().placement, fleet.vms.demand[:, r])
    return np.asarray(load / fleet.hosts.capacity[:, r])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_balance_brings_every_host_within_ten_points(seed: int) -> None:
    found = solve_fleet(uneven(seed), read_policy("balance", CATALOGUE, SHIPPED), seconds=10)
    found.proven()
    for resource in (LOAD, "memory_mib"):
        assert use(found, resource).max() <= use(found, resource).mean() + 0.1 + 1e-9


def test_balance_without_measured_cpu_goes_by_memory_and_says_so() -> None:
    found = solve_fleet(uneven(1, measured=False), read_policy("balance", CATALOGUE, SHIPPED), seconds=10)
    assert any(n.rule == "balance_cpu" and n.hosts == 20 for n in found.plan.not_evaluated)
    assert any(w.code == "unknown_name" for w in found.plan.warnings)


@pytest.mark.slow
def test_consolidate_empties_hosts_and_fills_none_beyond_what_is_safe() -> None:
    policy = read_policy("consolidate", CATALOGUE, SHIPPED)
    fleet = uneven(2)
    names = [f"h{i}" for i in range(15, 20)]
    made = plan_under(fleet, policy, drain=names)
    found = Outcome(fleet, policy, made)
    assert made.status in (Status.OPTIMAL, Status.FEASIBLE)
    assert not made.remaining
    for resource in (LOAD, "memory_mib"):
        assert not use(found, resource)[15:].any()
        assert use(found, resource).max() <= 0.85
