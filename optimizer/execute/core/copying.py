"""Moves that are prepared, where the driver holds back: which are told to copy, and which are given up."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from optimizer.execute.caps import LINKS
from optimizer.execute.core.choose import fit, taken_now
from optimizer.execute.core.events import Abort
from optimizer.execute.core.look import ABORTS, is_hopeless
from optimizer.execute.core.pace import allowed_to_copy
from optimizer.execute.core.sharing import links_now
from optimizer.execute.states import MoveState

if TYPE_CHECKING:
    from optimizer.execute.core.model import Moment, State
    from optimizer.execute.ledger.records import Key

__all__ = ["give_up_prepared", "next_to_copy"]


def next_to_copy(state: State, now: Moment) -> tuple[Key, ...]:
    """Return the prepared moves to be told to copy now, the most urgent first; the ledger has the last word."""
    room = allowed_to_copy(state)
    if state.stopped or state.unreconciled or not room:
        return ()
    taken, busy = taken_now(state), links_now(state, now)
    chosen: list[Key] = []
    waiting = [f for f in state.flying.values() if f.ready and f.state is MoveState.PREPARING]
    for flight in sorted(waiting, key=lambda f: state.tasks[f.key].rank if f.key in state.tasks else ()):
        links = tuple(t for t in flight.tokens if t.kind in LINKS)
        task = state.tasks.get(flight.key)
        free = task is None or not state.settings.adapts or busy.have_room(task)
        if not free and task is not None:
            busy.keep(task)
        if len(chosen) < room and free and fit(links, taken):
            if task is not None:
                busy.add(task)
            chosen.append(flight.key)
            taken.update(t[:2] for t in links)
    return tuple(chosen)


def give_up_prepared(state: State, now: Moment) -> tuple[State, tuple[Abort, ...]]:
    """Give up what is prepared and will not copy: the run was stopped, or no limit has let it for too long."""
    settings = state.settings
    alone = all(is_hopeless(f, settings, now) for f in state.flying.values() if not f.ready)
    flying, aborts = dict(state.flying), list[Abort]()
    for key, flight in state.flying.items():
        stuck = alone and now.seconds - flight.improved_at >= settings.patience_s
        if flight.ready and flight.aborts < ABORTS and (state.stopped or stuck):
            why = state.stopped or f"no limit let it copy for {settings.patience_s:g} s"
            flying[key] = replace(flight, aborts=flight.aborts + 1, abort_reason=f"aborted: {why}")
            aborts.append(Abort(key, why))
    return replace(state, flying=flying), tuple(aborts)
