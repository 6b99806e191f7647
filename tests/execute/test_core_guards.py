"""Gates and hooks in the core alone: events in, effects out."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.execute.core import step
from optimizer.execute.core.events import (
    Answered,
    AskGates,
    Blocked,
    Check,
    Checked,
    End,
    GatesAnswered,
    Held,
    HookAnswered,
    Hooks,
    Intend,
    Intended,
    Look,
    Note,
    Observe,
    Observed,
    Record,
    Skip,
    Submit,
    Tick,
    Wait,
)
from optimizer.execute.drivers import JobReading, VmReading
from optimizer.execute.ledger.records import Change, Key
from optimizer.execute.states import Failure, MoveState, RunState
from optimizer.fleet import Mobility, VmState
from tests.execute.plans import move
from tests.execute.test_core import FLEET, M1, M2, at, flying, new

if TYPE_CHECKING:
    from optimizer.execute.core.events import Effect
    from optimizer.execute.core.model import State

MOVES = [replace(move(FLEET, n + 1, f"v{n}", f"h{n}", f"h{n + 6}"), seconds=9.0) for n in range(6)]
GATED: dict[str, Any] = {
    "canary": 1,
    "fleet_cap": 1,
    "gates": True,
    "gate_every": 2,
    "gate_again_s": 30,
    "gate_hold_s": 100,
}
CLOSED = ("errors: 7 is over 5",)


def key(number: int) -> Key:
    return Key("plan-1", f"m{number:04}")


def ended(state: State, number: int, now: float) -> tuple[State, tuple[Effect, ...]]:
    """Let a move in flight be seen done, twice; return what follows."""
    effects: tuple[Effect, ...] = ()
    for later in (2, 4):
        state, effects = step(state, Tick(at(now + later)))
        assert effects == (Observe((key(number),)),)
        state, effects = step(state, Observed(at(now + later), (_arrived(number),)))
    return state, effects


def two_flying(**settings: Any) -> State:
    state = flying(new(*MOVES, **{**GATED, "canary": 2, **settings}), key(1))
    state, _ = step(state, Checked(at(0), key(2), ""))
    state, _ = step(state, Intended(at(0), key(2)))
    return step(state, Answered(at(0), Change(key(2), MoveState.ACCEPTED), "j1"))[0]


def canary_done(**settings: Any) -> tuple[State, tuple[Effect, ...]]:
    return ended(flying(new(*MOVES, **{**GATED, **settings}), key(1)), 1, 0)


def test_after_the_canary_the_gates_are_asked_and_nothing_starts_before() -> None:
    state, effects = canary_done()
    assert effects[-1] == AskGates()
    assert not state.queue
    state, effects = step(state, GatesAnswered(at(4), ()))
    assert effects == (Note("gate open", "after 1 move"), Check(key(2)))


def test_while_a_gate_is_waited_for_what_ends_is_written_down_and_nothing_starts() -> None:
    state = two_flying(fleet_cap=2)
    asking = replace(state, settings=replace(state.settings, canary=0))
    for seconds, expected in ((2, ()), (4, MoveState.DONE)):
        asking, effects = step(asking, Observed(at(seconds), (_arrived(1),), aside=True))
        assert [change.state for e in effects if isinstance(e, Record) for change in e.changes][-1:] == (
            [expected] if expected else []
        )
        assert not {type(e) for e in effects} - {Record}
    assert set(asking.flying) == {key(2)}
    _, effects = step(asking, GatesAnswered(at(5), ()))
    assert effects[-1] == Check(key(3))


def test_what_has_ended_while_the_gates_were_asked_counts_as_not_yet_judged_by_them() -> None:
    state = two_flying(fleet_cap=3, gate_every=1)
    state = replace(state, settings=replace(state.settings, canary=0), pace=replace(state.pace, limit=9))
    state, effects = step(state, Observed(at(2), (_copying("m0001"), _copying("m0002"))))
    assert effects[-1] == AskGates()
    for seconds in (4, 6):
        state, _ = step(state, Observed(at(seconds), (_arrived(1),), aside=True))
    state, effects = step(state, GatesAnswered(at(7), ()))
    assert effects == (Note("gate open", "after 0 moves"), AskGates())
    _, effects = step(state, GatesAnswered(at(8), ()))
    assert effects == (Note("gate open", "after 1 move"), Check(key(3)))


def test_then_each_time_that_so_many_have_ended() -> None:
    state, _ = canary_done()
    state, effects = step(state, GatesAnswered(at(4), ()))
    for number in (2, 3):
        assert effects[-1] == Check(key(number))
        state, _ = step(state, Checked(at(10 * number), key(number), ""))
        state, _ = step(state, Intended(at(10 * number), key(number)))
        state, _ = step(state, Answered(at(10 * number), Change(key(number), MoveState.ACCEPTED), "j1"))
        state, effects = ended(state, number, 10 * number)
    assert effects[-1] == AskGates()


def test_a_closed_gate_is_asked_again_after_a_while_and_its_reason_is_written_once() -> None:
    state, _ = canary_done()
    state, effects = step(state, GatesAnswered(at(4), CLOSED))
    assert effects == (Note("gate closed", CLOSED[0]), Wait(30))
    _, effects = step(state, Tick(at(20)))
    assert effects == (Wait(14),)
    state, effects = step(state, Tick(at(34)))
    assert effects == (AskGates(),)
    state, effects = step(state, GatesAnswered(at(35), ("errors: 6 is over 5",)))
    assert effects == (Wait(29),)
    state, effects = step(state, Tick(at(64)))
    state, effects = step(state, GatesAnswered(at(65), ()))
    assert effects[0] == Note("gate open", "after 1 move")
    assert effects[1] == Check(key(2))


def test_one_that_stays_closed_stops_the_run() -> None:
    state, _ = canary_done()
    now, asked = 4.0, 0
    effects: tuple[Effect, ...] = (AskGates(),)
    while not state.over:
        if effects[-1] == AskGates():
            asked += 1
            state, effects = step(state, GatesAnswered(at(now), CLOSED))
        else:
            assert isinstance(effects[-1], Wait)
            now += effects[-1].seconds
            state, effects = step(state, Tick(at(now)))
        assert asked < 10
    assert effects[-1] == End(RunState.STOPPED, "a gate was not open for 100 s: errors: 7 is over 5")
    assert isinstance(effects[0], Skip)
    assert len(effects[0].moves) == 5
    assert 100 <= now - 4 < 140


def test_an_answer_that_takes_longer_than_the_hold_stops_the_run() -> None:
    state, _ = canary_done()
    state, effects = step(state, GatesAnswered(at(104), ("errors: no answer",)))
    assert state.over
    assert effects[-1].detail.endswith("errors: no answer")  # type: ignore[union-attr]


def test_what_is_in_flight_goes_on_while_a_gate_is_closed() -> None:
    state, _ = canary_done(fleet_cap=9)
    state, effects = step(state, GatesAnswered(at(4), ()))
    for number in (2, 3, 4):
        if isinstance(effects[-1], Check):
            number = int(effects[-1].key.move[1:])
            state, _ = step(state, Checked(at(5), key(number), ""))
            state, _ = step(state, Intended(at(5), key(number)))
            state, effects = step(state, Answered(at(5), Change(key(number), MoveState.ACCEPTED), "j1"))
    assert len(state.flying) >= 2
    state = replace(state, finished=9, pace=replace(state.pace, limit=9))
    state, effects = step(state, Tick(at(8)))
    assert isinstance(effects[0], Observe)
    going_on = Observed(at(8), tuple(_copying(k.move) for k in state.flying))
    state, effects = step(state, going_on)
    assert effects[-1] == AskGates()
    state, effects = step(state, GatesAnswered(at(9), CLOSED))
    assert isinstance(effects[-1], Wait)
    assert effects[-1].seconds == state.settings.poll_s
    assert isinstance(step(state, Tick(at(11)))[1][0], Observe)


def _copying(name: str) -> Look:
    number = int(name[1:])
    reading = VmReading(f"v{number - 1}", f"h{number - 1}", VmState.RUNNING, Mobility.LIVE, {}, f"h{number + 5}")
    return Look(key(number), JobReading("j1", MoveState.COPYING, 5.0), reading)


def test_moves_that_end_at_once_do_not_outrun_the_gates() -> None:
    """Refused one after the other in one round: after so many, the rest waits for the gates."""
    state = new(*MOVES, **{**GATED, "canary": 2, "fleet_cap": 9, "breaker_share": 1.1, "attempts": 1})
    state = replace(state, pace=replace(state.pace, limit=9), finished=2, gating=replace(state.gating, opened_at=2))
    effects: tuple[Effect, ...]
    state, effects = step(state, Tick(at(0)))
    assert len(state.queue) == 6
    for number in (1, 2):
        assert effects[-1] == Check(key(number))
        state, _ = step(state, Checked(at(0), key(number), ""))
        state, _ = step(state, Intended(at(0), key(number)))
        refused = Change(key(number), MoveState.FAILED, "no", Failure.PERMANENT)
        state, effects = step(state, Answered(at(0), refused, ""))
    assert isinstance(effects[-1], Wait)
    assert step(state, Tick(at(2)))[1] == (AskGates(),)


def test_the_gates_are_asked_anew_by_a_run_that_goes_on() -> None:
    from optimizer.execute.ledger.records import FlyingMove, MoveRecord
    from tests.execute.test_core import START

    done = MoveRecord(FlyingMove("plan-1", "m0001", "v0", "h0", "h6", MoveState.DONE), None, "", START)
    state = new(*MOVES, known=[done], **GATED)
    assert step(state, Tick(at(0)))[1] == (AskGates(),)


def test_a_stop_while_the_gates_are_asked_stops_the_run() -> None:
    state, _ = canary_done()
    state, effects = step(state, Blocked(at(5), "stopped by ann: fire"))
    assert effects[-1] == End(RunState.STOPPED, "stopped by ann: fire")


def test_without_gates_nobody_is_asked() -> None:
    _, effects = canary_done(gates=False)
    assert effects[-1] == Check(key(2))


# -- hooks ---------------------------------------------------------------------------------------------------------


def test_the_hooks_come_before_the_fresh_reading() -> None:
    state, effects = step(new(M1, hooks=True), Tick(at(0)))
    assert effects == (Hooks(key(1)),)
    state, effects = step(state, HookAnswered(at(20), key(1), ""))
    assert effects == (Check(key(1)),)
    state, effects = step(state, Checked(at(20), key(1), ""))
    assert effects == (Intend(key(1), 1),)
    state, effects = step(state, Intended(at(20), key(1)))
    assert effects == (Submit(key(1)),)


def test_a_veto_skips_the_move_and_what_follows_it_and_all_else_goes_on() -> None:
    late = move(FLEET, 3, "v2", "h2", "h0", after=(1,))
    state, effects = step(new(M1, late, M2, hooks=True, canary=2), Tick(at(0)))
    assert effects == (Hooks(key(1)),)
    state, effects = step(state, HookAnswered(at(1), key(1), "notify: exit 1: busy"))
    assert effects[0] == Skip(((key(1), "vetoed by notify: exit 1: busy"), (key(3), "m0001 was not done")))
    assert effects[1] == Hooks(key(2))


def test_hooks_are_not_called_again_for_a_move_that_waits_a_little_and_are_after_long() -> None:
    state, _ = step(new(M1, hooks=True), Tick(at(0)))
    state, _ = step(state, HookAnswered(at(0), key(1), ""))
    state, _ = step(state, Checked(at(0), key(1), ""))
    state, effects = step(state, Held(at(0), key(1), "2 moves in 60 s", by_others=False, passes=True))
    assert isinstance(effects[-1], Wait)
    assert step(state, Tick(at(30)))[1] == (Check(key(1)),)
    assert step(state, Tick(at(301)))[1] == (Hooks(key(1)),)


def test_each_attempt_has_its_hooks() -> None:
    state, _ = step(new(M1, hooks=True, attempts=2, backoff_s=20), Tick(at(0)))
    state, _ = step(state, HookAnswered(at(0), key(1), ""))
    state, _ = step(state, Checked(at(0), key(1), ""))
    state, _ = step(state, Intended(at(0), key(1)))
    busy = Change(key(1), MoveState.FAILED, "busy", Failure.TEMPORARY)
    state, _ = step(state, Answered(at(1), busy, ""))
    assert step(state, Tick(at(30)))[1] == (Hooks(key(1)),)


# -- any schedule ----------------------------------------------------------------------------------------------------


class Player:
    """Answers what the core asks, at random, and counts for itself what the gates allow."""

    def __init__(self, seed: int) -> None:
        rng = self.rng = random.Random(seed)
        self.canary, self.every = rng.randint(1, 3), rng.randint(1, 3)
        self.finished, self.opened, self.now = 0, -9, 0.0

    def play(self) -> None:
        more: dict[str, Any] = {"canary": self.canary, "gate_every": self.every, "fleet_cap": self.rng.randint(1, 3)}
        more |= {"breaker_share": 1.1, "attempts": 1, "hooks": self.rng.random() < 0.5}
        state, effects = step(new(*MOVES, **{**GATED, **more}), Tick(at(0)))
        while not state.over:
            (event,) = [event for event in map(self.answer, effects) if event is not None]
            before = len(state.flying)
            state, effects = step(state, event)
            self.finished += before - len(state.flying) if isinstance(event, Observed) else 0

    def answer(self, effect: Effect) -> Any:
        match effect:
            case AskGates():
                good = self.rng.random() < 0.6
                self.opened = self.finished if good else self.opened
                return GatesAnswered(at(self.now), () if good else CLOSED)
            case Intend(k):
                assert self.finished < self.canary or self.finished - self.opened < self.every
                return Intended(at(self.now), k)
            case Submit(k):
                answered = _answered(k, self.now, self.rng)
                self.finished += answered.change.state is MoveState.FAILED
                return answered
            case Wait(seconds):
                self.now += seconds
                return Tick(at(self.now))
        return self.of_one_move(effect)

    def of_one_move(self, effect: Effect) -> Any:
        match effect:
            case Hooks(k):
                return HookAnswered(at(self.now), k, "no" if self.rng.random() < 0.1 else "")
            case Check(k):
                return Checked(at(self.now), k, "")
            case Observe(keys):
                return Observed(at(self.now), tuple(_seen(k, self.rng) for k in keys))
        return None


@pytest.mark.parametrize("seed", range(40))
def test_between_two_openings_no_more_moves_end_and_start_than_the_gates_allow(seed: int) -> None:
    """Random answers of gates, hooks and platform, against a count of its own."""
    player = Player(seed)
    player.play()
    assert player.now < 5000


def _answered(k: Key, now: float, rng: random.Random) -> Answered:
    if rng.random() < 0.4:
        return Answered(at(now), Change(k, MoveState.FAILED, "", Failure.PERMANENT), "")
    return Answered(at(now), Change(k, MoveState.ACCEPTED), "j")


def _seen(k: Key, rng: random.Random) -> Look:
    if rng.random() < 0.3:
        return _copying(k.move)
    return _arrived(int(k.move[1:]))


def _arrived(number: int) -> Look:
    vm = VmReading(f"v{number - 1}", f"h{number + 5}", VmState.RUNNING, Mobility.LIVE, {})
    return Look(key(number), JobReading("j1", MoveState.DONE), vm)
