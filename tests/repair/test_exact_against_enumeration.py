"""The complete model and the departures' bounds against enumeration of every placement, over every kind of atom."""

from __future__ import annotations

from random import Random

import pytest

from optimizer.clock import SystemClock
from optimizer.limits import Deadline, Limits
from optimizer.problem.enumerate import best, best_placement, placements
from optimizer.problem.problem import Least, Problem, Stage, build
from optimizer.problem.working_placement import WorkingPlacement
from optimizer.repair.solver import Solver
from tests.constraints.generators import random_fleet
from tests.constraints.rule_generators import POLICIES

CHUNKS = 8
PER_CHUNK = 25
KINDS = sorted(POLICIES)


def random_problem(seed: int) -> Problem:
    rng = Random(seed)
    kinds = rng.sample(KINDS, rng.randint(1, 4))
    return build(random_fleet(rng), [POLICIES[k](rng) for k in kinds], rng.choice(list(Least)))


def solver_of(problem: Problem) -> Solver:
    return Solver(problem, Limits(seconds=20.0), Deadline(SystemClock(), 20.0))


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_the_complete_model_finds_the_enumerated_optimum_stage_by_stage(chunk: int) -> None:
    for seed in range(chunk * PER_CHUNK, (chunk + 1) * PER_CHUNK):
        problem = random_problem(seed)
        expected = best_placement(problem)
        found = solver_of(problem).exact(problem.start)
        assert found.closed, seed
        assert found.placement is not None, seed
        assert found.values == dict(expected.values), (seed, problem.atoms)
        work = WorkingPlacement(problem)
        work.become(found.placement)
        assert work.values() == dict(expected.values), seed


@pytest.mark.slow
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_no_bound_exceeds_what_is_possible_and_repair_never_beats_it(chunk: int) -> None:
    for seed in range(1000 + chunk * PER_CHUNK, 1000 + (chunk + 1) * PER_CHUNK):
        problem = random_problem(seed)
        expected = best_placement(problem)
        solver = solver_of(problem)
        work = WorkingPlacement(problem)
        work.become(solver.repair())
        values = work.values()
        assert tuple(values.values()) >= expected.rank, seed
        everything = list(placements(problem))
        for reached in (values, dict(expected.values)):
            proofs = solver.bounds.prove(reached)
            caps: dict[Stage, int] = {}
            for stage, proof in proofs.items():
                assert proof.bound <= best(everything, caps).values[stage], (seed, stage, reached)
                caps[stage] = reached[stage]
