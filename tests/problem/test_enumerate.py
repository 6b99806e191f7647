"""The oracle on problems whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.fleet import ABSENT
from optimizer.problem.atoms import Apart, AtMost, Enter, Fixed, Flow, Hinge, Leave, MoveCost, Same
from optimizer.problem.enumerate import best, best_placement, best_plan, placements, plans, reachable
from optimizer.problem.evaluate import evaluate, hard_breaches
from optimizer.problem.problem import Problem, Stage
from tests.problem.tiny import GUARD, MUST, PRICED, SHOULD, problem, room, sets

ONE = np.array([1])
WITH_SHOULD = (Stage.HARM, Stage.SHOULD_HARM, Stage.MOVING, Stage.PLACEMENT)
WITH_PRICE = (Stage.HARM, Stage.PRICED, Stage.MOVING, Stage.PLACEMENT)


def made(whole: Problem) -> list[tuple[int, int, int]]:
    return [(m.vm, m.source, m.target) for m in best_plan(whole).moves]


def test_a_satisfied_problem_is_left_alone() -> None:
    whole = problem([0, 1], [room([4, 4], [5, 5, 5])])
    for found in (best_placement(whole), best_plan(whole)):
        assert found.values == {Stage.HARM: 0, Stage.MOVING: 0}
        assert (found.placement, found.moves) == ((0, 1), ())


def test_the_one_move_that_mends_it_is_found() -> None:
    whole = problem([0, 0, 1], [room([3, 4, 3], [5, 5, 5])])
    assert best_plan(whole).values == {Stage.HARM: 0, Stage.MOVING: 1}
    assert len(made(whole)) == 1
    assert made(whole)[0][2] == 2


def test_harm_comes_before_moving_and_counts_by_thousandths() -> None:
    whole = problem([0, 0, 0], [room([3, 3, 3], [3, 3], unit=7)], hosts=2)
    assert best_plan(whole).values == {Stage.HARM: 429, Stage.MOVING: 1}  # one host stays 3 over, of 7


def test_room_is_made_first() -> None:
    """The big one needs h1, where a small one stands that fits on h2 only."""
    whole = problem([0, 0, 1], [room([4, 5, 2], [5, 5, 2])])
    assert best_placement(whole).values == {Stage.HARM: 0, Stage.MOVING: 2}
    assert made(whole)[0] == (2, 1, 2)
    assert best_plan(whole).values == {Stage.HARM: 0, Stage.MOVING: 2}


def swap(third: int) -> Problem:
    """Two VMs, each on the host that the other one's label asks for, both hosts full."""
    away = [Leave(MUST, np.array([v]), np.arange(3) == v) for v in (0, 1)]
    home = [Enter("allowed", np.array([v]), np.arange(3) != v) for v in (0, 1)]
    return problem([0, 1], [room([4, 4], [4, 4, third]), *away, *home])


def test_an_exchange_of_full_hosts_needs_a_third() -> None:
    assert best_placement(swap(0)).values == {Stage.HARM: 0, Stage.MOVING: 2}
    assert best_plan(swap(0)).values == {Stage.HARM: 2000, Stage.MOVING: 0}
    assert best_plan(swap(4)).values == {Stage.HARM: 0, Stage.MOVING: 2}  # v0 ends there, since nothing calls it home
    assert len(made(swap(4))) == 2


def test_hops_are_counted() -> None:
    """As above, but each VM is at home only on the other one's host."""
    away = [Leave(MUST, np.array([v]), np.arange(3) == v) for v in (0, 1)]
    soft = [Leave(SHOULD, np.array([v]), np.arange(3) == 2) for v in (0, 1)]
    whole = problem([0, 1], [room([4, 4], [4, 4, 4]), *away, *soft], stages=WITH_SHOULD)
    assert best_placement(whole).values == {Stage.HARM: 0, Stage.SHOULD_HARM: 0, Stage.MOVING: 2}
    assert best_plan(whole).values == {Stage.HARM: 0, Stage.SHOULD_HARM: 0, Stage.MOVING: 3}
    assert [m[0] for m in made(whole)] in ([0, 1, 0], [1, 0, 1])


