"""Which moves go first: quick ones, over the busiest links where that pays. No driver, no clock."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.execute.core.speeds import Link
from tests.execute.test_core_order import changed, started, state_of, with_flights

if TYPE_CHECKING:
    from optimizer.execute.core.model import State


def first(number: int, *moves: tuple[str, str, int], **of: Any) -> State:
    """Return a state before any move, in which so many are canaries."""
    state = state_of(*moves, finished=0, **of)
    return replace(state, settings=replace(state.settings, canary=number))


@pytest.mark.parametrize(("takes", "goes"), [(5_900, 1), (6_100, 0)])
def test_one_over_the_busiest_link_goes_where_that_carries_more_than_three_times_what_it_takes_longer(
    takes: int, goes: int
) -> None:
    """4 s are the least; 5.9 s are 1.9 s longer, which count three times, and the busiest link carries 5.9 s."""
    state = first(1, ("h1", "h7", 4_000), ("h0", "h8", takes), ("h0", "h9", 60_000))
    assert started(state) == [goes]


def test_of_those_that_are_as_quick_the_ones_over_the_busiest_links_go() -> None:
    moves = ("h1", "h7", 4_000), ("h2", "h8", 4_000), ("h0", "h9", 4_000), ("h2", "h10", 20_000), ("h0", "h11", 30_000)
    assert started(first(2, *moves)) == [2, 1]


def test_a_longer_one_is_worth_what_the_second_busiest_link_waits_for() -> None:
    """Over h0 2 s are carried that h3, which is as busy, waits for: nothing is gained."""
    moves = [
        ("h1", "h7", 4_000),
        ("h0", "h8", 5_000),
        ("h0", "h9", 60_000),
        ("h3", "h10", 60_000),
        ("h3", "h11", 5_000),
    ]
    assert started(first(1, *moves)) == [0]
    assert started(first(2, *moves)) == [1, 4]


def test_they_are_of_the_most_urgent_and_then_the_quickest_follow() -> None:
    moves = ("h1", "h7", 9_000), ("h2", "h8", 4_000), ("h0", "h9", 5_000)
    assert started(first(1, *moves, urgency={0: 0})) == [0]
    assert started(first(3, *moves, urgency={0: 0})) == [0, 1, 2]
    assert sorted(started(first(9, *moves))) == [0, 1, 2], "so many are not there"


def test_each_goes_over_links_of_its_own_as_far_as_there_are_such() -> None:
    moves = ("h0", "h7", 4_000), ("h0", "h8", 4_000), ("h1", "h9", 4_000), ("h2", "h10", 4_000), ("h0", "h11", 9_000)
    state = first(2, *moves)
    assert started(state) == [0, 2]
    for number in (0, 2):  # over one uplink: nobody would know what one copy gets
        links = tuple(state.tasks.values())[number].links
        state = changed(state, number, links=(*links, Link("out of rack", "0", inf)))
    assert started(state) == [0, 3]
    assert len(started(first(2, ("h0", "h8", 5_000), ("h0", "h9", 5_001)))) == 2, (
        "where there are no others, they share"
    )


def test_links_of_what_is_in_flight_are_not_their_own() -> None:
    state = first(2, ("h0", "h7", 4_000), ("h0", "h8", 4_000), ("h1", "h9", 4_000), ("h0", "h10", 9_000))
    assert started(with_flights(state, 4_000.0)) == [2]
