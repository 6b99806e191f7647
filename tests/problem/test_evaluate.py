"""Each atom on cases worked out by hand: given this placement, the excess is that."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from optimizer.fleet import ABSENT, Move
from optimizer.problem.atoms import (
    Apart,
    AtLeast,
    AtMost,
    Enter,
    Fixed,
    Flow,
    Hinge,
    Leave,
    MoveCost,
    Needs,
    Same,
)
from optimizer.problem.evaluate import evaluate, hard_breaches, instances, placement_cost
from optimizer.problem.instance import Instance
from tests.problem.tiny import GUARD, MUST, PRICED, SHOULD, problem, room, sets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.problem.atoms import Atom
    from optimizer.problem.problem import Problem

RACKS = (0, 0, 1, 1)


class Given:
    """Reads as a sentence: ``given(atom, start=[..]).at([..]).exceeds({(member, domain): n})``."""

    def __init__(self, atom: Atom, start: Sequence[int], hosts: int = 4, also_at: dict[int, int] | None = None) -> None:
        self.problem = problem(start, [atom], hosts=hosts, racks=RACKS[:hosts], also_at=also_at)
        self.placement: list[int] = list(start)
        self.moves: tuple[Move, ...] = ()

    def at(self, placement: Sequence[int], *in_flight: tuple[int, int, int]) -> Given:
        self.placement, self.moves = list(placement), tuple(Move(*m) for m in in_flight)
        return self

    def exceeds(self, expected: dict[tuple[int, int], int]) -> Given:
        found = evaluate(self.problem, self.placement, self.moves)
        assert dict(found.excess) == {Instance(0, *key): n for key, n in expected.items()}
        return self

    def is_worse(self, worse: bool = True) -> Given:
        assert bool(evaluate(self.problem, self.placement, self.moves).worse) is worse
        return self


given = Given


# -- linear ------------------------------------------------------------------------------------------------------------


def test_linear_measures_what_is_over_the_limit() -> None:
    atom = room([4, 3, 2], [8, 8, 8, 8])
    given(atom, [0, 0, 0]).exceeds({(0, 0): 1}).is_worse(False)
    given(atom, [0, 0, 0]).at([0, 0, 1]).exceeds({})
    given(atom, [0, 0, 1]).at([0, 0, 0]).exceeds({(0, 0): 1}).is_worse()


def test_linear_counts_the_base_too() -> None:
    given(room([4], [5, 5, 5, 5], base=[2, 0, 9, 1]), [0]).exceeds({(0, 0): 1, (0, 2): 4})


def test_linear_counts_a_vm_in_flight_at_both_ends() -> None:
    atom = room([4, 3], [4, 4, 4, 4])
    given(atom, [0, 1]).at([0, 1], (0, 0, 1)).exceeds({(0, 1): 3}).is_worse()
    given(atom, [0, 1]).at([0, 1], (0, 0, 2)).exceeds({})


def test_linear_counts_a_vm_in_flight_within_one_rack_once_there() -> None:
    atom = room([4], [4, 4], level=1)
    given(atom, [0]).at([0], (0, 0, 1)).exceeds({})


def test_linear_counts_a_vm_that_others_move_at_both_ends() -> None:
    given(room([4], [3, 3, 3, 3]), [0], also_at={0: 2}).exceeds({(0, 0): 1, (0, 2): 1}).is_worse(False)


def test_linear_union_counts_start_and_end_together() -> None:
    atom = room([4, 3], [4, 4, 4, 4], union=True)
    given(atom, [0, 1]).at([2, 0]).exceeds({(0, 0): 3}).is_worse()  # v0 has left h0, its transient use has not
    given(replace(atom, union=False), [0, 1]).at([2, 0]).exceeds({})


def test_linear_does_not_count_a_vm_that_is_not_placed() -> None:
    given(room([9, 1], [1, 1, 1, 1]), [ABSENT, 0]).exceeds({})


# -- sets --------------------------------------------------------------------------------------------------------------


def test_at_most_counts_distinct_vms_in_a_domain() -> None:
    atom = AtMost(MUST, 1, sets([0, 1, 2], [3]), np.array([1, 0]))
    given(atom, [0, 1, 2, 3]).exceeds({(0, 0): 1, (1, 1): 1})
    given(atom, [0, 1, 2, 3]).at([0, 1, 0, 3]).exceeds({(0, 0): 2, (1, 1): 1}).is_worse()
    given(atom, [0, 1, 2, 3]).at([0, 1, 2, 3], (0, 0, 1)).exceeds({(0, 0): 1, (1, 1): 1}).is_worse(False)


def test_at_most_counts_a_vm_in_flight_at_both_ends() -> None:
    atom = AtMost(MUST, 0, sets([0, 1]), np.array([1]))
    given(atom, [0, 1]).at([0, 1], (0, 0, 1)).exceeds({(0, 1): 1}).is_worse()


def test_apart_counts_the_smaller_side_in_each_domain() -> None:
    atom = Apart(MUST, 0, sets([0, 1, 2], name="a"), sets([3, 4], name="b"))
    given(atom, [0, 0, 1, 0, 1]).exceeds({(0, 0): 1, (0, 1): 1})
    given(atom, [0, 0, 1, 0, 0]).exceeds({(0, 0): 2})
    given(atom, [0, 0, 0, 1, 2]).exceeds({})


def test_apart_never_lets_a_swapping_pair_meet() -> None:
    atom = Apart(MUST, 0, sets([0], name="a"), sets([1], name="b"))
    given(atom, [0, 1]).at([0, 1], (0, 0, 1)).exceeds({(0, 1): 1}).is_worse()
    given(atom, [0, 1]).at([1, 0]).exceeds({})


def test_at_least_counts_missing_domains_and_keeps_what_cannot_be_reached() -> None:
    atom = AtLeast(MUST, 1, sets([0, 1, 2]), np.array([2]))
    given(atom, [0, 0, 1]).exceeds({(0, 0): 1})
    given(atom, [0, 0, 1]).at([0, 0, 2]).exceeds({})
    given(replace(atom, k=np.array([5])), [0, 0, 2]).exceeds({(0, 0): 3})


def test_at_least_counts_a_vm_in_flight_at_the_worse_end() -> None:
    atom = AtLeast(MUST, 1, sets([0, 1]), np.array([2]))
    given(atom, [0, 2]).at([0, 2], (0, 0, 3)).exceeds({(0, 0): 1}).is_worse()
    given(atom, [0, 2]).at([0, 2], (0, 0, 1)).exceeds({})
    given(atom, [0, 1]).at([0, 1], (0, 0, 2)).exceeds({(0, 0): 1}).is_worse(False)


def test_at_least_asks_nothing_of_a_set_of_which_nothing_is_placed() -> None:
    given(AtLeast(MUST, 0, sets([0, 1]), np.array([2])), [ABSENT, ABSENT]).exceeds({})


def test_same_counts_those_outside_the_fullest_domain() -> None:
    atom = Same(MUST, 1, sets([0, 1, 2, 3]))
    given(atom, [0, 1, 2, 3]).exceeds({(0, 0): 2})
    given(atom, [0, 1, 2, 3]).at([0, 1, 1, 3]).exceeds({(0, 0): 1})
    given(atom, [0, 1, 2, 3]).at([0, 1, 0, 1]).exceeds({})
    given(atom, [0, 0, 0, 0]).at([0, 0, 0, 0], (0, 0, 2)).exceeds({})  # judged at the end: it stands at its source


def test_needs_counts_those_without_company() -> None:
    atom = Needs(MUST, 0, sets([0, 1, 2], name="a"), sets([3], name="b"))
    given(atom, [0, 0, 1, 1]).exceeds({(0, 0): 2})
    given(atom, [0, 0, 1, 1]).at([1, 0, 1, 1]).exceeds({(0, 0): 1})
    given(atom, [0, 0, 0, ABSENT]).exceeds({(0, 0): 3})


def test_needs_counts_a_vm_in_flight_at_the_worse_end() -> None:
    atom = Needs(MUST, 0, sets([0, 1], name="a"), sets([2], name="b"))
    given(atom, [0, 1, 0]).at([0, 1, 0], (2, 0, 1)).exceeds({(0, 0): 1}).is_worse(False)  # at either end, one is alone
    given(atom, [0, 0, 0]).at([0, 0, 0], (2, 0, 1)).exceeds({(0, 0): 2}).is_worse()
    given(atom, [0, 0, 0]).at([0, 0, 0], (0, 0, 1)).exceeds({(0, 0): 1}).is_worse()


def test_leave_counts_each_vm_that_stands_where_it_must_not() -> None:
    atom = Leave(MUST, np.array([0, 2]), np.array([True, False, False, True]))
    given(atom, [0, 0, 3, 3]).exceeds({(0, 0): 1, (2, 0): 1})
    given(atom, [0, 0, 3, 3]).at([1, 0, 2, 3]).exceeds({})
    given(atom, [0, 0, 3, 3]).at([1, 0, 2, 3], (0, 1, 3)).exceeds({(0, 0): 1}).is_worse(False)
    given(atom, [1, 0, 3, 3]).at([1, 0, 3, 3], (0, 1, 0)).exceeds({(0, 0): 1, (2, 0): 1}).is_worse()


# -- what it adds up to ------------------------------------------------------------------------------------------------


def test_harm_is_weight_times_thousandths_of_the_unit_by_hardness() -> None:
    k = np.array([1])
    three = problem(
        [0, 0, 0],
        [
            room([1, 1, 1], [2, 2, 2], unit=7),  # excess 1 of 7: 143 thousandths
            AtMost(SHOULD, 0, sets([0, 1, 2]), k),  # excess 2, weight 3
            AtMost(PRICED, 0, sets([0, 1]), k),  # excess 1, at most 2 moves
            AtMost(GUARD, 0, sets([0, 1]), k),  # no harm
        ],
    )
    found = evaluate(three, [0, 0, 0])
    assert (found.harm, found.should_harm, found.priced, found.moving) == (143, 6000, 2000, 0)
    assert len(found.excess) == 4


def test_only_musts_and_guards_may_not_get_worse() -> None:
    k = np.array([1])
    for asked, worse in ((MUST, True), (GUARD, True), (SHOULD, False), (PRICED, False)):
        found = evaluate(problem([0, 1], [AtMost(asked, 0, sets([0, 1]), k)]), [1, 1])
        assert found.worse == ((Instance(0, 0, 1),) if worse else ())


def test_worse_is_judged_instance_by_instance() -> None:
    atom = room([5, 5, 1], [5, 5, 5])
    found = evaluate(problem([0, 0, 1], [atom]), [1, 0, 1])  # h0 gains more than h1 loses, and that is no excuse
    assert found.harm == 100
    assert found.worse == (Instance(0, 0, 1),)


def test_moving_counts_in_the_problems_own_measure() -> None:
    assert evaluate(problem([0, 1, 2], moving=[7, 5, 3]), [1, 1, 0]).moving == 10


def test_instances_are_those_that_are_exceeded() -> None:
    assert instances(problem([0, 0], [room([3, 3], [5, 5, 5])]), [0, 0]) == {Instance(0, 0, 0): 1}


# -- what has no degrees -----------------------------------------------------------------------------------------------

HERE = np.array([True, False, True])


@pytest.mark.parametrize(
    ("atom", "moves", "said"),
    [
        (Fixed("journey", np.array([0]), "Baby"), [Move(0, 0, 1)], ["journey: v0 stays: Baby"]),
        (Fixed("journey", np.array([0]), "Baby"), [Move(1, 0, 1)], []),
        (Enter("eligible", None, HERE), [Move(0, 0, 1), Move(1, 0, 2)], ["eligible: v0 may not arrive at h1"]),
        (Enter("allowed", np.array([1]), HERE), [Move(0, 0, 1), Move(1, 0, 1)], ["allowed: v1 may not arrive at h1"]),
    ],
)
def test_fixed_and_enter_judge_every_move(atom: Atom, moves: list[Move], said: list[str]) -> None:
    assert hard_breaches(problem([0, 0], [atom]), moves) == said


def test_flow_adds_up_hops_and_journeys_home() -> None:
    out_of_h0 = Flow("budget", "h0", None, np.array([True, False, False]), None, np.array([4, 5]), 8)
    whole = problem([0, 0], [out_of_h0])
    assert hard_breaches(whole, [Move(0, 0, 1), Move(0, 1, 2)]) == []
    assert hard_breaches(whole, [Move(0, 0, 1), Move(0, 1, 0), Move(0, 0, 2)]) == []
    assert hard_breaches(whole, [Move(0, 0, 1), Move(1, 0, 2)]) == ["budget: h0: 9 of 8"]


def test_flow_speaks_of_some_vms_sources_and_targets_only() -> None:
    atom = Flow("budget", "b", np.array([True, False]), HERE, ~HERE, np.array([1, 1]), 0)
    whole = problem([0, 0], [atom])
    assert hard_breaches(whole, [Move(0, 0, 1)]) == ["budget: b: 1 of 0"]
    assert hard_breaches(whole, [Move(1, 0, 1), Move(0, 0, 2), Move(0, 1, 0)]) == []


# -- cost --------------------------------------------------------------------------------------------------------------


def cost(whole: Problem, placement: Sequence[int]) -> int:
    assert evaluate(whole, placement).cost == placement_cost(whole, placement)
    return placement_cost(whole, placement)


def test_hinge_counts_what_is_over_the_knee_and_nothing_below_it() -> None:
    knee = Hinge("load", np.array([5, 3, -2]), np.array([-6, -6, 1]), weight=10)
    assert cost(problem([0, 0, 0], [knee]), [0, 0, 0]) == 10 * (0 + 0 + 1)  # h0: 6 - 6
    assert cost(problem([0, 0, 0], [knee]), [0, 0, 2]) == 10 * (2 + 0 + 0)  # h0: 8 - 6, h2: 1 - 2


def test_move_cost_adds_vms_routes_and_the_set_that_is_moved_most() -> None:
    route = np.array([[0, 7, 1], [2, 0, 2], [0, 0, 0]])
    atom = MoveCost(np.array([3, 4, 5]), 2, route, 10, sets([0, 1], [2]), 100)
    whole = problem([0, 0, 1], [atom])
    assert cost(whole, [0, 0, 1]) == 0
    assert cost(whole, [1, 0, 1]) == 2 * 3 + 10 * 7 + 100
    assert cost(whole, [1, 2, 0]) == 2 * 12 + 10 * (7 + 1 + 2) + 100 * 2


def test_without_cost_atoms_a_placement_costs_nothing() -> None:
    assert cost(problem([0, 0], [room([3, 3], [5, 5, 5])]), [1, 2]) == 0
