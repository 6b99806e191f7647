"""How fast to go: more while all goes well, half as much on a problem, not at all when too much fails."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from optimizer.execute.caps import PREPARING_TOO, WAITING

if TYPE_CHECKING:
    from optimizer.execute.core.model import Pace, State

__all__ = ["allowed", "allowed_to_copy", "breaker", "faster", "slower"]


def faster(pace: Pace, cap: int) -> Pace:
    """Return the pace after a success."""
    good = pace.good + 1
    if good >= (pace.limit if pace.slowed else 1):
        return replace(pace, limit=max(pace.limit, min(cap, pace.limit + 1)), good=0)
    return replace(pace, good=good)


def slower(pace: Pace, now: float, *began: float) -> Pace:
    """Return the pace after problems of moves that began at these seconds.

    What began before the number was last halved belongs to the same problem: a platform that refuses twenty moves at
    once is answered once.
    """
    if all(at <= pace.slowed_at for at in began):
        return replace(pace, good=0)
    return replace(pace, limit=max(1, pace.limit // 2), good=0, slowed=True, slowed_at=now)


def allowed(state: State) -> int:
    """Return how many more moves may start now; the canaries have to end before there are more than them."""
    settings, flying = state.settings, len(state.flying)
    most = min(state.pace.limit, settings.fleet_cap) * (PREPARING_TOO if settings.apart else 1) - flying
    if state.finished < settings.canary:
        own = sum(not f.inherited for f in state.flying.values())
        most = min(most, settings.canary - state.finished - own)
    return max(0, most)


def allowed_to_copy(state: State) -> int:
    """Return how many of the moves that are prepared may be told to copy now."""
    copying = sum(f.state not in WAITING for f in state.flying.values())
    return max(0, min(state.pace.limit, state.settings.fleet_cap) - copying)


def breaker(state: State) -> str:
    """Say why the run has to stop; empty where it may go on."""
    settings = state.settings
    if len(state.bad_hosts) >= settings.breaker_hosts:
        return f"breaker: {len(state.bad_hosts)} hosts failed to receive"
    enough = state.finished >= max(1, settings.canary)
    if enough and state.failures >= settings.breaker_share * state.finished:
        return f"breaker: {state.failures} of {state.finished} moves failed"
    return ""
