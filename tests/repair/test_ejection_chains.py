"""Ejection chains: who makes way for which, how far, at what price; and that all of it can be taken back."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np

from optimizer.problem.atoms import AtMost, Fixed
from optimizer.problem.problem import Problem, Stage
from optimizer.problem.working_placement import WorkingPlacement, sizes
from optimizer.repair.ejection_chains import EjectionChains
from tests.problem.random_problems import random_problem
from tests.problem.tiny import MUST, problem, room, sets
from tests.repair.solving import assert_never_worse


def chains_of(asked: Problem) -> tuple[WorkingPlacement, EjectionChains]:
    work = WorkingPlacement(asked)
    return work, EjectionChains(work, sizes(asked), near=4096, block=256)


def full_house(*fixed: int) -> Problem:
    """v0 (6) is too much for h0; h1 holds v1 (3) and has room for v0 without it; h2 has room for 3."""
    atoms = [room([6, 3, 1], [5, 7, 4]), Fixed("f", np.array(fixed, np.int32), "it stays")]
    return problem([0, 1, 2], atoms)


def test_a_vm_goes_where_there_is_room_and_nobody_makes_way() -> None:
    work, chains = chains_of(problem([0, 1], [room([6, 3], [5, 7, 6])]))
    assert chains.settle(0, links=3, spend=9)
    assert work.placement.tolist() == [2, 1]


def test_another_makes_way() -> None:
    work, chains = chains_of(full_house())
    assert chains.settle(0, links=1, spend=2)
    assert work.placement.tolist() == [1, 2, 2]
    assert work.values() == {Stage.HARM: 0, Stage.MOVING: 2}


def test_without_links_or_spending_nobody_makes_way() -> None:
    for links, spend in ((0, 9), (1, 1), (1, 0)):
        work, chains = chains_of(full_house())
        assert not chains.settle(0, links, spend)
        assert work.placement.tolist() == [0, 1, 2]


def test_a_first_move_is_paid_for_even_where_there_is_room() -> None:
    work, chains = chains_of(problem([0, 1], [room([6, 3], [5, 7, 6])]))
    assert not chains.settle(0, links=0, spend=0)
    assert chains.settle(0, links=0, spend=1)
    assert work.placement.tolist() == [2, 1]


def test_those_that_stay_do_not_make_way() -> None:
    work, chains = chains_of(full_house(1))
    assert not chains.settle(0, links=4, spend=4)
    assert work.placement.tolist() == [0, 1, 2]


def test_a_chain_of_two_links() -> None:
    """v0 (6) drives v1 (5) from h1, v1 drives v2 (4) from h2, and v2 fits on h3."""
    asked = problem([0, 1, 2], [room([6, 5, 4], [5, 6, 5, 4])], hosts=4)
    work, chains = chains_of(asked)
    assert not chains.settle(0, links=1, spend=9)
    assert chains.settle(0, links=2, spend=3)
    assert work.placement.tolist() == [1, 2, 3]


def test_one_that_moved_already_moves_on_for_nothing() -> None:
    work, chains = chains_of(full_house())
    work.put(2, 1)  # v2 (1) came to h1: with v1 (3) there, v0 (6) needs both gone
    assert not chains.settle(0, links=1, spend=1)
    work.put(2, 2)
    work, chains = chains_of(problem([0, 2, 2], [room([6, 3, 1], [5, 7, 4])]))
    work.put(1, 1)
    assert chains.settle(0, links=1, spend=1)
    assert work.placement.tolist() == [1, 2, 2]


def test_a_chain_of_full_hosts_wastes_no_room() -> None:
    """v0 (5) fits on h1 (6); it fills h2 (5) if v1 (3) makes way, which fills h3 (3)."""

    def asked(*limits: int) -> Problem:
        return problem([0, 2], [room([5, 3], limits)], hosts=4)

    work, chains = chains_of(asked(4, 6, 5, 3))
    assert not chains.settle(0, links=0, spend=2, full=True)
    assert chains.settle(0, links=1, spend=2, full=True)
    assert work.placement.tolist() == [2, 3]
    for wasted in ((4, 6, 6, 3), (4, 6, 5, 4)):
        assert not chains_of(asked(*wasted))[1].settle(0, links=1, spend=2, full=True)
        assert chains_of(asked(*wasted))[1].settle(0, links=1, spend=2)


def test_rivals_are_not_brought_together() -> None:
    atoms = [room([6, 3, 1], [5, 7, 4]), AtMost(MUST, 0, sets([1, 2]), np.array([1], np.int64))]
    work, chains = chains_of(problem([0, 1, 2], atoms))
    assert not chains.settle(0, links=1, spend=2)
    assert work.placement.tolist() == [0, 1, 2]


def test_undo_restores_everything() -> None:
    settled = 0
    for seed in range(120):
        rng = Random(seed)
        kinds = rng.choice((("linear",), ("linear", "at_most"), ("linear", "flow")))
        asked = replace(random_problem(rng, kinds=kinds), stages=tuple(Stage))
        work, chains = chains_of(asked)
        movable = np.flatnonzero(asked.movable).tolist()
        before = _everything(work)
        for vm in movable:
            if chains.settle(vm, rng.randint(0, 3), rng.randint(0, 4)):
                settled += 1
                assert work.placement[vm] != asked.start[vm]
                assert_never_worse(asked, work.placement, seed)
                chains.undo()
            assert _everything(work) == before, seed
    assert settled > 100


def _everything(work: WorkingPlacement) -> tuple[object, ...]:
    tallies = (work.tally, work.union)
    return (
        work.placement.tolist(),
        [sorted(e) for t in tallies for e in t.ends],
        [linear.load.tolist() for t in tallies for linear in t.linears],
        [[dict(c) for c in s.count] for t in tallies for s in t.sets],
        [list(t.flow_used) for t in tallies],
        work.measure(),
    )
