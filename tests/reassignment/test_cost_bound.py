"""Bounds on cost: never above the enumerated optimum, whatever the prices; above the aggregate where it is weak."""

from __future__ import annotations

import csv
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.clock import SystemClock
from optimizer.limits import Deadline, WorkClock
from optimizer.parameters import Prices
from optimizer.problem.evaluate import evaluate
from optimizer.reassignment.column_bound import ColumnBound
from optimizer.reassignment.cost_arrays import lowered
from optimizer.reassignment.cost_bound import Argument, aggregate_bound, cost_bound
from optimizer.reassignment.lagrangian_bound import Priced, Rows, ascend, least_work
from tests.reassignment.roadef_instances import instance, random_instance

if TYPE_CHECKING:
    from pathlib import Path

    from optimizer.problem.problem import Problem
    from optimizer.reassignment.cost_bound import CostBound


def work(units: float) -> Deadline:
    return Deadline(WorkClock(), units)


def bound(problem: Problem, units: float) -> CostBound:
    return cost_bound(problem, *lowered(problem), work(units))


def optimum(problem: Problem) -> tuple[int, int]:
    """Cost of the best placement of all; and of the best without what the most moved service costs."""
    _, start = lowered(problem)
    judged = [(evaluate(problem, p), p) for p in product(range(problem.hosts), repeat=problem.vms)]
    fit = [(e.cost, p) for e, p in judged if not e.worse]
    weight = 5  # of the most moved service, in `random_instance`
    service = lowered(problem)[0].vm[:, 1]
    most = [int(np.bincount(service[np.array(p) != problem.start], minlength=1).max()) for _, p in fit]
    assert int(start.total[0]) in [c for c, _ in fit]
    return min(c for c, _ in fit), min(c - weight * m for (c, _), m in zip(fit, most, strict=True))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("instances")


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), machines=st.integers(2, 4), processes=st.integers(1, 5))
def test_never_above_the_enumerated_optimum(folder: Path, seed: int, machines: int, processes: int) -> None:
    problem = random_instance(folder, seed, machines, processes)
    best, _ = optimum(problem)
    found = bound(problem, 5.0)
    assert aggregate_bound(problem) <= found.value <= best


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), height=st.floats(0, 60))
def test_any_prices_at_all_give_true_bounds(folder: Path, seed: int, height: float) -> None:
    problem = random_instance(folder, seed, 3, 5)
    fixed, start = lowered(problem)
    rows = Rows.of(fixed, start)
    prices = np.random.default_rng(seed).uniform(-1, height + 1, rows.aggregate.shape)
    priced = Priced.at(rows, prices)
    assert priced is not None
    hosts = ColumnBound(rows, fixed, start, priced)
    _, best = optimum(problem)
    assert hosts.value() == priced.value() <= best
    hosts.raise_parts(work(5.0))
    assert priced.value() <= hosts.value() <= best


@pytest.mark.slow
def test_each_argument_is_worth_something_on_tiny_instances(folder: Path) -> None:
    """A bound that always is 0 would pass every test above."""
    proofs = [(bound(p, 5.0), aggregate_bound(p)) for p in (random_instance(folder, s, 4, 5) for s in range(40))]
    assert sum(b.value > aggregate for b, aggregate in proofs) >= 20
    assert Argument.HOSTS in {b.by for b, _ in proofs}


def test_without_time_it_is_the_aggregate_and_one_move(data_dir: Path) -> None:
    problem = instance(data_dir, "a1_2")
    found = bound(problem, 0.0)
    assert (found.value, found.by) == (777530730 + 10, Argument.AGGREGATE)


def test_departures_of_whole_processes_bound_a2_1(data_dir: Path) -> None:
    problem = instance(data_dir, "a2_1")
    found = bound(problem, 2.0)
    assert aggregate_bound(problem) == 0
    assert found.by is Argument.HOSTS
    assert 110 <= found.value <= 167


@pytest.mark.slow
@pytest.mark.parametrize(("name", "at_least"), [("a2_2", 250_000_000), ("a2_3", 680_000_000)])
def test_prices_and_hosts_go_far_beyond_the_aggregate(data_dir: Path, name: str, at_least: int) -> None:
    assert at_least <= bound(instance(data_dir, name), 0.8).value <= known(data_dir, name)


@pytest.mark.slow
def test_same_work_same_bound(data_dir: Path) -> None:
    problem = instance(data_dir, "a2_2")
    found = bound(problem, 0.3)
    assert found == bound(problem, 0.3)
    assert found.value > aggregate_bound(problem) + 10


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a1_1", "a1_2", "a1_3", "a1_4", "a1_5", "a2_4", "a2_5"])
def test_between_the_aggregate_and_the_best_known(data_dir: Path, name: str) -> None:
    problem = instance(data_dir, name)
    assert aggregate_bound(problem) < bound(problem, 0.1).value <= known(data_dir, name)


def known(data_dir: Path, name: str) -> int:
    with (data_dir / "roadef2012" / "best_known.tsv").open() as file:
        return int(next(row["best_known"] for row in csv.DictReader(file, delimiter="\t") if row["instance"] == name))


def test_a_price_above_the_weight_is_taken_for_the_weight(data_dir: Path) -> None:
    """With half as much again the aggregate's prices would prove more than the best known cost."""
    rows = Rows.of(*lowered(instance(data_dir, "a1_3")))
    priced = Priced.at(rows, 1.5 * rows.aggregate)
    assert priced is not None
    assert priced.value() == 583005700


def test_prices_too_large_for_whole_numbers_prove_nothing(folder: Path) -> None:
    rows = Rows.of(*lowered(random_instance(folder, 0)))
    assert Priced.at(rows, np.full(rows.aggregate.shape, 1e18)) is None


def test_prices_are_tried_only_where_an_ascent_gets_somewhere(data_dir: Path) -> None:
    problem = instance(data_dir, "a2_2")
    least = least_work(*lowered(problem), Prices()) / Prices().share
    assert bound(problem, least * 0.99).by is Argument.AGGREGATE
    assert bound(problem, least * 1.01).by is not Argument.AGGREGATE


def test_an_ascent_keeps_to_its_work(data_dir: Path) -> None:
    problem = instance(data_dir, "a2_2")
    least = least_work(*lowered(problem), Prices())
    clock = WorkClock()
    prices = ascend(Rows.of(*lowered(problem)), Deadline(clock, least), Prices())
    assert least <= clock.monotonic() <= 1.02 * least
    priced = Priced.at(Rows.of(*lowered(problem)), prices)
    assert priced is not None
    assert priced.value() > aggregate_bound(problem)


@pytest.mark.slow
def test_time_is_kept(data_dir: Path) -> None:
    problem = instance(data_dir, "a2_3")
    fixed, start = lowered(problem)
    clock = SystemClock()
    begin = clock.monotonic()
    cost_bound(problem, fixed, start, Deadline(clock, 1.0))
    assert clock.monotonic() - begin < 4.0
