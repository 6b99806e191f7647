"""The door to the solvers: repair and the whole by hand, placements left out, sizes, and the same answer twice."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from benchmarks.stress.fleets import KINDS
from constraints import CATALOGUE, SHIPPED
from optimizer.bounds.proof_parts import whole_proof
from optimizer.limits import Deadline, Limits, WorkClock
from optimizer.parameters import Parameters
from optimizer.plan import Part, Proof
from optimizer.problem.atoms import AtMost, Enter, Fixed, Flow
from optimizer.problem.problem import Problem, Stage, build
from optimizer.problem.working_placement import WorkingPlacement
from optimizer.repair.solver import Method, Solver
from optimizer.sources.fleet_json import fleet_from_document
from optimizer.sources.policy_yaml import read_policy
from tests.problem.random_problems import random_problem
from tests.problem.tiny import MUST, SHOULD, problem, room, sets
from tests.repair.solving import assert_never_worse, solver_of


def ones(n: int) -> np.ndarray:
    return np.ones(n, np.int64)


def stay(*vms: int) -> Fixed:
    return Fixed("f", np.array(vms, np.int32), "it stays")


def full() -> Problem:
    """h0 is over; only with v1 out of the way is there room for v0."""
    return problem([0, 1, 2], [room([6, 3, 1], [5, 7, 4])])


def test_repair_meets_the_bound_where_there_is_room() -> None:
    solver = solver_of(problem([0, 0, 1, 1], [room([5, 3, 4, 4], [5, 7, 9])]))
    work = WorkingPlacement(solver.problem)
    work.become(solver.repair())
    proofs = solver.bounds.prove(work.values())
    assert work.values() == {Stage.HARM: 0, Stage.MOVING: 2}
    assert {s: p.bound for s, p in proofs.items()} == work.values()


def test_repair_drives_others_out_where_it_has_to() -> None:
    assert solver_of(full()).repair().tolist() == [1, 2, 2]


def test_repair_asks_of_no_chain_that_follows_what_was_done_whether_it_is_acceptable() -> None:
    assert solver_of(full()).repair(lambda _: False).tolist() == [1, 2, 2]


@pytest.mark.parametrize("seed", range(4))
def test_repair_fills_hosts_where_no_room_may_be_wasted(seed: int) -> None:
    """Twelve broken hosts, each to be repaired by two moves after which the hosts concerned are full to the unit."""
    document = KINDS["chains"][0](Random(seed), 12).fleet
    policy = read_policy("default", CATALOGUE, SHIPPED)
    asked = build(fleet_from_document(document, "chains"), policy.demands, policy.least)
    given = Parameters()
    alone = replace(
        given,
        chains=replace(given.chains, wider=False),
        neighbourhoods=replace(given.neighbourhoods, enabled=False, trim=False),
    )

    def repaired(parameters: Parameters) -> dict[Stage, int]:
        limits = Limits(seconds=60.0, deterministic=True, parameters=parameters)
        work = WorkingPlacement(asked)
        work.become(Solver(asked, limits, Deadline(WorkClock(), limits.seconds)).repair())
        return work.values()

    assert repaired(alone) == {Stage.HARM: 0, Stage.MOVING: 24}
    assert repaired(replace(alone, chains=replace(alone.chains, full_kinds=())))[Stage.HARM] > 0


def test_repair_without_work_stays() -> None:
    asked = full()
    limits = Limits(seconds=0.0, deterministic=True)
    assert Solver(asked, limits, Deadline(WorkClock(), 0.0)).repair().tolist() == [0, 1, 2]


@pytest.mark.slow
@pytest.mark.parametrize("kinds", [("linear", "at_most"), ("apart", "leave"), ("linear", "flow", "enter"), ()])
def test_repair_is_never_worse_and_the_same_twice(kinds: tuple[str, ...]) -> None:
    for seed in range(12):
        rng = Random(seed)
        asked = random_problem(rng, kinds=kinds or ("linear", "same", "needs", "at_least"))
        asked = _with_all_stages(asked)
        first, second = solver_of(asked).repair(), solver_of(asked).repair()
        assert (first == second).all(), seed
        assert_never_worse(asked, first, seed)
        work = WorkingPlacement(asked)
        work.become(first)
        assert work.measure() <= WorkingPlacement(asked).measure()


def _with_all_stages(asked: Problem) -> Problem:
    return Problem(
        **{f: getattr(asked, f) for f in asked.__dataclass_fields__ if f != "stages"},
        stages=tuple(s for s in Stage if s is not Stage.COST),
    )


# -- the whole -------------------------------------------------------------------------------------------------------


def test_the_whole_closes_with_its_own_bounds() -> None:
    solver = solver_of(full())
    found = solver.exact(solver.problem.start)
    assert found.placement is not None
    assert found.placement[0] == 1
    assert found.values == found.bounds == {Stage.HARM: 0, Stage.MOVING: 2}
    assert found.closed
    assert not found.exhausted


def test_what_no_vm_can_touch_is_in_the_values_too() -> None:
    atoms = [AtMost(MUST, 0, sets([0, 1], [2, 3]), ones(2)), stay(2, 3)]
    solver = solver_of(problem([0, 0, 1, 1], atoms))
    found = solver.exact(solver.problem.start)
    assert found.values == found.bounds == {Stage.HARM: 1000, Stage.MOVING: 1}
    assert solver.exact(solver.problem.start, caps={Stage.HARM: 1000}).values == found.values
    assert solver.exact(solver.problem.start, caps={Stage.HARM: 999}).exhausted


def test_placements_left_out_give_the_next_best_until_there_is_none() -> None:
    solver = solver_of(problem([0, 0], [AtMost(MUST, 0, sets([0, 1]), ones(1)), stay(1)]))
    tried: list[np.ndarray] = []
    worth = []
    while not (found := solver.exact(solver.problem.start, tried)).exhausted:
        assert found.placement is not None
        tried.append(found.placement)
        worth.append(tuple(found.values.values()))
    assert worth == [(0, 1), (0, 1), (1000, 0)]
    assert found.placement is None
    assert not found.closed


def test_nobody_free_is_exhausted_once_the_start_is_left_out() -> None:
    solver = solver_of(problem([0], [stay(0)]))
    assert not solver.exact(solver.problem.start).exhausted
    assert solver.exact(solver.problem.start, [solver.problem.start]).exhausted


def test_stages_can_be_held_within_caps() -> None:
    solver = solver_of(full())
    assert solver.exact(solver.problem.start, caps={Stage.MOVING: 1}).values == {Stage.HARM: 100, Stage.MOVING: 0}
    assert solver.exact(solver.problem.start, caps={Stage.HARM: 0, Stage.MOVING: 1}).exhausted


def test_it_may_start_from_a_better_placement() -> None:
    solver = solver_of(full())
    found = solver.exact(np.array([1, 2, 2], np.int32))
    assert found.values == {Stage.HARM: 0, Stage.MOVING: 2}


def test_budgets_bind_the_whole() -> None:
    run = Flow("budget", "run", None, None, None, ones(3), 1)
    asked = full()
    solver = solver_of(problem([0, 1, 2], [*asked.atoms, run]))
    assert solver.exact(solver.problem.start).values == {Stage.HARM: 100, Stage.MOVING: 0}


# -- sizes and words -------------------------------------------------------------------------------------------------


def test_the_size_counts_who_may_go_where() -> None:
    atoms = [Enter("e", np.array([0], np.int32), np.array([False, True, False])), stay(2)]
    solver = solver_of(problem([0, 1, 2], atoms))
    assert solver.literals == 1 + 3
    assert solver.small


def test_the_proof_of_the_whole_names_everything_that_may_move() -> None:
    asked = problem([0, 1], [stay(1)])
    assert whole_proof(asked, Stage.MOVING, 3) == Proof(
        "moving", 3, (Part(("h0", "h1", "h2"), ("v0",), 3, "whole model"),)
    )


def test_paths_are_called_as_users_call_them() -> None:
    assert [p.value for p in Method] == ["auto", "exact", "repair"]


def test_what_is_nearly_the_least_is_left_to_the_complete_model() -> None:
    """Two hosts of 100 with 130 where 60 should be: 10 stays at least, and 1 more of it is near that, 5 more is not."""
    should = replace(SHOULD, weight=1)
    asked = problem(
        [0, 0, 1],
        [room([50, 40, 40], [60, 60, 0], asked=should, unit=100)],
        stages=(Stage.HARM, Stage.SHOULD_HARM, Stage.MOVING, Stage.PLACEMENT),
    )
    solver = solver_of(asked)
    assert solver.bounds.floor[Stage.SHOULD_HARM] == 100
    for harm, near in ((100, False), (101, True), (110, True), (111, False)):
        assert solver._is_near({Stage.HARM: 0, Stage.SHOULD_HARM: harm}) is near
    assert not solver_of(full())._is_near({Stage.HARM: 1, Stage.SHOULD_HARM: 0})
