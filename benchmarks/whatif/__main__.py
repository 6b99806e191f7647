"""``python -m benchmarks.whatif forecast | seconds | gains | waves | hspace | requests``; two want REMORA_DATA."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.whatif.forecasts import quality
from benchmarks.whatif.ganeti import print_waves
from benchmarks.whatif.hspace import print_rooms
from benchmarks.whatif.requests import print_requests

ROOT = Path(__file__).parents[2]
SIZE = "cpu=4,memory=16GiB,disk=50GiB"
LIMIT_S = 60


def main(arguments: list[str]) -> int:
    """Print what was asked for."""
    asked = {"forecast": _forecast, "seconds": _seconds, "gains": _gains}
    by_size = {"waves": print_waves, "hspace": print_rooms, "requests": print_requests}
    if arguments and arguments[0] in by_size:
        by_size[arguments[0]](arguments[1:])
        return 0
    if not arguments or arguments[0] not in asked:
        sized = " | ".join(f"{name} [HOSTS ...]" for name in by_size)
        print(f"python -m benchmarks.whatif {' | '.join(asked)} | {sized}", file=sys.stderr)
        return 2
    asked[arguments[0]]()
    return 0


def _forecast() -> None:
    for seed in (1, 2, 3):
        found = quality(seed, 300)
        print(
            f"seed {seed}: {found.series} series, {found.coverage:.1%} of values within the band of 80 %, days to a "
            f"level 30 days ahead wrong by {found.days_error:.0%} (median), by back-tests {found.tested_days_error:.0%}"
        )


def _fleets() -> dict[str, Path]:
    data = Path(os.environ.get("REMORA_DATA", ROOT.parent / "shared" / "data"))
    return {p.name.partition(".")[0]: p for p in sorted((data / "fleets").glob("*.json.xz"))}


def _ask(*arguments: str) -> tuple[dict[str, Any], float, float, float]:
    """Return the answer of a process of its own, its wall and CPU seconds, and its peak memory in MiB."""
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, str(ROOT / "cli.py"), "whatif", *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=600)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if done.returncode not in (0, 1):
        raise RuntimeError(done.stderr.decode())
    return json.loads(done.stdout), time.monotonic() - began, cpu, after.ru_maxrss / 1024


def _seconds() -> None:
    with tempfile.TemporaryDirectory() as directory:
        large = Path(directory) / "large.json"
        made = [
            sys.executable,
            str(ROOT / "cli.py"),
            "generate",
            "--hosts",
            "10000",
            "--vms",
            "100000",
            "-o",
            str(large),
        ]
        subprocess.run(made, check=True, capture_output=True)
        fleets = {"1,000 / 10,000": _fleets()["fleet-1000"], "10,000 / 100,000": large}
        print("| fleet | question | answer | bound | wall s | CPU s |")
        print("|---|---|--:|--:|--:|--:|")
        for name, path in fleets.items():
            questions = {
                "fit": ("fit", str(path), "--flavour", SIZE),
                "fit, groups of 3 over racks": (
                    "fit",
                    str(path),
                    "--flavour",
                    SIZE,
                    "--replicas",
                    "3",
                    "--level",
                    "rack",
                ),
                "place 100": ("place", str(path), "--flavour", SIZE, "--count", "100"),
            }
            for what, arguments in questions.items():
                answer, wall, cpu, _ = _ask(*arguments)
                value = answer.get("value", answer.get("placed"))
                print(f"| {name} | {what} | {value:,} | {answer['bound']:,} | {wall:.1f} | {cpu:.1f} |")


def _gains() -> None:
    """How many more fit after at most 20 moves."""
    print("| fleet | fit now | after at most 20 moves | more | at most | wall s |")
    print("|---|--:|--:|--:|--:|--:|")
    for name, path in _fleets().items():
        limits = ("--moves", "20", "--time-limit", str(LIMIT_S))
        answer, wall, _, _ = _ask("fit", str(path), "--flavour", SIZE, *limits)
        now, last = answer["value"], answer["after_moves"][-1]
        more = f"{(last['value'] - now) / now:.1%}" if now else "-"
        print(f"| {name} | {now:,} | {last['value']:,} | {more} | {last['bound']:,} | {wall:.1f} |", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
