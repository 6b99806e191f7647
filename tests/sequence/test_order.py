"""Orders: hand-made cases, and random problems judged by enumerating every reachable state."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.fleet import ABSENT
from optimizer.parameters import Ordering
from optimizer.problem.atoms import Asked, AtMost, Enter, Linear, Sets
from optimizer.problem.evaluate import evaluate
from optimizer.sequence.order import Ordered, order
from tests.problem.random_problems import MOVING, ON_THE_WAY, make_problem, random_problem
from tests.verify.judge import brute_worst, end_of, has_order, unsafe_end

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.problem.atoms import Atom
    from optimizer.problem.problem import Problem


def memory(amounts: Sequence[int], limits: Sequence[int], level: int = 0) -> Linear:
    return Linear(
        asked=Asked("capacity"),
        resource="memory_mib",
        level=level,
        amount=np.array(amounts, np.int64),
        limit=np.array(limits, np.int64),
        unit=np.maximum(np.array(limits, np.int64), 1),
        base=np.zeros(len(limits), np.int64),
    )


def apart(vms: Sequence[int], level: int = 0) -> Atom:
    return AtMost(Asked("anti_affinity"), level, Sets.of([("g", vms)]), np.array([1], np.int64))


def to(*hosts: int) -> np.ndarray:
    return np.array(hosts, np.int32)


def said(ordered: Ordered) -> list[tuple[int, int, int]]:
    return [(m.move.vm, m.move.source, m.move.target) for m in ordered.moves]


def judge(problem: Problem, ordered: Ordered) -> None:
    """Everything that holds of any answer."""
    moves, after = [m.move for m in ordered.moves], [m.after for m in ordered.moves]
    at = problem.start.tolist()
    for m in moves:
        assert m.source == at[m.vm] != m.target
        at[m.vm] = m.target
    assert all(p < i for i, before in enumerate(after) for p in before)
    assert not brute_worst(problem, moves, after)
    assert not unsafe_end(problem, moves)
    for i, made in enumerate(ordered.moves):
        assert made.staging == any(later.move.vm == made.move.vm for later in ordered.moves[i + 1 :])
    assert ordered.complete == (not ordered.left_out)
    assert all(at[m.vm] != m.target for m in ordered.left_out)
    if not ordered.complete:
        assert not ordered.fewest


# -- hand-made -------------------------------------------------------------------------------------------------------


def test_moves_with_room_wait_for_nothing() -> None:
    problem = make_problem([0, 0, 1], [memory([2, 2, 2], [9, 9, 9])], [0, 0, 0])
    ordered = order(problem, to(1, 2, 2))
    assert [m.after for m in ordered.moves] == [(), (), ()]
    assert ordered.complete
    assert ordered.fewest


def test_a_chain_waits_link_by_link() -> None:
    problem = make_problem([0, 1, 2], [memory([5, 5, 5], [5, 5, 5, 5])], [0, 0, 0, 0])
    ordered = order(problem, to(1, 2, 3))
    assert said(ordered) == [(2, 2, 3), (1, 1, 2), (0, 0, 1)]
    assert [m.after for m in ordered.moves] == [(), (0,), (1,)]
    judge(problem, ordered)


def test_two_full_hosts_exchange_through_a_third() -> None:
    problem = make_problem([0, 1], [memory([5, 5], [5, 5, 5])], [0, 0, 0])
    ordered = order(problem, to(1, 0))
    assert ordered.complete
    assert ordered.fewest
    assert [m.staging for m in ordered.moves] == [True, False, False]
    judge(problem, ordered)


def test_without_hops_the_exchange_is_left_out() -> None:
    problem = make_problem([0, 1], [memory([5, 5], [5, 5, 5])], [0, 0, 0])
    ordered = order(problem, to(1, 0), given=Ordering(hops=False))
    assert not ordered.moves
    assert len(ordered.left_out) == 2


def test_a_cycle_without_a_third_host_is_left_out_and_named() -> None:
    problem = make_problem([0, 1, 2], [memory([5, 5, 1], [5, 5, 4])], [0, 0, 0])
    ordered = order(problem, to(1, 0, 2))
    assert not ordered.moves
    assert {m.vm for m in ordered.left_out} == {0, 1}
    assert not ordered.complete
    assert not ordered.fewest


def test_two_anti_affine_vms_that_swap_hosts_never_meet() -> None:
    problem = make_problem([0, 1], [apart([0, 1])], [0, 0, 0])
    ordered = order(problem, to(1, 0))
    assert ordered.complete
    assert len(ordered.moves) == 3
    judge(problem, ordered)


def test_a_vm_from_outside_the_plan_steps_aside() -> None:
    """The exchanged VMs may wait nowhere; the one beside them may, and comes back."""
    nowhere = Enter("allowed", np.array([0, 1], np.int32), np.array([True, True, False]))
    problem = make_problem([0, 1, 1], [memory([6, 6, 6], [6, 14, 6]), nowhere], [0, 0, 0])
    ordered = order(problem, to(1, 0, 1))
    assert ordered.complete
    assert [(m.move.vm, m.move.target) for m in ordered.moves if m.move.vm == 2] == [(2, 2), (2, 1)]
    assert len(ordered.moves) == 4
    assert not ordered.fewest
    judge(problem, ordered)


def test_two_independent_exchanges_take_a_hop_each() -> None:
    problem = make_problem([0, 1, 2, 3], [memory([5, 5, 5, 5], [5, 5, 5, 5, 5])], [0, 0, 0, 0, 0])
    ordered = order(problem, to(1, 0, 3, 2))
    assert ordered.complete
    assert len(ordered.moves) == 6
    assert not ordered.fewest
    judge(problem, ordered)


def test_a_move_that_only_makes_room_for_a_left_out_one_is_dropped() -> None:
    """v0 and v1 block each other for good; v2 would only have made room for v0."""
    atoms = [memory([5, 5, 2], [5, 7, 2]), memory([1, 1, 0], [1, 1, 0])]
    problem = make_problem([0, 1, 1], atoms, [0, 0, 0])
    ordered = order(problem, to(1, 0, 2))
    assert not ordered.moves
    assert {m.vm for m in ordered.left_out} == {0, 1, 2}


def test_what_mends_something_stays_though_others_are_left_out() -> None:
    """v0 and v1 block each other; v2 leaves a host that it overfills."""
    problem = make_problem([0, 1, 1], [memory([5, 5, 2], [5, 5, 2])], [0, 0, 0])
    ordered = order(problem, to(1, 0, 2))
    assert said(ordered) == [(2, 1, 2)]


def test_arrivals_that_fit_anyway_do_not_wait() -> None:
    problem = make_problem([0, 0, 1], [memory([1, 4, 5], [9, 6, 9])], [0, 0, 0])
    ordered = order(problem, to(1, 1, 2))
    waits = {m.move.vm: m.after for m in ordered.moves}
    assert waits[0] == ()
    assert len(waits[1]) == 1
    judge(problem, ordered)


def test_a_long_chain_is_ordered_in_no_time() -> None:
    n = 300
    problem = make_problem([*range(n)], [memory([5] * n, [5] * (n + 1))], [0] * (n + 1))
    ordered = order(problem, to(*range(1, n + 1)))
    assert ordered.complete
    assert sum(len(m.after) for m in ordered.moves) == n - 1


def test_no_time_leaves_moves_out_but_stays_safe() -> None:
    problem = make_problem([0, 1], [memory([5, 5], [5, 5, 5])], [0, 0, 0])
    ordered = order(problem, to(1, 0), deadline=lambda: True)
    judge(problem, ordered)
    assert not ordered.complete


# -- random ----------------------------------------------------------------------------------------------------------


def random_target(rng: Random, problem: Problem) -> np.ndarray:
    """A placement that breaks nothing when it is reached, or the start."""
    for _ in range(12):
        placement = problem.start.copy()
        for vm in range(problem.vms):
            if placement[vm] != ABSENT and problem.movable[vm] and rng.random() < 0.7:
                placement[vm] = rng.randrange(problem.hosts)
        if not evaluate(problem, placement.tolist()).worse:
            return placement
    return problem.start.copy()


@pytest.mark.slow
@given(st.integers(0, 2**32))
@settings(max_examples=250, derandomize=True, deadline=None)
def test_every_reachable_state_of_every_answer_is_safe(seed: int) -> None:
    rng = Random(seed)
    problem = random_problem(rng, kinds=rng.sample(MOVING, 3))
    judge(problem, order(problem, random_target(rng, problem)))


@pytest.mark.parametrize("kind", ON_THE_WAY)
def test_where_there_is_an_order_it_is_found_without_a_hop(kind: str) -> None:
    """And hops, arcs and moves left out do occur."""
    hops = arcs = left = 0
    for seed in range(150):
        rng = Random(seed)
        problem = random_problem(rng, kinds=[kind, rng.choice(("linear", "at_most"))], in_flight=False)
        placement = random_target(rng, problem)
        ordered = order(problem, placement)
        judge(problem, ordered)
        direct = order(problem, placement, given=Ordering(hops=False))
        moved = [*(m.move for m in direct.moves), *direct.left_out]
        possible = has_order(problem, moved)
        assert direct.complete == possible
        assert any(m.staging for m in ordered.moves) <= (not possible)
        if ordered.complete:
            assert end_of(problem, (m.move for m in ordered.moves)) == placement.tolist()
        hops += any(m.staging for m in ordered.moves)
        arcs += any(m.after for m in ordered.moves)
        left += bool(ordered.left_out)
    assert hops + arcs + left > 5


def test_an_order_that_is_given_is_tried_first_and_one_that_is_none_is_not_kept_to() -> None:
    """v0 goes where v1 makes room, v1 where v2 does: nothing is searched where the order given is one."""
    problem = make_problem([0, 1, 2], [memory([5, 5, 5], [5, 5, 5, 5])], [0, 0, 0, 0])
    asked = Ordering(states=0, hops=False)
    found = order(problem, to(1, 2, 3), given=asked, first=[2, 1, 0])
    assert found.complete and said(found) == [(2, 2, 3), (1, 1, 2), (0, 0, 1)]
    assert [m.after for m in found.moves] == [(), (0,), (1,)]
    for first in ([0, 1, 2], [2], []):
        found = order(problem, to(1, 2, 3), first=first)
        assert found.complete and [m.move.vm for m in found.moves] == [2, 1, 0]
