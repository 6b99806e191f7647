"""Hypervisors in a directory, by the clock on the wall: they outlive every process that asks them.

``python -m tests.service.filed snapshot DIR`` prints the snapshot of now; ``... run DIR ARGUMENTS`` is `remora
ARGUMENTS` with a driver ``filed`` that reaches them.

DIR/fleet.json is the fleet at first, DIR/jobs has a line for each migration that really began.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optimizer.clock import SystemClock
from optimizer.execute.drivers import HostReading, JobReading, MoveRefused, NotAborted, VmReading
from optimizer.execute.readings import host_reading, vm_reading
from optimizer.execute.states import MoveState
from optimizer.fleet import ABSENT

if TYPE_CHECKING:
    from optimizer.execute.drivers import Request
    from optimizer.fleet import Fleet

__all__ = ["FiledDriver", "jobs", "places", "snapshot"]

SECONDS = 3.0
"""How long each migration takes, whatever its plan says; DIR/seconds says otherwise."""


def jobs(directory: Path) -> list[dict[str, Any]]:
    """Return every migration that really began."""
    path = directory / "jobs"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def places(directory: Path, now: datetime) -> dict[str, str]:
    """Return where each VM really is."""
    document = json.loads((directory / "fleet.json").read_text())
    where = {vm["id"]: vm["host"] for vm in document["vms"]}
    for job in jobs(directory):
        if now >= datetime.fromisoformat(job["ends"]):
            where[job["vm"]] = job["target"]
    return where


def snapshot(directory: Path, now: datetime) -> dict[str, Any]:
    """Return the snapshot of now."""
    document = json.loads((directory / "fleet.json").read_text())
    where = places(directory, now)
    vms = [{**vm, "host": where[vm["id"]]} for vm in document["vms"]]
    return {**document, "taken_at": now.isoformat(), "vms": vms}


class FiledDriver:
    """Reaches them."""

    simulated = False
    settles_s = 1.0

    def __init__(self, fleet: Fleet, directory: Path) -> None:
        self._fleet, self._directory, self.clock = fleet, directory, SystemClock()
        seconds = directory / "seconds"
        self._seconds = float(seconds.read_text()) if seconds.exists() else SECONDS

    @property
    def fleet(self) -> str:
        return self._fleet.id

    def _running(self) -> dict[str, dict[str, Any]]:
        now = self.clock.now()
        return {j["vm"]: j for j in jobs(self._directory) if now < datetime.fromisoformat(j["ends"])}

    def read_vm(self, vm: str) -> VmReading | None:
        where, running = places(self._directory, self.clock.now()), self._running()
        if vm not in where:
            return None
        index = self._fleet.host_index
        moving_to = index[running[vm]["target"]] if vm in running else ABSENT
        return vm_reading(self._fleet, self._fleet.vm_index[vm], index[where[vm]], moving_to)

    def read_host(self, host: str) -> HostReading | None:
        where, running = places(self._directory, self.clock.now()), self._running()
        vms = {vm for vm, at in where.items() if at == host} | {vm for vm, j in running.items() if j["target"] == host}
        return host_reading(self._fleet, self._fleet.host_index[host], vms)

    def migrating(self) -> frozenset[str]:
        return frozenset(self._running())

    def submit(self, request: Request) -> str:
        if places(self._directory, self.clock.now())[request.vm] != request.source or request.vm in self._running():
            raise MoveRefused(f"{request.vm} is not on {request.source}, or is moved")
        now = self.clock.now()
        ends = now + timedelta(seconds=self._seconds)
        job = {"token": request.token, "vm": request.vm, "source": request.source, "target": request.target}
        line = json.dumps({**job, "began": now.isoformat(), "ends": ends.isoformat()})
        fd = os.open(self._directory / "jobs", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(fd, f"{line}\n".encode())
        os.close(fd)
        return request.token

    def observe(self, request: Request) -> JobReading | None:
        found = [j for j in jobs(self._directory) if j["token"] == request.token]
        if not found:
            return None
        ends = datetime.fromisoformat(found[-1]["ends"])
        over = self.clock.now() >= ends
        left = None if over else (ends - self.clock.now()).total_seconds()
        state = MoveState.DONE if over else MoveState.COPYING
        return JobReading(request.token, state, left, None, "", ends if over else None)

    def abort(self, request: Request) -> None:
        raise NotAborted(f"{request.vm} cannot be aborted")


def main(what: str, where: str, *arguments: str) -> None:
    directory = Path(where)
    if what == "snapshot":
        print(json.dumps(snapshot(directory, datetime.now(UTC))))
        return
    from cli import remora
    from optimizer.execute.drivers.registry import DRIVERS

    drivers: dict[str, Any] = DRIVERS.built_in  # type: ignore[assignment]
    drivers["filed"] = lambda: lambda fleet, _: FiledDriver(fleet, directory)
    remora.main(list(arguments), prog_name="remora")


if __name__ == "__main__":
    main(*sys.argv[1:])
