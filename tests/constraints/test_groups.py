"""What rules about groups share: counts in domains, and the worst ends of migrating VMs."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import numpy as np

from constraints.common import in_domains
from constraints.groups import Names, SetDemand, crowds, under_way, wanted
from constraints.spread import Spread
from tests import build
from tests.constraints.contract import random_states
from tests.constraints.generators import random_fleet

if TYPE_CHECKING:
    from optimizer.fleet import Fleet, State


def some_states(number: int) -> list[tuple[Random, State]]:
    rngs = [Random(seed) for seed in range(number)]
    return [(rng, state) for rng in rngs for state in random_states(rng, random_fleet(rng))]


def test_crowds_are_what_counting_one_by_one_gives() -> None:
    for rng, state in some_states(60):
        everyone = range(len(state.fleet.vms))
        sets = [np.array(sorted(rng.sample(everyone, rng.randint(0, len(everyone)))), np.int32) for _ in range(3)]
        for level in range(len(state.fleet.levels)):
            found = crowds(state, level, sets)
            slow = [(i, d, len(v)) for i, s in enumerate(sets) for d, v in sorted(in_domains(state, level, s).items())]
            assert list(zip(*(column.tolist() for column in found), strict=True)) == slow


def test_what_a_rule_asks_of_a_fleet_is_read_once_and_found_by_name() -> None:
    groups = [{"id": name, "rules": [{"rule": "spread", "level": "host", "at_least": 2}]} for name in ("b", "a")]
    fleet = build.fleet([build.host("h")], [build.vm("v", "h", groups=["a", "b"])], groups=groups)
    read: list[Fleet] = []

    def demands(of: Fleet) -> list[SetDemand]:
        read.append(of)
        return [SetDemand(name, np.array([], np.int32), 0, Spread().asked, n) for n, name in enumerate(("b", "a", "b"))]

    found = wanted(fleet, Spread(), demands)
    assert [demand.number for demand in found.all] == [0, 1, 2]
    assert {name: demand.number for name, demand in found.named.items()} == {"b": 0, "a": 1}
    assert wanted(fleet, Spread(), demands) is found and len(read) == 1
    assert wanted(fleet, Spread(at_least=3), demands) is not found


def test_sets_with_a_vm_under_way() -> None:
    for _, state in some_states(20):
        singles = [np.array([v], np.int32) for v in range(len(state.fleet.vms))]
        assert under_way(state, singles) == sorted(state.other_end)
        assert under_way(state, []) == []


def test_every_demand_has_a_name_of_its_own() -> None:
    names = Names()
    assert [names.of("g", level) for level in ("rack", "zone", "zone", "zone")] == [
        "g",
        "g (zone)",
        "g (zone 2)",
        "g (zone 3)",
    ]
    assert names.of("g", "rack", "other") == "g"
