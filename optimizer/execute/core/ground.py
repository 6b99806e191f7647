"""How old the ground is that a plan stands on: a run that outlasts its plan's time reads the whole fleet again.

At admission a plan is no older than it may be; each move is looked at again before it starts, but only itself and its
target. So whenever the last look at everything (the snapshot, at first) is as old as the plan may be, nothing more
starts before the fleet was read anew and no rule finds more there than the plan foresees: after a night outside the
time window, a closed gate, a budget of moves per hour, or just in a long run.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from optimizer.execute.core.events import Note

if TYPE_CHECKING:
    from optimizer.execute.core.events import GroundRead
    from optimizer.execute.core.model import Moment, State

__all__ = ["FLEET_READ", "has_to_read", "is_old", "read_again_s", "taken_in"]

FLEET_READ = "fleet read again"

READS = 3
"""Readings that have to show it before what is other than foreseen stops a run: an inventory may lag."""

AGAIN_S = 30.0
"""Seconds between two of them."""


def is_old(state: State, now: Moment) -> bool:
    """Whether nothing may start before the fleet was read again."""
    return now.seconds - state.ground.read_at >= state.settings.ground_s


def read_again_s(state: State, now: Moment) -> float:
    """Return the seconds until it may be read again."""
    return max(0.0, state.ground.not_before - now.seconds)


def has_to_read(state: State, now: Moment) -> bool:
    """Whether the fleet is to be read now."""
    return is_old(state, now) and read_again_s(state, now) <= 0


def taken_in(state: State, event: GroundRead) -> tuple[State, tuple[Note, ...]]:
    """Go on where the fleet is as foreseen; otherwise look again, and stop in the end."""
    ground, now = state.ground, event.now.seconds
    if not event.change:
        note = Note(FLEET_READ, f"{now - ground.read_at:,.0f} s after the last time: as foreseen")
        return replace(state, ground=replace(ground, read_at=now, not_before=now, seen=0)), (note,)
    ground = replace(ground, seen=ground.seen + 1, not_before=now + AGAIN_S)
    state = replace(state, ground=ground)
    if ground.seen >= READS and not state.stopped:
        why = f"the plan is stale, {now - ground.read_at:,.0f} s after the fleet was last read: {event.change}"
        state = replace(state, stopped=why)
    return state, ()