def test_a_vm_in_flight_counts_at_both_ends() -> None:
    """Two anti-affine VMs that should swap cannot meet, however empty the hosts are."""
    away = [Leave(MUST, np.array([v]), np.arange(2) == v) for v in (0, 1)]
    apart = Apart(GUARD, 0, sets([0], name="a"), sets([1], name="b"))
    whole = problem([0, 1], [*away, apart], hosts=2)
    assert best_placement(whole).values[Stage.HARM] == 0
    assert best_plan(whole).values == {Stage.HARM: 2000, Stage.MOVING: 0}


def test_a_set_may_be_split_on_the_way_but_not_at_the_end() -> None:
    together = Same(MUST, 0, sets([0, 1]))
    drain = Leave(MUST, np.array([0, 1]), np.arange(2) == 0)
    assert made(problem([0, 0], [together, drain], hosts=2)) == [(0, 0, 1), (1, 0, 1)]
    pinned = problem([0, 0], [together, drain, Fixed("journey", np.array([1]), "Baby")], hosts=2)
    assert best_plan(pinned).values == {Stage.HARM: 2000, Stage.MOVING: 0}


def test_a_guard_is_never_a_reason_to_move_but_may_not_get_worse() -> None:
    crowded = AtMost(GUARD, 0, sets([0, 1]), ONE)
    assert made(problem([0, 0], [crowded])) == []
    drain = Leave(MUST, np.array([0]), np.arange(2) == 0)
    assert made(problem([0, 1], [crowded, drain], hosts=2)) == []


@pytest.mark.parametrize(
    ("limit", "rank"), [(3, (0, 0, 3)), (2, (0, 3000, 2)), (1, (1000, 3000, 1)), (0, (2000, 0, 0))]
)
def test_a_budget_counts_every_hop(limit: int, rank: tuple[int, ...]) -> None:
    """The exchange of full hosts takes three moves; with fewer, somebody stays on the third host, or at home."""
    away = [Leave(MUST, np.array([v]), np.arange(3) == v) for v in (0, 1)]
    soft = [Leave(SHOULD, np.array([v]), np.arange(3) == 2) for v in (0, 1)]
    budget = Flow("budget", "run", None, None, None, np.array([1, 1]), limit)
    whole = problem([0, 1], [room([4, 4], [4, 4, 4]), *away, *soft, budget], stages=WITH_SHOULD)
    assert best_plan(whole).rank == rank


def test_a_budget_of_the_direct_moves_binds_placements_too() -> None:
    budget = Flow("budget", "run", None, None, None, np.array([1, 1]), 1)
    whole = problem([0, 0], [Leave(MUST, np.array([0, 1]), np.arange(3) == 0), budget])
    assert best_placement(whole).values == {Stage.HARM: 1000, Stage.MOVING: 1}


@pytest.mark.parametrize(("price", "moves"), [(2, 1), (1, 0), (0, 0)])
def test_a_price_is_the_most_that_a_unit_is_worth(price: int, moves: int) -> None:
    """At a price of 1 repairing costs what it gains: 1000 x 1 + 0 = 0 + 1000 x 1, and then the fewer moves."""
    asked = type(PRICED)(PRICED.rule, PRICED.hardness, 1, price)
    whole = problem([0, 0], [AtMost(asked, 0, sets([0, 1]), ONE)], stages=WITH_PRICE)
    found = best_plan(whole)
    assert len(found.moves) == moves
    assert found.values[Stage.PRICED] == (1000 if moves else 1000 * price)


def test_least_moving_is_what_the_problem_weighs() -> None:
    whole = problem([0, 0, 0], [room([1, 1, 2], [2, 9, 9])], moving=[5, 5, 11])
    assert best_plan(whole).values == {Stage.HARM: 0, Stage.MOVING: 10}
    assert sorted(m[0] for m in made(whole)) == [0, 1]


def test_who_is_fixed_not_placed_or_under_way_is_not_moved() -> None:
    stuck = Fixed("in_flight", np.array([1]), "somebody is moving it right now")
    whole = problem([0, 0, ABSENT], [room([3, 3, 9], [3, 3, 9]), stuck], also_at={1: 1}, hosts=3)
    assert made(whole) == [(0, 0, 2)]  # h1 is full with v1's other end


