"""`remora`, but its clock counts the CPU time of the process: a limit then means the same on a machine with other work.

    python -m benchmarks.stress.by_cpu plan FLEET --time-limit 2 --workers 1

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

if __name__ == "__main__":
    optimizer.process_age.process_age_s = time.process_time
    SystemClock.monotonic = lambda self: time.process_time()  # type: ignore[method-assign]
    time.monotonic = time.process_time
    run_path(str(Path(__file__).resolve().parent.parent.parent / "cli.py"), run_name="__main__")
