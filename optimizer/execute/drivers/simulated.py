"""A fleet that exists only here: moves take the seconds that their plan says, and fail when asked to."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import isnan
from typing import TYPE_CHECKING

import numpy as np

from optimizer.clock import SimulatedClock
from optimizer.errors import InputError
from optimizer.execute.drivers import HostReading, MoveRefused, Result, VmReading
from optimizer.execute.readings import host_reading, standing, vm_reading
from optimizer.fleet import ABSENT, Fleet, InFlight, MoveOutcome, PastMove, measured_after

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from optimizer.execute.drivers.registry import DriverSettings
    from optimizer.plan import PlannedMove

__all__ = ["SimulatedDriver", "open_simulated"]


def open_simulated(fleet: Fleet, settings: DriverSettings) -> SimulatedDriver:
    """Open the simulated driver; it reaches nothing, so there is nothing to say where."""
    if settings.where:
        raise InputError("--location", "", settings.where, "nothing: the simulated driver reaches only the snapshot")
    return SimulatedDriver(fleet, settings.fail)


@dataclass(frozen=True, slots=True)
class _UnderWay:
    move: PlannedMove
    vm: int
    source: int
    target: int
    started_at: datetime


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
    """

    def __init__(self, fleet: Fleet, fail: Collection[str] = (), clock: SimulatedClock | None = None) -> None:
        self._fleet = fleet
        self._fail = frozenset(fail)
        self._clock = clock or SimulatedClock(fleet.taken_at)
        self._host = fleet.vms.host.copy()
        self._on = standing(fleet)
        self._under_way: dict[str, _UnderWay] = {}
        self._ends: list[tuple[datetime, int, str]] = []
        self._past: list[PastMove] = []
        self._submitted = 0

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

    def read_vm(self, vm: str) -> VmReading | None:
        """Return the VM as it is now, None where there is none."""
        v = self._fleet.vm_index.get(vm)
        if v is None:
            return None
        ours = next((u.target for u in self._under_way.values() if u.vm == v), ABSENT)
        theirs = int(self._fleet.also_at[v])
        return vm_reading(self._fleet, v, int(self._host[v]), ours if ours != ABSENT else theirs)

    def read_host(self, host: str) -> HostReading | None:
        """Return the host as it is now, None where there is none."""
        h = self._fleet.host_index.get(host)
        return None if h is None else host_reading(self._fleet, h, self._on[h])

    def migrating(self) -> frozenset[str]:
        """Return the ids of the VMs that are migrating now; moves by others never end here."""
        ours = {u.move.vm for u in self._under_way.values()}
        return frozenset(ours | {self._fleet.vms.ids[m.vm] for m in self._fleet.in_flight})

    def submit(self, move: PlannedMove) -> None:
        """Start a move: from now on its VM counts on both hosts."""
        vm, source, target = (
            self._fleet.vm_index.get(move.vm, ABSENT),
            self._fleet.host_index.get(move.source, ABSENT),
            self._fleet.host_index.get(move.target, ABSENT),
        )
        if ABSENT in (vm, source, target) or int(self._host[vm]) != source:
            raise MoveRefused(f"{move.vm} is not on {move.source}")
        now = self._clock.now()
        self._under_way[move.id] = _UnderWay(move, vm, source, target, now)
        self._on[target].add(move.vm)
        self._submitted += 1  # keeps the order of submission among moves that end together
        heapq.heappush(self._ends, (now + timedelta(seconds=move.seconds), self._submitted, move.id))

    def poll(self) -> tuple[Result, ...]:
        """Let the time pass until the next move ends; return all that have ended by then."""
        if not self._ends:
            return ()
        self._clock.sleep(max(0.0, (self._ends[0][0] - self._clock.now()).total_seconds()))
        results = []
        while self._ends and self._ends[0][0] <= self._clock.now():
            results.append(self._finish(heapq.heappop(self._ends)[2]))
        return tuple(results)

    def _finish(self, move: str) -> Result:
        ended = self._under_way.pop(move)
        now, done = self._clock.now(), move not in self._fail
        self._on[ended.source if done else ended.target].discard(ended.move.vm)
        if done:
            self._host[ended.vm] = ended.target
        outcome = MoveOutcome.DONE if done else MoveOutcome.FAILED
        self._past.append(
            PastMove(
                vm=ended.move.vm,
                source=ended.move.source,
                target=ended.move.target,
                started_at=ended.started_at.timestamp(),
                ended_at=now.timestamp(),
                outcome=outcome,
                by="remora",
            )
        )
        return Result(move, done, now, "" if done else "failed as asked for")

    def snapshot(self) -> Fleet:
        """Return the fleet as it is now: moves that have ended in its history, those in flight among `in_flight`."""
        before = self._fleet
        ours = tuple(
            InFlight(id_, u.vm, u.source, u.target, u.started_at.timestamp(), "remora")
            for id_, u in self._under_way.items()
        )
        return replace(
            before,
            taken_at=self._clock.now(),
            vms=replace(before.vms, host=self._host.copy()),
            hosts=replace(before.hosts, measured=self._measured()),
            in_flight=before.in_flight + ours,
            history=before.history + tuple(self._past),
            history_since=before.now if isnan(before.history_since) else before.history_since,
            digest="",
        )

    def _measured(self) -> NDArray[np.int64]:
        """Return what hosts report in use, as `optimizer.fleet.measured` says it follows their VMs."""
        fleet, hosts = self._fleet, self._fleet.hosts
        other_end = fleet.also_at.copy()
        for under_way in self._under_way.values():
            other_end[under_way.vm] = under_way.target
        now = fleet.explained_by(self._host, other_end)
        out = hosts.measured.copy()
        for h, r in np.argwhere(hosts.measured != ABSENT).tolist():
            out[h, r] = measured_after(int(hosts.measured[h, r]), int(fleet.explained[h, r]), int(now[h, r]))
        return out