def test_cost_is_a_stage_of_its_own() -> None:
    """ROADEF: one stage, every demand hard; a move is made where it gains more than it costs."""
    knee = Hinge("load", np.array([3, 3]), np.array([-2, -2]), weight=4)
    for price, found in ((5, 8 + 5), (20, 16)):
        whole = problem([0, 0], [knee, MoveCost(np.array([price, price]))], hosts=2, stages=(Stage.COST,))
        assert best_placement(whole).values == {Stage.COST: found}


def test_best_within_keeps_what_was_reached() -> None:
    whole = problem([0, 0, 0], [room([3, 3, 3], [3, 3, 3])])
    every = list(plans(whole))
    assert best(every).rank == (0, 2)
    assert best(every, {Stage.HARM: 300}).rank == (300, 1)
    assert best(every, {Stage.HARM: 599}).rank == (300, 1)
    assert best(every, {Stage.HARM: 600}).rank == (600, 0)


@pytest.mark.parametrize(
    ("after", "states"),
    [
        ([], 1),
        ([()], 3),  # not yet, in flight, done
        ([(), ()], 9),
        ([(), (0,)], 5),
        ([(), (0,), (1,)], 7),
        ([(), (), (0, 1)], 4 * 2 + 1 + 2),
    ],
)
def test_every_reachable_state_is_named_once(after: list[tuple[int, ...]], states: int) -> None:
    found = list(reachable(after))
    assert len(found) == len(set(found)) == states
    for done, started in found:
        assert not done & started
        assert all(set(after[m]) <= done for m in done | started)


# -- against nothing but the evaluator, state by state ----------------------------------------------------------------


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    vms, hosts = draw(st.integers(1, 4)), draw(st.integers(2, 3))
    start = draw(st.lists(st.integers(0, hosts - 1), min_size=vms, max_size=vms))
    some = st.lists(st.integers(0, vms - 1), min_size=1, unique=True)
    sizes = draw(st.lists(st.integers(0, 4), min_size=vms, max_size=vms))
    limits = draw(st.lists(st.integers(0, 8), min_size=hosts, max_size=hosts))
    return problem(
        start,
        [
            room(sizes, limits),
            AtMost(draw(st.sampled_from([MUST, GUARD])), 0, sets(draw(some)), ONE),
            Same(MUST, 1, sets(draw(some))),
            Leave(MUST, np.array(sorted(draw(some))), np.arange(hosts) == draw(st.integers(0, hosts - 1))),
            Enter("allowed", np.array(sorted(draw(some))), np.arange(hosts) != draw(st.integers(0, hosts - 1))),
            Flow("budget", "run", None, None, None, np.array(sizes), draw(st.integers(0, 9))),
        ],
        hosts=hosts,
        racks=[0, 1, 1][:hosts],
    )


@pytest.mark.slow
@given(problems())
@settings(derandomize=True, deadline=None, max_examples=150)
def test_what_it_remembers_is_what_the_evaluator_says(whole: Problem) -> None:
    for found in placements(whole):
        said = evaluate(whole, found.placement)
        assert found.values == {Stage.HARM: said.harm, Stage.MOVING: said.moving}
        assert not said.worse
        assert not hard_breaches(whole, found.moves)


@pytest.mark.slow
@given(problems())
@settings(derandomize=True, deadline=None, max_examples=150)
def test_plans_are_safe_end_where_they_say_and_never_beat_the_best_placement(whole: Problem) -> None:
    split_allowed = {n for n, a in enumerate(whole.atoms) if isinstance(a, Same)}
    for found in plans(whole):
        at = list(whole.start.tolist())
        for move in found.moves:
            assert at[move.vm] == move.source
            under_way = evaluate(whole, at, [move])
            at[move.vm] = move.target
            for worse in (under_way.worse, evaluate(whole, at).worse):
                assert all(i.atom in split_allowed for i in worse)
        assert tuple(at) == found.placement
        assert not evaluate(whole, at).worse
        assert not hard_breaches(whole, found.moves)
        assert found.values == {Stage.HARM: evaluate(whole, at).harm, Stage.MOVING: len(found.moves)}
    assert best_placement(whole).rank <= best_plan(whole).rank <= (evaluate(whole, whole.start.tolist()).harm, 0)
