"""Bugs of the core, the caps and the ledger, to be planted one at a time; `mutants` says whose they were."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from optimizer.execute import caps, guarded, loop
from optimizer.execute.core import accounts, choose, copying, look, pace, verdict
from optimizer.execute.core import gates as core_gates
from optimizer.execute.core.events import Answered, Proceeded, Tick
from optimizer.execute.drivers import MoveRefused, ReplyLost
from optimizer.execute.guards import gates, pending
from optimizer.execute.ledger import ledger, queries
from optimizer.execute.ledger.records import Change
from optimizer.execute.states import Failure, MoveState

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    Plant = Callable[[pytest.MonkeyPatch], None]


def unknown_is_failed(patch: pytest.MonkeyPatch) -> None:
    """Kronos: a time-out is a failure."""

    def failed(flight: Any, why: str, _now: Any) -> look.Outcome:
        return look.Outcome(flight, Change(flight.key, MoveState.FAILED, why, Failure.TEMPORARY))

    patch.setattr(look, "_unknown", failed)


def unknown_frees_its_slot(patch: pytest.MonkeyPatch) -> None:
    """ProxLB: after some polls the job is dropped and its slot given away."""
    true = queries.in_flight
    patch.setattr(queries, "in_flight", lambda *a: tuple(f for f in true(*a) if f.state is not MoveState.UNKNOWN))
    patch.setattr(choose, "held_by", lambda tokens, state, **_: () if state is MoveState.UNKNOWN else tokens)


def the_job_alone_is_believed(patch: pytest.MonkeyPatch) -> None:
    """Nova's `completed`, Proxmox's `hamigrate OK`: done is what the job says."""
    true = verdict.judge

    def judge(flight: Any, seen: Any) -> verdict.Verdict:
        done = seen.job is not None and seen.job.state is MoveState.DONE
        return verdict.Verdict(MoveState.DONE) if done else true(flight, seen)

    patch.setattr(look, "judge", judge)


def a_lost_reply_is_a_refusal(patch: pytest.MonkeyPatch) -> None:
    """What gave no answer did not start."""
    true = loop.Loop._call

    class Refusing:
        def __init__(self, driver: Any) -> None:
            self.driver = driver

        def __getattr__(self, name: str) -> Any:
            return getattr(self.driver, name)

        def submit(self, request: Any) -> str:
            try:
                return str(self.driver.submit(request))
            except ReplyLost as error:
                raise MoveRefused(str(error), temporary=True) from error

    def call(self: Any, flight: Any) -> Any:
        self._driver = self._driver if isinstance(self._driver, Refusing) else Refusing(self._driver)
        return true(self, flight)

    patch.setattr(loop.Loop, "_call", call)


def an_end_is_believed_before_it_has_settled(patch: pytest.MonkeyPatch) -> None:
    """No trace in three looks is taken for never started; a job of before for the one that was asked for."""
    true = verdict.judge
    patch.setattr(look, "judge", lambda *a: replace(true(*a), settled=False))


def after_is_ignored(patch: pytest.MonkeyPatch) -> None:
    """A batch goes on after a failure in it."""
    patch.setattr(choose, "is_ready", lambda s, t, now: s.not_before.get(t.key, now.seconds) <= now.seconds)
    patch.setattr(accounts, "skip_successors", lambda state, key, ended: (_ended(state, key, ended), []))


def _ended(state: Any, key: Any, ended: Any) -> Any:
    waiting = tuple(k for k in state.waiting if k != key)
    return replace(state, waiting=waiting, ended={**state.ended, key: ended})


def the_button_is_read_only_now_and_then(patch: pytest.MonkeyPatch) -> None:
    """A stop takes effect at the next poll of the loop, not in the transaction."""
    patch.setattr(ledger, "unpressed", lambda *_: None)
    patch.setattr(loop.Loop, "_wait", _waits)


def _waits(self: Any, seconds: float) -> Any:
    self._driver.clock.sleep(seconds)
    return Tick(self._now())


def without(kind: str) -> Plant:
    """Return a bug: this cap is forgotten, in the core and in the transaction."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        true = caps.Caps.tokens
        patch.setattr(caps.Caps, "tokens", lambda self, *a: tuple(t for t in true(self, *a) if t.kind != kind))

    plant.__name__ = f"without_{kind}"
    return plant


