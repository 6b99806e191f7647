"""How many copies a host's card carries at once, learned while a plan is carried out; never more than its caps let.

One copy fills a link in most fleets. A further one is then of use only while the first prepares its target, switches or
waits to be confirmed; and where guests dirty memory it does harm: each gets less, and has to be copied longer. Where a
single stream cannot fill the link, each further one adds its speed. So a host has one copy at once (more where
the snapshot says that guests dirty hardly anything), a next one begins as soon as the first will be over when it is
prepared, and a few hosts try one more. What came of it decides for all:

early   how much went over the busiest end of a copy when it began, in the speed that the plan reckons with
whole   the same until three quarters of it were copied, net of what was dirtied meanwhile

One more is let in everywhere while `whole` does not fall, or, before that is known, where `early` is clearly more.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from optimizer.execute.core.speeds import NOTHING, Mean, Sharing
from optimizer.execute.states import MoveState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optimizer.execute.caps import Token
    from optimizer.execute.core.model import Flight, State, Task
    from optimizer.execute.ledger.records import Key

__all__ = ["Ends", "ends_of", "has_room", "learned", "sharing_now"]

ENDS = frozenset({"source", "target"})
FREE = frozenset({MoveState.SWITCHING, MoveState.UNKNOWN})
PREPARING = frozenset({MoveState.INTENDED, MoveState.ACCEPTED, MoveState.PREPARING})
MOST = 4
"""Copies at once on a host, at most, whatever its caps let."""

ENOUGH = 3
"""Copies from which something is known of their kind."""

CLEARLY_MORE, NOT_LESS = 1.3, 0.95
"""As many times as before `early`, and `whole`, have to be where one more is let in."""

SHARE = 0.75
"""Part of a copy of which the speed counts as that of the whole."""

LATE = 2.0
"""How many times as long as one that had as much of the link a copy takes, until it counts as it stands."""

TRIED_BY = 8
"""One in this number of ends that are in use tries one more."""

CALM = 0.5
"""Part of what it gets that a guest may dirty where others are copied beside it."""

HARDLY = 0.08
"""Part of their links that guests may dirty on the average, up to which copies may share them until more is known."""

SEEN = 0.25
"""Part of a copy that has to be over before it is said what its guest dirties."""


@dataclass(frozen=True, slots=True)
class Ends:
    """How the ends stand.

    Attributes
    ----------
    held, dirtied, unsure
        How many copies hold each end now; the largest part of its link that one of their guests dirties; the ends where
        not all are known to dirty hardly anything.
    most, tries
        How many are let in everywhere; how many ends may still try one more.
    """

    held: Counter[tuple[str, str]]
    dirtied: dict[tuple[str, str], float]
    unsure: set[tuple[str, str]]
    most: int
    tries: int

    def with_one(self, task: Task) -> Ends:
        """Count a move that begins."""
        for end in ends_of(task.tokens):
            self.held[end] += 1
            self.dirtied[end] = max(self.dirtied.get(end, 0.0), task.dirties)
            if not _is_calm(task):
                self.unsure.add(end)
        return self


def ends_of(tokens: tuple[Token, ...]) -> tuple[tuple[str, str], ...]:
    """Return the two cards that a move goes over."""
    return tuple(t[:2] for t in tokens if t.kind in ENDS)


def sharing_now(state: State) -> Ends:
    """Return what holds the ends now."""
    ahead_s = state.sharing.ahead_s.value + state.settings.poll_s
    most, unknown = _let_in(state.sharing)
    ends = Ends(Counter(), {}, set(), most, 0)
    for flight in state.flying.values():
        task = state.tasks.get(flight.key)
        if state.settings.apart and flight.state in PREPARING:
            continue
        dirtied = max(flight.dirtied, task.dirties if task else 0.0)
        if _holds(flight, task, dirtied, ahead_s):
            for end in ends_of(flight.tokens):
                ends.held[end] += 1
                ends.dirtied[end] = max(ends.dirtied.get(end, 0.0), dirtied)
                if task is None or not _is_calm(task) or dirtied > HARDLY:
                    ends.unsure.add(end)
    trying = sum(n > most for n in ends.held.values())
    return replace(ends, tries=max(1, len(ends.held) // TRIED_BY) - trying if unknown and len(ends.held) > 1 else 0)


def has_room(task: Task, ends: Ends) -> tuple[bool, int]:
    """Say whether a move may begin now, and how many ends would try one more for it.

    No guest is copied beside others where it may not get twice what it dirties: it would hardly ever end.
    """
    over = 0
    for end in ends_of(task.tokens):
        n = ends.held[end]
        if n < MOST and _is_calm(task) and end not in ends.unsure:
            continue
        if n > ends.most or (n and max(task.dirties, ends.dirtied[end]) * (n + 1) > CALM):
            return False, 0
        over += n == ends.most
    return over <= max(0, ends.tries), over


def _is_calm(task: Task) -> bool:
    """Whether the snapshot knows that a guest dirties hardly anything."""
    return task.dirtied is not None and task.dirtied <= HARDLY


def _holds(flight: Flight, task: Task | None, dirtied: float, ahead_s: float) -> bool:
    """Whether a copy goes over its ends for longer than a next one is prepared, or must not be joined at its end."""
    if flight.state in FREE or flight.inherited or flight.belief.startswith(MoveState.DONE.value):
        return False  # what nobody knows, and what others began, the caps count
    if 2 * dirtied > CALM:
        return True
    if task is not None and flight.left_mib is None and task.seconds <= ahead_s:
        return False
    return flight.left_mib is None or flight.rate_mib_s <= 0 or flight.left_mib > ahead_s * flight.rate_mib_s


def _let_in(sharing: Sharing) -> tuple[int, bool]:
    """Return how many copies at once do no harm, as far as is known; and whether it is unknown for one more."""
    most = 1
    while most < MOST:
        more = sharing.whole.get(most + 1, NOTHING)
        best = max((sharing.whole.get(n, NOTHING).value for n in range(1, most + 1)), default=0.0)
        if more.number >= ENOUGH and best:
            good = more.value >= NOT_LESS * best
        else:
            first, then = sharing.early.get(most, NOTHING), sharing.early.get(most + 1, NOTHING)
            known = min(first.number, then.number) >= ENOUGH
            calm = sharing.dirtied.number >= ENOUGH and sharing.dirtied.value <= HARDLY
            if not calm and not (known and then.value >= CLEARLY_MORE * first.value):
                return most, True
            good = True
        if not good:
            return most, False
        most += 1
    return most, False


def learned(state: State, before: Mapping[Key, Flight], now: float) -> State:
    """Take in what the looks at all copies say: their speeds, and how many shared an end."""
    copying = [f for f in state.flying.values() if f.state is MoveState.COPYING and f.left_mib is not None]
    on = Counter(end for f in copying for end in ends_of(f.tokens))
    flying, sharing = dict(state.flying), state.sharing
    for key, was in before.items():
        if was.state in PREPARING and not was.belief and _is_past_copying(flying.get(key)):
            sharing = replace(sharing, ahead_s=sharing.ahead_s.with_one(now - was.since))  # too quick to be seen
    for flight in copying:
        task, old = state.tasks.get(flight.key), before.get(flight.key)
        if task is None or old is None or flight.left_mib is None:
            continue
        shared = max((on[end] for end in ends_of(flight.tokens)), default=1)
        if old.left_mib is None:
            sharing = replace(sharing, ahead_s=sharing.ahead_s.with_one(now - flight.since))
            flying[flight.key] = replace(flight, left_at=now, copied_s=0.0, shared_s=0.0, first_mib=flight.left_mib)
            continue
        took = now - flight.left_at
        if took <= 0:
            continue
        rate = (old.left_mib - flight.left_mib) / took
        flight = replace(
            flight,
            rate_mib_s=rate,
            left_at=now,
            copied_s=flight.copied_s + took,
            shared_s=flight.shared_s + took * shared,
        )
        sharing, flight = _sampled(sharing, flight, task, rate, shared, first=flight.copied_s <= took)
        flying[flight.key] = flight
    return replace(state, flying=flying, sharing=sharing)


def _is_past_copying(flight: Flight | None) -> bool:
    return flight is None or flight.state is MoveState.SWITCHING or flight.belief.startswith(MoveState.DONE.value)


def _sampled(
    sharing: Sharing, flight: Flight, task: Task, rate: float, shared: int, *, first: bool
) -> tuple[Sharing, Flight]:
    """Note how fast a copy began, and how fast it was when most of it was copied."""
    link = task.link_mib_s
    if not link:
        return sharing, flight
    over = rate * shared / link
    if first:
        flight = replace(flight, began_at=over)
        sharing = replace(sharing, early=_with(sharing.early, shared, over))
    if flight.sampled or flight.left_mib is None or not flight.first_mib:
        return sharing, flight
    gone, mean = flight.first_mib - flight.left_mib, flight.shared_s / flight.copied_s
    if gone >= SEEN * flight.first_mib and not first:
        fallen = (flight.began_at - over) * flight.first_mib / gone / shared
        if not flight.dirtied:
            sharing = replace(sharing, dirtied=sharing.dirtied.with_one(max(0.0, fallen, task.dirties)))
        flight = replace(flight, dirtied=min(1.0, max(1e-9, fallen)))
    alone = sharing.early.get(1, NOTHING)
    late = alone.number and flight.copied_s > LATE * mean * flight.first_mib / (alone.value * link or 1.0)
    if gone < SHARE * flight.first_mib and not late:
        return sharing, flight
    value = gone / flight.copied_s * mean / link
    return replace(sharing, whole=_with(sharing.whole, round(mean), value)), replace(flight, sampled=True)


def _with(means: Mapping[int, Mean], shared: int, value: float) -> Mapping[int, Mean]:
    return {**means, shared: means.get(shared, NOTHING).with_one(value)}
