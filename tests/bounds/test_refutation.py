"""The refuted bound against enumeration, where the components' sum is too low, and on a fleet that is nearly full."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from optimizer.bounds.refutation import refuted_bound
from optimizer.parameters import Refutation
from optimizer.problem.enumerate import best_placement
from optimizer.problem.problem import Least, Problem, Stage, build
from optimizer.sources.fleet_json import read_fleet
from tests.build import policy
from tests.constraints.generators import random_fleet
from tests.constraints.rule_generators import POLICIES
from tests.problem.tiny import problem, room
from tests.repair.solving import bounds_of, deadline

if TYPE_CHECKING:
    from pathlib import Path

KINDS = sorted(POLICIES)


def least_to_be_clean(asked: Problem) -> int | None:
    best = best_placement(asked).values
    clean = not any(best.get(s, 0) for s in (Stage.HARM, Stage.SHOULD_HARM))
    return best[Stage.MOVING] if clean and Stage.PRICED not in best else None


def test_one_that_has_to_make_way_is_in_the_bound() -> None:
    """h0 is over by a VM of 3 that h1 and h2 have room for only where a smaller one goes away first."""
    asked = problem([0, 0, 1, 1, 2], [room([3, 3, 2, 1, 3], [3, 5, 4])], hosts=3)
    assert sum(e.cost for e in bounds_of(asked).evictions if e) == 1
    assert least_to_be_clean(asked) == 2
    assert refuted_bound(bounds_of(asked), 9, deadline(), Refutation()) == 2


def test_nothing_is_refuted_without_work_or_at_the_value() -> None:
    asked = problem([0, 0, 1, 1, 2], [room([3, 3, 2, 1, 3], [3, 5, 4])], hosts=3)
    assert refuted_bound(bounds_of(asked), 9, deadline(0.0), Refutation()) == 1
    assert refuted_bound(bounds_of(asked), 1, deadline(), Refutation()) == 1


@pytest.mark.parametrize("chunk", range(4))
def test_it_never_exceeds_the_enumerated_minimum(chunk: int) -> None:
    for seed in range(3000 + 40 * chunk, 3040 + 40 * chunk):
        rng = Random(seed)
        kinds = rng.sample(KINDS, rng.randint(1, 4))
        asked = build(random_fleet(rng), [POLICIES[k](rng) for k in kinds], Least.MOVES)
        least = least_to_be_clean(asked)
        if least is not None:
            assert refuted_bound(bounds_of(asked), 99, deadline(), Refutation()) <= least, seed


@pytest.mark.slow
def test_on_random_full_hosts_it_often_reaches_the_minimum_where_the_sum_does_not() -> None:
    raised = 0
    for seed in range(60):
        rng = Random(seed)
        sizes = [rng.randint(1, 4) for _ in range(6)]
        start = [rng.randrange(3) for _ in sizes]
        asked = problem(start, [room(sizes, [-(-sum(sizes) // 3) + rng.randint(0, 1)] * 3)], hosts=3)
        least = least_to_be_clean(asked)
        if least is not None:
            low = sum(e.cost for e in bounds_of(asked).evictions if e)
            bound = refuted_bound(bounds_of(asked), 99, deadline(), Refutation())
            assert low <= bound <= least, seed
            assert bound == min(least, low + 2), seed
            raised += bound > low
    assert raised > 5


@pytest.mark.slow
def test_on_a_fleet_that_is_nearly_full_two_more_than_the_knots_want_are_needed(data_dir: Path) -> None:
    fleet = read_fleet(data_dir / "fleets" / "fleet-100-tight.json.xz")
    bounds = bounds_of(build(fleet, policy().rules))
    assert sum(e.cost for e in bounds.evictions if e) == 15
    assert refuted_bound(bounds, 99, deadline(40.0), Refutation()) == 17