def caps_are_checked_by_the_loop_alone(patch: pytest.MonkeyPatch) -> None:
    """A lowered limit, or a move of another plan, is not seen when the intent is written."""
    patch.setattr(caps.Caps, "refusal", lambda *_: None)


def retries_have_no_end(patch: pytest.MonkeyPatch) -> None:
    """A move that fails is tried for ever."""
    true = accounts.after_end

    def after_end(state: Any, change: Any, now: Any) -> Any:
        asked = state.settings.attempts
        out, skips = true(replace(state, settings=replace(state.settings, attempts=9)), change, now)
        return replace(out, settings=replace(out.settings, attempts=asked)), skips

    patch.setattr(sys.modules["optimizer.execute.core.step"], "after_end", after_end)


def only_own_moves_count(patch: pytest.MonkeyPatch) -> None:
    """Cruise Control #2365: what ran before a restart is forgotten with it."""
    patch.setattr(pace, "allowed", lambda state: state.pace.limit)
    true = queries.in_flight

    def own(db: Any, fleet: str) -> Any:
        rows = true(db, fleet)
        newest = max((f.epoch for f in rows), default=0)
        return tuple(f for f in rows if f.epoch == newest)

    patch.setattr(queries, "in_flight", own)


def a_gate_that_does_not_answer_is_open(patch: pytest.MonkeyPatch) -> None:
    """No answer, or none that is a number, is taken for a good one."""
    true = pending.wait_for

    def wait_for(*asked: Any) -> Any:
        return [a._replace(good=a.good or "no answer" in a.text or "no number" in a.text) for a in true(*asked)]

    patch.setattr(gates, "wait_for", wait_for)


def gates_are_asked_after_the_canary_alone(patch: pytest.MonkeyPatch) -> None:
    """Once open, always open."""
    true = core_gates.is_due

    def is_due(state: Any) -> bool:
        return state.gating.opened_at is None and true(state)

    patch.setattr(core_gates, "is_due", is_due)
    patch.setattr(sys.modules["optimizer.execute.core.step"], "is_due", is_due)


def what_ends_while_gates_are_asked_is_judged_by_them(patch: pytest.MonkeyPatch) -> None:
    """Open is taken for open at the answer: whatever ended since the question counts as let through."""
    true = core_gates.answered_by_gates

    def answered(state: Any, event: Any) -> Any:
        return true(replace(state, gating=replace(state.gating, asked_after=state.finished)), event)

    patch.setattr(sys.modules["optimizer.execute.core.step"], "answered_by_gates", answered)


def an_answer_waits_while_hooks_after_moves_are_called(patch: pytest.MonkeyPatch) -> None:
    """What is in flight is looked at by a core that does not know yet what the ledger knows."""
    true = loop.Loop._carry_out

    def carry_out(self: Any, effect: Any, before: Any) -> Any:
        event = true(self, effect, before)
        if isinstance(event, Answered | Proceeded):
            self._call_after()
        return event

    patch.setattr(loop.Loop, "_carry_out", carry_out)


def a_veto_is_only_noted(patch: pytest.MonkeyPatch) -> None:
    """What a hook before a move answers is not waited for."""
    true = guarded.Guarded.before
    patch.setattr(guarded.Guarded, "before", lambda *a: true(*a) and "")


def the_ground_is_never_read_again(patch: pytest.MonkeyPatch) -> None:
    """A plan is old at its start or never."""
    patch.setattr(sys.modules["optimizer.execute.core.step"], "has_to_read", lambda *_: False)
    patch.setattr(sys.modules["optimizer.execute.core.step"], "is_old", lambda *_: False)


def links_are_counted_when_a_move_is_prepared_alone(patch: pytest.MonkeyPatch) -> None:
    """Told to copy as soon as it is prepared (Deckhouse #2230 wants the opposite: slots of the memory phase)."""
    patch.setattr(caps.Caps, "refusal_to_copy", lambda *_: None)
    patch.setattr(copying, "fit", lambda *_: True)
