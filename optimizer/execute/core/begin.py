"""The state from which a run goes on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from optimizer.execute.core.accounts import skip_successors
from optimizer.execute.core.model import Ended, Flight, Ground, Pace, State
from optimizer.execute.states import OPEN, Failure, MoveState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from optimizer.execute.caps import Caps
    from optimizer.execute.core.model import Moment, Settings, Task
    from optimizer.execute.ledger.records import FlyingMove, Key, MoveRecord

__all__ = ["begin"]


def begin(
    tasks: Mapping[Key, Task],
    settings: Settings,
    known: Iterable[MoveRecord],
    others: Iterable[FlyingMove],
    caps: Caps,
    now: Moment,
    ground_age_s: float = 0.0,
) -> State:
    """Return the state from which a run goes on: what the ledger has of its own moves, and the open ones of others.

    `ground_age_s`: how old the snapshot is.
    """
    flying: dict[Key, Flight] = {}
    ended: dict[Key, Ended] = {}
    attempts: dict[Key, int] = {}
    for record in known:
        key = record.flying.key
        attempts[key] = record.flying.attempt
        if record.flying.state in OPEN:
            flying[key] = _flight(record.flying, caps, now, inherited=False)
        else:
            ended[key] = Ended(record.flying.state, record.detail, record.failure)
    retried = {k for k, e in ended.items() if _may_retry(e, attempts[k], settings)}
    finished = [e for k, e in ended.items() if e.state is not MoveState.SKIPPED]
    for move in others:
        flying[move.key] = _flight(move, caps, now, inherited=True)
    waiting = [k for k in tasks if k not in flying and (k not in ended or k in retried)]
    state = State(
        settings=settings,
        tasks=tasks,
        waiting=tuple(sorted(waiting, key=lambda k: tasks[k].rank)),
        pace=Pace(max(1, settings.canary)),
        flying=flying,
        ended={k: e for k, e in ended.items() if k not in retried},
        not_before={k: now.seconds + settings.backoff_s for k in retried},
        attempts=attempts,
        unreconciled=frozenset(flying),
        ground=Ground(read_at=now.seconds - ground_age_s),
        finished=len(finished),
        failures=sum(e.state is not MoveState.DONE for e in finished),
    )
    return _without_successors(state)


def _without_successors(state: State) -> State:
    """Let no move wait for one that is over and not done: a crash may have come before that was written down."""
    unwritten: list[tuple[Key, str]] = []
    for key, ended in tuple(state.ended.items()):
        if ended.state is not MoveState.DONE:
            state, skips = skip_successors(state, key, ended)
            unwritten += skips
    return replace(state, unwritten=tuple(unwritten))


def _may_retry(ended: Ended, attempts: int, settings: Settings) -> bool:
    return ended.failure is Failure.TEMPORARY and attempts < settings.attempts


def _flight(move: FlyingMove, caps: Caps, now: Moment, *, inherited: bool) -> Flight:
    return Flight(
        key=move.key,
        vm=move.vm,
        source=move.source,
        target=move.target,
        copied_mib=move.copied_mib,
        attempt=move.attempt,
        state=move.state,
        since=now.seconds,
        tokens=caps.tokens(move.vm, move.source, move.target),
        started_at=move.intended_at,
        job=move.job,
        unknown_since=now.seconds if move.state is MoveState.UNKNOWN else None,
        inherited=inherited,
    )
