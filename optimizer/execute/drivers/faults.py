"""The simulated driver with faults: what platforms and networks do to whoever moves VMs, drawn from a seed.

Each kind is a thing that was seen to happen (docs/execute.md has the table). The hypervisors (`World`) stay truthful
among themselves; what is told of them is not always.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from random import Random
from typing import TYPE_CHECKING

from optimizer.clock import SimulatedClock
from optimizer.execute.drivers import JobReading, MoveRefused, NotAborted, ReplyLost, Unreadable, VmReading
from optimizer.execute.drivers.simulated import SimulatedDriver
from optimizer.execute.states import ENDED, Failure, MoveState

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from optimizer.execute.drivers import HostReading, Request
    from optimizer.execute.drivers.world import Job, World
    from optimizer.fleet import Fleet

__all__ = ["Fault", "Faults", "FaultyDriver", "SkewedClock"]


class Fault(Enum):
    """What may go wrong."""

    LOST_BEFORE = "the request is lost"
    LOST_AFTER = "the reply is lost"
    LATE = "the reply is lost, and the request takes effect later"
    DUPLICATE = "the request arrives twice"
    REFUSED = "too many requests"
    NOT_FOUND = "refused for good"
    NO_NAME = "the platform gives the job no name"
    SLOW = "it takes three times as long"
    STALLS = "memory is dirtied as fast as it is copied"
    STUCK = "it stops at 99 %"
    SLOW_SWITCH = "switching takes a minute"
    FAILS = "it fails half-way"
    FAILS_LATE = "it fails at the end, for good"
    FALSE_SUCCESS = "reported done, and the VM did not move"
    FALSE_FAILURE = "reported failed, and the VM arrived"
    WRONG_HOST = "the VM arrives elsewhere"
    DOUBLED = "it runs on both hosts for a while"
    COMPANION = "another VM is taken along"
    FORGOTTEN = "the job's record vanishes while it runs"
    STALE = "the inventory lags"
    BLIND = "nothing can be read for a while"
    FLICKER = "one reading in five fails"
    ABORT_LOST = "an abort has no effect"


AT_SUBMIT = (Fault.LOST_BEFORE, Fault.LOST_AFTER, Fault.LATE, Fault.DUPLICATE, Fault.REFUSED, Fault.NOT_FOUND)
AT_PROCEED = (Fault.LOST_BEFORE, Fault.LOST_AFTER, Fault.REFUSED)
OF_JOB = (
    Fault.SLOW,
    Fault.STALLS,
    Fault.STUCK,
    Fault.SLOW_SWITCH,
    Fault.FAILS,
    Fault.FAILS_LATE,
    Fault.FALSE_SUCCESS,
    Fault.FALSE_FAILURE,
    Fault.WRONG_HOST,
    Fault.FORGOTTEN,
    Fault.DOUBLED,
    Fault.COMPANION,
)
LATEST_S = 25.0
"""A late request takes effect within this, and the inventory lags by less: below the driver's `settles_s`."""

LAG_S = 8.0


@dataclass
class Faults:
    """Which faults there are, how often, and until when (in seconds of the simulation); `drawn` counts them.

    `rate` is for each request and each job; `blinds` and `flickers` for each reading, of which there are many.
    """

    seed: int
    kinds: frozenset[Fault] = frozenset(Fault)
    rate: float = 0.35
    until_s: float = float("inf")
    blinds: float = 0.003
    flickers: float = 0.1
    reached: set[Fault] = field(default_factory=set)
    drawn: int = 0

    def __post_init__(self) -> None:
        self.rng = Random(self.seed)

    def draw(self, among: tuple[Fault, ...], now_s: float) -> Fault | None:
        """Draw one of these faults, or none."""
        there = [f for f in among if f in self.kinds]
        if not there or now_s >= self.until_s or self.rng.random() >= self.rate:
            return None
        fault = self.rng.choice(there)
        self.happened(fault)
        return fault

    def happened(self, fault: Fault) -> None:
        """Count a fault."""
        self.drawn += 1
        self.reached.add(fault)


class SkewedClock(SimulatedClock):
    """A clock on the wall that jumps, over seconds that do not."""

    eventful = True

    def __init__(self, at: datetime) -> None:
        super().__init__(at)
        self.seconds, self.first = 0.0, at
        self.on_sleep: Callable[[], None] = lambda: None

    def monotonic(self) -> float:
        """Return the seconds that really passed."""
        return self.seconds

    def sleep(self, seconds: float) -> None:
        """Let time pass; the wall follows."""
        self.seconds += seconds
        super().sleep(seconds)
        self.on_sleep()

    def jump(self, seconds: float) -> None:
        """Set the clock on the wall."""
        self.at += timedelta(seconds=seconds)

    @property
    def truth(self) -> datetime:
        """The time by which the hypervisors live."""
        return self.first + timedelta(seconds=self.seconds)


