"""Placements in phases: what comes out can be ordered without hops; what has no order is not offered."""

from __future__ import annotations

from random import Random

import numpy as np

from optimizer.cp.model import Ended, Model, complete_candidates
from optimizer.cp.staged_model import StagedModel
from optimizer.parameters import Neighbourhoods, Ordering
from optimizer.problem.atoms import AtMost
from optimizer.problem.problem import Problem, Stage
from optimizer.problem.working_placement import WorkingPlacement
from optimizer.sequence.order import order
from tests.problem.random_problems import random_problem
from tests.problem.tiny import MUST, problem, room, sets
from tests.repair.solving import assert_never_worse, deadline

STAGES = (Stage.HARM, Stage.MOVING)
PHASES = Neighbourhoods().phases


def best(model: Model) -> list[int] | None:
    placement, _ = model.run(STAGES, work=4.0, deadline=deadline(), seed=0)
    return None if placement is None else [int(h) for h in placement]


def phased(asked: Problem) -> StagedModel:
    return StagedModel(WorkingPlacement(asked), complete_candidates(asked), PHASES)


def chain(links: int) -> Problem:
    """No VM fits on h0, where v0 is; each VM fits on the next host once that one's own VM has gone on."""
    sizes = list(range(links + 2, 1, -1))
    limits = [0, *sizes]
    return problem(list(range(links + 1)), [room(sizes, limits)], hosts=links + 2)


def test_a_chain_as_long_as_there_are_phases_is_found() -> None:
    asked = chain(PHASES - 1)
    assert best(phased(asked)) == list(range(1, PHASES + 1))


def test_a_longer_one_is_not_though_it_is_a_placement() -> None:
    asked = chain(PHASES)
    assert best(Model(asked, asked.start, complete_candidates(asked))) == list(range(1, PHASES + 2))
    assert best(phased(asked)) == asked.start.tolist()


def test_a_swap_without_room_is_not_offered() -> None:
    """v0 (5) belongs on h1, where v1 (4) leaves nothing for both; h1 cannot be emptied anywhere but to h0."""
    asked = problem([0, 1], [room([5, 4], [4, 5, 0])])
    assert best(Model(asked, asked.start, complete_candidates(asked))) == [1, 0]
    assert best(phased(asked)) == [0, 1]


def test_rivals_do_not_pass_each_other() -> None:
    """v0 has to leave h0 for h1; its rival v1 may go to h2 first, not take its place at the same time."""
    rivals = AtMost(MUST, 0, sets([0, 1]), np.array([1], np.int64))
    apart = problem([0, 1], [room([5, 1], [4, 9, 0]), rivals])
    assert best(Model(apart, apart.start, complete_candidates(apart))) == [1, 0]
    assert best(phased(apart)) == [0, 1]
    third = problem([0, 1], [room([5, 1], [4, 9, 1]), rivals])
    assert best(phased(third)) == [1, 2]


def test_what_comes_out_can_be_ordered() -> None:
    moved = 0
    for seed in range(150):
        rng = Random(seed)
        kinds = rng.choice((("linear",), ("linear", "linear"), ("linear", "at_most"), ("at_most", "leave", "linear")))
        asked = random_problem(rng, kinds=kinds)
        placement, ends = phased(asked).run(STAGES, work=2.0, deadline=deadline(), seed=0)
        assert placement is not None, seed
        assert {e.ended for e in ends} == {Ended.OPTIMAL}, seed
        assert_never_worse(asked, placement, seed)
        assert order(asked, placement, given=Ordering(hops=False)).complete, seed
        moved += int((placement != asked.start).sum())
    assert moved > 50


def test_it_starts_from_the_present_placement() -> None:
    """Where v0 has gone already there is no hole any more: only v1 moves, and only where there is room now."""
    asked = problem([0, 1, 2], [room([3, 3, 3], [3, 6, 6])])
    work = WorkingPlacement(asked)
    work.put(0, 1)
    found = best(StagedModel(work, {1: np.array([0, 1, 2])}, PHASES))
    assert found == [1, 1, 2]
