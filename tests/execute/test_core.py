"""The core alone: events in, effects out; no clock, no driver, no ledger."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.concurrency import Concurrency
from optimizer.execute.caps import Caps
from optimizer.execute.core import begin, step
from optimizer.execute.core.choose import tasks_of
from optimizer.execute.core.events import (
    Abort,
    Answered,
    Blocked,
    Check,
    Checked,
    End,
    Intend,
    Intended,
    Look,
    Observe,
    Observed,
    Record,
    Skip,
    Submit,
    Tick,
    Wait,
)
from optimizer.execute.core.model import Moment, Pace, Settings
from optimizer.execute.core.pace import allowed, faster, slower
from optimizer.execute.drivers import JobReading, VmReading
from optimizer.execute.ledger.records import Change, FlyingMove, Key, MoveRecord
from optimizer.execute.states import Failure, MoveState, RunState
from optimizer.fleet import Mobility, VmState
from optimizer.plan import Reason
from tests.execute.plans import line_fleet, move, plan_of

if TYPE_CHECKING:
    from optimizer.execute.core.events import Effect, Event
    from optimizer.execute.core.model import State
    from optimizer.plan import PlannedMove

FLEET = line_fleet()
START = datetime(2026, 11, 21, 12, tzinfo=UTC)
CAPS = Caps(FLEET, Concurrency(fleet=9, per_domain={}))
M1 = move(FLEET, 1, "v0", "h0", "h8")
M2 = replace(move(FLEET, 2, "v1", "h1", "h9"), seconds=M1.seconds)
KEY = Key("plan-1", "m0001")
SOURCE, TARGET, ELSEWHERE = "h0", "h8", "h7"


def at(seconds: float) -> Moment:
    return Moment(START + timedelta(seconds=seconds), 1000.0 + seconds)


def new(*moves: PlannedMove, caps: Caps = CAPS, known: Any = (), others: Any = (), **settings: Any) -> State:
    made = Settings(**{"fleet_cap": 9, "settles_s": 0.0, **settings})
    return begin(tasks_of(plan_of(FLEET, *moves), FLEET, caps), made, known, others, caps, at(0))


def flying(state: State, key: Key = KEY, seconds: float = 0) -> State:
    """Take a move through its start."""
    state, effects = step(state, Tick(at(seconds)))
    assert effects == (Check(key),)
    state, effects = step(state, Checked(at(seconds), key, ""))
    assert effects == (Intend(key, state.attempts.get(key, 0) + 1),)
    state, effects = step(state, Intended(at(seconds), key))
    assert effects == (Submit(key),)
    return step(state, Answered(at(seconds), Change(key, MoveState.ACCEPTED), "j1"))[0]


def vm(host: str | None, moving_to: str | None = None, copies: tuple[str, ...] = ()) -> VmReading:
    return VmReading("v0", host, VmState.RUNNING, Mobility.LIVE, {}, moving_to, frozenset(copies))


def job(state: MoveState, left: float | None = None, failure: Failure | None = None) -> JobReading:
    return JobReading("j1", state, left, failure, "so the job says")


def seen(state: State, looks: list[tuple[Any, Any]], first: float = 2, apart: float = 2) -> tuple[State, list[Effect]]:
    """Look at the first move again and again; return all effects."""
    out: list[Effect] = []
    for number, (job_, vm_) in enumerate(looks):
        if KEY not in state.flying:
            break
        now = at(first + number * apart)
        state, effects = step(state, Tick(now))
        assert effects == (Observe((KEY,)),)
        blind = "no answer" if job_ == "blind" else ""
        state, effects = step(state, Observed(now, (Look(KEY, None if blind else job_, vm_, blind),)))
        out += effects
    return state, out


def states(effects: list[Effect]) -> list[MoveState]:
    return [change.state for e in effects if isinstance(e, Record) for change in e.changes]


DONE, FAILED, COPYING = job(MoveState.DONE), job(MoveState.FAILED, failure=Failure.PERMANENT), job(MoveState.COPYING)


@pytest.mark.parametrize(
    ("look", "ends_as", "looks"),
    [
        ((DONE, vm(TARGET)), MoveState.DONE, 2),
        ((None, vm(TARGET)), MoveState.DONE, 3),
        ((FAILED, vm(TARGET)), MoveState.DONE, 5),
        ((FAILED, vm(SOURCE)), MoveState.FAILED, 2),
        ((DONE, vm(SOURCE)), MoveState.FAILED, 5),
        ((DONE, vm(ELSEWHERE)), MoveState.FAILED, 3),
        ((None, None), MoveState.GONE, 3),
        ((DONE, None), MoveState.GONE, 3),
    ],
)
def test_how_often_a_move_has_to_be_seen_at_its_end(look: tuple[Any, Any], ends_as: MoveState, looks: int) -> None:
    before, effects = seen(flying(new(M1, attempts=1, settles_s=0)), [look] * (looks - 1))
    assert KEY in before.flying
    assert ends_as not in states(effects)
    after, effects = seen(flying(new(M1, attempts=1, settles_s=0)), [look] * looks)
    assert KEY not in after.flying
    assert states(effects)[-1] is ends_as
    assert after.over
    assert effects[-1] == End(RunState.DONE if ends_as is MoveState.DONE else RunState.FAILED)


@pytest.mark.parametrize(
    "look",
    [
        (DONE, vm(SOURCE, TARGET)),
        (DONE, vm(TARGET, copies=(SOURCE,))),
        (COPYING, vm(SOURCE, copies=(TARGET,))),
        (COPYING, None),
        (None, vm(None)),
        ("blind", None),
    ],
)
def test_what_is_ambiguous_is_unknown_and_keeps_its_slots(look: tuple[Any, Any]) -> None:
    state, effects = seen(flying(new(M1)), [look] * 50)
    assert states(effects) == [MoveState.UNKNOWN]
    assert state.flying[KEY].is_unknown
    assert not state.over
    state, effects = seen(state, [(DONE, vm(TARGET))] * 2, first=200)  # and then it is known
    assert states(effects) == [MoveState.DONE]


def test_two_looks_at_the_same_time_are_one() -> None:
    state, _ = seen(flying(new(M1)), [(DONE, vm(TARGET))] * 5, apart=0.1)
    assert KEY in state.flying


def test_a_change_of_mind_begins_the_count_again() -> None:
    looks = [(DONE, vm(TARGET)), (DONE, vm(SOURCE, TARGET)), (DONE, vm(TARGET)), (COPYING, vm(SOURCE, TARGET))] * 5
    state, effects = seen(flying(new(M1)), looks)
    assert KEY in state.flying
    assert MoveState.DONE not in states(effects)


@pytest.mark.parametrize(
    "look", [(None, vm(SOURCE)), (DONE, vm(SOURCE)), (FAILED, vm(TARGET)), (None, None), (DONE, vm(ELSEWHERE))]
)
def test_what_one_observer_does_not_confirm_is_believed_only_when_it_has_settled(look: tuple[Any, Any]) -> None:
    state, effects = seen(flying(new(M1, settles_s=60, attempts=1)), [look] * 30)
    assert states(effects) == [MoveState.UNKNOWN]
    assert KEY in state.flying
    state, effects = seen(state, [look] * 2, first=62)
    assert KEY not in state.flying


def test_a_run_does_not_wait_for_ever_for_what_nobody_knows() -> None:
    state, effects = seen(flying(new(M1, M2, patience_s=60, fleet_cap=1)), [(DONE, vm(SOURCE, TARGET))] * 60)
    assert state.over
    assert KEY in state.flying  # the ledger keeps it open
    assert isinstance(effects[-1], End)
    assert effects[-1].state is RunState.STOPPED
    assert "m0001 (v0: h0 to h8)" in effects[-1].detail
    assert Skip(((Key("plan-1", "m0002"), "the run was stopped"),)) in effects


def test_a_stall_is_when_the_minimum_of_what_is_left_does_not_improve() -> None:
    """Bytes go on being copied all the time: what the guest dirties."""
    state = flying(new(M1))
    falling = [(job(MoveState.COPYING, 1000 - n), vm(SOURCE, TARGET)) for n in range(100)]
    state, effects = seen(state, falling)
    assert not [e for e in effects if isinstance(e, Abort)]
    swinging = [(job(MoveState.COPYING, 950 + (n % 2) * 20), vm(SOURCE, TARGET)) for n in range(80)]
    state, effects = seen(state, swinging, first=202)
    aborts = [e for e in effects if isinstance(e, Abort)]
    assert len(aborts) == 1
    assert "stalled" in aborts[0].reason
    gone = job(MoveState.FAILED, failure=Failure.TEMPORARY)
    state, effects = seen(state, [(gone, vm(SOURCE))] * 2, first=400)
    (record,) = [e for e in effects if isinstance(e, Record)]
    assert record.changes[0].detail.startswith("aborted: stalled")


def test_a_move_that_switches_is_not_aborted_however_long_it_takes() -> None:
    looks = [(job(MoveState.SWITCHING, 5), vm(SOURCE, TARGET))] * 600
    _, effects = seen(flying(new(M1)), looks)
    assert not [e for e in effects if isinstance(e, Abort)]


def test_a_temporary_failure_is_tried_again_after_a_while_and_not_for_ever() -> None:
    state = flying(new(M1, attempts=2, backoff_s=20))
    busy = job(MoveState.FAILED, failure=Failure.TEMPORARY)
    state, effects = seen(state, [(busy, vm(SOURCE))] * 2)
    assert not state.over
    (wait,) = [e for e in effects if isinstance(e, Wait)][-1:]
    assert 15 < wait.seconds <= 20
    (later,) = step(state, Tick(at(10)))[1]
    assert isinstance(later, Wait)
    assert later.seconds == pytest.approx(14, abs=1)
    state = flying(state, seconds=30)
    state, effects = seen(state, [(busy, vm(SOURCE))] * 2, first=32)
    assert state.over
    assert effects[-1] == End(RunState.FAILED)


def test_the_successors_of_a_failure_never_start_and_all_else_goes_on() -> None:
    late = move(FLEET, 3, "v2", "h2", "h0", after=(1,))
    later = move(FLEET, 4, "v3", "h3", "h2", after=(3,))
    state = flying(new(M1, late, later, M2, fleet_cap=1))
    state, effects = seen(state, [(FAILED, vm(SOURCE))] * 2)
    (skip,) = [e for e in effects if isinstance(e, Skip)]
    assert [(k.move, why) for k, why in skip.moves] == [("m0003", "m0001 failed"), ("m0004", "m0003 was not done")]


def test_the_breaker_opens() -> None:
    moves = [replace(move(FLEET, n + 1, f"v{n}", f"h{n}", f"h{n + 6}"), seconds=9.0) for n in range(6)]
    state = new(*moves, canary=2, fleet_cap=1, attempts=1)
    for n in range(2):
        key = Key("plan-1", f"m{n + 1:04}")
        state = flying(state, key, seconds=100 * n)
        for s in (2, 4):
            now = at(100 * n + s)
            reading = VmReading(f"v{n}", f"h{n}", VmState.RUNNING, Mobility.LIVE, {})
            state, effects = step(step(state, Tick(now))[0], Observed(now, (Look(key, FAILED, reading),)))
    assert state.stopped == "breaker: 2 of 2 moves failed"
    assert state.over
    assert effects[-1] == End(RunState.STOPPED, state.stopped)


def test_the_most_urgent_goes_first_then_the_longest_chain() -> None:
    """Evacuation before repair before balance; what an urgent move waits for is as urgent."""
    reason = Reason("maintenance", "h3", 1, 0)
    moves = [
        replace(move(FLEET, 1, "v0", "h0", "h6"), reasons=(Reason("balance", "h0", 1, 0),)),
        move(FLEET, 2, "v1", "h1", "h7"),
        move(FLEET, 3, "v2", "h2", "h8"),
        replace(move(FLEET, 4, "v3", "h3", "h2", after=(3,)), reasons=(reason,)),
        move(FLEET, 5, "v4", "h4", "h9"),
        move(FLEET, 6, "v5", "h5", "h1", after=(2,)),
    ]
    state = new(*moves)
    assert [k.move for k in state.waiting] == ["m0003", "m0004", "m0002", "m0006", "m0005", "m0001"]


def test_urgency_goes_by_the_kind_of_a_rule_whatever_the_policy_calls_it() -> None:
    moves = [
        replace(move(FLEET, 1, "v0", "h0", "h6"), reasons=(Reason("even", "h0", 1, 0),)),
        move(FLEET, 2, "v1", "h1", "h7"),
        replace(move(FLEET, 3, "v2", "h2", "h8"), reasons=(Reason("tonight", "h2", 1, 0),)),
    ]
    kinds = {"even": "balance", "tonight": "maintenance"}
    tasks = tasks_of(plan_of(FLEET, *moves), FLEET, CAPS, kinds)
    assert [k.move for k in sorted(tasks, key=lambda k: tasks[k].rank)] == ["m0003", "m0002", "m0001"]


def test_nothing_starts_before_what_was_open_is_reconciled() -> None:
    stranger = FlyingMove("plan-0", "m0009", "v5", "h5", "h11", MoveState.COPYING)
    own = MoveRecord(FlyingMove("plan-1", "m0001", "v0", "h0", "h8", MoveState.INTENDED), None, "", START)
    state = new(M1, M2, known=[own], others=[stranger])
    for n in range(2):
        state, effects = step(state, Tick(at(2 * n)))
        assert effects == (Observe((KEY, Key("plan-0", "m0009"))),)
        theirs = VmReading("v5", "h5", VmState.RUNNING, Mobility.LIVE, {}, "h11")
        looks = (Look(KEY, COPYING, vm(SOURCE, TARGET)), Look(Key("plan-0", "m0009"), COPYING, theirs))
        state, effects = step(state, Observed(at(2 * n), looks))
        assert (Check(Key("plan-1", "m0002")) in effects) == (n == 1)


def test_a_stop_skips_what_waits_and_observes_what_flies() -> None:
    state = flying(new(M1, M2, canary=1))
    state, effects = step(state, Blocked(at(3), "stopped by ann: fire"))
    assert Skip(((Key("plan-1", "m0002"), "the run was stopped"),)) in effects
    assert not [e for e in effects if isinstance(e, Abort)]
    state, more = seen(state, [(DONE, vm(TARGET))] * 2, first=5)
    assert state.ended[KEY].state is MoveState.DONE
    assert more[-1] == End(RunState.STOPPED, "stopped by ann: fire")


@pytest.mark.parametrize(("phase", "aborted"), [(MoveState.COPYING, True), (MoveState.SWITCHING, False)])
def test_a_stop_may_abort_what_can_be_aborted(phase: MoveState, aborted: bool) -> None:
    state, _ = seen(flying(new(M1)), [(job(phase), vm(SOURCE, TARGET))])
    _, effects = step(state, Blocked(at(5), "fire", abort=True))
    assert bool([e for e in effects if isinstance(e, Abort)]) == aborted


def test_the_canaries_end_before_there_are_more() -> None:
    moves = [move(FLEET, n + 1, f"v{n}", f"h{n}", f"h{n + 6}") for n in range(6)]
    state = new(*moves, canary=2)
    state, _ = step(state, Tick(at(0)))
    assert len(state.queue) == 2


def test_the_pace_is_doubled_while_all_goes_well_and_halved_on_a_problem() -> None:
    moves = [move(FLEET, n + 1, f"v{n}", f"h{n}", f"h{n + 6}") for n in range(6)]
    state = new(*moves, canary=5, fleet_cap=16)
    assert faster(state, 0.0).limit == 10  # for when the canaries have ended
    assert allowed(replace(state, pace=faster(state, 0.0))) == 5
    state = replace(state, finished=5)
    limits = []
    for now in range(3):
        state = replace(state, pace=faster(state, now))
        limits.append(state.pace.limit)
    assert limits == [10, 16, 16]
    state = replace(state, pace=slower(state.pace, 10.0, 9.0, flying=16))
    assert state.pace.limit == 8
    assert faster(state, 19.0).limit == 8
    grown = replace(state, pace=faster(state, 20.0))
    assert grown.pace.limit == 9
    assert faster(grown, 29.0).limit == 9
    assert faster(grown, 30.0).limit == 10
    pace = grown.pace
    for later in range(31, 40):
        pace = slower(pace, later, later, flying=16)
    assert pace.limit == 1


def test_what_began_before_the_number_was_halved_does_not_halve_it_again() -> None:
    pace = slower(Pace(16), 10.0, 5.0, 6.0, 7.0, flying=16)
    assert pace.limit == 8
    assert slower(pace, 11.0, 6.0, 10.0, flying=16) == replace(pace, good_since=11.0)
    assert slower(pace, 12.0, 6.0, 11.0, flying=16).limit == 4


def test_half_of_what_was_in_flight_goes_on_however_far_the_limit_had_grown() -> None:
    """A canary of five of which one fails is not followed by half of the fleet's cap."""
    assert slower(Pace(500), 10.0, 5.0, flying=5).limit == 2


