"""Lets executors die, stop and compete, and prints what came of it:

python -m tests.execute.crashes matrix [--hits N]      each crash point by SIGKILL, N times (10) on both ledgers
python -m tests.execute.crashes pairs                  each pair of a crash and another during the recovery
python -m tests.execute.crashes stops [--number N]     `remora stop` at N instants (200) on both ledgers
python -m tests.execute.crashes leaders [--number N]   paused and competing leaders, N schedules (100) on both ledgers
python -m tests.execute.crashes writes [--number N]    power cuts at every instant of N runs (4)

What is broken is printed with its seed, and makes it end with 1. `--ledger` asks for one of the two alone.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from optimizer.execute.probes import INSTANTS, PROBES, STEPS
from tests.execute.crashes.leaders import Schedule
from tests.execute.crashes.matrix import die
from tests.execute.crashes.pairs import Life
from tests.execute.crashes.places import KINDS, Places, places
from tests.execute.crashes.stops import Stopped, instant
from tests.execute.simulation.simulate import without_admission


def matrix(kinds: tuple[str, ...], hits: int) -> int:
    """Kill at each point, on each kind of ledger; print a table of the kills."""
    broken, processes, killed = 0, 0, Counter[tuple[str, str]]()
    for kind in kinds:
        with places(kind) as new:
            for point in PROBES:
                for seed in range(hits):
                    death = die(point, seed, new)
                    killed[point, kind] += death.killed
                    processes += death.starts
                    broken += _say(f"{kind}, {point}, seed {seed}", death.broken)
    print(f"kills by SIGKILL ({', '.join(kinds)})")
    print(f"{'step':10}" + "".join(f"{when:>10}" for when in INSTANTS))
    for step in STEPS:
        cells = [" ".join(str(killed[f"{when} {step}", kind]) for kind in kinds) for when in INSTANTS]
        print(f"{step:10}" + "".join(f"{cell:>10}" for cell in cells))
    print(f"{killed.total()} kills, {processes} processes, {broken} broken")
    return broken


def pairs() -> int:
    """Visit each pair of a crash and another during the recovery."""
    broken = visited = 0
    for i, first in enumerate(PROBES):
        for j, second in enumerate(PROBES):
            life = Life(36 * i + j, (first, second))
            broken += _say(f"{first}, then {second}, seed {36 * i + j}", life.run())
            visited += not life.points
    print(f"{visited} pairs of a crash and another in the recovery, {broken} broken")
    return broken


def stops(kind: str, number: int, new: Places) -> int:
    """Press the button at that many instants."""
    broken = running = submits = 0
    for seed in range(number):
        trial = Stopped(seed, instant(seed, number), new, abort=seed % 2 == 1)
        broken += _say(f"{kind}, stop {seed} of {number}", trial.run())
        running += trial.was_running
        submits += trial.submits_before
    print(f"{kind}: {number} stops, {running} during a run, {submits} submits before them, {broken} broken")
    return broken


def leaders(kind: str, number: int, new: Places) -> int:
    """Let that many schedules of leaders run."""
    broken = taken = blocked = lost = 0
    for seed in range(number):
        schedule = Schedule(seed, new)
        broken += _say(f"{kind}, schedule {seed}", schedule.run())
        taken += schedule.taken_over
        blocked += schedule.blocked
        lost += schedule.said.count("lost the lead")
    print(
        f"{kind}: {number} schedules, {taken} times the lead was taken from one that was paused, {lost} found that it "
        f"had lost it, {blocked} times one was paused within a transaction and the other waited; {broken} broken"
    )
    return broken


def writes(number: int) -> int:
    """Cut the power at every instant, with each way of syncing; only EXTRA may lose nothing."""
    from tests.execute.crashes.writes import cuts, lost_by, recorded

    broken = 0
    for synchronous in ("EXTRA", "FULL", "NORMAL", "OFF"):
        lost = tried = commits = operations = 0
        with TemporaryDirectory(prefix="remora-cuts-") as directory:
            for seed in range(number if synchronous == "EXTRA" else 1):
                run = recorded(seed, synchronous)
                operations += len(run.operations)
                commits += sum(o.what == "delete" for o in run.operations)
                for what, acknowledged, files in cuts(run, range(len(run.operations)), seed):
                    tried += 1
                    found = lost_by(run, acknowledged, files, Path(directory))
                    lost += bool(found)
                    if synchronous == "EXTRA":
                        broken += _say(f"seed {seed}, {what}", [found] if found else [])
        print(
            f"{synchronous:6} {commits} commits, {operations} operations, {tried} outcomes of a cut, {lost} with a loss"
        )
    return broken


def _say(what: str, found: list[str]) -> bool:
    for one in found[:3]:
        print(f"{what}: {one}")
    return bool(found)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.execute.crashes", description=__doc__)
    parser.add_argument("what", choices=("matrix", "pairs", "stops", "leaders", "writes"))
    parser.add_argument("--hits", type=int, default=10)
    parser.add_argument("--number", type=int)
    parser.add_argument("--ledger", choices=KINDS)
    asked = parser.parse_args()
    kinds, broken = (asked.ledger,) if asked.ledger else KINDS, 0
    with without_admission():
        if asked.what == "pairs":
            broken = pairs()
        elif asked.what == "writes":
            broken = writes(asked.number or 4)
        elif asked.what == "matrix":
            broken = matrix(kinds, asked.hits)
        else:
            for kind in kinds:
                with places(kind) as new:
                    if asked.what == "stops":
                        broken += stops(kind, asked.number or 200, new)
                    else:
                        broken += leaders(kind, asked.number or 100, new)
    times = os.times()
    print(f"{sum(times[:4]):.0f} s of CPU")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
