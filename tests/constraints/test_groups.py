"""What rules about groups share: counts in domains, and the worst ends of migrating VMs."""

from __future__ import annotations

from itertools import product
from random import Random

import numpy as np

from constraints.common import in_domains
from constraints.groups import Names, crowds, declared, least_held, under_way
from optimizer.fleet import ABSENT, State
from tests import build
from tests.constraints.contract import random_states
from tests.constraints.generators import random_fleet


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


def test_the_least_held_is_the_least_of_all_choices() -> None:
    several = 0
    for _, state in some_states(60):
        vms = np.arange(len(state.fleet.vms), dtype=np.int32)
        several += len(state.other_end) > 1
        for level in range(len(state.fleet.levels)):
            parts = [choices for _, choices in least_held(state, level, vms, ({d} for d in range(99)))]
            chosen = {frozenset().union(*choice) for choice in product(*parts)}
            assert all(any(held <= choice for held in chosen) for choice in every_choice(state, level, vms))
            assert chosen <= set(every_choice(state, level, vms))
    assert several > 20


def every_choice(state: State, level: int, vms: np.ndarray) -> list[frozenset[int]]:
    domain = state.fleet.hosts.domain[level]
    both = ((int(state.placement[v]), state.other_end.get(int(v), ABSENT)) for v in vms)
    ends = [[int(domain[h]) for h in pair if h != ABSENT] for pair in both]
    return [frozenset(choice) for choice in product(*(e for e in ends if e))]


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