def test_when_the_number_is_halved_in_a_round_the_rest_of_the_round_waits() -> None:
    moves = [move(FLEET, n + 1, f"v{n}", f"h{n}", f"h{n + 6}") for n in range(6)]
    state, _ = step(new(*moves, canary=6, breaker_share=1.1), Tick(at(0)))
    state = replace(state, finished=6)
    started: list[Key] = []
    while len(state.queue) and len(started) < 9:
        first = state.queue[0]
        started.append(first)
        state, _ = step(state, Checked(at(1), first, ""))
        state, _ = step(state, Intended(at(1), first))
        how = MoveState.UNKNOWN if len(started) == 1 else MoveState.ACCEPTED
        state, effects = step(state, Answered(at(1), Change(first, how), ""))
    assert len(started) == 3  # six at once, halved by the first
    assert isinstance(effects[-1], Wait)


def test_a_step_changes_nothing_in_place() -> None:
    """The state before is as it was: a frozen dataclass whose mappings are copied."""
    state = flying(new(M1, M2, canary=1))
    before = repr(state)
    events: list[Event] = [Tick(at(2)), Observed(at(2), (Look(KEY, DONE, vm(TARGET)),)), Blocked(at(3), "fire")]
    for event in events:
        step(state, event)
    assert repr(state) == before
