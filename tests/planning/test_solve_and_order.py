"""Solver and order agree: what is proven by which argument, hops in the value, and answers of every path."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from optimizer.limits import Deadline, Limits, WorkClock
from optimizer.plan import Proof
from optimizer.planning.solve_and_order import Answer, carry_out, solve_and_order, stay
from optimizer.problem.atoms import AtMost, Fixed, Needs
from optimizer.problem.problem import Problem, Stage
from optimizer.repair.solver import Method, Solver
from tests.problem.tiny import MUST, PRICED, problem, room, sets
from tests.repair.solving import solver_of

if TYPE_CHECKING:
    from collections.abc import Sequence


ALL = (Stage.HARM, Stage.SHOULD_HARM, Stage.PRICED, Stage.MOVING, Stage.PLACEMENT)


def answer(asked: Problem, path: Method = Method.AUTO) -> Answer:
    return solve_and_order(solver_of(asked), path)


def by(found: Answer, stage: Stage) -> set[str]:
    return {part.by for part in found.proofs[stage].parts}


def said(found: Answer) -> list[tuple[int, int, int]]:
    return [(m.move.vm, m.move.source, m.move.target) for m in found.ordered.moves]


def overfull(third: int) -> Problem:
    """v0 (5) is too much for h0; it fits on h1, where v1 (4) stands, or on h2 if there is room for `third`."""
    return problem([0, 1], [room([5, 4], [4, 5, third])])


def exchange(third: int, stages: Sequence[Stage] = (Stage.HARM, Stage.MOVING, Stage.PLACEMENT)) -> Problem:
    """The same, and v1 needs v2, which stays on h0: v0 and v1 have to take each other's place."""
    atoms = [
        room([5, 4, 0], [4, 5, third]),
        Needs(MUST, 0, sets([1]), sets([2])),
        Fixed("f", np.array([2], np.int32), "it stays"),
    ]
    return problem([0, 1, 0], atoms, stages=stages)


# -- staying ---------------------------------------------------------------------------------------------------------


def test_staying_is_worth_what_there_is() -> None:
    found = stay(overfull(0))
    assert found.values == found.before == {Stage.HARM: 100, Stage.MOVING: 0}
    assert (found.ordered.moves, found.ordered.complete) == ((), True)


def test_where_nothing_is_wrong_nothing_is_done() -> None:
    found = answer(problem([0, 1], [room([5, 4], [9, 9, 9])]))
    assert (said(found), found.values) == ([], {Stage.HARM: 0, Stage.MOVING: 0})
    assert found.proven


def test_to_stay_after_all_keeps_only_the_proof_of_harm() -> None:
    asked = overfull(9)
    found = answer(asked)
    back = found.stay(asked)
    assert back.values == {Stage.HARM: 100, Stage.MOVING: 0}
    assert {s: p.bound for s, p in back.proofs.items()} == {Stage.HARM: 0, Stage.MOVING: 0}
    assert not back.ordered.moves


# -- carrying out ----------------------------------------------------------------------------------------------------


def test_hops_are_in_the_value() -> None:
    asked = exchange(4)
    found = carry_out(asked, np.array([1, 0, 0], np.int32), solver_of(asked))
    assert found.values == {Stage.HARM: 0, Stage.MOVING: 3}
    assert not found.straight


def test_hops_are_in_the_price() -> None:
    asked = exchange(4, ALL)
    assert carry_out(asked, np.array([1, 0, 0], np.int32), solver_of(asked)).values[Stage.PRICED] == 3000


def test_what_cannot_be_ordered_takes_its_harm_back() -> None:
    asked = exchange(3)
    found = carry_out(asked, np.array([1, 0, 0], np.int32), solver_of(asked))
    assert found.values == {Stage.HARM: 1100, Stage.MOVING: 0}
    assert found.placement.tolist() == [0, 1, 0]
    assert not found.straight


def test_a_placement_without_obstacles_is_straight() -> None:
    asked = overfull(9)
    assert carry_out(asked, np.array([2, 1], np.int32), solver_of(asked)).straight


# -- agreeing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", list(Method))
def test_where_there_is_room_every_path_proves_the_least(path: Method) -> None:
    found = answer(overfull(9), path)
    assert said(found) == [(0, 0, 2)]
    assert found.proven
    assert by(found, Stage.MOVING) == {"own minimum"}
    assert found.before == {Stage.HARM: 100, Stage.MOVING: 0}


