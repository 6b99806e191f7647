"""`python -m benchmarks.stop [--ledger PLACE] [--stops 200]`: prints a table in Markdown.

One process submits moves without a pause; its driver answers after a while. Another presses the button, as
`remora stop` does, at random instants. The stop is in effect when that has returned: a submit that is being made then
is waited for, and none follows. That none does is looked at, too: the calls of the driver are timed by the same clock.
"""

from __future__ import annotations

import argparse
import mmap
import os
import random
import signal
import struct
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from optimizer.execute.ledger import open_ledger
from optimizer.execute.ledger.ledger import Ledger, Pressed
from optimizer.execute.ledger.records import Change, FlyingMove, Key, Lead, Order
from optimizer.execute.states import MoveState
from optimizer.plan import Plan, Status

ORDER = Order("bench", "measured")
ANSWERS_MS = (0, 10, 100)
FIRST_S = 10.0


class Calls:
    """When the driver was called last, and how often; both processes see it."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 16)

    def add(self) -> None:
        """Note a call of now."""
        self._memory[:] = struct.pack("dQ", time.monotonic(), self.read()[1] + 1)

    def read(self) -> tuple[float, int]:
        """Return when the last was, and how many there were."""
        at, number = struct.unpack("dQ", self._memory[:])
        return float(at), int(number)


def submit_for_ever(place: str, fleet: str, answer_s: float, calls: Calls) -> None:
    """Submit moves one after the other; while the button is pressed, try again and again."""
    now = datetime.now(UTC)
    plan_id = f"plan-{now.timestamp()}"
    digests = ("sha256:0", "sha256:0")
    later = now + timedelta(hours=1)
    plan = Plan(plan_id, fleet, now, *digests, now, later, Status.FEASIBLE, (), (), (), (), (), ())
    with open_ledger(place) as ledger:
        lead = ledger.lead(fleet, "bench", now)
        ledger.begin(lead, plan, ORDER, now)
        number = 0
        while True:
            number += 1
            try:
                _submit(
                    ledger,
                    lead,
                    FlyingMove(plan_id, f"m{number}", "v", "h1", "h2", MoveState.INTENDED),
                    answer_s,
                    calls,
                )
            except Pressed:
                time.sleep(0.002)


def _submit(ledger: Ledger, lead: Lead, move: FlyingMove, answer_s: float, calls: Calls) -> None:
    def call() -> tuple[Change, str]:
        calls.add()
        time.sleep(answer_s)
        return Change(move.key, MoveState.ACCEPTED), ""

    now = datetime.now(UTC)
    ledger.intend(lead, move, now, lambda _: None)
    try:
        ledger.submit(lead, move.key, now, call)
    except Pressed as stop:
        ledger.withdraw(lead, move.key, str(stop), now)
        raise
    ledger.record(lead, [Change(Key(move.plan, move.move), MoveState.DONE)], now)


def measure(place: str, answer_ms: int, stops: int) -> tuple[list[float], int, int]:
    """Press the button again and again; return the seconds until each was in effect, submits before, and after one."""
    calls, rng, fleet = Calls(), random.Random(answer_ms), f"bench-{os.getpid()}-{answer_ms}"
    open_ledger(place).close()
    pid = os.fork()
    if not pid:
        try:
            submit_for_ever(place, fleet, answer_ms / 1000, calls)
        finally:
            os._exit(1)
    took, late = [], 0
    try:
        with open_ledger(place) as ledger:
            for _ in range(stops):
                _wait_for_calls(calls, calls.read()[1] + 2)
                time.sleep(rng.uniform(0, 0.02 + answer_ms / 500))
                began = time.monotonic()
                ledger.controls.set(fleet, "stop", "", ORDER, datetime.now(UTC))
                ended = time.monotonic()
                took.append(ended - began)
                time.sleep(0.02 + answer_ms / 1000)
                late += calls.read()[0] > ended
                ledger.controls.lift(fleet, "stop", ORDER, datetime.now(UTC))
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return took, calls.read()[1], late


def _wait_for_calls(calls: Calls, number: int) -> None:
    began = time.monotonic()
    while calls.read()[1] < number:
        if time.monotonic() > began + FIRST_S:
            raise SystemExit("nothing is submitted: the other process has failed")
        time.sleep(0.001)


def main() -> int:
    """Print the table; 1 if a submit followed a stop."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stop", description=__doc__)
    parser.add_argument("--ledger", help="the address of a PostgreSQL; without it a new file is measured")
    parser.add_argument("--stops", type=int, default=200)
    asked = parser.parse_args()
    print("| the driver answers after | stops | submits before them | p50 | p99 | longest | submits after a stop |")
    print("|---|---|---|---|---|---|---|")
    bad = 0
    with tempfile.TemporaryDirectory(prefix="remora-stop-") as directory:
        for answer_ms in ANSWERS_MS:
            place = asked.ledger or str(Path(directory) / f"ledger-{answer_ms}.sqlite")
            took, submits, late = measure(place, answer_ms, asked.stops)
            took.sort()
            figures = [took[len(took) // 2], took[min(len(took) - 1, len(took) * 99 // 100)], took[-1]]
            cells = " | ".join(f"{1000 * figure:.1f} ms" for figure in figures)
            print(f"| {answer_ms} ms | {len(took)} | {submits} | {cells} | {late} |", flush=True)
            bad += late
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
