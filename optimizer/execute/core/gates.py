"""Gates between waves: when they are asked, and what follows from the answers.

They are due after the canary, and again each time that a number of moves, as the policy says, has ended since all were
open. While they are due nothing starts; what is in flight goes on. One that stays closed for too long, or gives no
answer, stops the run. A run that goes on after a crash asks before it starts anything.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from optimizer.execute.core.events import Note
from optimizer.execute.core.model import Gating
from optimizer.grammar import count

if TYPE_CHECKING:
    from optimizer.execute.core.events import GatesAnswered
    from optimizer.execute.core.model import Moment, State

__all__ = ["GATE_CLOSED", "GATE_OPEN", "answered_by_gates", "ask_again_s", "asked_now", "has_to_ask", "is_due"]

GATE_OPEN, GATE_CLOSED = "gate open", "gate closed"
"""The events by which the ledger knows of gates."""

ONE_HOLD_S = 7200.0
"""Seconds between two questions up to which they belong to one hold; a time window may have been closed in between."""


def is_due(state: State) -> bool:
    """Whether nothing may start before the gates are asked and found open."""
    settings, opened_at = state.settings, state.gating.opened_at
    if not settings.gates or state.finished < settings.canary:
        return False
    return opened_at is None or state.finished - opened_at >= settings.gate_every


def ask_again_s(state: State, now: Moment) -> float:
    """Return the seconds until closed gates are asked again; 0 where they may be asked now."""
    asked_at = state.gating.asked_at
    return 0.0 if asked_at is None else max(0.0, asked_at + state.settings.gate_again_s - now.seconds)


def has_to_ask(state: State, now: Moment) -> bool:
    """Whether the gates are due, and it is time to ask them."""
    return is_due(state) and ask_again_s(state, now) <= 0


def asked_now(state: State, now: Moment) -> Gating:
    """Return how the gates stand when they are asked; how long they hold back counts from the first of these."""
    gating = state.gating
    again = gating.asked_at is not None and now.seconds - gating.asked_at <= ONE_HOLD_S
    since = gating.since if again and gating.since is not None else now.seconds
    return replace(gating, asked_at=now.seconds, asked_after=state.finished, since=since)


def answered_by_gates(state: State, event: GatesAnswered) -> tuple[State, tuple[Note, ...]]:
    """Take the answers in: go on, hold back, or stop; a change of them is written down.

    They are of what had ended when the gates were asked: what has ended since, nobody has judged.
    """
    gating, settings = state.gating, state.settings
    if not event.closed:
        note = Note(GATE_OPEN, f"after {count(gating.asked_after, 'move')}")
        return replace(state, gating=Gating(opened_at=gating.asked_after)), (note,)
    why = "; ".join(event.closed)
    told = {text.split(":")[0] for text in gating.closed} == {text.split(":")[0] for text in event.closed}
    notes = () if told else (Note(GATE_CLOSED, why),)
    state = replace(state, gating=replace(gating, closed=event.closed))
    since = gating.since if gating.since is not None else event.now.seconds
    if event.now.seconds - since >= settings.gate_hold_s and not state.stopped:
        state = replace(state, stopped=f"a gate was not open for {settings.gate_hold_s:g} s: {why}")
    return state, notes
