"""`python -m benchmarks.explain [--hosts 1000] [--each 4] [--seconds 10] [--only KIND]`: prints a table in Markdown.

Asks `remora explain`, each time as a whole process whose clock counts CPU seconds (`benchmarks/by_cpu.py`), what stops
something that cannot be, on fleets made for it (`fleets.py`). For each kind: how many of its cases were proven, when
the first set was there (CPU seconds from the start of the process) and when all was done, items and elements of the
sets, how many are minimal in either, and for how many of them a change was planned again that helps.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from benchmarks.case import PYTHON, ROOT
from benchmarks.explain.fleets import KINDS, planted

FIRST_S, ITEMS = 10.0, 6
EXPLAIN = (*PYTHON, "-m", "benchmarks.by_cpu", "explain")


class Asked(NamedTuple):
    """One case and its answer."""

    kind: str
    first_s: float
    whole_s: float
    answer: dict[str, Any]

    @property
    def proven(self) -> bool:
        """Whether it was shown that something stops it."""
        return bool(self.answer["verdict"] == "stopped")


def ask(kind: str, seed: int, hosts: int, seconds: float, directory: Path) -> Asked:
    """Ask one question, and measure."""
    case = planted(kind, seed, hosts)
    path = directory / "fleet.json"
    path.write_text(json.dumps(case.document()))
    command = [*EXPLAIN, str(path), *case.ask, "--time-limit", str(seconds), "--json"]
    before = _cpu_of_children()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    whole = _cpu_of_children() - before
    answer = json.loads(done.stdout)
    if "verdict" not in answer:
        raise RuntimeError(f"{kind} {seed}: {answer}")
    return Asked(kind, whole - answer["seconds"] + answer["first_seconds"], whole, answer)


def _cpu_of_children() -> float:
    """Return the CPU seconds of all processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def row(name: str, asked: list[Asked]) -> str:
    """Return a line of the table."""
    proven = [a for a in asked if a.proven]
    if not proven:
        return f"| {name} | {len(asked)} | 0 | - | - | - | - | - | - |"
    items = [len(a.answer["items"]) for a in proven]
    elements = [sum(len(i["elements"]) for i in a.answer["items"]) for a in proven]
    minimal = sum(a.answer["minimal"] for a in proven)
    by_items = sum(a.answer["items_minimal"] for a in proven)
    helped = sum(any(h["verified"] for h in a.answer["helps"]) for a in proven)
    return (
        f"| {name} | {len(asked)} | {len(proven)} | {max(a.first_s for a in proven):.1f} | "
        f"{max(a.whole_s for a in proven):.1f} | {median(items):g} (most {max(items)}) | {median(elements):g} | "
        f"{by_items}, {minimal} | {helped} |"
    )


def main() -> int:
    """Ask all, and print; return 1 if a first answer is late or the median set has too many items."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.explain")
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--each", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--only", choices=sorted(KINDS))
    given = parser.parse_args()
    print(
        "| what cannot be | cases | proven | first s | all s | items | elements | minimal: items, elements | helped |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    everything: list[Asked] = []
    with tempfile.TemporaryDirectory() as name:
        for kind in [given.only] if given.only else KINDS:
            asked = [ask(kind, seed, given.hosts, given.seconds, Path(name)) for seed in range(given.each)]
            everything += asked
            print(row(kind, asked), flush=True)
    print(row("all", everything))
    proven = [a for a in everything if a.proven]
    late = [a for a in proven if a.first_s > FIRST_S]
    return int(len(proven) < len(everything) or bool(late) or median(len(a.answer["items"]) for a in proven) > ITEMS)


if __name__ == "__main__":
    sys.exit(main())
