"""Real processes that carry a plan out and get a signal at a chosen instant; prints what became of each.

    python -m tests.execute.interrupted FLEET PLAN WORK SIGNAL...

A signal is its name, or two names with a plus between for one right after the other. The instants are spread evenly
over all calls and returns in `optimizer.execute`, so none depends on how fast a machine is. Each process is a fork of
one that has loaded everything. For each, one JSON line: what it said, how it ended, and which VMs had really been
submitted and had not ended, by a record of the driver's own.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from typing import Any

from commands.group import remora
from optimizer import execute
from optimizer.execute.drivers.simulated import SimulatedDriver

INSTANTS = 12
EXECUTE = os.path.dirname(execute.__file__)


class Witnessed(SimulatedDriver):
    """Writes down, beside the ledger and before anything else, what it really does."""

    record: Path

    def note(self, text: str) -> None:
        fd = os.open(self.record, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(fd, f"{text}\n".encode())
        os.close(fd)

    def submit(self, move: Any) -> None:
        self.note(f"+ {move.vm}")
        super().submit(move)

    def _finish(self, move: str) -> Any:
        result = super()._finish(move)
        self.note(f"- {next(m.vm for m in MOVES if m.id == move)}")
        return result


MOVES: list[Any] = []


class Trigger:
    """Sends signals to its own process at the n-th call or return in `optimizer.execute`."""

    def __init__(self, at: int, signals: list[signal.Signals]) -> None:
        self.events, self.at, self.signals = 0, at, signals

    def __call__(self, frame: Any, _event: str, _arg: object) -> None:
        if not frame.f_code.co_filename.startswith(EXECUTE):
            return
        self.events += 1
        if self.events >= self.at and self.signals:
            os.kill(os.getpid(), self.signals.pop(0))


def one(work: Path, fleet: str, plan: str, trigger: Trigger) -> dict[str, Any]:
    """Carry the plan out in a process of its own."""
    work.mkdir()
    said, events = work / "said", work / "events"
    child = os.fork()
    if not child:
        for stream in (1, 2):
            os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
        Witnessed.record = work / "record"
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        sys.setprofile(trigger)
        try:
            remora.main(["apply", fleet, plan, "--act", "--ledger", str(work / "ledger.sqlite")], prog_name="remora")
        except SystemExit as end:
            sys.setprofile(None)
            events.write_text(str(trigger.events))
            os._exit(int(end.code or 0))
        os._exit(99)
    status = os.waitpid(child, 0)[1]
    record = (work / "record").read_text().split("\n") if (work / "record").exists() else []
    started = {line[2:] for line in record if line.startswith("+")}
    ended = {line[2:] for line in record if line.startswith("-")}
    return {
        "work": str(work),
        "exit": os.waitstatus_to_exitcode(status),
        "said": said.read_text(),
        "under_way": sorted(started - ended),
        "done": len(ended),
        "events": int(events.read_text()) if events.exists() else 0,
    }


def main(fleet: str, plan: str, work: str, *signals: str) -> None:
    from optimizer.execute.drivers import simulated
    from optimizer.sources.plan_json import read_plan

    with suppress(SystemExit), redirect_stdout(StringIO()):  # a dry run loads all that there is to load
        remora.main(["apply", fleet, plan, "--ledger", f"{work}/none.sqlite"], prog_name="remora")
    MOVES.extend(read_plan(Path(plan)).moves)
    simulated.SimulatedDriver = Witnessed  # type: ignore[misc]
    whole = one(Path(work) / "whole", fleet, plan, Trigger(10**9, []))
    print(json.dumps({"signals": "", **whole}))
    for names in signals:
        for i in range(INSTANTS):
            sent = [signal.Signals[name] for name in names.split("+")]
            at = 1 + whole["events"] * i // INSTANTS
            print(json.dumps({"signals": names, **one(Path(work) / f"{names}-{i}", fleet, plan, Trigger(at, sent))}))


if __name__ == "__main__":
    main(*sys.argv[1:])
