"""The state machine: one event in, the next state and what to do about it out.

A round begins when time has passed: all that is in flight is looked at, then those moves that may start are started
one after the other, each checked, intended, submitted; then time is let pass again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from optimizer.execute.core.accounts import after_end, skip_successors
from optimizer.execute.core.choose import blocked_by, is_ready, next_round
from optimizer.execute.core.copying import give_up_prepared, next_to_copy
from optimizer.execute.core.events import (
    Abort,
    Answered,
    AskGates,
    Blocked,
    Check,
    Checked,
    Effect,
    End,
    Event,
    GatesAnswered,
    GroundRead,
    Held,
    HookAnswered,
    Hooks,
    Intend,
    Intended,
    Observe,
    Observed,
    OfGuards,
    Proceed,
    Proceeded,
    ReadGround,
    Record,
    Skip,
    Submit,
    Tick,
    Wait,
)
from optimizer.execute.core.gates import answered_by_gates, ask_again_s, asked_now, has_to_ask, is_due
from optimizer.execute.core.ground import has_to_read, is_old, read_again_s, taken_in
from optimizer.execute.core.look import ABORTABLE, is_hopeless, look_at, poll_s
from optimizer.execute.core.model import Ended, Flight, State
from optimizer.execute.core.pace import allowed, at_once, faster, slower
from optimizer.execute.core.sharing import learned
from optimizer.execute.states import ENDED, Failure, MoveState, RunState
from optimizer.execution import is_open

if TYPE_CHECKING:
    from optimizer.execute.core.model import Moment
    from optimizer.execute.ledger.records import Key

__all__ = ["step"]

Effects = tuple[Effect, ...]

RECONCILED = 2
"""Looks at an open move of before this run, before anything new starts."""

HOOKS_HOLD_S = 300.0
"""Seconds for which the hooks before a move hold good: one that has not started by then has them called again."""

STOPPED = "the run was stopped"


def step(state: State, event: Event) -> tuple[State, Effects]:
    """Return the state after an event, and what to do, in order."""
    match event:
        case Tick():
            if state.flying:
                return state, (Observe(tuple(state.flying)),)
            return _start(state, event.now)
        case Observed():
            return _observed(state, event)
        case Checked():
            return _checked(state, event)
        case Held():
            held = {**state.held, event.key: event}
            queue = () if event.of_all else state.queue[1:]
            return _go_on(replace(state, held=held, queue=queue), event.now)
        case Intended():
            return _intended(state, event)
        case Answered():
            return _answered(state, event)
        case Proceeded():
            return _proceeded(state, event)
        case _:
            return _held_up(state, event)


def _held_up(state: State, event: Blocked | OfGuards) -> tuple[State, Effects]:
    match event:
        case Blocked():
            return _blocked(state, event)
        case GroundRead():
            return _ground_read(state, event)
        case GatesAnswered():
            return _gates_answered(state, event)
        case HookAnswered():
            return _hook_answered(state, event)


def _observed(state: State, event: Observed) -> tuple[State, Effects]:
    before = state.flying
    changes, effects, ends, flying = [], [], [], dict(before)
    trouble: list[float] = []
    for look in event.looks:
        outcome = look_at(flying[look.key], look, state.settings, event.now)
        flying[look.key] = outcome.flight
        trouble += [outcome.flight.since] * outcome.is_trouble
        if outcome.change is not None:
            changes.append(outcome.change)
        if outcome.abort:
            effects.append(Abort(look.key, outcome.abort))
        if outcome.has_ended:
            ends.append(outcome.change)
            del flying[look.key]
    seen = {k for k in state.unreconciled if k not in flying or flying[k].looks >= RECONCILED or flying[k].is_unknown}
    state = replace(state, flying=flying, unreconciled=state.unreconciled - seen)
    skips: list[tuple[Key, str]] = []
    for change in ends:
        if change is not None:
            state, skipped = after_end(state, change, event.now)
            skips += skipped
    now = event.now.seconds
    state = learned(state, before, now) if state.settings.adapts else state
    pace = slower(state.pace, now, *trouble, flying=len(before) + len(state.queue)) if trouble else faster(state, now)
    state = replace(state, pace=pace)
    state, given_up = give_up_prepared(state, event.now)
    written: Effects = (Record(tuple(changes)),) if changes else ()
    then: Effects = (Skip(tuple(skips)),) if skips else ()
    state, more = (state, ()) if event.aside else _start(state, event.now)
    return state, (*written, *then, *effects, *given_up, *more)


def _start(state: State, now: Moment) -> tuple[State, Effects]:
    """Begin a round: with what may start, if the fleet is known well enough and the gates are open."""
    if state.unwritten:
        unwritten = Skip(state.unwritten)
        state, effects = _start(replace(state, unwritten=()), now)
        return state, (unwritten, *effects)
    ready = next_to_copy(state, now)
    queue = next_round(state, now) if not ready else ()  # what is prepared goes before what is not
    if (ready or queue) and has_to_read(state, now):
        return replace(state, queue=(), held={}), (ReadGround(),)
    if (ready or queue) and has_to_ask(state, now):
        return replace(state, queue=(), held={}, gating=asked_now(state, now)), (AskGates(),)
    return _go_on(replace(state, queue=queue, ready=ready, held={}), now)


def _proceeded(state: State, event: Proceeded) -> tuple[State, Effects]:
    state = replace(state, ready=tuple(k for k in state.ready if k != event.key))
    flight = state.flying[event.key]
    if event.change is None:
        flight = replace(flight, refused=flight.refused + event.refused)
    else:
        unknown = event.change.state is MoveState.UNKNOWN
        now = event.now.seconds
        flight = replace(flight, state=event.change.state, ready=False, since=now, improved_at=now)
        flight = replace(flight, unknown_since=now if unknown else None)
        state = replace(state, pace=slower(state.pace, now, now, flying=at_once(state)) if unknown else state.pace)
    state = replace(state, flying={**state.flying, event.key: flight})
    return _go_on(state, event.now) if state.ready or event.change is None else _start(state, event.now)


def _ground_read(state: State, event: GroundRead) -> tuple[State, Effects]:
    state, notes = taken_in(state, event)
    state, more = _go_on(state, event.now) if event.change else _start(state, event.now)
    return state, (*notes, *more)


def _gates_answered(state: State, event: GatesAnswered) -> tuple[State, Effects]:
    state, notes = answered_by_gates(state, event)
    state, more = _go_on(state, event.now) if state.stopped or event.closed else _start(state, event.now)
    return state, (*notes, *more)


def _hook_answered(state: State, event: HookAnswered) -> tuple[State, Effects]:
    if state.stopped or not state.queue or state.queue[0] != event.key:
        return _go_on(state, event.now)
    if event.veto:
        return _passed_over(state, event.key, f"vetoed by {event.veto}", event.now)
    return _go_on(replace(state, called={**state.called, event.key: event.now.seconds}), event.now)


def _checked(state: State, event: Checked) -> tuple[State, Effects]:
    if state.stopped or not state.queue or state.queue[0] != event.key:
        return _go_on(state, event.now)
    if not event.change and is_old(state, event.now):  # it may have been read again and again until it could be
        return _go_on(state, event.now)
    if not event.change:
        return state, (Intend(event.key, state.attempts.get(event.key, 0) + 1),)
    return _passed_over(state, event.key, event.change, event.now)


def _passed_over(state: State, key: Key, why: str, now: Moment) -> tuple[State, Effects]:
    """Skip the first of this round, and all that was to follow it."""
    state = replace(state, queue=state.queue[1:])
    state, skips = skip_successors(state, key, Ended(MoveState.SKIPPED, why))
    state, more = _go_on(state, now)
    return state, (Skip(((key, why), *skips)), *more)


def _intended(state: State, event: Intended) -> tuple[State, Effects]:
    task = state.tasks[event.key]
    attempt = state.attempts.get(event.key, 0) + 1
    flight = Flight(
        key=event.key,
        vm=task.vm,
        source=task.source,
        target=task.target,
        copied_mib=task.copied_mib,
        attempt=attempt,
        state=MoveState.INTENDED,
        since=event.now.seconds,
        tokens=task.tokens,
        started_at=event.now.at,
    )
    state = replace(
        state,
        queue=state.queue[1:],
        waiting=tuple(k for k in state.waiting if k != event.key),
        flying={**state.flying, event.key: flight},
        attempts={**state.attempts, event.key: attempt},
        called={k: at for k, at in state.called.items() if k != event.key},
    )
    return state, (Submit(event.key),)


def _answered(state: State, event: Answered) -> tuple[State, Effects]:
    change = event.change
    flight = state.flying[change.key]
    pace = state.pace
    if change.state is MoveState.UNKNOWN or change.state in ENDED:
        pace = slower(pace, event.now.seconds, flight.since, flying=at_once(state))
    if change.state in ENDED:
        flying = {k: f for k, f in state.flying.items() if k != change.key}
        state, skips = after_end(replace(state, flying=flying, pace=pace), change, event.now)
        state, more = _go_on(state, event.now)
        return state, ((Skip(tuple(skips)), *more) if skips else more)
    unknown = change.state is MoveState.UNKNOWN
    flight = replace(
        flight,
        state=change.state,
        job=event.job,
        since=event.now.seconds,
        improved_at=event.now.seconds,
        unknown_since=event.now.seconds if unknown else None,
    )
    return _go_on(replace(state, flying={**state.flying, change.key: flight}, pace=pace), event.now)


def _blocked(state: State, event: Blocked) -> tuple[State, Effects]:
    """Start nothing more; give up what is in flight where that is asked for."""
    flying, ended = dict(state.flying), dict(state.ended)
    if event.withdrawn is not None:
        flying.pop(event.withdrawn, None)
        ended[event.withdrawn] = Ended(MoveState.FAILED, f"not submitted: {event.reason}", Failure.TEMPORARY)
    newly = event.abort and not state.aborting
    aborts: list[Effect] = []
    if newly:
        for key, flight in flying.items():
            if flight.state in ABORTABLE:
                flying[key] = replace(flight, abort_reason=f"aborted: {event.reason}")
                aborts.append(Abort(key, event.reason))
    state = replace(
        state,
        flying=flying,
        ended=ended,
        stopped=state.stopped or event.reason,
        aborting=state.aborting or event.abort,
    )
    state, more = _go_on(state, event.now)
    return state, (*aborts, *more)


def _go_on(state: State, now: Moment) -> tuple[State, Effects]:
    """Take the next of this round, or end it: by letting time pass, or with the run."""
    if state.stopped:
        return _wind_up(replace(state, ready=()), now)
    if is_due(state) or is_old(state, now):
        state = replace(state, queue=(), ready=())  # enough has ended, or passed, in this round: the guards come first
    if state.ready:
        return state, (Proceed(state.ready[0]),)
    if not allowed(state):
        state = replace(state, queue=())  # a problem in this round has halved what may be in flight
    if state.queue:
        key = state.queue[0]
        called = state.called.get(key, -HOOKS_HOLD_S)
        wants_hooks = state.settings.hooks and now.seconds - called >= HOOKS_HOLD_S
        return state, (Hooks(key) if wants_hooks else Check(key),)
    if state.flying:
        return _await(state, now)
    if not state.waiting:
        return _over(state)
    return _nothing_flies(state, now)


def _wind_up(state: State, now: Moment) -> tuple[State, Effects]:
    """End a stopped run as soon as nothing is in flight any more."""
    state, effects = _drop_waiting(state)
    if state.flying:
        state, more = _await(state, now)
        return state, (*effects, *more)
    return replace(state, over=True), (*effects, End(RunState.STOPPED, state.stopped))


def _drop_waiting(state: State) -> tuple[State, Effects]:
    """Let nothing more start; what was to be tried again has failed."""
    tried = {k: Ended(MoveState.FAILED, "not tried again: " + STOPPED) for k in state.waiting if k in state.attempts}
    skipped = {k: Ended(MoveState.SKIPPED, STOPPED) for k in state.waiting if k not in tried}
    state = replace(state, waiting=(), queue=(), ended={**state.ended, **tried, **skipped})
    return state, ((Skip(tuple((k, STOPPED) for k in skipped)),) if skipped else ())


def _await(state: State, now: Moment) -> tuple[State, Effects]:
    """Let time pass; where nothing is to be expected of all that is in flight, only so long.

    Then the run ends, and the ledger keeps these moves open: they keep their slots, for every plan to come.
    """
    if not all(is_hopeless(f, state.settings, now) for f in state.flying.values()):
        return state, (Wait(poll_s(state)),)
    if not state.stopped and not state.waiting and all(f.inherited for f in state.flying.values()):
        return _over(state)
    names = ", ".join(f"{f.key.move} ({f.vm}: {f.source} to {f.target})" for f in state.flying.values())
    state, effects = _drop_waiting(replace(state, stopped=state.stopped or f"no end is seen of {names}"))
    return replace(state, over=True), (*effects, End(RunState.STOPPED, state.stopped))


def _over(state: State) -> tuple[State, Effects]:
    """End a run of which every move has ended."""
    bad = any(e.state is not MoveState.DONE for k, e in state.ended.items() if k in state.tasks)
    return replace(state, over=True), (End(RunState.FAILED if bad else RunState.DONE),)


def _nothing_flies(state: State, now: Moment) -> tuple[State, Effects]:
    """Nothing is in flight, and yet moves wait: for their time, for strangers, or for ever."""
    if (is_due(state) or is_old(state, now)) and next_round(state, now):
        wait = read_again_s(state, now) if is_old(state, now) else ask_again_s(state, now)
        return state, (Wait(max(state.settings.poll_s, wait)),)
    tasks = [state.tasks[k] for k in state.waiting]
    delayed = [state.not_before[k] - now.seconds for k in state.waiting if state.not_before.get(k, 0) > now.seconds]
    if state.unreconciled or not is_open(state.settings.windows, now.at):
        return state, (Wait(max(state.settings.poll_s, 30.0)),)
    if state.held and all(held.by_others for held in state.held.values()):
        return _leave_to_others(state, now)
    ready = [t for t in tasks if is_ready(state, t, now)]
    if delayed and not ready:
        return state, (Wait(max(state.settings.poll_s, min(delayed))),)
    own = [held for held in state.held.values() if not held.by_others]
    reason = own[0].reason if own else blocked_by(ready)
    if any(held.passes for held in own) and not blocked_by(ready):
        return state, (Wait(max(state.settings.poll_s, 30.0)),)
    if not state.held and ready and not reason:
        return state, (Wait(state.settings.poll_s),)  # the round had no room; the next one will
    why = f"the limits on moves at once ({reason}) block every remaining move"
    return _wind_up(replace(state, stopped=why), now)


def _leave_to_others(state: State, now: Moment) -> tuple[State, Effects]:
    """Skip what waits for moves that others make, whose end nobody here can foresee."""
    skips: list[tuple[Key, str]] = []
    for key, held in state.held.items():
        why = f"at most {held.reason}, by others"
        state, more = skip_successors(state, key, Ended(MoveState.SKIPPED, why))
        skips += [(key, why), *more]
    state, effects = _start(state, now)
    return state, (Skip(tuple(skips)), *effects)
