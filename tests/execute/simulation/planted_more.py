"""Further bugs to plant: of what is observed, of leaders, of restarts; `mutants` says whose they were."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from optimizer.execute import loop, recheck
from optimizer.execute.core import accounts, look, pace, verdict
from optimizer.execute.core.events import Look
from optimizer.execute.ledger import ledger, queries
from optimizer.execute.ledger.records import Change
from optimizer.execute.states import OPEN, Failure, MoveState

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

WRITTEN_OFF = "written off"
STEP = "optimizer.execute.core.step"


def _failed(flight: Any, why: str) -> look.Outcome:
    return look.Outcome(flight, Change(flight.key, MoveState.FAILED, why, Failure.TEMPORARY))


def _looking(patch: pytest.MonkeyPatch, look_at: Any) -> None:
    patch.setattr(sys.modules[STEP], "look_at", look_at)


def moves_are_not_checked_before_they_start(patch: pytest.MonkeyPatch) -> None:
    """A VM that others have moved since is moved from where it was."""
    patch.setattr(recheck.Expected, "_change_of_vm", lambda *_: "")


def a_dead_target_is_not_noticed(patch: pytest.MonkeyPatch) -> None:
    """VMs are sent to a host that is down."""
    patch.setattr(recheck.Expected, "_change_of_host", lambda *_: "")


def moves_of_others_are_cancelled(patch: pytest.MonkeyPatch) -> None:
    """A new plan gives up what is in flight of an earlier one."""
    true = look.look_at

    def look_at(flight: Any, seen: Any, settings: Any, now: Any) -> look.Outcome:
        out = true(flight, seen, settings, now)
        first = flight.inherited and flight.looks == 0 and not out.abort and not out.has_ended
        return replace(out, abort="not ours") if first else out

    _looking(patch, look_at)


def a_move_that_stands_still_is_waited_for(patch: pytest.MonkeyPatch) -> None:
    """Nothing is ever given up, however long it stands still."""
    patch.setattr(look, "_overdue", lambda *_: "")


def what_left_its_source_has_arrived(patch: pytest.MonkeyPatch) -> None:
    """A VM that is no longer where it was is done, wherever it is."""
    true = verdict.judge

    def judge(flight: Any, seen: Any) -> verdict.Verdict:
        gone = seen.vm is not None and seen.vm.host not in (None, flight.source) and seen.vm.moving_to is None
        return verdict.Verdict(MoveState.DONE) if gone else true(flight, seen)

    patch.setattr(look, "judge", judge)


def an_abort_is_taken_for_its_effect(patch: pytest.MonkeyPatch) -> None:
    """What was asked to be given up has failed, without another look."""
    true = look.look_at

    def look_at(*asked: Any) -> look.Outcome:
        out = true(*asked)
        return replace(_failed(out.flight, "aborted"), abort=out.abort) if out.abort else out

    _looking(patch, look_at)


def a_stop_writes_off_what_is_in_flight(patch: pytest.MonkeyPatch) -> None:
    """After a stop nothing is looked at any more: it has failed."""
    module = sys.modules[STEP]
    true = module._observed

    def observed(state: Any, event: Any) -> Any:
        return true(replace(state, flying=_marked(state.flying)) if state.stopped else state, event)

    patch.setattr(module, "_observed", observed)
    _write_off_marked(patch)


def a_restart_writes_off_what_was_open(patch: pytest.MonkeyPatch) -> None:
    """What was in flight when the process died has failed, and is tried again."""
    module = sys.modules["optimizer.execute.apply"]
    true = module.begin

    def begin(*asked: Any, **more: Any) -> Any:
        state = true(*asked, **more)
        return replace(state, flying=_marked(state.flying))

    patch.setattr(module, "begin", begin)
    _write_off_marked(patch)


def _marked(flying: Any) -> Any:
    return {k: replace(f, abort_reason=WRITTEN_OFF) for k, f in flying.items()}


def _write_off_marked(patch: pytest.MonkeyPatch) -> None:
    true = look.look_at

    def look_at(flight: Any, *seen: Any) -> look.Outcome:
        return _failed(flight, WRITTEN_OFF) if flight.abort_reason == WRITTEN_OFF else true(flight, *seen)

    _looking(patch, look_at)


def an_old_leader_goes_on(patch: pytest.MonkeyPatch) -> None:
    """The lead is looked at when it is taken, and never again."""

    @contextmanager
    def leading(self: Any, lead: Any, step: str) -> Iterator[Any]:
        with self._writing(lead.fleet, step) as db:
            yield db

    patch.setattr(ledger.Ledger, "_leading", leading)


def what_cannot_be_read_is_not_there(patch: pytest.MonkeyPatch) -> None:
    """An inventory that does not answer is an empty one."""
    true = loop.Loop._look

    def seen(self: Any, flight: Any) -> Look:
        out = true(self, flight)
        return Look(flight.key, None, None) if out.blind else out

    patch.setattr(loop.Loop, "_look", seen)


def there_are_no_canaries(patch: pytest.MonkeyPatch) -> None:
    """All start at once."""

    def allowed(state: Any) -> int:
        return max(0, state.settings.fleet_cap - len(state.flying))

    patch.setattr(pace, "allowed", allowed)
    patch.setattr(sys.modules[STEP], "allowed", allowed)
    patch.setattr(sys.modules["optimizer.execute.core.choose"], "allowed", allowed)


def what_is_slow_has_failed(patch: pytest.MonkeyPatch) -> None:
    """A migration that takes longer than two minutes is taken for failed."""
    true = look.look_at

    def look_at(flight: Any, seen: Any, settings: Any, now: Any) -> look.Outcome:
        out = true(flight, seen, settings, now)
        slow = now.seconds - flight.since > 120 and not out.has_ended
        return _failed(out.flight, "it takes too long") if slow else out

    _looking(patch, look_at)


def a_deleted_vm_is_waited_for(patch: pytest.MonkeyPatch) -> None:
    """A VM that is nowhere any more holds the run up for ever."""
    true = verdict.judge

    def judge(flight: Any, seen: Any) -> verdict.Verdict:
        said = true(flight, seen)
        return replace(said, needs=verdict.NEVER) if said.state is MoveState.GONE else said

    patch.setattr(look, "judge", judge)


def two_copies_are_as_good_as_one(patch: pytest.MonkeyPatch) -> None:
    """A VM that is seen on the target is done, whether or not it still runs at its source."""
    true = verdict.judge

    def judge(flight: Any, seen: Any) -> verdict.Verdict:
        vm = replace(seen.vm, copies=frozenset()) if seen.vm is not None else None
        return true(flight, replace(seen, vm=vm))

    patch.setattr(look, "judge", judge)


def failures_are_tried_again_at_once(patch: pytest.MonkeyPatch) -> None:
    """There is no pause before another attempt."""
    true = accounts.after_end

    def after_end(state: Any, change: Any, now: Any) -> Any:
        out, skips = true(state, change, now)
        return replace(out, not_before={}), skips

    patch.setattr(sys.modules[STEP], "after_end", after_end)


def a_window_begins_with_the_process(patch: pytest.MonkeyPatch) -> None:
    """What was moved before a restart no longer counts on the budget of the window."""
    true = queries.since

    def since(db: Any, fleet: str, at: Any) -> Any:
        rows = true(db, fleet, at)
        newest = max((f.epoch for f in rows), default=0)
        return tuple(f for f in rows if f.epoch == newest or f.state in OPEN)

    patch.setattr(queries, "since", since)
