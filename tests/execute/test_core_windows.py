"""The core and time: windows in which moves may start, and limits over a while."""

from __future__ import annotations

from datetime import UTC, datetime, time

import pytest

from optimizer.concurrency import Concurrency
from optimizer.execute.caps import Caps
from optimizer.execute.core import step
from optimizer.execute.core.events import (
    Check,
    Checked,
    End,
    Held,
    Tick,
    Wait,
)
from optimizer.execute.ledger.ledger import Held as LedgerHeld
from optimizer.execute.ledger.ledger import Usage
from optimizer.execute.ledger.records import FlyingMove
from optimizer.execute.states import MoveState
from optimizer.execution import TimeWindow, WindowBudget, is_open
from tests.execute.test_core import FLEET, KEY, M1, M2, at, new


def test_outside_its_windows_nothing_starts() -> None:
    night = TimeWindow(time(22), time(6))
    state, effects = step(new(M1, windows=(night,)), Tick(at(0)))
    assert isinstance(effects[0], Wait)
    _, effects = step(state, Tick(at(10 * 3600)))
    assert effects == (Check(KEY),)


@pytest.mark.parametrize(
    ("window", "hour", "open_"),
    [
        (TimeWindow(time(9), time(17)), 12, True),
        (TimeWindow(time(9), time(17)), 17, False),
        (TimeWindow(time(22), time(6)), 23, True),
        (TimeWindow(time(22), time(6)), 5, True),
        (TimeWindow(time(22), time(6)), 12, False),
        (TimeWindow(time(22), time(6), frozenset({4})), 5, True),  # it opened on Friday
        (TimeWindow(time(22), time(6), frozenset({5})), 5, False),
        (TimeWindow(time(22), time(6), frozenset({5})), 23, True),
        (TimeWindow(time(9), time(17), utc_offset_min=120), 8, True),
        (TimeWindow(time(9), time(17), utc_offset_min=-120), 10, False),
    ],
)
def test_time_windows(window: TimeWindow, hour: int, open_: bool) -> None:
    saturday = datetime(2026, 11, 21, hour, 30, tzinfo=UTC)
    assert is_open((window,), saturday) == open_


@pytest.mark.parametrize(("passes", "then"), [(True, Wait), (False, End)])
def test_a_limit_that_time_does_not_lift_ends_the_run(passes: bool, then: type) -> None:
    state, _ = step(new(M1), Tick(at(0)))
    state, _ = step(state, Checked(at(0), KEY, ""))
    _, effects = step(state, Held(at(0), KEY, "2 moves in 60 s", by_others=False, passes=passes))
    assert isinstance(effects[-1], then)


@pytest.mark.parametrize(
    ("window", "copied_mib", "passes"),
    [
        (WindowBudget(60, moves=1), 1024, True),
        (WindowBudget(60, moves=0), 1024, False),
        (WindowBudget(60, gib=2), 2048, True),
        (WindowBudget(60, gib=2), 2049, False),
    ],
)
def test_a_window_that_never_pays_for_a_move_is_told_from_one_that_will(
    window: WindowBudget, copied_mib: int, passes: bool
) -> None:
    caps = Caps(FLEET, Concurrency(fleet=9, per_domain={}), [window])
    past = FlyingMove("plan-0", "m1", "v5", "h5", "h6", MoveState.DONE, 2048, 1, 1)
    now = FlyingMove("plan-1", "m1", "v0", "h0", "h8", MoveState.INTENDED, copied_mib, 1, 1)
    found = caps.refusal(now, (), Usage((), lambda _: (past,), None))
    assert found == LedgerHeld(str(window), passes=passes, of_all=window.moves is not None)


@pytest.mark.parametrize(
    ("window", "limit", "of_all"),
    [
        (WindowBudget(60, moves=1), None, True),
        (WindowBudget(60, moves=1, per="source"), None, False),
        (WindowBudget(60, gib=2), None, False),
        (WindowBudget(60, moves=9), 1, True),
    ],
)
def test_a_limit_that_lets_no_move_start_is_told_from_one_of_this_move(
    window: WindowBudget, limit: int | None, of_all: bool
) -> None:
    caps = Caps(FLEET, Concurrency(fleet=9, per_domain={}), [window])
    past = FlyingMove("plan-0", "m1", "v5", "h0", "h6", MoveState.COPYING, 2048, 1, 1)
    now = FlyingMove("plan-1", "m1", "v0", "h0", "h8", MoveState.INTENDED, 1024, 1, 1)
    found = caps.refusal(now, (), Usage((past,) * (limit or 0), lambda _: (past,), limit))
    assert found is not None
    assert found.of_all is of_all


@pytest.mark.parametrize("of_all", [True, False])
def test_where_no_move_may_start_the_others_of_the_round_are_not_asked(of_all: bool) -> None:
    state, effects = step(new(M1, M2), Tick(at(0)))
    assert effects == (Check(KEY),)
    state, _ = step(state, Checked(at(0), KEY, ""))
    state, effects = step(state, Held(at(0), KEY, "1 move in 60 s", by_others=False, passes=True, of_all=of_all))
    assert isinstance(effects[-1], Wait if of_all else Check)
    _, effects = step(state, Tick(at(30)))
    assert effects == (Check(KEY),), "in the next round they are"
