"""Lets executors die and prints what came of it:  python -m tests.execute.crashes [--hits N] [--pairs] [--only POINT]

Each crash point is hit by a real SIGKILL `--hits` times (10) on both ledgers, and a table says what was broken;
`--pairs` visits each pair of a crash and another during the recovery instead. What is broken is printed with its seed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from optimizer.execute.probes import INSTANTS, PROBES, STEPS
from tests.execute.crashes.matrix import die
from tests.execute.crashes.pairs import Life
from tests.execute.crashes.places import KINDS, places
from tests.execute.simulation.simulate import without_admission


def matrix(points: tuple[str, ...], hits: int, kinds: tuple[str, ...]) -> int:
    """Kill at each point, on each kind of ledger; print a table of the kills."""
    began, broken, killed, starts = time.process_time(), 0, Counter[tuple[str, str]](), 0
    for kind in kinds:
        with places(kind) as new:
            for point in points:
                for seed in range(hits):
                    death = die(point, seed, new)
                    killed[point, kind] += death.killed
                    starts += death.starts
                    broken += bool(death.broken)
                    for what in death.broken[:3]:
                        print(f"{kind}, {point}, seed {seed}: {what}")
    print(f"{'step':10} {'kills by SIGKILL: ' + ', '.join(kinds):46}")
    print(f"{'':10} " + " ".join(f"{when:>14}" for when in INSTANTS))
    for step in STEPS:
        cells = ["  ".join(str(killed[f"{when} {step}", kind]) for kind in kinds) for when in INSTANTS]
        print(f"{step:10} " + " ".join(f"{cell:>14}" for cell in cells))
    cpu = time.process_time() - began
    print(
        f"{killed.total()} kills, {starts} processes, {broken} broken; {cpu:.0f} s of CPU here, without the executors'"
    )
    return broken


def pairs(points: tuple[str, ...]) -> int:
    """Visit each pair of a crash and another during the recovery."""
    began, broken, visited = time.process_time(), 0, 0
    for i, first in enumerate(points):
        for j, second in enumerate(PROBES):
            life = Life(36 * i + j, (first, second))
            found = life.run()
            visited += not life.points
            broken += bool(found)
            for what in found[:3]:
                print(f"{first}, then {second}, seed {36 * i + j}: {what}")
    print(f"{visited} pairs, {broken} broken; {time.process_time() - began:.0f} s of CPU")
    return broken


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.execute.crashes")
    parser.add_argument("--hits", type=int, default=10)
    parser.add_argument("--pairs", action="store_true")
    parser.add_argument("--only", choices=PROBES)
    parser.add_argument("--ledger", choices=KINDS)
    asked = parser.parse_args()
    points = (asked.only,) if asked.only else PROBES
    with without_admission():
        kinds = (asked.ledger,) if asked.ledger else KINDS
        return 1 if (pairs(points) if asked.pairs else matrix(points, asked.hits, kinds)) else 0


if __name__ == "__main__":
    sys.exit(main())
