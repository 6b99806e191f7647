"""What a link is foreseen to lose: reckoned by hand."""

from __future__ import annotations

import pytest

from optimizer.execute.core.foresight import lost_s


def lost(on: list[float], *waits: float, slots: int = 3) -> float:
    """Return it where moves are prepared in 4 s, and one follows a copy that is over after 8 s."""
    return lost_s(on, waits, 4.0, 8.0, slots)


def test_a_link_loses_nothing_while_two_copies_are_on_it_nor_when_nothing_follows() -> None:
    assert lost([]) == lost([30.0]) == lost([30.0, 30.0, 30.0]) == 0.0
    assert lost([60.0, 60.0], 9.0, 5.0) == 0.0


def test_it_loses_what_nothing_is_copied_in_and_half_of_what_one_copy_is_alone_in() -> None:
    assert lost([], 10.0) == pytest.approx(4.0), "prepared"
    assert lost([3.0], 10.0) == pytest.approx(3.0 / 2 + 1.0), "alone for 3 s, then nothing for 1 s"
    assert lost([10.0], 10.0, slots=1) == pytest.approx(10.0 / 2 + 8.0), "its slot turns around for 8 s"


def test_copies_of_one_size_end_at_once_and_a_short_one_beside_them_keeps_the_link_full() -> None:
    """12 s each, a third at 4 s: 10 s are left of two, at 34 s both are over; 2 s of the third, then 6 s of nothing."""
    assert lost([12.0, 12.0], 12.0, 4.0) == pytest.approx(2.0 / 2 + 6.0)
    assert lost([12.0, 12.0], 4.0, 12.0) == pytest.approx(0.0)


def test_more_copies_than_slots_and_none_at_all() -> None:
    assert lost([5.0, 5.0], 5.0, slots=1) == pytest.approx(8.0), (
        "one follows the first of them, 8 s after both are over"
    )
    assert lost([], 5.0, slots=0) == 0.0, "nothing ever begins"
