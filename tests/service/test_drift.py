"""A fleet whose load drifts, in short, and the judge of it; `python -m tests.service.drift` prints the whole."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.service import drift
from tests.service.drift import DAY_S, FIRST_S, FLEETS, Moved, Weeks, lived, main, returns, too_often
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
    assert [line for line in seen.forbidden if "stood still" in line]
    assert [m.target for m in seen.back] == ["a"]


def test_a_service_of_which_cycles_end_badly_is_broken() -> None:
    seen = Weeks(cycles=160, outcomes=Counter(clean=9, stopped=1, error=120, lost=20, no_plan=10), days=2.0)
    assert seen.forbidden == ["10 cycles ended as no_plan", "120 cycles ended as error", "20 cycles ended as lost"]


@pytest.mark.parametrize(("back", "broken"), [(0, 0), (1, 0), (2, 1)])
def test_what_goes_back_is_a_share_of_the_moves_of_all_lives(
    back: int, broken: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One of 300 moves of a life is not too many where four lives have 1,200."""
    calm = [Moved(f"v{i}", "a", "b", 0.0, 10.0) for i in range(300)]
    returned = [Moved(f"v{i}", "b", "a", 3 * DAY_S, 3 * DAY_S + 10) for i in range(300)]
    lives = [Weeks(moves=calm + returned[: 1 if seed < back else 0], days=30.0) for seed in range(4)]
    monkeypatch.setattr(drift, "lived", lambda days, seed, *_, **__: lives[seed])
    monkeypatch.setattr("sys.argv", ["drift", "--seed", "0", "--seeds", "4"])
    assert main() == (1 if broken else 0)
    printed = capsys.readouterr().out
    assert printed.count("broken: ") == broken
    assert f"{back} back and forth; {broken} broken" in printed


@pytest.mark.rotating
@pytest.mark.parametrize("chunk", range(8))
def test_a_day_of_drifting_load(chunk: int, tmp_path: Path) -> None:
    seen = lived(1.5, 1 + chunk, tmp_path)
    assert (seen.forbidden, seen.back) == ([], [])
    assert seen.cycles > 150


@pytest.mark.rotating
@pytest.mark.parametrize("chunk", range(8))
def test_days_after_which_the_way_back_is_open_again(chunk: int, tmp_path: Path) -> None:
    """In six days load comes back to where it was; without `avoid_return_s` VMs then go back to where they were."""
    seen = lived(6, 1 + chunk, tmp_path, FLEETS["large"])
    assert (seen.forbidden, seen.back) == ([], [])
    assert len(seen.moves) > 50
