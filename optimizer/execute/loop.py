"""The loop around the core: it owns the clock, the driver, the ledger and the button, and decides nothing.

Each effect of the core is carried out here, and what came of it goes back as an event.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from optimizer.clock import pieces
from optimizer.execute.core import step
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
    ForGuards,
    GatesAnswered,
    GroundRead,
    Held,
    HookAnswered,
    Hooks,
    Intend,
    Intended,
    Look,
    Note,
    Observe,
    Observed,
    Proceed,
    Proceeded,
    ReadGround,
    Record,
    Skip,
    Submit,
    Tick,
    Wait,
)
from optimizer.execute.core.look import poll_s
from optimizer.execute.core.model import Moment
from optimizer.execute.drivers import HoldsBack, MoveRefused, NotAborted, ReplyLost, Unreadable
from optimizer.execute.guarded import Guarded, HeldUp
from optimizer.execute.ledger.ledger import Pressed
from optimizer.execute.ledger.records import Change, FlyingMove, Key
from optimizer.execute.past import past_move, unstarted
from optimizer.execute.requests import request_of
from optimizer.execute.states import ENDED, Failure, MoveState
from optimizer.plan import PlannedMove

if TYPE_CHECKING:
    from optimizer.engine import Stop
    from optimizer.execute.button import StopFile
    from optimizer.execute.caps import Caps
    from optimizer.execute.core.model import Flight, State, Task
    from optimizer.execute.drivers import Driver, JobReading, Request, VmReading
    from optimizer.execute.ledger import Ledger
    from optimizer.execute.ledger.records import Lead
    from optimizer.execute.recheck import Expected
    from optimizer.fleet import PastMove

__all__ = ["Loop", "Progress"]

Progress = Callable[[PlannedMove, MoveState, datetime, str], None]
"""Is told of every move that starts, changes or ends: the move, its new state, when, and why."""

READ_AGAIN_S = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Pauses after which a reading that fails is tried again, before what cannot be read stops the run: half a minute,
since an API that is restarted, or that fails now and then, is no reason to give up a plan. Nothing starts meanwhile."""

HEED_S = 1.0
"""How long the loop sleeps at most before it heeds the user again."""

KEEP_S = 10.0
"""How long it sleeps at most before it keeps its lead and looks at the button again: a lease lasts three times that."""


