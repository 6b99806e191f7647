"""What follows from the end of a move: another attempt, its successors, the pace, the breaker."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from optimizer.execute.core.model import Ended
from optimizer.execute.core.pace import breaker
from optimizer.execute.states import Failure, MoveState

if TYPE_CHECKING:
    from optimizer.execute.core.model import Moment, State
    from optimizer.execute.ledger.records import Change, Key

__all__ = ["after_end", "skip_successors"]


def after_end(state: State, change: Change, now: Moment) -> tuple[State, list[tuple[Key, str]]]:
    """Return the state after a move has ended, and the moves that will therefore not start."""
    key, ended = change.key, Ended(change.state, change.detail, change.failure)
    task = state.tasks.get(key)
    if task is None:  # a move of another plan
        return state, []
    state = replace(state, finished=state.finished + 1)
    if change.state is MoveState.DONE:
        return replace(state, ended={**state.ended, key: ended}), []
    state = replace(state, failures=state.failures + 1, bad_hosts=state.bad_hosts | {task.target})
    state = replace(state, stopped=state.stopped or breaker(state))
    attempts = state.attempts.get(key, 1)
    if change.failure is Failure.TEMPORARY and attempts < state.settings.attempts and not state.stopped:
        settings = state.settings
        wait = min(settings.longest_backoff_s, settings.backoff_s * 2 ** (attempts - 1))
        waiting = sorted((*state.waiting, key), key=lambda k: state.tasks[k].rank)
        not_before = {**state.not_before, key: now.seconds + wait}
        return replace(state, waiting=tuple(waiting), not_before=not_before), []
    return skip_successors(state, key, ended)


def skip_successors(state: State, key: Key, ended: Ended) -> tuple[State, list[tuple[Key, str]]]:
    """Let a move end other than done, and with it all that were to follow it; they are named with the reason."""
    waiting, gone = list(state.waiting), {key: ended}
    skips: list[tuple[Key, str]] = []
    if key in waiting:
        waiting.remove(key)
    more = True
    while more:
        more = False
        for other in tuple(waiting):
            before = next((a for a in state.tasks[other].after if a in gone), None)
            if before is None:
                continue
            failed = gone[before].state in (MoveState.FAILED, MoveState.GONE)
            why = f"{before.move} {'failed' if failed else 'was not done'}"
            gone[other] = Ended(MoveState.SKIPPED, why)
            skips.append((other, why))
            waiting.remove(other)
            more = True
    queue = tuple(k for k in state.queue if k not in gone)
    return replace(state, waiting=tuple(waiting), queue=queue, ended={**state.ended, **gone}), skips
