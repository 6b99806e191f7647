"""Evict and receive: who leaves first, who finds which room, and that no harm is done by it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from optimizer.parameters import Repair
from optimizer.problem.atoms import Apart, AtLeast, AtMost, Enter, Flow
from optimizer.problem.working_placement import WorkingPlacement
from optimizer.repair.insertion import Insertion, evicted, receive
from tests.problem.tiny import MUST, SHOULD, problem, room, sets
from tests.repair.solving import bounds_of

if TYPE_CHECKING:
    from collections.abc import Callable

NEAR = Repair().near


def never() -> bool:
    return False


def ones(n: int) -> np.ndarray:
    return np.ones(n, np.int64)


def test_the_hardest_to_place_come_first() -> None:
    asked = problem([0, 0, 1, 1], [room([4, 9, 6, 9], [9, 10, 20])])
    assert evicted(bounds_of(asked)) == [2, 0]


def test_groups_that_have_to_come_to_a_place_evict_nobody() -> None:
    assert evicted(bounds_of(problem([0, 0], [AtLeast(MUST, 0, sets([0, 1]), np.array([2], np.int64))]))) == []


def test_with_a_budget_that_pays_for_one_that_goes_which_mends_most() -> None:
    """v0 is the largest, but the two on h1 are ten times as wrong."""
    run = Flow("budget", "run", None, None, None, ones(4), 1)
    heavy = AtMost(type(MUST)("r", weight=10), 0, sets([2, 3]), ones(1))
    asked = problem([0, 0, 1, 1], [room([9, 9, 1, 1], [10, 30, 30], unit=30), heavy, run])
    assert evicted(bounds_of(asked)) in ([2], [3])


def test_without_time_to_say_what_budgets_pay_for_what_mends_most_by_move_comes_first() -> None:
    run = Flow("budget", "run", None, None, None, ones(4), 1)
    heavy = AtMost(type(MUST)("r", weight=10), 0, sets([2, 3]), ones(1))
    asked = problem([0, 0, 1, 1], [room([9, 9, 1, 1], [10, 30, 30], unit=30), heavy, run])
    bounds = replace(bounds_of(asked), left=lambda: 0.0)
    assert not bounds.affordable
    assert evicted(bounds) == [2, 0]


def test_near_hosts_are_asked_first_and_far_ones_where_those_have_no_room() -> None:
    """Of the two full fleets the first has room at its other end alone."""
    hosts = 2 * NEAR + 10
    asked = problem([0, 0], [room([5, 5], [5, *[4] * (hosts - 3), 9, 9])], hosts=hosts)
    work = WorkingPlacement(asked)
    assert Insertion(work, tight=False, near=NEAR).host_for(0) == hosts - 2
    near = WorkingPlacement(problem([0, 0], [room([5, 5], [5, 4, 6, *[9] * (hosts - 3)])], hosts=hosts))
    assert Insertion(near, tight=True, near=NEAR).host_for(0) == 2
    assert Insertion(near, tight=False, near=NEAR).host_for(0) == 3
    assert Insertion(near, tight=False, near=NEAR).host_for(0, barred=range(2, NEAR + 5)) == NEAR + 5


def test_those_that_find_no_room_wait() -> None:
    work = WorkingPlacement(problem([0, 0, 1], [room([5, 5, 1], [3, 7, 2])]))
    assert receive(work, [0, 1], tight=False, near=NEAR, stop=never) == [1]
    assert work.placement.tolist() == [1, 0, 1]


def test_without_time_everybody_waits() -> None:
    work = WorkingPlacement(problem([0, 0, 1], [room([5, 5, 1], [3, 17, 12])]))
    assert receive(work, [0, 1], tight=False, near=NEAR, stop=lambda: True) == [0, 1]
    assert work.placement.tolist() == [0, 0, 1]


def test_where_none_has_found_room_for_too_long_the_others_wait_as_well() -> None:
    work = WorkingPlacement(problem([0, 0, 0, 0, 1], [room([2, 5, 4, 1, 1], [1, 4])], hosts=2))
    begun: list[int] = []

    def patience() -> Callable[[], bool]:
        begun.append(0)
        return lambda: len(begun) > 1

    assert receive(work, [0, 1, 3, 2, 0], tight=False, near=NEAR, stop=never, patience=patience) == [1, 2, 0]
    assert work.placement.tolist() == [1, 0, 0, 1, 1]
    assert len(begun) == 2  # anew after one that found room


def test_tight_takes_the_fullest_host_that_fits_and_loose_the_emptiest() -> None:
    asked = problem([0, 1, 2], [room([2, 5, 1], [1, 8, 8, 6])], hosts=4)
    work = WorkingPlacement(asked)
    assert Insertion(work, tight=True, near=NEAR).host_for(0) == 1
    assert Insertion(work, tight=False, near=NEAR).host_for(0) == 3


def test_the_host_that_fits_before_anything_left_is_preferred() -> None:
    """v1 went from h1 to h2, which makes room on h1: but to wait for that, while h3 is free, is not needed."""
    asked = problem([0, 1, 2], [room([2, 5, 1], [1, 5, 6, 2])], hosts=4)
    work = WorkingPlacement(asked)
    work.put(1, 2)
    assert Insertion(work, tight=False, near=NEAR).host_for(0) == 3
    assert Insertion(work, tight=False, near=NEAR).host_for(0, barred=[3]) == 1
    assert Insertion(work, tight=False, near=NEAR).host_for(0, barred=[1, 2, 3]) is None


def test_a_broken_host_receives_nobody_even_where_it_is_no_worse_than_before() -> None:
    asked = problem([0, 0, 1], [room([4, 5, 3], [3, 4, 2])])
    work = WorkingPlacement(asked)
    work.put(1, 0)
    assert not Insertion(work, tight=True, near=NEAR).welcomes(2, 0)
    assert Insertion(work, tight=True, near=NEAR).host_for(2) is None


def test_a_should_is_minded_where_there_is_a_choice_and_never_forbids() -> None:
    crowd = AtMost(SHOULD, 0, sets([0, 1]), ones(1))
    work = WorkingPlacement(problem([0, 1, 2], [room([2, 1, 6], [1, 9, 9]), crowd]))
    assert Insertion(work, tight=False, near=NEAR).host_for(0) == 2
    work = WorkingPlacement(problem([0, 1, 2], [room([2, 1, 8], [1, 9, 9]), crowd]))
    assert Insertion(work, tight=False, near=NEAR).host_for(0) == 1


def test_rivals_and_shut_hosts_are_not_gone_to() -> None:
    atoms = [
        AtMost(MUST, 0, sets([0, 1]), ones(1)),
        Apart(MUST, 0, sets([0]), sets([2])),
        Enter("e", None, np.array([True, True, True, True, False])),
    ]
    reception = Insertion(WorkingPlacement(problem([0, 1, 2], atoms, hosts=5)), tight=True, near=NEAR)
    assert reception.host_for(0) == 3
    assert [reception.welcomes(0, h) for h in range(5)] == [False, False, False, True, False]
