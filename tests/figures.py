"""Every figure that the program is held to, each by the command that prints it.

    python -m tests.figures [--list] [--only TEXT ...]

runs them one after the other, hours in all, and prints for each what is asked, the command, its output, and whether it
held; then a table of all. It ends with 1 if one did not. `--only` takes those whose area or name has one of the texts.
A figure has no meaning on a machine where much else runs, unless it counts CPU time.
"""

from __future__ import annotations

import argparse
import resource
import shlex
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.execute import postgres_server

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["FIGURES", "Figure", "main"]

ROOT = Path(__file__).resolve().parent.parent

POSTGRES = "{postgres}"
"""In a command: the address of a PostgreSQL that is started for it."""

LONGEST_S = 3 * 3600.0
"""No command runs longer."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure: its area, a name, what is asked of it, and the words behind the interpreter that judge it."""

    area: str
    name: str
    asked: str
    command: str


FIGURES = (
    Figure("planning", "limits", "no process late, at limits of 1 to 10 s", "-m benchmarks.stress.table"),
    Figure("planning", "causes", "0 of 500 and more causes wrong", "-m tests.planning.causes 500 91000"),
    Figure(
        "planning",
        "counts",
        "none left, the fewest moves",
        "-m benchmarks.stress.counts --kinds pairs need-each join-one",
    ),
    Figure("planning", "tampering", "no changed plan passes, none crashes", "-m tests.verify.tampering"),
    Figure("planning", "growth", "verify grows as the fleet does", "-m tests.verify.growth"),
    Figure("planning", "fuzz", "an hour without an internal error", "-m tests.fuzz --seconds 3600 --seed 1"),
    Figure("planning", "regression", "no figure worse than the baseline", "cli.py bench --check"),
    Figure("planning", "ablation", "what each mechanism is worth", "cli.py bench ablation"),
    Figure("executor", "crash points", "killed 10 times at each, 0 broken", "-m tests.execute.crashes matrix"),
    Figure("executor", "pairs of crashes", "1,296, 0 broken", "-m tests.execute.crashes pairs"),
    Figure("executor", "lost writes", "nothing acknowledged is lost", "-m tests.execute.crashes writes"),
    Figure(
        "executor",
        "simulation",
        "1,000,000 moves, 0 broken",
        "-m tests.execute.simulation 0 200000 --shape large --moves 1000000",
    ),
    Figure("executor", "agents", "256 seeds, 0 broken", "-m tests.execute.simulation 0 256 --shape agents"),
    Figure("executor", "planted bugs", "each is found", "-m tests.execute.simulation.mutants"),
    Figure("executor", "stops", "200 on each ledger, 0 submits after", "-m tests.execute.crashes stops"),
    Figure("executor", "stop, SQLite", "time to effect (p99)", "-m benchmarks.stop"),
    Figure("executor", "stop, PostgreSQL", "time to effect (p99)", f"-m benchmarks.stop --ledger {POSTGRES}"),
    Figure("executor", "leaders", "100 schedules, no effect by an old epoch", "-m tests.execute.crashes leaders"),
    Figure(
        "executor", "gateway", "15,000 agents, 10 connections at most", f"-m benchmarks.gateway --ledger {POSTGRES}"
    ),
    Figure(
        "executor", "drift", "30 days, 0.1 % back and forth at most", "-m tests.service.drift --fleet large --seeds 3"
    ),
    Figure("executor", "pace", "not longer than 1, 2 or 3 a host", f"-m benchmarks.executor --ledger {POSTGRES}"),
    Figure("executor", "pace, rates unknown", "the same", "-m benchmarks.executor --unknown --only times"),
    Figure("signals", "interference", "precision 0.95, recall 0.85", "-m benchmarks.interference --hosts 1000"),
    Figure("signals", "kernel PSI", "precision 0.90, recall 0.80", "-m benchmarks.interference psi"),
    Figure("signals", "reading", "50,000 series in 10 s and 600 MB", "-m benchmarks.signals"),
    Figure("signals", "noisy week", "one false alarm a host-month at most", "-m benchmarks.noisy_week"),
    Figure("signals", "days", "3 days, every cycle accounted for", "-m tests.service.days --days 3"),
    Figure("capacity", "seconds", "5, 30 and 60 s by question", "-m benchmarks.whatif seconds"),
    Figure("capacity", "gains", "5 % more by 20 moves on 5 fleets", "-m benchmarks.whatif gains"),
    Figure("capacity", "hroller", "never more waves", "-m benchmarks.whatif waves"),
    Figure("capacity", "hspace", "never fewer VMs, 100 times less CPU", "-m benchmarks.whatif hspace"),
    Figure("capacity", "requests", "a placement a request", "-m benchmarks.whatif requests"),
    Figure("capacity", "forecast", "bands hold 80 % +- 5", "-m benchmarks.whatif forecast"),
    Figure("capacity", "balance", "the tolerance by the fewest moves", "cli.py bench balance-tolerance"),
    Figure("capacity", "balance by moves", "never worse than rivals", "cli.py bench balance-moves"),
    Figure("capacity", "explanations", "first within 10 s, minimal, helps", "-m benchmarks.explain"),
)


def held(figure: Figure) -> tuple[bool, float, float]:
    """Run one, its output to ours; return whether it ended with 0, and its seconds and CPU seconds."""
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    words = shlex.split(figure.command)
    print(f"\n== {figure.area}, {figure.name}: {figure.asked}\n$ python {figure.command}", flush=True)
    if POSTGRES in words and (why := postgres_server.missing()):
        print(why, flush=True)
        return False, 0.0, 0.0
    with ExitStack() as stack:
        if POSTGRES in words:
            directory = stack.enter_context(postgres_server.running())
            words = [postgres_server.schema_address(directory, "figures") if w == POSTGRES else w for w in words]
        try:
            code = subprocess.run((sys.executable, *words), cwd=ROOT, timeout=LONGEST_S, check=False).returncode
        except subprocess.TimeoutExpired:
            print(f"did not end within {LONGEST_S:,.0f} s", flush=True)
            code = -1
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return code == 0, time.monotonic() - began, cpu_s


def main(arguments: Sequence[str] | None = None) -> int:
    """Run those asked for, or list them; return 1 if one did not hold, 2 if there is none such."""
    parser = argparse.ArgumentParser(prog="python -m tests.figures", description=__doc__)
    parser.add_argument("--list", action="store_true", help="print what there is, and run nothing")
    parser.add_argument("--only", nargs="+", metavar="TEXT", help="areas or names that have one of these")
    asked = parser.parse_args(arguments)
    chosen = [f for f in FIGURES if not asked.only or any(t in f"{f.area}, {f.name}" for t in asked.only)]
    if not chosen:
        print(f"no figure has {' or '.join(asked.only)} in its area or name: --list prints all", file=sys.stderr)
        return 2
    if asked.list:
        for figure in chosen:
            print(f"{figure.area:9} {figure.name:20} {figure.asked:42} python {figure.command}")
        return 0
    rows = [(figure, *held(figure)) for figure in chosen]
    print("\n| figure | asked | | s | CPU s |\n|---|---|---|--:|--:|")
    for figure, well, seconds, cpu_s in rows:
        verdict = "held" if well else "**NOT held**"
        print(f"| {figure.area}, {figure.name} | {figure.asked} | {verdict} | {seconds:,.0f} | {cpu_s:,.0f} |")
    return int(not all(well for _, well, _, _ in rows))


if __name__ == "__main__":
    sys.exit(main())
