"""Simulated hypervisors: they alone know where each VM is and what is migrating, whoever asks and however often.

A move is accepted, prepares, copies for its seconds, switches, and is done or has failed. Nothing happens by itself:
`advance` brings everything up to a time. The world outlives those who act on it, so a process may die and another may
find what it left.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from optimizer.execute.states import ENDED, Failure, MoveState
from optimizer.fleet import ABSENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from optimizer.execute.drivers import Request
    from optimizer.fleet import Fleet

__all__ = ["Job", "World"]


@dataclass(frozen=True, slots=True)
class Job:
    """A migration as the platform runs it.

    Attributes
    ----------
    ends_at
        When its copying ends.
    fails
        It ends with a failure then, its VM still on its source.
    arrives
        Where its VM really arrives: its target, but for a platform that does something else.
    frozen_mib
        What stays left to copy for ever, where it stalls.
    slower, switching_s
        How many times as long it copies as planned; how long it switches.
    held
        It prepares, and then waits to be told to copy.
    says, forgotten_after
        What is said of its end, where that is not so; after how many seconds nothing is said of it any more.
    doubles_s
        For how long a second copy of its VM goes on at the source after it has arrived.
    drags
        A VM that is taken along from the source.
    """

    id: str
    request: Request
    state: MoveState
    started_at: datetime
    ends_at: datetime
    fails: str = ""
    failure: Failure = Failure.PERMANENT
    arrives: str = ""
    frozen_mib: float | None = None
    slower: float = 1.0
    switching_s: float = 0.0
    says: MoveState | None = None
    forgotten_after: float | None = None
    held: bool = False
    detail: str = ""
    doubles_s: float = 0.0
    drags: str = ""
    ended_at: datetime | None = None

    @property
    def over_at(self) -> datetime:
        """When it ends, if nothing comes between."""
        return self.ends_at + timedelta(seconds=self.switching_s)

    @property
    def is_over(self) -> bool:
        """Whether nothing of it goes on any more."""
        return self.state in ENDED

    def remaining_mib(self, now: datetime) -> float:
        """Return what is left to copy."""
        if self.held:
            return float(self.request.copied_mib)
        if self.frozen_mib is not None:
            return self.frozen_mib
        whole = (self.ends_at - self.started_at).total_seconds()
        left = (self.ends_at - now).total_seconds()
        return self.request.copied_mib * min(1.0, max(0.0, left / whole)) if whole else 0.0


HELD_FOR_EVER = timedelta(days=3650)


class World:
    """The hosts and VMs of a fleet, and the jobs that move them."""

    def __init__(self, fleet: Fleet, preparing_s: float = 0.0, switching_s: float = 0.0) -> None:
        names, where = fleet.vms.ids, fleet.vms.host.tolist()
        self.place: dict[str, str | None] = {
            vm: fleet.hosts.ids[h] if h != ABSENT else None for vm, h in zip(names, where, strict=True)
        }
        self.jobs: dict[str, Job] = {}
        self.down: set[str] = set()
        self.copies: dict[str, tuple[str, datetime]] = {}
        self.note: Callable[..., None] = _noted_nowhere
        self._preparing, self._switching_s = timedelta(seconds=preparing_s), switching_s
        self._late: dict[str, tuple[Request, dict[str, object]]] = {}
        self._due: list[tuple[datetime, int, str]] = []
        self._number = 0
        self._running: dict[str, str] = {}
        self._tokens: set[str] = set()
        self._moved: set[str] = set()

    def running(self) -> list[Job]:
        """Return the jobs that go on."""
        return [self.jobs[name] for name in self._running.values() if name in self.jobs]

    def job_of(self, vm: str) -> Job | None:
        """Return the job that moves a VM now."""
        return self.jobs.get(self._running.get(vm, ""))

    def was_asked(self, vm: str) -> bool:
        """Whether there is, or was, a job that moves a VM."""
        return vm in self._moved

    def start(self, request: Request, now: datetime, **traits: Any) -> Job | str:
        """Start a job; or say why there is none."""
        if self.place.get(request.vm) != request.source:
            return f"{request.vm} is not on {request.source}"
        if self.job_of(request.vm) is not None:
            return f"{request.vm} is migrating already"
        if request.token in self._tokens:
            return f"{request.token} was asked for before"
        if {request.source, request.target} & self.down:
            return f"{request.target if request.target in self.down else request.source} is down"
        self._number += 1
        job = Job(f"job-{self._number}", request, MoveState.ACCEPTED, now, now, arrives=request.target)
        job = replace(job, switching_s=self._switching_s)
        job = replace(job, **traits)
        copies = HELD_FOR_EVER if job.held else timedelta(seconds=request.seconds * job.slower)
        job = replace(job, ends_at=now + self._preparing + copies)
        self.jobs[job.id] = job
        self._running[request.vm] = job.id
        self._tokens.add(request.token)
        self._moved.add(request.vm)
        self.note("start", token=request.token, vm=request.vm, source=request.source, target=request.target)
        for at in (now + self._preparing, job.ends_at, job.over_at):
            heapq.heappush(self._due, (at, self._number, job.id))
        self.advance(now)
        return job

    def proceed(self, name: str, now: datetime) -> bool:
        """Let a job that is ready copy; returns whether it copies now, be it that it did before."""
        job = self.jobs[name]
        if job.is_over or not job.held:
            return not job.is_over
        if not self.is_ready(job, now):
            return False
        job = replace(job, held=False, ends_at=now + timedelta(seconds=job.request.seconds * job.slower))
        self.jobs[name] = job
        self.note("copy", token=job.request.token)
        for at in (now, job.ends_at, job.over_at):
            self._number += 1
            heapq.heappush(self._due, (at, self._number, name))
        self.advance(now)
        return True

    def is_ready(self, job: Job, now: datetime) -> bool:
        """Whether a job is prepared, and waits to be told to copy."""
        return job.held and not job.is_over and now >= job.started_at + self._preparing

    def start_later(self, request: Request, at: datetime, traits: dict[str, object]) -> None:
        """Let a request take effect at a later time, whoever has given it up by then."""
        self._number += 1
        name = f"late-{self._number}"
        self._late[name] = request, traits
        heapq.heappush(self._due, (at, self._number, name))

    def advance(self, now: datetime) -> None:
        """Let everything happen that is due by now."""
        while self._due and self._due[0][0] <= now:
            at, _, name = heapq.heappop(self._due)
            if name in self._late:
                request, traits = self._late.pop(name)
                self.start(request, at, **traits)
            job = self.jobs.get(name)
            if job is not None and not job.is_over:
                self.jobs[name] = self._passed(job, at)

    def end(self, name: str, at: datetime, *, fails: str = "", failure: Failure = Failure.TEMPORARY) -> None:
        """End a job now: with its VM arrived, or failed."""
        job = self.jobs[name]
        if job.is_over:
            return
        if not fails:
            self._arrive(job, at)
        state = MoveState.FAILED if fails else MoveState.DONE
        self._running.pop(job.request.vm, None)
        self.jobs[name] = replace(job, state=state, ended_at=at, detail=fails, failure=failure)
        self.note("end", token=job.request.token, vm=job.request.vm, at=self.place.get(job.request.vm))

    def copies_of(self, vm: str, now: datetime) -> frozenset[str]:
        """Return the further hosts on which a VM runs now."""
        host, until = self.copies.get(vm, ("", now))
        return frozenset({host}) if now < until else frozenset()

    def kill(self, host: str, at: datetime) -> None:
        """Let a host die, and every migration from or to it."""
        self.down.add(host)
        for job in self.running():
            if host in (job.request.source, job.request.target):
                self.end(job.id, at, fails=f"{host} is down")

    def delete(self, vm: str, at: datetime) -> None:
        """Let a VM be deleted, also while it is migrating."""
        job = self.job_of(vm)
        self.place.pop(vm, None)
        if job is not None:
            self.end(job.id, at, fails=f"{vm} was deleted")

    def _arrive(self, job: Job, at: datetime) -> None:
        vm, source = job.request.vm, job.request.source
        self.place[vm] = job.arrives
        if job.doubles_s and job.arrives != source:
            self.copies[vm] = source, at + timedelta(seconds=job.doubles_s)
            self.note("doubled", vm=vm, at=source, for_s=job.doubles_s)
        if self.place.get(job.drags) == source and self.job_of(job.drags) is None:
            self.place[job.drags] = job.arrives
            self.note("moved", vm=job.drags, at=job.arrives)

    def _passed(self, job: Job, at: datetime) -> Job:
        """Return the job as it is after an instant that was due."""
        if job.held:
            return replace(job, state=MoveState.PREPARING)
        if job.frozen_mib is not None and at >= job.ends_at:
            return replace(job, state=MoveState.COPYING)
        if at < job.started_at + self._preparing:
            return replace(job, state=MoveState.PREPARING)
        if at < job.ends_at:
            return replace(job, state=MoveState.COPYING)
        if at < job.over_at:
            return replace(job, state=MoveState.SWITCHING)
        self.end(job.id, at, fails=job.fails, failure=job.failure)
        return self.jobs[job.id]


def _noted_nowhere(what: str, **facts: object) -> None:
    """Keep no record; a function, so that a world can be pickled."""