class Loop:
    """Carries out what the core decides, for one run of a plan."""

    def __init__(
        self,
        state: State,
        driver: Driver,
        ledger: Ledger,
        lead: Lead,
        *,
        plan: str,
        moves: dict[str, PlannedMove],
        caps: Caps,
        expected: Expected,
        button: StopFile,
        guarded: Guarded,
        progress: Progress | None = None,
        interrupt: Stop | None = None,
    ) -> None:
        self.state = state
        self._driver, self._ledger, self._lead = driver, ledger, lead
        self._plan, self._moves, self._caps, self._expected, self._button = plan, moves, caps, expected, button
        self._guarded = guarded
        self._progress, self._interrupt = progress, interrupt
        self._migrating: frozenset[str] = frozenset()
        self._ended_at: dict[Key, datetime] = {}
        self._observed_s = 0.0
        self.past: list[PastMove] = []
        self.order: list[Key] = []

    @property
    def hook_failures(self) -> list[tuple[str, str]]:
        """What went wrong in hooks after moves: (move, what)."""
        return self._guarded.failures

    def run(self) -> None:
        """Go on until the run is over.

        Raises
        ------
        KeyboardInterrupt
            The user asked to stop: nothing more was submitted, and what is in flight is not waited for.
        SafetyStop
            The ledger could not be written, or somebody else leads: the ledger has the run open.
        """
        events: deque[Event] = deque([Tick(self._now())])
        while not self.state.over:
            before = self.state
            self.state, effects = step(before, events.popleft())
            for effect in effects:
                event = self._carry_out(effect, before)
                if event is not None:
                    events.append(event)

    def _now(self) -> Moment:
        return Moment(self._driver.clock.now(), self._driver.clock.monotonic())

    def _carry_out(self, effect: Effect, before: State) -> Event | None:
        match effect:
            case Observe(keys):
                return self._observed(keys)
            case Check(key):
                return self._check(self.state.tasks[key])
            case Intend(key, attempt):
                return self._intend(self.state.tasks[key], attempt)
            case Submit(key) | Proceed(key):
                flight = self.state.flying[key]
                return self._submit(flight) if isinstance(effect, Submit) else self._proceed(flight)
            case Record(changes):
                self._record(changes, before)
            case Skip(moves):
                self._skip(moves)
            case Abort(key, why):
                self._abort(key, why)
            case End(state, detail):
                self._ledger.end(self._lead, self._plan, state, self._driver.clock.now(), detail)
                self._guarded.over(self.state)
                self._call_after()
            case Wait(seconds):
                self._call_after()
                return self._wait(seconds)
            case _:
                return self._guard(effect)
        return None

    def _observed(self, keys: Iterable[Key], *, aside: bool = False) -> Observed:
        """Look at moves in flight."""
        self._observed_s = self._driver.clock.monotonic()
        return Observed(self._now(), tuple(self._look(self.state.flying[key]) for key in keys), aside)

    def _look_aside(self) -> None:
        """Look at what is in flight while a guard is waited for: what ended is written down, and nothing starts."""
        before, since = self.state, self._driver.clock.monotonic() - self._observed_s
        if before.over or not before.flying or since < poll_s(before):
            return
        self.state, effects = step(before, self._observed(before.flying, aside=True))
        for effect in effects:
            self._carry_out(effect, before)

    def _guard(self, effect: ForGuards) -> Event | None:
        """Ask gates, call hooks, write down what they said; the button, the user and moves are heeded meanwhile."""
        try:
            match effect:
                case ReadGround():
                    return self._read_ground()
                case AskGates():
                    closed = self._guarded.ask(self.state, self._hold)
                    return GatesAnswered(self._now(), closed)
                case Hooks(key):
                    veto = self._guarded.before(self.state.tasks[key], self._hold)
                    return HookAnswered(self._now(), key, veto)
                case Note(what, detail):
                    self._ledger.note(self._lead, self._plan, what, detail, self._driver.clock.now())
        except HeldUp as held:
            return held.event
        return None

    def _read_ground(self) -> Event:
        """Read the whole fleet again."""
        return self._tried(lambda: GroundRead(self._now(), self._guarded.changed(self.state, self._hold)))

    def _tried(self, read: Callable[[], Event]) -> Event:
        """Read; what cannot be read, after several tries, stops the run. User and button are heeded in between."""
        said = ""
        for pause in (*READ_AGAIN_S, 0.0):
            try:
                return read()
            except Unreadable as error:
                said = str(error)
            if isinstance(meanwhile := self._wait(pause), Blocked):
                return meanwhile
        return Blocked(self._now(), f"what cannot be read stops the run: {said}")

    def _call_after(self) -> None:
        """Call the hooks after moves that have ended; what goes wrong there is written down, and undoes nothing.

        Only where time is let pass, or the run is over: what is in flight is looked at meanwhile, by a core that has
        to know all that the ledger does. An answer that it has yet to take in comes first.
        """
        for move, why in self._guarded.call_after(self._stay):
            self._ledger.note(self._lead, self._plan, "hook failed", f"{move}: {why}", self._driver.clock.now())

    def _stay(self) -> None:
        """Heed the user, keep the lead and look at what is in flight while hooks after moves are waited for."""
        self._heed()
        self._ledger.keep(self._lead)
        self._look_aside()

    def _hold(self) -> None:
        """Heed the user, keep the lead, look at the button and at what is in flight while others are waited for."""
        self._heed()
        if (blocked := self._blocked_by_now()) is not None:
            raise HeldUp(blocked)
        self._look_aside()

    def _heed(self) -> None:
        """End here if the user asked to stop: between two steps, so that no step is cut in half."""
        if self._interrupt is not None and self._interrupt.is_set():
            raise KeyboardInterrupt

    def _wait(self, seconds: float) -> Event:
        """Let time pass, in pieces short enough to heed the user, keep the lead and see the button meanwhile."""
        for piece in pieces(self._driver.clock, seconds, KEEP_S):
            blocked = self._rest(piece)
            if blocked is not None:
                return blocked
        return Tick(self._now())

    def _rest(self, seconds: float) -> Event | None:
        """Sleep, keep the lead, and say what blocks the run, if anything does by now."""
        self._heed()
        for piece in pieces(self._driver.clock, seconds, HEED_S):
            self._driver.clock.sleep(piece)
            self._heed()
        return self._blocked_by_now()

    def _blocked_by_now(self) -> Event | None:
        self._ledger.keep(self._lead)
        return self._blocked()

    def _blocked(self) -> Event | None:
        stop = self._ledger.controls.of(self._lead.fleet).get("stop")
        abort = stop is not None and stop.value == "abort"
        reason = f"stopped by {stop.by}: {stop.reason}" if stop is not None else self._button.reason()
        if reason and (not self.state.stopped or (abort and not self.state.aborting)):
            return Blocked(self._now(), reason, abort=abort)
        return None

    def _look(self, flight: Flight) -> Look:
        try:
            job: JobReading | None = self._driver.observe(self._request(flight))
            vm: VmReading | None = self._driver.read_vm(flight.vm)
        except Unreadable as error:
            return Look(flight.key, None, None, blind=str(error) or "unreadable")
        if job is not None and job.ended_at is not None:
            self._ended_at[flight.key] = job.ended_at
        return Look(flight.key, job, vm)

    def _request(self, flight: Flight) -> Request:
        return request_of(flight, self.state.tasks.get(flight.key), self._lead.epoch)

    def _check(self, task: Task) -> Event:
        self._heed()

        def read() -> Event:
            change = self._expected.change(task, self._driver)
            self._migrating = self._driver.migrating()
            return Checked(self._now(), task.key, change)

        return self._blocked() or self._tried(read)

    def _intend(self, task: Task, attempt: int) -> Event:
        ends = (*task.key, task.vm, task.source, task.target)
        move = FlyingMove(*ends, MoveState.INTENDED, task.copied_mib, attempt, self._lead.epoch)
        at = self._driver.clock.now()
        try:
            held = self._ledger.intend(self._lead, move, at, partial(self._caps.refusal, move, self._migrating))
        except Pressed as stop:
            return Blocked(self._now(), str(stop), abort=stop.abort)
        if held is not None:
            return Held(self._now(), task.key, held.reason, held.by_others, held.passes, held.of_all)
        self._expected.fly(task)
        self._tell(task.key, MoveState.INTENDED)
        return Intended(self._now(), task.key)

    def _submit(self, flight: Flight) -> Event:
        at = self._driver.clock.now()
        try:
            if reason := self._button.reason():
                raise Pressed(reason)
            change, job = self._ledger.submit(self._lead, flight.key, at, partial(self._call, flight))
        except Pressed as stop:
            self._ended(self._ledger.withdraw(self._lead, flight.key, str(stop), at), flight)
            return Blocked(self._now(), str(stop), abort=stop.abort, withdrawn=flight.key)
        if change.state in ENDED:
            self._ended(change, flight)
        self._tell(flight.key, change.state, change.detail)
        return Answered(self._now(), change, job)

    def _call(self, flight: Flight) -> tuple[Change, str]:
        """Call the driver, within the ledger's transaction."""
        try:
            job = self._driver.submit(self._request(flight))
        except MoveRefused as error:
            kind = Failure.TEMPORARY if error.temporary else Failure.PERMANENT
            return Change(flight.key, MoveState.FAILED, str(error), kind), ""
        except (ReplyLost, Unreadable) as error:
            return Change(flight.key, MoveState.UNKNOWN, f"no answer: {error}"), ""
        return Change(flight.key, MoveState.ACCEPTED), job

    def _proceed(self, flight: Flight) -> Event:
        """Tell a prepared move to copy, within the ledger's transaction."""
        refused = False

        def call() -> Change | None:
            nonlocal refused
            assert isinstance(self._driver, HoldsBack)
            try:
                self._driver.proceed(self._request(flight))
            except MoveRefused:
                refused = True
                return None
            except (ReplyLost, Unreadable) as error:
                return Change(flight.key, MoveState.UNKNOWN, f"told to copy, no answer: {error}")
            return Change(flight.key, MoveState.COPYING)

        try:
            if reason := self._button.reason():
                raise Pressed(reason)
            at = self._driver.clock.now()
            came = self._ledger.proceed(self._lead, flight.key, at, self._caps.refusal_to_copy, call)
        except Pressed as stop:
            return Blocked(self._now(), str(stop), abort=stop.abort)
        change = came if isinstance(came, Change) else None
        if change is not None:
            self._tell(flight.key, change.state, change.detail)
        return Proceeded(self._now(), flight.key, change, refused)

    def _record(self, changes: tuple[Change, ...], before: State) -> None:
        self._ledger.record(self._lead, changes, self._driver.clock.now())
        for change in changes:
            if change.state in ENDED:
                self._ended(change, before.flying[change.key])
            self._tell(change.key, change.state, change.detail)

    def _ended(self, change: Change, flight: Flight) -> None:
        """Keep in mind where the VM is now, and when its move ended."""
        self._expected.land(flight, change.state)
        self._guarded.land(flight, change.state)
        if flight.key.plan != self._plan:
            return
        self._guarded.ended(flight.key, flight, change.state)
        at = self._ended_at.get(flight.key, self._driver.clock.now())
        self.order.append(flight.key)
        self.past.append(past_move(flight, change.state, flight.started_at, at, aborted=bool(flight.abort_reason)))

    def _skip(self, moves: tuple[tuple[Key, str], ...]) -> None:
        skipped = [(unstarted(self.state.tasks[key]), why) for key, why in moves]
        self._ledger.skip(self._lead, skipped, self._driver.clock.now())
        for key, why in moves:
            self._guarded.ended(key, self.state.tasks[key], MoveState.SKIPPED)
            self._tell(key, MoveState.SKIPPED, why)

    def _abort(self, key: Key, why: str) -> None:
        flight = self.state.flying.get(key)
        if flight is None:
            return
        try:
            at = self._driver.clock.now()
            self._ledger.abort(self._lead, key, why, at, partial(self._driver.abort, self._request(flight)))
        except (NotAborted, Unreadable, ReplyLost) as error:
            self._tell(key, flight.state, f"not aborted, it goes on: {error}")

    def _tell(self, key: Key, state: MoveState, detail: str = "") -> None:
        if self._progress is not None and key.plan == self._plan:
            self._progress(self._moves[key.move], state, self._driver.clock.now(), detail)
