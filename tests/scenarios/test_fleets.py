"""The fleets of the data set, under the default policy: what is known of them has to come out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from optimizer.fleet import State
from optimizer.plan import Status
from optimizer.sources.fleet_json import read_fleet
from tests.build import policy
from tests.scenarios.outcome import Outcome, solve_fleet

if TYPE_CHECKING:
    from pathlib import Path


def planned(data_dir: Path, name: str) -> Outcome:
    fleet = read_fleet(data_dir / "fleets" / f"{name}.json.xz")
    return solve_fleet(fleet, policy(), workers=2, deterministic=True)  # the same on a busy machine


@pytest.mark.slow
@pytest.mark.parametrize(("name", "moves"), [("fleet-100", 16), ("fleet-1000", 165)])
def test_the_least_number_of_moves_is_found_and_proven(data_dir: Path, name: str, moves: int) -> None:
    found = planned(data_dir, name).proven().clean()
    assert found.value("moving") == found.bound("moving") == len(found.plan.moves) == moves


@pytest.mark.rotating
@pytest.mark.parametrize(("name", "own_minima"), [("fleet-1000-tight", 162), ("fleet-1000-full", 160)])
def test_tight_fleets_come_clean_within_three_per_cent(data_dir: Path, name: str, own_minima: int) -> None:
    found = planned(data_dir, name).clean()
    assert found.status in (Status.OPTIMAL, Status.FEASIBLE)
    assert own_minima <= found.bound("moving") <= found.value("moving") <= own_minima * 1.03


@pytest.mark.rotating
def test_where_hardly_a_move_can_start_nothing_gets_worse_and_the_rest_is_named(data_dir: Path) -> None:
    """99.7 % of memory: 17 VMs have to be displaced in any clean placement, and of that one no move can start live."""
    found = planned(data_dir, "fleet-100-tight")
    assert found.status in (Status.OPTIMAL, Status.FEASIBLE, Status.NO_PLAN_IN_TIME)
    before = excesses(found, State.start(found.fleet))
    after = excesses(found, found.end())
    assert all(excess <= before.get(instance, 0) for instance, excess in after.items())
    assert {(i[0], i[1], e) for i, e in after.items()} == found.remaining
    assert found.bound("harm") <= found.value("harm")
    if found.value("harm") == 0:
        assert found.value("moving") >= 17


def excesses(found: Outcome, state: State) -> dict[tuple[str, str, str, str, str], int]:
    return {v.instance: v.excess for rule in found.policy.rules for v in rule.check(state) if v.harm}
