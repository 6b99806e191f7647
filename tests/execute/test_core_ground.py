"""The ground that a plan stands on: as old as the plan may be, the fleet is read again before more starts."""

from __future__ import annotations

from datetime import time

from optimizer.execute.core.events import Check, Checked, End, GroundRead, Note, ReadGround, Tick, Wait
from optimizer.execute.core.step import step
from optimizer.execute.states import RunState
from optimizer.execution import TimeWindow
from tests.execute.test_core import M1, at, flying, new
from tests.execute.test_core_guards import MOVES, ended, key


def test_when_the_plan_is_as_old_as_it_may_be_the_fleet_is_read_before_more_starts() -> None:
    state = new(*MOVES[:2], canary=1, fleet_cap=1, ground_s=900)
    state, _ = ended(flying(state, key(1)), 1, 0)
    assert step(state, Tick(at(899)))[1] == (Check(key(2)),)
    state, effects = step(state, Tick(at(900)))
    assert effects == (ReadGround(),)
    state, effects = step(state, GroundRead(at(901), ""))
    assert effects == (Note("fleet read again", "901 s after the last time: as foreseen"), Check(key(2)))
    assert state.ground.read_at == at(901).seconds


def test_what_is_other_than_foreseen_has_to_be_seen_three_times_and_stops_the_run() -> None:
    state, effects = step(new(M1, ground_s=900), Tick(at(1000)))
    for number, now in enumerate((1000, 1030, 1060)):
        assert effects == (ReadGround(),)
        state, effects = step(state, GroundRead(at(now), "h3: memory over"))
        if number < 2:
            assert effects == (Wait(30),)
            assert step(state, Tick(at(now + 10)))[1] == (Wait(20),)
            state, effects = step(state, Tick(at(now + 30)))
    assert state.over
    assert effects[-1] == End(
        RunState.STOPPED, "the plan is stale, 1,060 s after the fleet was last read: h3: memory over"
    )


def test_what_is_as_foreseen_again_is_forgotten() -> None:
    state, _ = step(new(M1, ground_s=900), Tick(at(1000)))
    state, _ = step(state, GroundRead(at(1000), "h3: memory over"))
    state, _ = step(state, Tick(at(1030)))
    state, effects = step(state, GroundRead(at(1030), ""))
    assert effects[-1] == Check(key(1))
    assert state.ground.seen == 0


def test_a_move_that_could_be_read_only_when_the_ground_was_old_waits_for_the_ground() -> None:
    state, effects = step(new(M1, ground_s=900), Tick(at(890)))
    assert effects == (Check(key(1)),)
    state, effects = step(state, Checked(at(921), key(1), ""))
    assert isinstance(effects[0], Wait | ReadGround)
    assert not state.queue
    assert step(state, Tick(at(922)))[1] == (ReadGround(),)


def test_a_night_outside_the_time_window_makes_the_ground_old() -> None:
    state, effects = step(new(M1, windows=(TimeWindow(time(22), time(6)),), ground_s=900), Tick(at(0)))
    assert isinstance(effects[0], Wait)
    assert step(state, Tick(at(10 * 3600)))[1] == (ReadGround(),)
