"""Bounds by hand: own minima, what is irreducible, room, pigeonholes, budgets, and moves against harm."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np

from optimizer.bounds.bounds import Bounds
from optimizer.bounds.eviction_relaxation import EvictionRelaxation
from optimizer.bounds.knapsack import knapsack
from optimizer.fleet import ABSENT
from optimizer.plan import Part
from optimizer.problem.atoms import UNLIMITED, AtMost, Fixed, Flow
from optimizer.problem.problem import Problem, Stage
from optimizer.problem.working_placement import sizes
from tests.problem.tiny import GUARD, MUST, PRICED, SHOULD, problem, room, sets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.plan import Proof
    from optimizer.problem.atoms import Asked

CLEAN = {Stage.HARM: 0, Stage.MOVING: 9}
ALL = (Stage.HARM, Stage.SHOULD_HARM, Stage.PRICED, Stage.MOVING, Stage.PLACEMENT)


def bounds(asked: Problem, *, over: bool = False) -> Bounds:
    return Bounds(EvictionRelaxation(asked), sizes(asked), lambda: over)


def prove(start: Sequence[int], atoms: Sequence[Any], values: dict[Stage, int], hosts: int = 3) -> dict[Stage, Proof]:
    return bounds(problem(start, atoms, hosts=hosts)).prove(values)


def at_most(*members: Sequence[int], k: int = 1, asked: Asked = MUST) -> AtMost:
    return AtMost(asked, 0, sets(*members), np.full(len(members), k, np.int64))


def run_budget(limit: int, vms: int) -> Flow:
    return Flow("budget", "run", None, None, None, np.ones(vms, np.int64), limit)


def stay(*vms: int) -> Fixed:
    return Fixed("f", np.array(vms, np.int32), "it stays")


def test_a_gap_is_good_enough_for_the_moving_and_not_for_harm() -> None:
    """h0 is over by one VM: one has to leave, and nothing has to stay wrong."""
    asked = problem([0, 0], [room([3, 2], [4, 9, 9])])
    for gap, moving, harm, met in ((0.0, 1, 0, True), (0.0, 2, 0, False), (0.5, 2, 0, True), (0.5, 2, 1, False)):
        found = replace(bounds(asked), gap=gap)
        assert found.met({Stage.HARM: harm, Stage.MOVING: moving}) is met


# -- moving ----------------------------------------------------------------------------------------------------------


def test_knots_add_up_and_a_vm_that_heals_two_rules_counts_once() -> None:
    """h0 is over by 4 and v0, v1 may not meet: v0 alone does both; h1 gives one more."""
    atoms = [room([5, 1, 9, 9], [2, 9, 99]), at_most([0, 1])]
    proof = prove([0, 0, 1, 1], atoms, CLEAN)[Stage.MOVING]
    assert proof.bound == 2
    assert proof.parts == (Part(("h0",), ("v0", "v1"), 1, "own minimum"), Part(("h1",), ("v2", "v3"), 1, "own minimum"))


def test_moves_are_counted_in_the_unit_of_moving() -> None:
    asked = problem([0, 0], [at_most([0, 1])], moving=[7, 5])
    assert bounds(asked).prove(CLEAN)[Stage.MOVING].bound == 5


def test_only_the_stages_that_were_reached_are_proven() -> None:
    assert set(prove([0, 0], [at_most([0, 1])], CLEAN)) == {Stage.HARM, Stage.MOVING}


def test_with_harm_left_the_curves_say_how_few_moves_reach_it() -> None:
    """Two hosts with two surplus VMs each; at 1000 harm a VM, 2000 left takes two moves, wherever."""
    atoms = [at_most([0, 1, 2], [3, 4, 5])]
    start = [0, 0, 0, 1, 1, 1]
    for harm, moves in ((4000, 0), (3000, 1), (2000, 2), (0, 4)):
        assert prove(start, atoms, {Stage.HARM: harm, Stage.MOVING: 9})[Stage.MOVING].bound == moves
    (first, _) = prove(start, atoms, {Stage.HARM: 1000, Stage.MOVING: 9})[Stage.MOVING].parts
    assert first.curve == ((0, 2000), (1, 1000), (2, 0))


def test_a_priced_should_is_bounded_by_the_cheaper_of_mending_and_keeping() -> None:
    asked = problem([0, 0], [at_most([0, 1], asked=PRICED)], stages=ALL)
    values = {Stage.HARM: 0, Stage.SHOULD_HARM: 0, Stage.PRICED: 1000, Stage.MOVING: 1}
    proofs = bounds(asked).prove(values)
    assert proofs[Stage.PRICED].bound == 1000  # one move; keeping it would be 2000
    assert proofs[Stage.MOVING].bound == 0  # nobody has to pay it


# -- harm ------------------------------------------------------------------------------------------------------------


def test_what_cannot_leave_is_irreducible() -> None:
    proof = prove([0, 0, 0], [at_most([0, 1, 2]), stay(0, 1)], CLEAN)[Stage.HARM]
    assert proof.bound == 1000
    assert proof.parts == (Part(("h0",), ("v2",), 1000, "irreducible"),)


def test_what_should_not_be_is_irreducible_too() -> None:
    asked = problem([0, 0], [at_most([0, 1], asked=SHOULD), stay(0, 1)], stages=ALL)
    for harm in (0, 5):
        proofs = bounds(asked).prove({Stage.HARM: harm, Stage.SHOULD_HARM: 3000})
        assert proofs[Stage.HARM].bound == 0
        assert proofs[Stage.SHOULD_HARM].bound == 3000


def test_more_vms_than_pigeonholes() -> None:
    """Five VMs, at most one on each of three hosts: two are too many wherever they are; the set of two has room."""
    atoms = [at_most([0, 1, 2, 3, 4], [0, 1])]
    proof = prove([0, 0, 1, 1, 2], atoms, CLEAN)[Stage.HARM]
    assert (proof.bound, proof.parts) == (2000, (Part((), (), 2000, "pigeonhole: r"),))


def test_unplaced_vms_and_guards_fill_no_pigeonholes() -> None:
    assert prove([0, 0, 1, ABSENT, ABSENT], [at_most([0, 1, 2, 3, 4])], CLEAN)[Stage.HARM].bound == 0
    assert prove([0, 0, 1, 1, 2], [at_most([0, 1, 2, 3, 4], asked=GUARD)], CLEAN)[Stage.HARM].bound == 0


def test_pigeonholes_of_shoulds_bound_the_stage_of_shoulds() -> None:
    asked = problem([0, 0, 1, 2], [at_most([0, 1, 2, 3], asked=SHOULD)], stages=ALL)
    proofs = bounds(asked).prove({Stage.HARM: 0, Stage.SHOULD_HARM: 3000})
    assert (proofs[Stage.HARM].bound, proofs[Stage.SHOULD_HARM].bound) == (0, 3000)


def test_load_beyond_all_limits_stays_somewhere() -> None:
    """12 of load, 10 of room: 2 stay over, at 1000 x 2 / 8 where the unit is 8 and only 1 over, then by the unit 5."""
    atom = room([5, 4, 3], [4, 3, 3], unit=5)
    proof = prove([0, 1, 2], [atom], CLEAN)[Stage.HARM]
    assert proof.bound == 400
    assert proof.parts == (Part(("h0", "h1", "h2"), (), 400, "room: memory_mib"),)
    atom.unit[0] = 8
    assert prove([0, 1, 2], [atom], CLEAN)[Stage.HARM].bound == 325  # 1000 / 8 + 1000 / 5


def test_what_stays_over_is_reckoned_where_it_harms_least() -> None:
    """Two hosts are over by one, and there is room for one of them: the other stays, on the host of the larger unit."""
    atom = room([5, 5, 1], [4, 4, 2], unit=5)
    atom.unit[1] = 8
    assert prove([0, 1, 2], [atom], CLEAN)[Stage.HARM].bound == 125


def test_where_one_host_has_no_limit_there_is_room() -> None:
    assert prove([0, 1, 2], [room([5, 4, 3], [4, 3, UNLIMITED])], CLEAN)[Stage.HARM].bound == 0


def test_a_budget_leaves_what_it_cannot_pay() -> None:
    """Three groups of two on one host, two moves: one group stays together, the lightest."""
    light = at_most([4, 5])
    atoms = [at_most([0, 1], [2, 3], k=1), light, run_budget(2, 6)]
    proof = prove([0, 0, 1, 1, 2, 2], atoms, {Stage.HARM: 1000, Stage.MOVING: 2})[Stage.HARM]
    assert proof.bound == 1000
    assert {p.by for p in proof.parts} == {"budget"}
    assert [p.curve for p in proof.parts] == [((0, 1000), (1, 0))] * 3


def test_a_budget_of_some_moves_only_bounds_nothing() -> None:
    some = Flow("budget", "rack", None, np.array([True, False, False]), None, np.ones(2, np.int64), 0)
    assert prove([0, 0], [at_most([0, 1]), some], {Stage.HARM: 1000, Stage.MOVING: 0})[Stage.HARM].bound == 0


def test_without_time_the_bounds_are_low_and_true() -> None:
    asked = problem([0, 0, 0], [at_most([0, 1, 2])])
    late = bounds(asked, over=True)
    assert late.evictions == (None,)
    assert [p.bound for p in late.prove(CLEAN).values()] == [0, 0]
    assert [p.bound for p in bounds(asked).prove(CLEAN).values()] == [0, 2]


def test_without_time_the_moves_to_what_is_left_are_bounded_all_the_same() -> None:
    """An interrupt leaves harm, and with it the curves: of a few components they cost next to nothing."""
    left = {Stage.HARM: 1000, Stage.MOVING: 9}
    asked = problem([0, 0, 0], [at_most([0, 1, 2])])
    in_time, late = bounds(asked), bounds(asked, over=True)
    assert in_time.prove(left)[Stage.MOVING].bound == 1
    assert [late.prove(left)[Stage.MOVING].bound for _ in range(2)] == [1, 1]
    too_many = replace(late, given=replace(late.given, late=0))
    assert too_many.prove(left)[Stage.MOVING].bound == 0


def test_the_floor_is_what_no_plan_goes_below() -> None:
    asked = problem([0, 0, 0, 0], [at_most([0, 1, 2, 3]), at_most([0, 1], asked=SHOULD), stay(0, 1)], stages=ALL)
    assert bounds(asked).floor == {Stage.HARM: 1000, Stage.SHOULD_HARM: 3000}


# -- the knapsack ----------------------------------------------------------------------------------------------------


def test_the_knapsack_agrees_with_every_choice() -> None:
    rng = Random(1)
    for number in range(60):
        curves = []
        for _ in range(rng.randint(1, 4)):
            costs = sorted(rng.sample(range(9), rng.randint(1, 4)))
            harms = sorted(rng.sample(range(20), len(costs)), reverse=True)
            curves.append(tuple(zip(costs, harms, strict=True)))
        frontier, step = knapsack(curves, 1_000)
        assert step == 1
        for budget in range(len(frontier)):
            reached = [sum(h for _, h in chosen) for chosen in product(*curves) if sum(c for c, _ in chosen) <= budget]
            expected = min(reached, default=2**61)
            assert min(int(frontier[budget]), 2**61) == expected, (number, budget)


def test_a_knapsack_of_great_costs_is_rounded_to_the_safe_side() -> None:
    curves = [((0, 9), (37, 4), (58, 0)), ((0, 7), (45, 1))]
    frontier, step = knapsack(curves, 10)
    assert step == 11
    for budget in range(110):
        truth = min(a + b for ca, a in curves[0] for cb, b in curves[1] if ca + cb <= budget)
        assert frontier[min(budget // step, len(frontier) - 1)] <= truth
    assert frontier[0] == 16
