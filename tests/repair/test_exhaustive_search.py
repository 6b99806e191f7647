"""Everything that a tiny fleet can be brought to: against the oracle, and where it gives up."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest

from optimizer.limits import Deadline, WorkClock
from optimizer.parameters import Exhaustive, Ordering
from optimizer.problem.atoms import AtMost, Enter, Fixed, Needs
from optimizer.problem.enumerate import best_plan
from optimizer.problem.problem import Problem, Stage, build
from optimizer.repair.exhaustive_search import Reached, is_tiny, search_exhaustively
from optimizer.sequence.order import in_sequence
from tests.oracle.problems import tiny_problem
from tests.problem.random_problems import random_problem
from tests.problem.tiny import MUST, problem, room, sets
from tests.repair.solving import bounds_of, deadline
from tests.verify.judge import brute_worst, end_of, unsafe_end

CLEAN = {Stage.HARM: 0, Stage.SHOULD_HARM: 0}
STATES = Exhaustive().states
STAGES = (Stage.HARM, Stage.SHOULD_HARM, Stage.MOVING, Stage.PLACEMENT)
PRICED = (Stage.HARM, Stage.SHOULD_HARM, Stage.PRICED, Stage.MOVING, Stage.PLACEMENT)


def found(asked: Problem, least: dict[Stage, int] | None = None) -> Reached:
    out = search_exhaustively(asked, CLEAN if least is None else least, deadline(1000.0), STATES)
    assert out is not None
    return out


def exchange(third: int) -> Problem:
    """v0 (5) is too much for h0 and fits on h1; v1 (4) stands there and needs v2, which stays on h0."""
    home = Needs(MUST, 0, sets([1]), sets([2]))
    return problem([0, 1, 0], [room([5, 4, 0], [4, 5, third]), home, Fixed("f", np.array([2], np.int32), "it stays")])


# -- hand-made -------------------------------------------------------------------------------------------------------


def test_an_exchange_goes_over_the_third_host_if_there_is_room() -> None:
    assert found(exchange(4)).values == {Stage.HARM: 0, Stage.MOVING: 3}
    assert found(exchange(3)) == Reached((), {Stage.HARM: 1100, Stage.MOVING: 0})


def test_in_order_is_where_it_stands() -> None:
    assert found(problem([0, 1], [room([5, 4], [9, 9, 9])])) == Reached((), {Stage.HARM: 0, Stage.MOVING: 0})


def test_the_dear_vm_stays_where_two_cheap_ones_do() -> None:
    asked = problem([0, 0, 0], [room([4, 2, 2], [4, 9, 9])], moving=[5, 2, 2])
    assert found(asked).values == {Stage.HARM: 0, Stage.MOVING: 4}


def test_known_bounds_end_the_search_early() -> None:
    """Three rivals on three hosts: one of the two that have to move has done so when harm 1000 is reached."""
    asked = problem([0, 0, 0], [AtMost(MUST, 0, sets([0, 1, 2]), np.ones(1, np.int64))])
    early, late = deadline(), deadline()
    half = search_exhaustively(asked, {Stage.HARM: 1000}, early, STATES)
    assert half == Reached((found(asked).moves[0],), {Stage.HARM: 1000, Stage.MOVING: 1})
    assert search_exhaustively(asked, {Stage.HARM: 0}, late, STATES) is not None
    assert early.left() > late.left()


def test_without_work_or_with_too_many_placements_it_gives_up() -> None:
    assert search_exhaustively(exchange(4), CLEAN, Deadline(WorkClock(), 0.0), STATES) is None
    assert search_exhaustively(exchange(4), CLEAN, deadline(), 2) is None


def test_what_counts_as_tiny_is_how_many_placements_there_are() -> None:
    start = [0] * 18
    few = Enter("e", None, np.array([True, False, False]))
    assert is_tiny(problem(start[:12], []), Exhaustive().placements)
    assert not is_tiny(problem(start, []), Exhaustive().placements)
    assert is_tiny(problem(start, [few]), Exhaustive().placements)
    assert is_tiny(problem(start, [Fixed("f", np.arange(8, dtype=np.int32), "they stay")]), Exhaustive().placements)


# -- against the oracle ----------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("stages", [STAGES, PRICED])
def test_random_atoms(stages: tuple[Stage, ...]) -> None:
    moved = 0
    for seed in range(90):
        asked = replace(random_problem(Random(seed)), stages=stages)
        if Stage.PRICED not in stages:
            asked = replace(asked, atoms=tuple(_unpriced(a) for a in asked.atoms))
        moved += _judge(asked, seed)
    assert moved > 10


def _unpriced(atom: Any) -> Any:
    return replace(atom, asked=replace(atom.asked, price=None)) if hasattr(atom, "asked") else atom


@pytest.mark.slow
def test_random_fleets_under_all_rules() -> None:
    moved = 0
    for number in range(100):
        tiny = tiny_problem(number)
        moved += _judge(build(tiny.fleet, tiny.policy.demands, tiny.policy.least), number)
    assert moved > 40


def _judge(asked: Problem, number: int) -> int:
    """Compare with the oracle, let the moves be judged in every order; return how many there are."""
    expected = best_plan(asked)
    for least in (CLEAN, bounds_of(asked).floor):
        reached = found(asked, dict(least))
        assert reached.values == dict(expected.values), number
    moves = list(reached.moves)
    after = [m.after for m in in_sequence(asked, moves, Ordering())]
    assert not brute_worst(asked, moves, after), number
    assert not unsafe_end(asked, moves), number
    assert len(end_of(asked, moves)) == asked.vms
    return len(moves)
