"""ROADEF 2012 files: the challenge's own costs to the unit, its constraints, and files that are not what they say."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks import challenge
from optimizer.errors import InputError
from optimizer.problem.atoms import Linear
from optimizer.problem.evaluate import evaluate, placement_cost
from optimizer.problem.problem import Stage
from optimizer.sources.roadef import read_roadef, write_solution

if TYPE_CHECKING:
    from pathlib import Path

    from optimizer.problem.problem import Problem

MODEL = """2
1 100
0 10
4
0 0 30 400 16 80 0 1 4 5
0 0 10 240 8 160 1 0 3 4
1 1 15 100 12 80 4 3 0 2
1 2 10 100 8 80 5 4 2 0
2
2 0
1 1 0
3
0 12 10 1000
0 10 20 100
1 6 200 1
1
0 1 20
10
1 10 100
"""
"""The example of the challenge's subject; the two costs below are those that it works out."""

ASSIGNMENT = "0 3 0\n"

INSTANCES = [f"a{i}_{j}" for i in (1, 2) for j in range(1, 6)] + [f"b_{i}" for i in (1, 2, 3, 4, 5, 6, 8, 9)]


def read(tmp_path: Path, model: str = MODEL, assignment: str = ASSIGNMENT) -> Problem:
    (tmp_path / "model.txt").write_text(model)
    (tmp_path / "assignment.txt").write_text(assignment)
    return read_roadef(tmp_path / "model.txt", tmp_path / "assignment.txt")


@pytest.mark.parametrize(("placement", "cost"), [([0, 3, 0], 4200), ([0, 2, 0], 3510)])
def test_the_subject_s_example(tmp_path: Path, placement: list[int], cost: int) -> None:
    problem = read(tmp_path)
    judged = evaluate(problem, placement)
    assert judged.cost == placement_cost(problem, placement) == cost
    assert judged.worse == ()
    assert problem.stages == (Stage.COST,)
    again = challenge.read(tmp_path / "model.txt", tmp_path / "assignment.txt")
    assert challenge.cost(again, placement) == cost
    assert list(challenge.breaches(again, placement)) == []


@pytest.mark.parametrize(
    ("placement", "broken"),
    [
        ([0, 0, 0], {"conflict", "spread"}),
        ([0, 1, 0], {"spread"}),
        ([2, 3, 0], {"dependency"}),
        ([1, 3, 0], {"transient"}),
        ([0, 3, 2], {"capacity"}),
        ([0, 2, 3], {"capacity", "transient"}),  # 6 of 10 units of r0 at the end, 16 with what p1 held
        ([0, 3, 1], set()),
    ],
)
def test_what_breaks_is_named(tmp_path: Path, placement: list[int], broken: set[str]) -> None:
    problem = read(tmp_path)
    atoms: Any = problem.atoms
    assert {atoms[i.atom].asked.rule for i in evaluate(problem, placement).worse} == broken


def test_a_transient_resource_counts_on_both_machines(tmp_path: Path) -> None:
    atoms = [a for a in read(tmp_path).atoms if isinstance(a, Linear)]
    assert [(a.resource, a.union) for a in atoms] == [("r0", True), ("r1", False)]


@pytest.mark.slow
@pytest.mark.parametrize("name", INSTANCES)
def test_published_initial_costs_to_the_unit(data_dir: Path, name: str) -> None:
    table = data_dir / "roadef2012" / "best_known.tsv"
    with table.open() as file:
        published = {row["instance"]: row for row in csv.DictReader(file, delimiter="\t")}[name]
    folder = data_dir / "roadef2012" / name[0].upper()
    problem = read_roadef(folder / f"model_{name}.txt.xz", folder / f"assignment_{name}.txt.xz")
    assert placement_cost(problem, problem.start.tolist()) == int(published["initial_cost"])
    assert (problem.hosts, problem.vms) == (int(published["machines"]), int(published["processes"]))
    if problem.vms <= 5000:  # the slow judge is slow; the larger ones are judged when they are solved
        assert evaluate(problem, problem.start.tolist()).excess == {}


def test_every_instance_of_the_table_is_tried(data_dir: Path) -> None:
    with (data_dir / "roadef2012" / "best_known.tsv").open() as file:
        assert [row["instance"] for row in csv.DictReader(file, delimiter="\t")] == INSTANCES


def test_solution_is_one_line_of_machines(tmp_path: Path) -> None:
    problem = read(tmp_path)
    write_solution(tmp_path / "solution.txt", problem, [0, 2, 0])
    assert (tmp_path / "solution.txt").read_text() == "0 2 0\n"
    assert read(tmp_path, assignment="0 2 0\n").start.tolist() == [0, 2, 0]


@pytest.mark.parametrize("placement", [[0, 2], [0, 2, 4], [0, -1, 0], [[0], [1], [2]]])
def test_what_is_no_placement_is_not_written(tmp_path: Path, placement: list[int]) -> None:
    problem = read(tmp_path)
    with pytest.raises(ValueError, match="a placement names"):
        write_solution(tmp_path / "solution.txt", problem, placement)
    assert not (tmp_path / "solution.txt").exists()


@pytest.mark.parametrize(
    ("model", "assignment", "message"),
    [
        ("", ASSIGNMENT, "number of resources"),
        (MODEL[:-9], ASSIGNMENT, "3 more are needed here and 0 are left"),
        (MODEL + "7\n", ASSIGNMENT, r"line 20, token 74: 7"),
        (MODEL.replace("1 100", "2 100", 1), ASSIGNMENT, "line 2, token 2: .*transient from 0 to 1"),
        (MODEL.replace("12 10 1000", "12 ten 1000"), ASSIGNMENT, "line 13, token 56: 'ten'"),
        (MODEL.replace("12 10 1000", "12 -10 1000"), ASSIGNMENT, "line 13, token 56: '-10'"),
        (MODEL.replace("12 10 1000", "12 1.5 1000"), ASSIGNMENT, "'1.5'"),
        (MODEL.replace("12 10 1000", "12 4294967296 1000"), ASSIGNMENT, "an integer from 0 to 2147483647"),
        (MODEL.replace("12 10 1000", f"12 {10**30} 1000"), ASSIGNMENT, "line 13, token 56"),
        (MODEL.replace("1 1 0\n3", "1 1 2\n3"), ASSIGNMENT, "line 11, token 52: .*a service from 0 to 1"),
        (MODEL.replace("1 6 200 1", "2 6 200 1"), ASSIGNMENT, "line 15, token 62: .*a service from 0 to 1"),
        (MODEL.replace("0 1 20\n", "0 2 20\n"), ASSIGNMENT, "a resource from 0 to 1"),
        (MODEL.replace("0 1 20\n10", "0 1 2147483647\n2147483647"), ASSIGNMENT, r"sums below 7\.04e\+13"),
        (MODEL.replace("2\n1 100", "2000000000\n1 100"), ASSIGNMENT, "is the file cut off"),
        (MODEL, "0 3", "the machine of each of 3 processes"),
        (MODEL, "0 3 4", "line 1, token 3: 4: expected a machine from 0 to 3"),
        (MODEL, "0 3 0 0", "belong to this instance"),
        (MODEL, "<html>", "'<html>'"),
    ],
)
def test_malformed_files_are_refused(tmp_path: Path, model: str, assignment: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path, model, assignment)


def test_no_process_no_cost(tmp_path: Path) -> None:
    empty = "1\n0 5\n1\n0 0 10 20 0\n0\n0\n0\n1 1 1\n"
    problem = read(tmp_path, empty, "")
    assert (problem.hosts, problem.vms) == (1, 0)
    assert placement_cost(problem, []) == 0