class FaultyDriver(SimulatedDriver):
    """Asks and is told as over a bad network, of a platform with the bugs that platforms have."""

    def __init__(
        self,
        fleet: Fleet,
        faults: Faults,
        clock: SkewedClock,
        world: World | None = None,
        fail: Collection[str] = (),
        *,
        holds_back: bool = False,
    ) -> None:
        super().__init__(fleet, fail, clock, world, holds_back=holds_back)
        self._skewed, self.faults = clock, faults
        self._blind_until = 0.0
        self._old: dict[str, tuple[float, VmReading | None]] = {}

    def time(self) -> datetime:
        """Return the time that does not jump."""
        return self._skewed.truth

    def submit(self, request: Request) -> str:
        """Submit, with what may happen on the way."""
        fault = self.faults.draw(AT_SUBMIT, self._skewed.seconds)
        if fault in (Fault.REFUSED, Fault.NOT_FOUND):
            raise MoveRefused(fault.value, temporary=fault is Fault.REFUSED)
        if fault is Fault.LOST_BEFORE:
            raise ReplyLost("time-out")
        traits = {**self._traits(request), "held": self.holds_back}
        if fault is Fault.LATE:
            delay = self.faults.rng.uniform(1, LATEST_S)
            self.world.start_later(request, self.time() + timedelta(seconds=delay), traits)
            raise ReplyLost("time-out")
        self._advance()
        job = self.world.start(request, self.time(), **traits)
        if isinstance(job, str):
            raise MoveRefused(job)
        if fault is Fault.DUPLICATE:
            self.world.start(request, self.time(), **traits)
        if fault is Fault.LOST_AFTER:
            raise ReplyLost("connection reset")
        return "" if self._hits(Fault.NO_NAME) else job.id

    def proceed(self, request: Request) -> None:
        """Tell it to copy, with what may happen on the way."""
        fault = self.faults.draw(AT_PROCEED, self._skewed.seconds)
        if fault is Fault.REFUSED:
            raise MoveRefused(fault.value, temporary=True)
        if fault is not Fault.LOST_BEFORE:
            super().proceed(request)
        if fault is not None:
            raise ReplyLost("time-out")

    def _traits(self, request: Request) -> dict[str, object]:
        """Draw what is wrong with a job."""
        if request.move in self._fail:
            return {"fails": "failed as asked for"}
        fault = self.faults.draw(OF_JOB, self._skewed.seconds)
        if fault is None:
            return {}
        rng = self.faults.rng
        others = [h for h in self._fleet.hosts.ids if h not in (request.source, request.target)]
        traits: dict[Fault, dict[str, object]] = {
            Fault.SLOW: {"slower": 3.0},
            Fault.STALLS: {"frozen_mib": request.copied_mib / 2},
            Fault.STUCK: {"frozen_mib": request.copied_mib / 100},
            Fault.SLOW_SWITCH: {"switching_s": 60.0},
            Fault.FAILS: {"slower": rng.uniform(0.1, 0.9), "fails": "it broke", "failure": Failure.TEMPORARY},
            Fault.FAILS_LATE: {"fails": "it broke at the end", "failure": Failure.PERMANENT},
            Fault.FALSE_SUCCESS: {"arrives": request.source},
            Fault.FALSE_FAILURE: {"says": MoveState.FAILED},
            Fault.WRONG_HOST: {"arrives": rng.choice(others)} if others else {},
            Fault.DOUBLED: {"doubles_s": rng.uniform(5, 60)},
            Fault.COMPANION: {"drags": self._companion(request)},
            Fault.FORGOTTEN: {"forgotten_after": rng.uniform(0, 2 * max(request.seconds, 1.0))},
        }
        return traits[fault]

    def _companion(self, request: Request) -> str:
        """Return another VM on the source that nothing moves."""
        busy = {job.request.vm for job in self.world.running()} | {request.vm}
        there = sorted(vm for vm, host in self.world.place.items() if host == request.source and vm not in busy)
        return self.faults.rng.choice(there) if there else ""

    def read_vm(self, vm: str) -> VmReading | None:
        """Read, late or not at all."""
        self._see()
        now, fresh = self._skewed.seconds, super().read_vm(vm)
        then, old = self._old.get(vm, (now, fresh))
        if Fault.STALE in self.faults.kinds and now - then < LAG_S and vm in self._old:
            if old != fresh:
                self.faults.happened(Fault.STALE)
            return old
        self._old[vm] = now, fresh
        return fresh

    def read_host(self, host: str) -> HostReading | None:
        """Read, or fail to."""
        self._see()
        return super().read_host(host)

    def migrating(self) -> frozenset[str]:
        """Read, or fail to."""
        self._see()
        return super().migrating()

    def observe(self, request: Request) -> JobReading | None:
        """Observe, or fail to; a job may have been forgotten, or say what is not so."""
        self._see()
        reading = super().observe(request)
        job = self.world.jobs.get(reading.id) if reading else None
        if reading is None or job is None:
            return None
        age = (self.time() - job.started_at).total_seconds()
        if job.forgotten_after is not None and age >= job.forgotten_after:
            return None
        if job.says is not None and reading.state in ENDED:
            return replace(reading, state=job.says, failure=Failure.TEMPORARY)
        return reading

    def abort(self, request: Request) -> None:
        """Abort, or not."""
        self._see()
        if self._hits(Fault.ABORT_LOST):
            raise NotAborted("no effect")
        super().abort(request)

    def _find(self, request: Request) -> Job | None:
        """By name, or by VM and target: clocks jump here, so the time says nothing."""
        return super()._find(replace(request, since=None))

    def _hits(self, fault: Fault) -> bool:
        return self.faults.draw((fault,), self._skewed.seconds) is not None

    def _see(self) -> None:
        now, faults = self._skewed.seconds, self.faults
        if now < self._blind_until and now < faults.until_s:
            raise Unreadable("no answer")
        if Fault.BLIND in faults.kinds and now < faults.until_s and faults.rng.random() < faults.blinds:
            faults.happened(Fault.BLIND)
            self._blind_until = now + faults.rng.uniform(2, 40)
            raise Unreadable("no answer")
        if Fault.FLICKER in faults.kinds and now < faults.until_s and faults.rng.random() < faults.flickers:
            faults.happened(Fault.FLICKER)
            raise Unreadable("500")
