"""A fleet that exists only here: moves take the seconds that their plan says, and fail when asked to.

===============  ========================================
the world says   state
===============  ========================================
just begun       accepted
being prepared   preparing
copying          copying
paused           switching
arrived          done
given up         failed (temporary)
asked to fail    failed (permanent)
===============  ========================================
"""

from __future__ import annotations

from dataclasses import replace
from math import isnan
from typing import TYPE_CHECKING

import numpy as np

from optimizer.clock import SimulatedClock
from optimizer.execute.drivers import HostReading, JobReading, MoveRefused, NotAborted, VmReading
from optimizer.execute.drivers.world import Job, World
from optimizer.execute.readings import host_reading, standing, vm_reading
from optimizer.execute.states import Failure, MoveState
from optimizer.fleet import ABSENT, Fleet, HostState, InFlight, MoveOutcome, PastMove, measured_after

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from numpy.typing import NDArray

    from optimizer.execute.drivers import Request

__all__ = ["SimulatedDriver"]


class SimulatedDriver:
    """Carries moves out on a copy of a snapshot.

    Parameters
    ----------
    fleet
        What there is at the start; the clock starts at its `taken_at`.
    fail
        Ids of moves that fail at the end of their time, their VM still at its source.
    clock
        Another clock to live by.
    world
        Hypervisors that were there before.
    holds_back
        Moves are prepared, and copy when they are told to.
    """

    settles_s = 30.0

    def __init__(
        self,
        fleet: Fleet,
        fail: Collection[str] = (),
        clock: SimulatedClock | None = None,
        world: World | None = None,
        *,
        holds_back: bool = False,
    ) -> None:
        self._fleet, self._holds_back = fleet, holds_back
        self._fail = frozenset(fail)
        self._clock = clock or SimulatedClock(fleet.taken_at)
        self.world = world or World(fleet)
        self._standing = standing(fleet)

    @property
    def simulated(self) -> bool:
        """Nothing outside this process is moved."""
        return True

    @property
    def clock(self) -> SimulatedClock:
        """The simulated time."""
        return self._clock

    @property
    def fleet(self) -> str:
        """The id of the simulated fleet."""
        return self._fleet.id

    def time(self) -> datetime:
        """Return the time by which the hypervisors live."""
        return self._clock.now()

    def read_vm(self, vm: str) -> VmReading | None:
        """Return the VM as it is now, None where there is none."""
        self._advance()
        v = self._fleet.vm_index.get(vm)
        if v is None or vm not in self.world.place:
            return None
        place, job = self.world.place[vm], self.world.job_of(vm)
        host = self._fleet.host_index[place] if place is not None else ABSENT
        ours = self._fleet.host_index.get(job.request.target, ABSENT) if job else ABSENT
        theirs = int(self._fleet.also_at[v]) if vm in self._strangers() else ABSENT
        reading = vm_reading(self._fleet, v, host, ours if ours != ABSENT else theirs)
        copies = self.world.copies_of(vm, self.time())
        return replace(reading, copies=copies) if copies else reading

    def read_host(self, host: str) -> HostReading | None:
        """Return the host as it is now, None where there is none."""
        self._advance()
        h = self._fleet.host_index.get(host)
        if h is None:
            return None
        reading = host_reading(self._fleet, h, self._on(host))
        return replace(reading, state=HostState.DOWN) if host in self.world.down else reading

    def migrating(self) -> frozenset[str]:
        """Return the ids of the VMs that are migrating now; moves by others never end here."""
        self._advance()
        ours = {job.request.vm for job in self.world.running()}
        return frozenset(ours | self._strangers())

    def submit(self, request: Request) -> str:
        """Start a move: from now on its VM counts on both hosts."""
        self._advance()
        traits: dict[str, object] = {"fails": "failed as asked for"} if request.move in self._fail else {}
        if request.target not in self._fleet.host_index:
            raise MoveRefused(f"there is no host {request.target}")
        job = self.world.start(request, self.time(), held=self._holds_back, **traits)
        if isinstance(job, str):
            raise MoveRefused(job)
        return job.id

    @property
    def holds_back(self) -> bool:
        """Whether moves wait to be told to copy."""
        return self._holds_back

    def proceed(self, request: Request) -> None:
        """Let a prepared move copy."""
        self._advance()
        job = self._find(request)
        if job is None or not self.world.proceed(job.id, self.time()):
            raise MoveRefused(f"{request.vm}: nothing that is prepared")

    def observe(self, request: Request) -> JobReading | None:
        """Return what became of a job: by its name, or the latest of this VM to this target since the intent."""
        self._advance()
        job = self._find(request)
        if job is None:
            return None
        left = None if job.is_over else job.remaining_mib(self.time())
        failure = job.failure if job.state is MoveState.FAILED else None
        ready = self.world.is_ready(job, self.time())
        return JobReading(job.id, job.state, left, failure, job.detail, job.ended_at, ready)

    def abort(self, request: Request) -> None:
        """Give a move up at once, unless it is switching or over."""
        self._advance()
        job = self._find(request)
        if job is None or job.is_over or job.state is MoveState.SWITCHING:
            raise NotAborted(f"{request.vm}: nothing that can be aborted")
        self.world.end(job.id, self.time(), fails="aborted", failure=Failure.TEMPORARY)

    def _find(self, request: Request) -> Job | None:
        if request.job in self.world.jobs:
            return self.world.jobs[request.job]
        found = [
            job
            for job in self.world.jobs.values()
            if (job.request.vm, job.request.target) == (request.vm, request.target)
            and (request.since is None or job.started_at >= request.since)
        ]
        return found[-1] if found else None

    def _strangers(self) -> set[str]:
        """Return the VMs that others move: those in flight in the snapshot of which the world has no job."""
        vms = (self._fleet.vms.ids[m.vm] for m in self._fleet.in_flight)
        return {vm for vm in vms if not self.world.was_asked(vm)}

    def _advance(self) -> None:
        self.world.advance(self.time())

    def _on(self, host: str) -> set[str]:
        """Return the VMs that count on a host: placed there, or on their way from or to it."""
        on = self._standing[self._fleet.host_index[host]] & self._strangers()
        on |= {vm for vm, place in self.world.place.items() if place == host}
        on |= {vm for vm in self.world.copies if host in self.world.copies_of(vm, self.time())}
        return on | {job.request.vm for job in self.world.running() if job.request.target == host}

    def snapshot(self) -> Fleet:
        """Return the fleet as it is now: moves that have ended in its history, those in flight among `in_flight`."""
        self._advance()
        before, index = self._fleet, self._fleet.host_index
        host = np.full_like(before.vms.host, ABSENT)
        for vm, place in self.world.place.items():
            host[before.vm_index[vm]] = index[place] if place is not None else ABSENT
        ours = tuple(
            InFlight(
                job.request.move,
                before.vm_index[job.request.vm],
                index[job.request.source],
                index[job.request.target],
                job.started_at.timestamp(),
                "remora",
            )
            for job in self.world.running()
        )
        past = sorted((j for j in self.world.jobs.values() if j.ended_at is not None), key=lambda j: (j.ended_at, j.id))
        return replace(
            before,
            taken_at=self._clock.now(),
            vms=replace(before.vms, host=host),
            hosts=replace(before.hosts, measured=self._measured(host)),
            in_flight=before.in_flight + ours,
            history=before.history + tuple(_past(job) for job in past),
            history_since=before.now if isnan(before.history_since) else before.history_since,
            digest="",
        )

    def _measured(self, host: NDArray[np.int32]) -> NDArray[np.int64]:
        """Return what hosts report in use, as `optimizer.fleet.measured` says it follows their VMs."""
        fleet, hosts = self._fleet, self._fleet.hosts
        other_end = fleet.also_at.copy()
        for job in self.world.running():
            other_end[fleet.vm_index[job.request.vm]] = fleet.host_index[job.request.target]
        now = fleet.explained_by(host, other_end)
        out = hosts.measured.copy()
        for h, r in np.argwhere(hosts.measured != ABSENT).tolist():
            out[h, r] = measured_after(int(hosts.measured[h, r]), int(fleet.explained[h, r]), int(now[h, r]))
        return out


def _past(job: Job) -> PastMove:
    """Return a job that is over as the history has it."""
    assert job.ended_at is not None
    return PastMove(
        vm=job.request.vm,
        source=job.request.source,
        target=job.request.target,
        started_at=job.started_at.timestamp(),
        ended_at=job.ended_at.timestamp(),
        outcome=MoveOutcome.DONE if job.state is MoveState.DONE else MoveOutcome.FAILED,
        by="remora",
    )
