"""What rules about groups share: counts in domains, and the worst ends of migrating VMs."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import numpy as np

from constraints.common import in_domains
from constraints.groups import Names, crowds, declared, under_way
from tests import build
from tests.constraints.contract import random_states
from tests.constraints.generators import random_fleet

if TYPE_CHECKING:
    from optimizer.fleet import State


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


def test_a_subject_begins_with_the_names_of_the_groups_that_may_have_asked() -> None:
    names = ("rack (rack)", "b", "a", "rack", "rac")
    groups = [{"id": name, "rules": [{"rule": "spread", "level": "rack", "at_least": 2}]} for name in names]
    fleet = build.fleet([build.host("h")], [build.vm("v", "h", groups=list(names))], groups=groups)

    def asked(of: str | None) -> list[str]:
        return [group.id for group, _ in declared(fleet, "spread", of)]

    assert asked(None) == list(names)
    assert asked("rack (rack) (rack)") == ["rack (rack)", "rack", "rac"]
    assert asked("b") == ["b"] and asked("") == asked("c") == []


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
