"""What subproblems find can be joined: no worse one by one is no worse together, judged by the evaluator."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import numpy as np
import pytest

from optimizer.decompose.subproblem import Cut, deal
from optimizer.fleet import ABSENT, Move
from optimizer.problem.atoms import UNLIMITED, AtLeast, AtMost, Flow
from optimizer.problem.evaluate import evaluate, hard_breaches
from tests.problem.random_problems import HARMING, random_problem
from tests.problem.tiny import MUST, problem, room, sets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from optimizer.decompose.subproblem import Subproblem
    from optimizer.problem.problem import Problem


TRIES = 25
"""States of a subproblem that are looked at."""

SIZE = (6, 6)
"""Hosts and VMs: parts are to have a few of each."""


def cut_at_random(asked: Problem, rng: Random) -> Cut:
    """Cut where it may be cut at all: the two ends of a move in flight are not torn apart."""
    part = np.array([rng.randrange(2) for _ in range(asked.hosts)], np.int32)
    for vm in np.flatnonzero((asked.also_at != ABSENT) & (asked.start != ABSENT)).tolist():
        part[asked.also_at[vm]] = part[asked.start[vm]]
    return Cut(asked, np.unique(part, return_inverse=True)[1].astype(np.int32), asked.movable)


def moves_of(asked: Problem, placement: Sequence[int]) -> list[Move]:
    return [Move(v, a, b) for v, (a, b) in enumerate(zip(asked.start.tolist(), placement, strict=True)) if a != b]


State = tuple[tuple[int, ...], tuple[Move, ...]]


def states(asked: Problem, rng: Random) -> list[State]:
    """Return states (placement, moves in flight) of a problem that break nothing, at random: staying is the first."""
    out: list[State] = [(tuple(asked.start.tolist()), ())]
    movable = np.flatnonzero(asked.movable).tolist()
    for _ in range(TRIES if movable else 0):
        placement, flying = asked.start.tolist(), []
        for vm in rng.sample(movable, rng.randint(1, min(3, len(movable)))):
            target = rng.randrange(asked.hosts)
            if target != placement[vm] and rng.random() < 0.5:
                flying.append(Move(vm, placement[vm], target))
            else:
                placement[vm] = target
        if hard_breaches(asked, [*moves_of(asked, placement), *flying]):
            continue
        if not evaluate(asked, placement, flying).worse:
            out.append((tuple(placement), tuple(flying)))
    return out


def together(
    cut: Cut, subproblems: Sequence[Subproblem], chosen: Sequence[State]
) -> tuple[NDArray[np.int32], list[Move]]:
    joined = cut.problem.start.copy()
    flying = []
    for subproblem, (placement, moves) in zip(subproblems, chosen, strict=True):
        subproblem.join(joined, np.array(placement, np.int32))
        flying += [
            Move(int(subproblem.vms[m.vm]), int(subproblem.hosts[m.source]), int(subproblem.hosts[m.target]))
            for m in moves
        ]
    return joined, flying


def assert_joins(asked: Problem, rng: Random, where: object) -> int:
    """Join states of the subproblems at random, in flight as well; return in how many of them both moved."""
    cut = cut_at_random(asked, rng)
    subproblems = [cut.subproblem(p) for p in range(cut.parts)]
    found = [states(subproblem.problem, rng) for subproblem in subproblems]
    both = 0
    for _ in range(12):
        chosen = [rng.choice(of[1:] or of) for of in found]
        joined, flying = together(cut, subproblems, chosen)
        assert not evaluate(asked, joined.tolist(), flying).worse, where
        assert not hard_breaches(asked, [*moves_of(asked, joined.tolist()), *flying]), where
        both += len(subproblems) > 1 and all(state != of[0] for state, of in zip(chosen, found, strict=True))
    return both


@pytest.mark.slow
def test_whatever_pieces_may_do_they_may_do_together() -> None:
    """Every kind of rule, every hardness, at every instant: any state of one subproblem with any state of the other."""
    both = 0
    for seed in range(1000):
        rng = Random(seed)
        both += assert_joins(random_problem(rng, size=SIZE), rng, seed)
    assert both > 2000


@pytest.mark.parametrize("kind", [*(kind for kind in HARMING if kind != "leave"), "flow"])
def test_each_rule_that_reaches_over_parts_holds_over_the_seam(kind: str) -> None:
    both = 0
    for seed in range(100):
        rng = Random(seed)
        both += assert_joins(random_problem(rng, kinds=[kind], size=SIZE), rng, (kind, seed))
    assert both > 150


def test_a_group_over_two_parts_is_owned_by_the_one_that_holds_most_of_it() -> None:
    """Two of three are in part 0: there they may move, and v2 is a fixed VM; in part 1 v2 stays in its rack."""
    spread = AtLeast(MUST, 1, sets([0, 1, 2]), np.array([2], np.int64))
    asked = problem([0, 1, 2], [spread], hosts=5, racks=[0, 0, 1, 1, 2])
    cut = Cut(asked, np.array([0, 0, 1, 1, 1], np.int32), asked.movable)
    owner, other = cut.subproblem(0), cut.subproblem(1)
    assert owner.problem.vm_ids == ("v0", "v1", "v2")
    assert owner.problem.movable.tolist() == [True, True, False]
    assert [isinstance(a, AtLeast) for a in owner.problem.atoms].count(True) == 1
    assert other.problem.vm_ids == ("v2",)
    assert not any(isinstance(a, AtLeast) for a in other.problem.atoms)
    assert other.problem.may_enter(0).tolist() == [True, True, False]


def test_a_piece_judges_its_own_hosts_as_the_whole_does() -> None:
    asked = problem([0, 0, 1, 2], [room([5, 4, 3, 2], [8, 2, 4]), AtMost(MUST, 0, sets([0, 1]), np.ones(1, np.int64))])
    cut = Cut(asked, np.array([0, 1, 1], np.int32), asked.movable)
    whole = evaluate(asked, asked.start.tolist())
    harms = [evaluate(p.problem, p.problem.start.tolist()).harm for p in map(cut.subproblem, range(2))]
    assert sum(harms) == whole.harm > 0


def test_a_budget_is_dealt_out_by_what_has_to_move() -> None:
    budget = Flow("budget", "run", None, None, None, np.ones(6, np.int64), 4)
    asked = problem([0, 0, 0, 1, 1, 2], [budget])
    spent = np.array([True, True, True, False, False, True])
    cut = Cut(asked, np.array([0, 0, 1], np.int32), spent)
    limits = [next(a.limit for a in cut.subproblem(p).problem.atoms if isinstance(a, Flow)) for p in range(2)]
    assert limits == [3, 1]


@pytest.mark.parametrize(
    ("limit", "need", "may", "given"),
    [
        (10, [2, 4], [1, 1], [4, 6]),
        (3, [2, 4], [1, 1], [1, 2]),
        (5, [0, 0], [3, 1], [4, 1]),
        (1, [0, 0, 0], [1, 1, 1], [1, 0, 0]),
        (7, [3, 0], [5, 0], [7, 0]),
        (UNLIMITED, [1, 1], [1, 1], [UNLIMITED, UNLIMITED]),
    ],
)
def test_shares_add_up(limit: int, need: list[int], may: list[int], given: list[int]) -> None:
    assert deal(limit, np.array(need), np.array(may)).tolist() == given
