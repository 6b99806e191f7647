"""How fast to go: more while all goes well, half as much on a problem, not at all when too much fails."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from optimizer.execute.caps import PREPARING_TOO, WAITING
from optimizer.grammar import count

if TYPE_CHECKING:
    from optimizer.execute.core.model import Pace, State

__all__ = ["allowed", "allowed_to_copy", "at_once", "breaker", "faster", "slower"]

WINDOW_S = 10.0
"""Seconds without a problem, after a problem, for which some more moves are let in."""

PARTS = 16
"""The part of the fleet's cap that these are."""


def faster(state: State, now: float) -> Pace:
    """Return the pace after a look that found nothing wrong; it also grows while canaries go."""
    pace, settings = state.pace, state.settings
    if not pace.slowed:
        return replace(pace, limit=max(pace.limit, min(settings.fleet_cap, 2 * pace.limit)))
    if now - max(pace.slowed_at, pace.good_since) < WINDOW_S:
        return pace
    more = max(1, settings.fleet_cap // PARTS)
    return replace(pace, limit=max(pace.limit, min(settings.fleet_cap, pace.limit + more)), good_since=now)


def slower(pace: Pace, now: float, *began: float, flying: int) -> Pace:
    """Return the pace after problems of moves that began at these seconds.

    Half of what was in flight may be (as in RFC 5681): a limit that grew and was never reached says nothing. What began
    before the number was last halved belongs to the same problem: a platform that refuses twenty moves at once is
    answered once.
    """
    if all(at <= pace.slowed_at for at in began):
        return replace(pace, good_since=now)
    return replace(pace, limit=max(1, min(pace.limit, flying) // 2), slowed=True, slowed_at=now, good_since=now)


def at_once(state: State) -> int:
    """Return how many moves are in flight, or begin in this round."""
    return len(state.flying) + len(state.queue)


def allowed(state: State) -> int:
    """Return how many more moves may start now; the canaries have to end before there are more than them."""
    settings, flying = state.settings, len(state.flying)
    most = limit(state) * (PREPARING_TOO if settings.apart else 1) - flying
    if state.finished < settings.canary:
        own = sum(not f.inherited for f in state.flying.values())
        most = min(most, settings.canary - state.finished - own)
    return max(0, most)


def allowed_to_copy(state: State) -> int:
    """Return how many of the moves that are prepared may be told to copy now."""
    copying = sum(f.state not in WAITING for f in state.flying.values())
    return max(0, limit(state) - copying)


def limit(state: State) -> int:
    """Return how many moves may be in flight, by the pace and the cap of the fleet."""
    settings = state.settings
    return min(state.pace.limit, settings.fleet_cap) if settings.adapts else settings.fleet_cap


def breaker(state: State) -> str:
    """Say why the run has to stop; empty where it may go on."""
    settings = state.settings
    if len(state.bad_hosts) >= settings.breaker_hosts:
        return f"breaker: {count(len(state.bad_hosts), 'host')} failed to receive"
    enough = state.finished >= max(1, settings.canary)
    if enough and state.failures >= settings.breaker_share * state.finished:
        return f"breaker: {state.failures} of {count(state.finished, 'move')} failed"
    return ""
