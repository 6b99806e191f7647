"""A fleet whose load drifts, in short, and the judge of it; `python -m tests.service.drift` prints the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.service.drift import DAY_S, FIRST_S, FLEETS, Moved, Weeks, lived, returns, too_often
from tests.service.living import HOUR_S

if TYPE_CHECKING:
    from pathlib import Path


def travels(*legs: tuple[str, str, float]) -> list[Moved]:
    """Moves of one VM that take ten seconds: from, to, when each ends."""
    return [Moved("v", source, target, at - 10, at) for source, target, at in legs]


def test_the_judge_sees_what_the_journey_forbids() -> None:
    assert too_often(travels(("a", "b", 100.0), ("b", "c", 100 + FIRST_S + 10))) == []
    assert len(too_often(travels(("a", "b", 100.0), ("b", "c", 100 + FIRST_S + 9)))) == 1
    third = 100 + FIRST_S + 10 + 2 * FIRST_S
    twice = travels(("a", "b", 100.0), ("b", "c", 100 + FIRST_S + 10), ("c", "d", third + 9))
    assert any("rests 1800 s after 2 moves" in line for line in too_often(twice))
    hours = [0, 3, 6, 10, 17]
    five = travels(*((f"h{i}", f"h{i + 1}", at * HOUR_S + 100) for i, at in enumerate(hours)))
    assert any("more than 4 times within a day" in line for line in too_often(five))
    other = [m._replace(vm=f"w{i}") for i, m in enumerate(five)]
    assert too_often(other) == []


def test_the_judge_sees_what_goes_back_and_what_is_restless() -> None:
    there = travels(("a", "b", 100.0), ("b", "c", DAY_S), ("c", "a", 1.5 * DAY_S))
    assert [m.target for m in returns(there, 2 * DAY_S)] == ["a"]
    assert returns(there, DAY_S) == []
    seen = Weeks(moves=there, days=2.0)
    assert [line for line in seen.broken if "stood still" in line]
    assert [line for line in seen.broken if "back to where it had been" in line]


@pytest.mark.rotating
@pytest.mark.parametrize("chunk", range(8))
def test_a_day_of_drifting_load(chunk: int, tmp_path: Path) -> None:
    seen = lived(1.5, 1 + chunk, tmp_path)
    assert seen.broken == []
    assert seen.cycles > 150


@pytest.mark.rotating
@pytest.mark.parametrize("chunk", range(8))
def test_days_after_which_the_way_back_is_open_again(chunk: int, tmp_path: Path) -> None:
    """In six days load comes back to where it was; without `avoid_return_s` VMs then go back to where they were."""
    seen = lived(6, 1 + chunk, tmp_path, FLEETS["large"])
    assert seen.broken == []
    assert len(seen.moves) > 50
