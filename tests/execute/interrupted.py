"""Real processes that carry a plan out and get a signal at a chosen instant; prints what became of each.

    python -m tests.execute.interrupted FLEET PLAN WORK SIGNAL...

A signal is its name, or two names with a plus between for one right after the other. The instants are spread evenly
over all calls and returns in `optimizer.execute`, so none depends on how fast a machine is. Each process is a fork of
one that has loaded everything. The hypervisors are in a file, so they outlive it: after each, the same command is given
again, and finds what is there. For each, one JSON line: what it said, how it ended, and which VMs had really been
submitted and had not ended, by a record of the hypervisors' own.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import sys
from contextlib import redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from typing import Any

from commands.group import remora
from optimizer import execute
from optimizer.clock import SimulatedClock
from optimizer.execute.drivers.simulated import SimulatedDriver
from optimizer.execute.drivers.world import World

INSTANTS = 12
EXECUTE = os.path.dirname(execute.__file__)


class KeptWorld(World):
    """Hypervisors in a file, with a record of all that they really do."""

    file: Path
    record: Path
    clock: SimulatedClock

    def write(self, text: str) -> None:
        fd = os.open(self.record, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(fd, f"{text}\n".encode())
        os.close(fd)

    def start(self, request: Any, now: Any, **traits: Any) -> Any:
        job = super().start(request, now, **traits)
        if not isinstance(job, str):
            self.keep(f"+ {request.vm}")
        return job

    def end(self, name: str, at: Any, **more: Any) -> None:
        super().end(name, at, **more)
        self.keep(f"- {self.jobs[name].request.vm}")

    def keep(self, text: str) -> None:
        """Write everything down before anybody hears of it, whole or not at all."""
        signals = signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))
        beside = self.file.with_suffix(".new")
        beside.write_bytes(pickle.dumps((self.clock.at, self.__dict__)))
        beside.rename(self.file)
        self.write(text)
        signal.pthread_sigmask(signal.SIG_SETMASK, signals)


class Witnessed(SimulatedDriver):
    """The simulated driver on hypervisors that are kept."""

    def __init__(self, fleet: Any, fail: Any = ()) -> None:
        world, clock = KeptWorld(fleet), SimulatedClock(fleet.taken_at)
        if KeptWorld.file.exists():
            clock.at, world.__dict__ = pickle.loads(KeptWorld.file.read_bytes())
        KeptWorld.clock = clock
        super().__init__(fleet, fail, clock, world)


class Trigger:
    """Sends signals to its own process at the n-th call or return in `optimizer.execute`; without any, it counts."""

    def __init__(self, at: int, signals: list[signal.Signals]) -> None:
        self.events, self.at, self.signals = 0, at, signals

    def __call__(self, frame: Any, _event: str, _arg: object) -> None:
        if not frame.f_code.co_filename.startswith(EXECUTE):
            return
        self.events += 1
        if self.events >= self.at and self.signals:
            if len(self.signals) == 1:
                sys.setprofile(None)  # nothing is left to wait for: the rest goes at its usual speed
            os.kill(os.getpid(), self.signals.pop(0))


def one(work: Path, fleet: str, plan: str, trigger: Trigger) -> dict[str, Any]:
    """Carry the plan out in a process of its own, and once more where it was cut off."""
    work.mkdir()
    first = carried_out(work, fleet, plan, trigger, "said")
    again = carried_out(work, fleet, plan, None, "said_again") if first["exit"] else {}
    return {**first, **{f"{name}_again": value for name, value in again.items()}}


def carried_out(work: Path, fleet: str, plan: str, trigger: Trigger | None, name: str) -> dict[str, Any]:
    said, events = work / name, work / "events"
    child = os.fork()
    if not child:
        for stream in (1, 2):
            os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
        KeptWorld.record, KeptWorld.file = work / "record", work / "world"
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        sys.setprofile(trigger)
        try:
            remora.main(["apply", fleet, plan, "--act", "--ledger", str(work / "ledger.sqlite")], prog_name="remora")
        except SystemExit as end:
            sys.setprofile(None)
            events.write_text(str(trigger.events if trigger is not None else 0))
            os._exit(int(end.code or 0))
        os._exit(99)
    status = os.waitpid(child, 0)[1]
    record = (work / "record").read_text().split("\n") if (work / "record").exists() else []
    started = [line[2:] for line in record if line.startswith("+")]
    ended = [line[2:] for line in record if line.startswith("-")]
    return {
        "work": str(work),
        "exit": os.waitstatus_to_exitcode(status),
        "said": said.read_text(),
        "under_way": sorted(set(started) - set(ended)),
        "started": sorted(started),
        "done": len(ended),
        "events": int(events.read_text()) if events.exists() else 0,
        "flying": flying(work),
    }


def flying(work: Path) -> list[list[str]]:
    """Return the moves that the ledger holds to be open, read as it is."""
    from optimizer.execute.ledger import peek_ledger

    ledger = peek_ledger(str(work / "ledger.sqlite"))
    if ledger is None:
        return []
    with ledger:
        return [[f.move, f.vm] for fleet in ledger.fleets() for f in ledger.in_flight(fleet)]


def main(fleet: str, plan: str, work: str, *signals: str) -> None:
    from optimizer.execute.drivers import open_simulated

    with suppress(SystemExit), redirect_stdout(StringIO()):  # a dry run loads all that there is to load
        remora.main(["apply", fleet, plan, "--ledger", f"{work}/none.sqlite"], prog_name="remora")
    assert hasattr(open_simulated, "SimulatedDriver"), "where the command gets its driver from"
    open_simulated.SimulatedDriver = Witnessed
    whole = one(Path(work) / "whole", fleet, plan, Trigger(10**9, []))
    print(json.dumps({"signals": "", **whole}))
    for names in signals:
        for i in range(INSTANTS):
            sent = [signal.Signals[name] for name in names.split("+")]
            at = 1 + whole["events"] * i // INSTANTS
            print(json.dumps({"signals": names, **one(Path(work) / f"{names}-{i}", fleet, plan, Trigger(at, sent))}))


if __name__ == "__main__":
    main(*sys.argv[1:])
