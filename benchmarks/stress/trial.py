"""One row of the trial: fleets of a kind, planned at a limit or interrupted at random, each as a whole process.

    python -m benchmarks.stress.trial limits KIND FLEETS LIMIT_S
    python -m benchmarks.stress.trial interrupts KIND FLEETS LIMIT_S

prints one JSON document with the worst of them, and ends with 1 if one was late, or ended otherwise than it should.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.stress.fleets import KINDS, make

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["interrupted_runs", "limited_runs", "overrun"]

ROOT = Path(__file__).resolve().parent.parent.parent
POLICY = ROOT / "constraints" / "policies" / "default.yaml"
ENDS = (0, 1, 3)
"""Exit codes of `remora plan` that are answers."""

SLACK_S, SLACK = 1.0, 0.05
"""What a process may take beyond its limit: the larger of a second and a twentieth of it."""

INTERRUPTED = 130

LAST_WORDS = 2000
"""Characters of what a process printed last that are kept where it failed."""

POLL_S = 0.01
"""Wall seconds between two looks at what a process has taken."""


def overrun(cpu_s: float, limit_s: float) -> float:
    """Return by how much a process was late: negative where it was on time."""
    return cpu_s - limit_s - max(SLACK_S, SLACK * limit_s)


def _written(work: Path, kind: str, seed: int, size_times: int) -> tuple[Path, Path]:
    """Write a fleet and its policy; return their files."""
    stress = make(kind, seed, size_times)
    fleet, policy = work / "fleet.json", work / "policy.yaml"
    fleet.write_text(json.dumps(stress.fleet))
    more = "".join(f"  - {json.dumps(rule)}\n" for rule in stress.rules)
    policy.write_text(POLICY.read_text() + more)
    return fleet, policy


def _planning(fleet: Path, policy: Path, limit_s: float, *start: str) -> tuple[str, ...]:
    limits = ("--time-limit", f"{limit_s:g}", "--workers", "1", "-o", str(fleet.with_name("plan.json")))
    return (sys.executable, *start, "plan", str(fleet), "--policy", str(policy), *limits)


def limited_runs(kind: str, seeds: range, limit_s: float, size_times: int = 1) -> dict[str, Any]:
    """Plan fleets of a kind at a limit, by the CPU time of each process, and say which was latest."""
    late, failed, worst, unrepaired = 0, [], -limit_s, 0
    with tempfile.TemporaryDirectory(prefix="remora-limits-") as name:
        for seed in seeds:
            fleet, policy = _written(Path(name), kind, seed, size_times)
            command = _planning(fleet, policy, limit_s, "-m", "benchmarks.by_cpu")
            child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            over = overrun(usage.ru_utime + usage.ru_stime, limit_s)
            worst, late = max(worst, over), late + (over > 0)
            unrepaired += child.returncode == 1
            if child.returncode not in ENDS:
                failed.append(f"seed {seed}: exit {child.returncode}")
    return {"fleets": len(seeds), "late": late, "worst_s": round(worst, 2), "remaining": unrepaired, "failed": failed}


def interrupted_runs(kind: str, seeds: range, limit_s: float, size_times: int = 1) -> dict[str, Any]:
    """Interrupt the planning of fleets at random instants; say how long the slowest took to end, and if it had a plan.

    Seconds to the end are those of the process's own CPU time, but never more than the wall's.
    """
    late, failed, worst, plans = 0, [], 0.0, 0
    with tempfile.TemporaryDirectory(prefix="remora-interrupts-") as name:
        for seed in seeds:
            rng = random.Random(seed)
            fleet, policy = _written(Path(name), kind, seed, size_times)
            plan = fleet.with_name("plan.json")
            plan.unlink(missing_ok=True)
            command = _planning(fleet, policy, 10 * limit_s, str(ROOT / "cli.py"))
            child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            before = _when_it_has_worked(child, rng.uniform(0.1, limit_s))
            sent = time.perf_counter()
            os.kill(child.pid, rng.choice((signal.SIGINT, signal.SIGTERM)))  # where it has ended, it still waits for us
            assert child.stderr is not None
            complained = child.stderr.read().decode("utf-8", "replace")
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            spent = usage.ru_utime + usage.ru_stime - before if before is not None else 0.0
            took = min(time.perf_counter() - sent, spent)
            worst, late, plans = max(worst, took), late + (took > SLACK_S), plans + plan.exists()
            if child.returncode not in (*ENDS, INTERRUPTED) or "Traceback" in complained:
                failed.append(f"seed {seed}: exit {child.returncode}: {complained[-LAST_WORDS:]}")
    return {"fleets": len(seeds), "late": late, "worst_s": round(worst, 2), "plans": plans, "failed": failed}


def _when_it_has_worked(child: subprocess.Popen[bytes], cpu_s: float) -> float | None:
    """Wait until a process has taken that much CPU time; return how much it has by then, None where it has ended."""
    while (taken := _cpu_of(child.pid)) is not None and taken < cpu_s:
        time.sleep(POLL_S)
    return taken


def _cpu_of(pid: int) -> float | None:
    """Return the CPU seconds that a process has taken; None where it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    if fields[0] == "Z":
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one row and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stress.trial", description=__doc__)
    parser.add_argument("trial", choices=("limits", "interrupts"))
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("fleets", type=int)
    parser.add_argument("limit", type=float, help="seconds")
    parser.add_argument("--size-times", type=int, default=1, help="how many times their usual size the fleets have")
    asked = parser.parse_args(arguments)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell sets it aside for what runs in the background
    runs = limited_runs if asked.trial == "limits" else interrupted_runs
    found = runs(asked.kind, range(asked.fleets), asked.limit, asked.size_times)
    print(json.dumps(found))
    return int(bool(found["late"] or found["failed"]))


if __name__ == "__main__":
    sys.exit(main())
