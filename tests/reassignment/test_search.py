"""Cost problems: small instances are proven, larger ones get better and break nothing, bounds are true."""

from __future__ import annotations

import csv
import threading
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks import challenge
from optimizer.clock import SystemClock
from optimizer.fleet import ABSENT
from optimizer.limits import Limits
from optimizer.problem.atoms import Fixed
from optimizer.problem.evaluate import evaluate, placement_cost
from optimizer.reassignment.cost_arrays import lowered
from optimizer.reassignment.cost_bound import aggregate_bound
from optimizer.reassignment.search import solve_cost
from optimizer.sources.roadef import write_solution
from tests.problem.tiny import problem as tiny_problem
from tests.reassignment.roadef_instances import instance, random_instance

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("seed", range(12))
def test_tiny_instances_are_solved_to_the_enumerated_optimum(tmp_path: Path, seed: int) -> None:
    problem = random_instance(tmp_path, seed, machines=4, processes=4)
    found = solve_cost(problem, Limits(seconds=30))
    judged = [evaluate(problem, p) for p in product(range(4), repeat=4)]
    assert found.value == min(e.cost for e in judged if not e.worse)
    assert found.bound == found.value
    assert found.stopped_by is None


@pytest.mark.slow
def test_a1_1_is_proven(data_dir: Path) -> None:
    found = solve_cost(instance(data_dir, "a1_1"), Limits(seconds=30))
    assert (found.value, found.bound, found.stopped_by) == (44306501, 44306501, None)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a1_2", "a2_1", "a2_3", "a2_5"])
def test_larger_ones_get_better_and_break_nothing(data_dir: Path, name: str) -> None:
    problem = instance(data_dir, name)
    said: list[str] = []
    found = solve_cost(problem, Limits(seconds=0.6, deterministic=True), said.append)
    judged = evaluate(problem, found.placement.tolist())
    assert judged.worse == ()
    assert found.bound <= judged.cost == found.value < placement_cost(problem, problem.start.tolist())
    assert found.stopped_by == "work"
    assert said


@pytest.mark.slow
def test_what_is_written_costs_what_was_said_by_a_judge_of_its_own(data_dir: Path, tmp_path: Path) -> None:
    problem = instance(data_dir, "a1_3")
    found = solve_cost(problem, Limits(seconds=0.5, deterministic=True))
    write_solution(tmp_path / "solution", problem, found.placement)
    folder = data_dir / "roadef2012" / "A"
    model, assignment = str(folder / "model_a1_3.txt.xz"), str(folder / "assignment_a1_3.txt.xz")
    solution = str(tmp_path / "solution")
    assert challenge.main(model, assignment, solution, str(found.value)) == 0
    assert challenge.main(model, assignment, solution, str(found.value - 1)) == 1


@pytest.mark.slow
def test_same_seed_same_answer(data_dir: Path) -> None:
    problem = instance(data_dir, "a1_5")
    limits = Limits(seconds=0.5, deterministic=True, seed=3)
    first, second = solve_cost(problem, limits), solve_cost(problem, limits)
    assert first.placement.tolist() == second.placement.tolist()
    assert (first.value, first.bound) == (second.value, second.bound)
    assert solve_cost(problem, Limits(seconds=0.5, deterministic=True, seed=4)).value != first.value


@pytest.mark.slow
def test_bounds_never_exceed_the_best_known(data_dir: Path) -> None:
    with (data_dir / "roadef2012" / "best_known.tsv").open() as file:
        rows = {row["instance"]: row for row in csv.DictReader(file, delimiter="\t")}
    for name in [n for n in rows if n[0] == "a"] + ["b_1", "b_2"]:
        assert aggregate_bound(instance(data_dir, name)) <= int(rows[name]["best_known"])


def test_no_time_leaves_everything_where_it_is(data_dir: Path) -> None:
    problem = instance(data_dir, "a1_1")
    found = solve_cost(problem, Limits(seconds=0.0), clock=SystemClock())
    assert found.placement.tolist() == problem.start.tolist()
    assert found.value == 49528750
    assert found.bound <= 44306501
    assert found.stopped_by == "time"


@pytest.mark.slow
def test_an_interrupt_keeps_what_was_found(data_dir: Path) -> None:
    problem = instance(data_dir, "a1_2")
    stop = threading.Event()
    found = solve_cost(problem, Limits(seconds=600), lambda _: stop.set(), interrupt=stop)
    assert found.stopped_by == "interrupt"
    assert found.value < 1061649570


@pytest.mark.parametrize("wrong", ["not placed", "other atoms"])
def test_problems_of_another_form_are_refused(wrong: str) -> None:
    atoms = [Fixed("r", np.array([0], np.int32), "it stays")] if wrong == "other atoms" else []
    problem = tiny_problem([0, ABSENT if wrong == "not placed" else 1], atoms)
    with pytest.raises(ValueError, match="in the form of ROADEF"):
        lowered(problem)
