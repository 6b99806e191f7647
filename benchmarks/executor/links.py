"""Hypervisors whose links are shared: each copy gets its fair share, and what a guest dirties is copied again.

A copy goes over the card of its source, the uplinks of racks that it crosses, and the card of its target, each in one
direction, and has the max-min fair rate of these (Bertsekas and Gallager, Data Networks, 1992, 6.5.2), at most
`stream_mib_s`. With a memory of M MiB of which r are left, copied at b MiB/s while the guest dirties d MiB/s at random:

    dr/dt = -b + d (1 - r / M)

since what is dirtied counts only where it was copied before. With d >= b it never ends; the less it gets, the longer
it takes and the more has to be sent. Between two changes of rates the solution is exact.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field, replace
from datetime import timedelta
from math import exp, inf, log
from typing import TYPE_CHECKING, Any

from optimizer.execute.drivers.simulated import SimulatedDriver
from optimizer.execute.drivers.world import Job, World
from optimizer.execute.states import Failure, MoveState

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from optimizer.execute.drivers import JobReading, Request
    from optimizer.fleet import Fleet
    from optimizer.plan import PlannedMove

__all__ = ["LinkedDriver", "LinkedWorld", "Network", "fair_rates", "least_seconds"]

Link = tuple[str, str]
DOWNTIME_S = 0.3
"""What can be sent in this time is left for the moment in which the guest is paused."""


@dataclass(frozen=True, slots=True)
class Network:
    """What copies go over; all in MiB/s. `hosts` have cards of their own speed, `racks` says where hosts are."""

    card_mib_s: float
    uplink_mib_s: float = inf
    stream_mib_s: float = inf
    hosts: Mapping[str, float] = field(default_factory=dict)
    racks: Mapping[str, str] = field(default_factory=dict)
    dirtied_mib_s: Mapping[str, float] = field(default_factory=dict)
    preparing_s: float = 4.0
    switching_s: float = 1.0

    def links(self, source: str, target: str) -> tuple[Link, ...]:
        """Return the links between two hosts."""
        ends: tuple[Link, ...] = (("out of", source), ("into", target))
        one, other = self.racks.get(source), self.racks.get(target)
        if one is None or other is None or one == other or self.uplink_mib_s == inf:
            return ends
        return (*ends, ("out of rack", one), ("into rack", other))

    def speed(self, link: Link) -> float:
        """Return how much goes over a link."""
        return self.uplink_mib_s if link[0].endswith("rack") else self.hosts.get(link[1], self.card_mib_s)


@dataclass(slots=True)
class Copy:
    """A copy that goes on."""

    links: tuple[Link, ...]
    memory_mib: float
    dirtied_mib_s: float
    left_mib: float
    rate_mib_s: float = 0.0

    def after(self, seconds: float) -> float:
        """Return what is left after a time at this rate."""
        d, b = self.dirtied_mib_s, self.rate_mib_s
        if not d:
            return self.left_mib - b * seconds
        beyond = self.memory_mib * (b - d) / d
        return (self.left_mib + beyond) * exp(-d * seconds / self.memory_mib) - beyond

    def ends_in_s(self) -> float:
        """Return the seconds until so little is left that the guest can be paused; it may never be."""
        d, b = self.dirtied_mib_s, self.rate_mib_s
        end = b * DOWNTIME_S
        if self.left_mib <= end:
            return 0.0
        if not d:
            return (self.left_mib - end) / b if b else inf
        beyond = self.memory_mib * (b - d) / d
        if end + beyond <= 0:
            return inf
        return max(0.0, self.memory_mib / d * log((self.left_mib + beyond) / (end + beyond)))


def fair_rates(copies: Collection[Copy], network: Network) -> None:
    """Give each copy its max-min fair rate: the link with the least for each of its copies is shared out first."""
    free: dict[Link, float] = {}
    on: dict[Link, list[Copy]] = {}
    for copy in copies:
        copy.rate_mib_s = -1.0
        for link in copy.links:
            free.setdefault(link, network.speed(link))
            on.setdefault(link, []).append(copy)
    left = {link: len(those) for link, those in on.items()}
    least = [(free[link] / n, link) for link, n in left.items()]
    heapq.heapify(least)
    while least:
        said, link = heapq.heappop(least)
        if not left[link]:
            continue
        share = free[link] / left[link]
        if share > said:  # others on it got less elsewhere, so those that are left get more
            heapq.heappush(least, (share, link))
            continue
        for copy in on[link]:
            if copy.rate_mib_s < 0:
                copy.rate_mib_s = min(share, network.stream_mib_s)
                for other in copy.links:
                    free[other] = max(0.0, free[other] - copy.rate_mib_s)
                    left[other] -= 1


def least_seconds(moves: Iterable[PlannedMove], network: Network) -> float:
    """Return a time in which no executor can have carried moves out: what goes at least over the busiest link.

    A copy sends the least when it has its links to itself. Preparing and switching are left out.
    """
    busy: dict[Link, float] = {}
    for move in moves:
        links, memory = network.links(move.source, move.target), float(move.copied_mib)
        rate = min(network.stream_mib_s, *(network.speed(link) for link in links))
        copy = Copy(links, memory, network.dirtied_mib_s.get(move.vm, 0.0), memory, rate)
        for link in links:
            busy[link] = busy.get(link, 0.0) + copy.ends_in_s() * rate / network.speed(link)
    return max(busy.values(), default=0.0)


class LinkedWorld(World):
    """Hypervisors of which each copy takes as long as its links let it."""

    def __init__(self, fleet: Fleet, network: Network) -> None:
        super().__init__(fleet, network.preparing_s, network.switching_s)
        self.network = network
        self.sent_mib = 0.0
        self._at = fleet.taken_at
        self._copies: dict[str, Copy] = {}
        self._then: list[tuple[datetime, int, str]] = []
        self._first_end: tuple[datetime, str] | None = None

    def start(self, request: Request, now: datetime, **traits: object) -> Job | str:
        """Start a job: it prepares, then copies."""
        self.advance(now)
        job = super().start(request, now, **{**traits, "held": True})
        if isinstance(job, Job):
            self._later(now + timedelta(seconds=self.network.preparing_s), job.id)
        return job

    def left_mib(self, name: str) -> float | None:
        """Return what a job has left to copy, in whole MiB; None where it does not copy."""
        copy = self._copies.get(name)
        return None if copy is None else float(round(copy.left_mib))

    def advance(self, now: datetime) -> None:
        """Let everything happen that is due by now."""
        super().advance(now)
        while True:
            due = self._then[0][0] if self._then else None
            ends = self._first_end[0] if self._first_end else None
            if due is not None and due <= now and (ends is None or due <= ends):
                self._flow(due)
                self._next(heapq.heappop(self._then)[2], due)
            elif self._first_end is not None and self._first_end[0] <= now:
                at, name = self._first_end
                self._flow(at)
                self._switch(name, at)
            else:
                break
        self._flow(now)

    def end(self, name: str, at: datetime, *, fails: str = "", failure: Failure = Failure.TEMPORARY) -> None:
        """End a job, and its copy."""
        if self._copies.pop(name, None) is not None:
            self._share()
        super().end(name, at, fails=fails, failure=failure)

    def _later(self, at: datetime, name: str) -> None:
        self._number += 1
        heapq.heappush(self._then, (at, self._number, name))

    def _share(self) -> None:
        """Share the links out anew, and find out which copy ends first."""
        fair_rates(self._copies.values(), self.network)
        ends, name = min(((c.ends_in_s(), n) for n, c in self._copies.items()), default=(inf, ""))
        self._first_end = (self._at + timedelta(seconds=ends), name) if ends < 1e8 else None

    def _flow(self, to: datetime) -> None:
        seconds = (to - self._at).total_seconds()
        if seconds > 0:
            self._at = to
            for copy in self._copies.values():
                self.sent_mib += copy.rate_mib_s * seconds
                copy.left_mib = copy.after(seconds)

    def _next(self, name: str, at: datetime) -> None:
        """Let a job that is prepared copy, and one that has switched end."""
        job = self.jobs[name]
        if job.is_over:
            return
        if job.state is MoveState.SWITCHING:
            self.end(name, at)
            return
        self.jobs[name] = replace(job, held=False, state=MoveState.COPYING)
        request, memory = job.request, float(job.request.copied_mib)
        links = self.network.links(request.source, request.target)
        self._copies[name] = Copy(links, memory, self.network.dirtied_mib_s.get(request.vm, 0.0), memory)
        self._share()

    def _switch(self, name: str, at: datetime) -> None:
        del self._copies[name]
        self._share()
        self.jobs[name] = replace(self.jobs[name], state=MoveState.SWITCHING)
        self._later(at + timedelta(seconds=self.network.switching_s), name)


class LinkedDriver(SimulatedDriver):
    """The simulated driver over these; it says what is left to copy as they have it."""

    def __init__(self, fleet: Fleet, network: Network) -> None:
        self.linked = LinkedWorld(fleet, network)
        super().__init__(fleet, world=self.linked)

    def observe(self, request: Request) -> JobReading | None:
        """Return what became of a job."""
        reading = super().observe(request)
        if reading is None:
            return None
        more: dict[str, Any] = {"remaining_mib": self.linked.left_mib(reading.id), "ready": False}
        return replace(reading, **more)
