"""How many copies go over a link at once, within what the caps let: as many as their guests converge beside.

A guest that dirties nothing is sent once, however many others are copied beside it: the more the caps let in, the less
its links stand idle. One that dirties d MiB/s and is copied at b MiB/s is sent (b / d) ln(b / (b - d)) times: 1.4 times
at b = 2 d, without end at b = d. So copies share a link only as long as its fair share gives each of them twice
what its guest dirties, or nearly what it would get alone. A next one begins when the copy before it will be over by the
time that the next is prepared. Where the snapshot does not say what a guest dirties, it is taken to need all that it
would get alone, until enough were seen to dirty hardly anything. That is seen by what goes over the links: copies fill
one, and what does not make less what is left was dirtied anew.

The snapshot has the speed of cards. What lies between (uplinks of racks) is known by what it carries: where no copy
gets what its cards let it have, that is all it does, and the most that was seen is what it is reckoned with.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING

from optimizer.execute.core.look import is_hopeless
from optimizer.execute.states import MoveState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from optimizer.execute.core.model import Flight, Moment, State, Task
    from optimizer.execute.core.speeds import Link, Sharing
    from optimizer.execute.ledger.records import Key

__all__ = ["Links", "is_on_links", "learned", "links_now"]

FREE = frozenset({MoveState.SWITCHING, MoveState.UNKNOWN})
PREPARING = frozenset({MoveState.INTENDED, MoveState.ACCEPTED, MoveState.PREPARING})

TIMES = 2.0
"""How many times what its guest dirties a copy is to get, at least."""

SHARES = 6
"""A copy gets this part of what it would get alone, at least, of what lies between racks and binds it."""

NEARLY = 0.8
"""Part of a speed that counts as all of it: looks are seconds apart."""

QUARTER = 0.25
"""Part of a guest that has to be copied before it is said what it dirties."""


class Links:
    """How many copies hold each link, and the most that one of them needs of it, in MiB/s."""

    def __init__(self, sharing: Sharing) -> None:
        self._sharing = sharing
        self._copies: Counter[Link] = Counter()
        self._needs: dict[Link, float] = {}
        self._kept: dict[Link, float] = {}

    def add(self, task: Task) -> None:
        """Count a move that begins, or goes on."""
        for link in task.links:
            self._copies[link] += 1
            self._needs[link] = max(self._needs.get(link, 0.0), self._need(task))

    def keep(self, task: Task) -> None:
        """Keep the links of a move that waits for room from all that is less urgent: what goes over them has to end."""
        for link in task.links:
            self._kept[link] = min(self._kept.get(link, inf), task.rank[0])

    def have_room(self, task: Task) -> bool:
        """Say whether each copy still gets what it needs when a move begins, and nothing more urgent waits for it."""
        if any(self._kept.get(link, inf) < task.rank[0] for link in task.links):
            return False
        return all(
            not self._copies[link]
            or max(self._share(link, task), self._needs[link]) * (self._copies[link] + 1)
            <= self._sharing.carries.get(link, link.mib_s)
            for link in task.links
        )

    def _share(self, link: Link, task: Task) -> float:
        """Return what a move needs of a link: of one that binds those between hosts, its part besides."""
        least = self._sharing.alone_mib_s(task.links) / SHARES if link in self._sharing.carries else 0.0
        return max(self._need(task), least)

    def _need(self, task: Task) -> float:
        dirties = self._sharing.dirties_mib_s(task.dirties_mib_s)
        return min(TIMES * dirties, NEARLY * self._sharing.alone_mib_s(task.links)) if dirties else 0.0


def links_now(state: State, now: Moment) -> Links:
    """Return how the links stand now."""
    links = Links(state.sharing)
    for flight in state.flying.values():
        task = state.tasks.get(flight.key)
        if task is None or (state.settings.apart and flight.state in PREPARING):
            continue
        if is_on_links(flight, state, now) and _holds(flight, task, state, now.seconds):
            links.add(task)
    return links


def is_on_links(flight: Flight, state: State, now: Moment) -> bool:
    """Whether a move goes, or will go, over its links: what nobody knows, or stands still for ever, the caps count."""
    return not (flight.state in FREE or flight.seems_over or is_hopeless(flight, state.settings, now))


def _holds(flight: Flight, task: Task, state: State, now: float) -> bool:
    """Whether a copy goes over its links for longer than a next one is prepared, or must not be joined at its end.

    Of a guest that nobody knows, and where the driver holds copies back, it does: a next one is prepared already.
    """
    sharing, poll_s = state.sharing, state.settings.poll_s
    if sharing.dirties_mib_s(task.dirties_mib_s) == inf:
        return state.settings.apart or not _seems_short(flight, task, sharing, now - flight.since)
    if flight.left_mib is None or flight.rate_mib_s is None:
        return True
    dirties = sharing.dirties_mib_s(task.dirties_mib_s)
    if any(2 * TIMES * dirties > sharing.carries.get(link, link.mib_s) for link in task.links):
        return True
    return flight.left_mib > (sharing.ahead_s.value + poll_s) * (flight.rate_mib_s - dirties)


def _seems_short(flight: Flight, task: Task, sharing: Sharing, since_s: float) -> bool:
    """Whether a copy will be over when a next one is prepared, though nobody knows what its guest dirties.

    Preparing takes both the same time, so it will be once the first began twice as long ago as it takes alone: with a
    guest that dirties most of what it gets. A move that takes longer is not joined, nor a copy that does not say what
    is left, nor one that began before this run, nobody knows when; and none before some copy has said what was left.
    """
    if flight.inherited or not sharing.ahead_s.number:
        return False
    alone = sharing.alone_mib_s(task.links)
    takes_s = TIMES * task.copied_mib / alone if alone < inf else inf
    in_time = takes_s <= since_s < sharing.ahead_s.value + takes_s
    return in_time and (flight.state in PREPARING or flight.left_mib is not None)


def learned(state: State, before: Mapping[Key, Flight], now: float) -> State:
    """Take in what the looks at all copies say of their speeds."""
    flying, sharing = dict(state.flying), state.sharing
    for key, old in before.items():
        flight = flying.get(key)
        if flight is None or key not in state.tasks or flight.left_mib is None or flight.seems_over:
            continue
        if old.left_mib is None:  # so it was prepared until now, or could not be seen for a while
            if old.state in PREPARING and not flight.inherited:
                sharing = replace(sharing, ahead_s=sharing.ahead_s.with_one(now - flight.since))
            flying[key] = replace(flight, left_at=now, rate_mib_s=None)
        elif now > flight.left_at:
            net = (old.left_mib - flight.left_mib) / (now - flight.left_at)
            flying[key] = _measured(flight, state.tasks[key], net, now)
    still = ((k, f) for k, f in flying.items() if f.state is MoveState.COPYING and not f.seems_over)
    copying = [(f, state.tasks[k]) for k, f in still if k in state.tasks]
    lately = (k for k in {**before, **flying} if k not in flying or flying[k].state not in PREPARING)
    on = Counter(link for k in lately if k in state.tasks for link in state.tasks[k].links)
    fresh = [(f, task) for f, task in copying if f.left_at == now]
    again = {key for key, old in before.items() if old.rate_mib_s is not None}
    parts = [(f, part) for f, part in _dirtied(fresh, on, sharing) if f.key in again]
    sharing = _carried(copying, on, sharing)
    for flight, part in parts:
        sharing = replace(sharing, dirtied=sharing.dirtied.with_one(part, least=0.0))
        flying[flight.key] = replace(flight, sampled=True)
    return replace(state, flying=flying, sharing=sharing)


def _copied(flight: Flight) -> float:
    return max(0.0, 1 - (flight.left_mib or 0.0) / max(1, flight.copied_mib))


def _measured(flight: Flight, task: Task, net_mib_s: float, now: float) -> Flight:
    """Take in how fast what is left became less: of what was copied, some was dirtied and is left again."""
    rate_mib_s = net_mib_s + _copied(flight) * (task.dirties_mib_s or 0.0)
    return replace(flight, left_at=now, rate_mib_s=rate_mib_s)


def _dirtied(
    copying: Sequence[tuple[Flight, Task]], on: Mapping[Link, int], sharing: Sharing
) -> Iterator[tuple[Flight, float]]:
    """Yield which part of what it gets a guest dirties, of which the snapshot does not say it.

    One of a copy's links is full. What goes over that beside what becomes less is dirtied anew; on all other links the
    same difference is larger. What a link carries is what was seen before, and not of this copy's first rate: by its
    own rate a copy would seem to dirty nothing.
    """
    rates = [(f.rate_mib_s, task) for f, task in copying if f.rate_mib_s is not None]
    seen = Counter(link for _, task in rates for link in task.links)
    total = _total(rates)
    for flight, task in copying:
        copied = _copied(flight)
        if task.dirties_mib_s is not None or flight.sampled or flight.rate_mib_s is None or copied < QUARTER:
            continue
        most = {link: sharing.most_mib_s(link) for link in task.links}
        known = [link for link in task.links if most[link] < inf]
        if known and all(seen[link] == on[link] for link in known):
            yield flight, min(1.0, max(0.0, min(1 - total[link] / most[link] for link in known)) / copied)


def _total(rates: Iterable[tuple[float, Task]]) -> dict[Link, float]:
    total: dict[Link, float] = {}
    for rate, task in rates:
        for link in task.links:
            total[link] = total.get(link, 0.0) + rate
    return total


def _carried(copying: Sequence[tuple[Flight, Task]], on: Mapping[Link, int], sharing: Sharing) -> Sharing:
    """Take in how much goes over what lies between; `on`: how many may have shared a link since the look before."""
    rates = [(f.rate_mib_s, task) for f, task in copying if f.rate_mib_s is not None]
    alone = [rate for rate, task in rates if all(on[link] == 1 for link in task.links)]
    stream = 0.0 if sharing.stream_mib_s == inf else sharing.stream_mib_s
    sharing = replace(sharing, stream_mib_s=max((stream, *alone)) or inf)
    total = _total(rates)
    more: dict[Link, float] = {}
    for rate, task in rates:
        cards = min((sharing.stream_mib_s, *(link.mib_s / on[link] for link in task.links)))
        if rate >= NEARLY * cards:
            more |= {link: sharing.alone_mib_s(task.links) for link in task.links}
    carries, seen, filled = dict(sharing.carries), dict(sharing.seen), sharing.filled
    for link, rate in total.items():
        if link.mib_s < inf:
            filled = max(filled, min(1.0, rate / link.mib_s))
        elif rate > 0:
            seen[link] = max(seen.get(link, 0.0), rate)
            if link not in more or link in carries:
                carries[link] = max(carries.get(link, 0.0), rate + more.get(link, 0.0))
    return replace(sharing, carries=carries, seen=seen, filled=filled)
