"""The worst reachable excess against plain enumeration with the reference evaluator."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.fleet import ABSENT, Move
from optimizer.reachability import closure_model, reachable
from optimizer.reachability.reachable import witnesses, worst_excess
from tests.problem.random_problems import HARMING, ON_THE_WAY, random_problem
from tests.verify.judge import brute_worst

if TYPE_CHECKING:
    from optimizer.problem.problem import Problem


def random_plan(rng: Random, problem: Problem, most: int = 5) -> tuple[list[Move], list[set[int]]]:
    """Any moves at all, safe or not, with any arcs that hold each VM's own moves in order."""
    at, moves, after = problem.start.tolist(), [], []
    last: dict[int, int] = {}
    free = [v for v in range(problem.vms) if at[v] != ABSENT and problem.also_at[v] == ABSENT]
    for m in range(rng.randint(1, most) if free else 0):
        vm = rng.choice(free)
        target = rng.choice([h for h in range(problem.hosts) if h != at[vm]])
        moves.append(Move(vm, at[vm], target))
        before = {p for p in range(m) if rng.random() < 0.25}
        after.append(before | ({last[vm]} if vm in last else set()))
        at[vm], last[vm] = target, m
    return moves, after


@pytest.mark.slow
@given(st.integers(0, 2**32))
@settings(max_examples=300, derandomize=True, deadline=None)
def test_it_is_the_worst_of_all_reachable_states(seed: int) -> None:
    rng = Random(seed)
    problem = random_problem(rng, kinds=rng.sample(HARMING, 3))
    moves, after = random_plan(rng, problem)
    assert worst_excess(problem, moves, after) == brute_worst(problem, moves, after)


@pytest.mark.parametrize("kind", ON_THE_WAY)
def test_each_kind_is_met_worse_and_not_worse(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model for many moves says the same as looking at every closed set."""
    monkeypatch.setattr(reachable, "ENUMERATED", 0)
    said = {True: 0, False: 0}
    for seed in range(60):
        rng = Random(seed)
        problem = random_problem(rng, kinds=[kind])
        moves, after = random_plan(rng, problem)
        worst = worst_excess(problem, moves, after)
        assert worst == brute_worst(problem, moves, after), seed
        said[bool(worst)] += 1
    assert min(said.values()) > 5
    assert closure_model.SECONDS > 0


def test_the_order_in_which_moves_are_listed_does_not_matter() -> None:
    for seed in range(60):
        rng = Random(seed)
        problem = random_problem(rng, kinds=["linear", "at_most"])
        moves, after = random_plan(rng, problem)
        shuffled = list(range(len(moves)))
        rng.shuffle(shuffled)
        place = {m: i for i, m in enumerate(shuffled)}
        mixed = [{place[p] for p in after[m]} for m in shuffled]
        assert worst_excess(problem, [moves[m] for m in shuffled], mixed) == worst_excess(problem, moves, after)


def test_a_witness_is_a_state_that_can_be_reached_and_is_so_bad() -> None:
    found = 0
    for seed in range(100):
        rng = Random(seed)
        problem = random_problem(rng, kinds=rng.sample(HARMING, 3))
        moves, after = random_plan(rng, problem)
        for w in witnesses(problem, moves, after):
            done, flying = set(w.done), set(w.in_flight)
            assert all(after[m] <= done for m in done | flying)
            assert not done & flying
            found += 1
    assert found > 50


def test_moves_that_wait_for_one_another_are_refused() -> None:
    problem = random_problem(Random(0), kinds=["linear"])
    with pytest.raises(ValueError, match="wait for one another"):
        worst_excess(problem, [Move(0, 0, 1), Move(1, 0, 1)], [{1}, {0}])
