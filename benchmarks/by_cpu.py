"""`remora`, but its clock counts the CPU time of the process: a limit then means the same on a machine with other work.

    python -m benchmarks.by_cpu plan FLEET --time-limit 2 --workers 1

The one thing here that reaches into the program. It makes the trial harder, not easier: on a machine of its own, wall
time runs at least as fast.
"""

from __future__ import annotations

import time
from pathlib import Path
from runpy import run_path

import optimizer.process_age
from optimizer.clock import SystemClock

__all__: list[str] = []

TICK_S = 0.001
"""Wall seconds for which a reading of the CPU's clock holds: asking the system takes longer."""


class _CpuClock:
    """The process's CPU seconds, read anew once in a tick."""

    def __init__(self) -> None:
        self._read, self._known, self._wall = time.perf_counter, time.process_time(), time.perf_counter()

    def __call__(self) -> float:
        now = self._read()
        if now - self._wall > TICK_S:
            self._known, self._wall = time.process_time(), now
        return self._known


if __name__ == "__main__":
    clock = _CpuClock()
    optimizer.process_age.process_age_s = time.process_time
    SystemClock.monotonic = lambda self: clock()  # type: ignore[method-assign]
    time.monotonic = clock
    run_path(str(Path(__file__).resolve().parent.parent / "cli.py"), run_name="__main__")