@pytest.mark.parametrize("path", [Method.AUTO, Method.EXACT])
def test_where_others_have_to_make_way_the_whole_model_proves_it(path: Method) -> None:
    """v0 has to go to h1, v1 from there to h2: one eviction, two moves."""
    found = answer(problem([0, 1, 2], [room([6, 3, 1], [5, 7, 4])]), path)
    assert said(found) == [(1, 1, 2), (0, 0, 1)]
    assert found.ordered.moves[1].after == (0,)
    assert found.proven
    assert by(found, Stage.MOVING) <= {"whole model", "no order"}


def test_repair_alone_leaves_a_gap_that_it_owns_up_to() -> None:
    found = answer(problem([0, 1, 2], [room([6, 3, 1], [5, 7, 4])]), Method.REPAIR)
    assert found.values == {Stage.HARM: 0, Stage.MOVING: 2}
    assert found.proofs[Stage.MOVING].bound == 1
    assert not found.proven


def test_a_detour_is_proven_since_the_way_without_has_no_order() -> None:
    found = answer(exchange(4))
    assert found.values == {Stage.HARM: 0, Stage.MOVING: 3}
    assert [m.staging for m in found.ordered.moves] == [True, False, False]
    assert found.proven
    assert by(found, Stage.MOVING) == {"no order"}


def test_what_no_order_reaches_is_proven_to_stay() -> None:
    found = answer(exchange(3))
    assert (said(found), found.values) == ([], {Stage.HARM: 1100, Stage.MOVING: 0})
    assert found.proven
    assert by(found, Stage.HARM) == {"no order"}


def test_of_equal_placements_the_one_without_a_detour_is_taken() -> None:
    """With room on h2, v0 goes there and v1 home: two straight moves; in each other's place they would need three."""
    found = answer(exchange(5))
    assert found.values == {Stage.HARM: 0, Stage.MOVING: 2}
    assert found.placement.tolist() == [2, 0, 0]
    assert found.proven


def test_a_price_that_is_too_high_is_not_paid() -> None:
    for weight, moves in ((1, 1), (3, 0)):
        crowd = AtMost(PRICED, 0, sets([0, 1]), np.ones(1, np.int64))
        found = answer(problem([0, 0], [crowd], stages=ALL, moving=[weight, weight]))
        assert len(found.ordered.moves) == moves
        assert found.values[Stage.PRICED] == (1000 if moves else 2000)
        assert found.proven


def test_without_work_the_answer_is_to_stay_and_says_so() -> None:
    asked = overfull(9)
    solver = Solver(asked, Limits(seconds=0.0, deterministic=True), Deadline(WorkClock(), 0.0))
    for path in Method:
        found = solve_and_order(solver, path)
        assert said(found) == []
        assert found.values == found.before == {Stage.HARM: 100, Stage.MOVING: 0}
        assert not found.proven


@pytest.mark.parametrize(
    ("harm", "moving", "gap", "within"),
    [
        (2, 10, 0.0, True),
        (2, 11, 0.0, False),
        (2, 20, 0.5, True),
        (2, 21, 0.5, False),
        (3, 10, 0.5, False),
        (2, 9, 0.5, False),
        (1, 10, 0.5, False),
    ],
)
def test_a_gap_is_for_the_moving_alone_and_no_value_is_below_its_bound(
    harm: int, moving: int, gap: float, within: bool
) -> None:
    values = {Stage.HARM: harm, Stage.MOVING: moving}
    proofs = {Stage.HARM: Proof("harm", 2, ()), Stage.MOVING: Proof("moving", 10, ())}
    found = replace(stay(overfull(9)), values=values, proofs=proofs)
    assert found.is_within(gap) is within


@pytest.mark.parametrize("sizes", [(5, 4), (6, 3)])
def test_twice_the_same(sizes: Sequence[int]) -> None:
    asked = problem([0, 1, 2], [room([*sizes, 1], [5, 7, 4])])
    first, second = answer(asked), answer(asked)
    assert first.ordered == second.ordered
    assert first.values == second.values
    assert first.proofs == second.proofs
