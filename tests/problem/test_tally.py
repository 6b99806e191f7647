"""The tally against the reference evaluator, over random walks with VMs in flight."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.fleet import ABSENT, Move
from optimizer.problem.atoms import AtLeast, Leave, Needs, Same
from optimizer.problem.evaluate import evaluate, hard_breaches
from optimizer.problem.instance import Instance
from optimizer.problem.tally import LinearTally, Tally
from tests.problem.random_problems import MOVING, random_problem

if TYPE_CHECKING:
    from optimizer.problem.problem import Problem


def excesses(problem: Problem, tally: Tally) -> dict[Instance, int]:
    numbers = {id(atom): i for i, atom in enumerate(problem.atoms)}
    found: dict[Instance, int] = {}
    for which, domain, excess in tally.excesses():
        member = 0 if isinstance(which, LinearTally) else which.member
        found[Instance(numbers[id(which.atom)], member, domain)] = excess
    return found


def judged(problem: Problem, placement: list[int], in_flight: list[Move]) -> dict[Instance, int]:
    found = evaluate(problem, placement, in_flight).excess
    return {key: e for key, e in found.items() if not isinstance(problem.atoms[key.atom], Leave)}


def may_start(problem: Problem, placement: list[int], move: Move, made: list[Move]) -> bool:
    """Whether, by the evaluator, the move breaks nothing while it is in flight or done (Same is judged at the end)."""
    if set(hard_breaches(problem, [*made, move])) - set(hard_breaches(problem, made)):
        return False
    after = [move.target if v == move.vm else h for v, h in enumerate(placement)]
    now, flying, done = evaluate(problem, placement), evaluate(problem, placement, [move]), evaluate(problem, after)
    return not any(
        state.excess[key] > now.excess.get(key, 0)
        for state in (flying, done)
        for key in state.worse
        if not isinstance(problem.atoms[key.atom], Same)
    )


@pytest.mark.slow
@given(st.integers(0, 2**32))
@settings(max_examples=200, derandomize=True, deadline=None)
def test_a_walk_keeps_the_sums_of_the_evaluator(seed: int) -> None:
    rng = Random(seed)
    problem = random_problem(rng, kinds=rng.sample(MOVING, 4))
    tally, placement = Tally(problem), problem.start.tolist()
    flying: list[Any] = []
    free = [v for v in range(problem.vms) if placement[v] != ABSENT and problem.also_at[v] == ABSENT]
    assert excesses(problem, tally) == judged(problem, placement, flying)
    for _ in range(8 if free else 0):
        if flying and rng.random() < 0.5:
            move = flying.pop(rng.randrange(len(flying)))
            tally.remove(move.vm, move.source)
            placement[move.vm] = move.target
        else:
            vm = rng.choice([v for v in free if all(v != m.vm for m in flying)] or [-1])
            target = rng.randrange(problem.hosts)
            if vm < 0 or target == placement[vm]:
                continue
            flying.append(Move(vm, placement[vm], target))
            tally.add(vm, target)
        assert excesses(problem, tally) == judged(problem, placement, flying)


@pytest.mark.parametrize("kind", MOVING)
def test_room_is_where_a_move_may_start(kind: str) -> None:
    """From states that are no worse than the start; every kind of atom has to say both yes and no."""
    said = {True: 0, False: 0}
    for seed in range(120):
        rng = Random(seed)
        problem = random_problem(rng, kinds=[kind, rng.choice(MOVING)])
        tally, placement = Tally(problem), problem.start.tolist()
        made: list[Move] = []
        for _ in range(4):
            vm = rng.randrange(problem.vms)
            if placement[vm] == ABSENT or problem.also_at[vm] != ABSENT:
                continue
            room = tally.room(vm)
            for host in set(range(problem.hosts)) - {placement[vm]}:
                fine = may_start(problem, placement, Move(vm, placement[vm], host), made)
                assert bool(room[host]) == tally.fits(vm, host) == fine, (seed, vm, host)
                said[fine] += 1
            if not room.any():
                continue
            move = Move(vm, placement[vm], int(rng.choice(np.flatnonzero(room).tolist())))
            made.append(move)
            tally.move(*_fields(move))
            placement[vm] = move.target
    assert min(said.values()) > 20


def test_a_vm_that_others_move_counts_at_its_worse_end() -> None:
    problems = (random_problem(Random(seed), kinds=["at_least", "needs"]) for seed in range(300))
    floating = 0
    for problem in problems:
        tally = Tally(problem)
        assert excesses(problem, tally) == judged(problem, problem.start.tolist(), [])
        floating += sum(bool(s.floating[0]) for s in tally.sets if isinstance(s.atom, AtLeast | Needs))
    assert floating > 10


def test_a_vm_that_others_move_stands_where_it_stood_after_a_trial() -> None:
    """`Same` counts it where it stands: taking it elsewhere and back, or asking where it would do, changes nothing."""
    tried = 0
    for seed in range(600):
        problem = random_problem(Random(seed), kinds=["same"])
        tally = Tally(problem)
        before = [dict(s.count[0]) for s in tally.sets]
        for vm in np.flatnonzero((problem.also_at != ABSENT) & (problem.start != ABSENT)).tolist():
            home = int(problem.start[vm])
            for of, _ in tally.sets_of[vm]:
                tally.excess_in(of, vm)
            for host in set(range(problem.hosts)) - set(tally.ends[vm]):
                tally.move(vm, home, host)
                tally.move(vm, host, home)
                tried += bool(tally.sets_of[vm])
            assert tally.ends[vm] == (home, int(problem.also_at[vm]))
        assert [dict(s.count[0]) for s in tally.sets] == before
    assert tried > 20


def _fields(move: Move) -> tuple[int, int, int]:
    return move.vm, move.source, move.target
