"""Busy processes in cgroups of their own, and the kernel's account of them: cpu.pressure and cpu.stat (cgroup v2)."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Group", "Rig", "Unable", "cgroup_root"]

WORKER = """
import ctypes, os, signal, sys, time
ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: ends with the rig, also while it is stopped
parent = int(sys.argv[1])
work, pause, begins = (float(x) for x in sys.argv[2:5])
phases = [float(x) for x in sys.argv[5:]]  # seconds off, on, off, ... from `begins`; none: always on
on, until, i = not phases, 0.0, 0
until = begins + phases[0] if phases else float("inf")
while os.getppid() == parent:  # unless the rig was gone before
    now = time.monotonic()
    while now >= until:
        i += 1
        on, until = not on, until + phases[i % len(phases)]
    if not on:
        time.sleep(min(until - now, 0.05))
        continue
    ends = time.process_time() + work
    while time.process_time() < ends:
        pass
    if pause:
        time.sleep(pause)
"""
"""Works and sleeps in turn, all the time or by phases. Work is CPU time: who has to wait has no less of it to do."""


class Unable(Exception):
    """The rig cannot run on this machine; the text says what it lacks."""


def cgroup_root() -> Path:
    """Return where cgroup v2 is mounted.

    Raises
    ------
    Unable
        It is not, or we are not root, or the kernel keeps no account of pressure.
    """
    if os.geteuid() != 0:
        raise Unable("cgroups are made by root: run it as root")
    for line in Path("/proc/self/mounts").read_text("utf-8").splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2":
            root = Path(place)
            break
    else:
        raise Unable("no cgroup v2 is mounted")
    probe = root / f"remora-probe-{os.getpid()}"
    try:
        probe.mkdir()
        there = (probe / "cpu.pressure").exists() and (probe / "cpu.stat").exists()
        probe.rmdir()
    except OSError as error:
        raise Unable(f"{root}: {error.strerror}") from None
    if not there:
        raise Unable(f"{root}: the kernel keeps no cpu.pressure (psi=1 on its command line)")
    return root


@dataclass
class Group:
    """Processes of one kind: seconds of CPU and of sleep in turn, by `phases` or always."""

    name: str
    work_s: float
    pause_s: float
    processes: int = 1
    phases: tuple[float, ...] = ()
    _running: list[subprocess.Popen[bytes]] = field(default_factory=list)


class Rig:
    """Cgroups with processes in them; all of it is gone at the end.

    Parameters
    ----------
    outside
        Processes in no cgroup of the rig, as a host has them beside its VMs.
    nice
        Of all processes of the rig; 0: as they are. Below 0 what else runs on the machine hardly matters. Where the
        kernel groups tasks by session, that of this process has it, too, until the rig ends; SIGKILL leaves it so.
    """

    def __init__(self, groups: list[Group], outside: Group | None = None, nice: int = 0) -> None:
        self.groups, self._outside, self._nice = groups, outside, nice
        self.top = cgroup_root() / f"remora-psi-{os.getpid()}"
        self._undo = contextlib.ExitStack()

    def __enter__(self) -> Rig:
        with contextlib.ExitStack() as undo:
            self._make(self.top, undo)
            if self._nice:
                undo.enter_context(_first(self._nice))  # who looks late cannot say when it was
            for group in self.groups:
                place = self.top / group.name
                self._make(place, undo)
                self._start(group, undo, place)
            if self._outside is not None:
                self._start(self._outside, undo)
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def _make(self, place: Path, undo: contextlib.ExitStack) -> None:
        place.mkdir()
        undo.callback(_remove, place)

    def _start(self, group: Group, undo: contextlib.ExitStack, place: Path | None = None) -> None:
        undo.callback(self.stop, group)
        words = [str(x) for x in (os.getpid(), group.work_s, group.pause_s, time.monotonic(), *group.phases)]
        for _ in range(group.processes):
            # a session of its own: the kernel shares out time by session first, where it groups tasks by that
            command = [sys.executable, "-S", "-c", WORKER, *words]
            process = subprocess.Popen(command, start_new_session=True)
            group._running.append(process)
            if self._nice:
                _set_nice(process.pid, self._nice)
            if place is not None:
                (place / "cgroup.procs").write_text(str(process.pid))

    def pause(self, group: Group, *, paused: bool) -> None:
        """Stop the processes of a group for a while, or let them go on."""
        for process in group._running:
            process.send_signal(signal.SIGSTOP if paused else signal.SIGCONT)

    def stop(self, group: Group) -> None:
        """End the processes of a group."""
        for process in group._running:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)
            process.wait()
        group._running.clear()

    def watch(self, samples: int, sample_s: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return stall [samples, groups], use in cores [samples, groups], and use by the whole machine [samples].

        A sample that ends late makes the next ones late: of one that is made up for, all that is known is noise.
        """
        stall, use, total = [], [], []
        before = self._read()
        for _ in range(samples):
            time.sleep(max(0.0, before[0] + sample_s - time.monotonic()))
            now = self._read()
            took = now[0] - before[0]
            stall.append((now[1] - before[1]) / took)
            use.append((now[2] - before[2]) / took)
            total.append((now[3] - before[3]) / took)
            before = now
        return np.clip(np.array(stall), 0, 1), np.maximum(np.array(use), 0), np.maximum(np.array(total), 0)

    def _read(self) -> tuple[float, np.ndarray, np.ndarray, float]:
        """Return the time, and seconds so far: stalled and used by group, used by the machine."""
        stalled, used = [], []
        for group in self.groups:
            place = self.top / group.name
            some = (place / "cpu.pressure").read_text().split("total=")[1].split()[0]
            stat = (place / "cpu.stat").read_text().split()
            stalled.append(int(some) / 1e6)
            used.append(int(stat[stat.index("usage_usec") + 1]) / 1e6)
        ticks = [int(x) for x in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
        busy = (sum(ticks[:3]) + sum(ticks[5:8])) / os.sysconf("SC_CLK_TCK")
        return time.monotonic(), np.array(stalled), np.array(used), busy


@contextlib.contextmanager
def _first(nice: int) -> Iterator[None]:
    """Have this process, and its session, at another priority for a while."""
    own, session = os.getpriority(os.PRIO_PROCESS, 0), 0
    with contextlib.suppress(OSError):
        session = int(Path("/proc/self/autogroup").read_text().split()[-1])  # "/autogroup-7 nice 0"
    _set_nice(os.getpid(), nice)
    try:
        yield
    finally:
        _set_nice(os.getpid(), own, session)


def _set_nice(pid: int, nice: int, session: int | None = None) -> None:
    """Set the priority of a process, and of its session (the same) where the kernel groups tasks by that."""
    os.setpriority(os.PRIO_PROCESS, pid, nice)
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(nice if session is None else session))


def _remove(place: Path) -> None:
    """Remove a cgroup, once the kernel has let go of its processes."""
    for _ in range(200):
        try:
            place.rmdir()
            return
        except OSError:
            time.sleep(0.01)
    place.rmdir()
