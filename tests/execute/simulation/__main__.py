"""Runs seeds and says what came of them:  python -m tests.execute.simulation FIRST NUMBER [--seconds S]

A seed that breaks something is printed, and can be run again alone (NUMBER 1), with its history. With `--seconds` it
stops after that much CPU time, however many seeds are left; at SIGINT or SIGTERM it stops after the seed that it is in.
Either way it says what the seeds until then came to. Each minute it says on standard error how far it is.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.execute.simulation.simulate import simulate, without_admission

if TYPE_CHECKING:
    from tests.execute.simulation.simulate import Simulation

PROGRESS_S = 60.0


@dataclass
class Tally:
    """What the seeds so far came to."""

    first: int
    reached: Counter[str] = field(default_factory=Counter)
    steps: list[int] = field(default_factory=list)
    faults: list[int] = field(default_factory=list)
    moves: int = 0
    broken: int = 0
    began: float = field(default_factory=time.process_time)

    def add(self, found: Simulation) -> None:
        """Count one more seed, and print what it broke."""
        self.steps.append(found.steps)
        self.faults.append(found.faults)
        self.moves += found.moves
        self.reached.update(found.reached)
        if found.broken:
            self.broken += 1
            print(f"seed {found.seed}: {found.broken[:3]}", flush=True)

    def __str__(self) -> str:
        """Return the seeds, their moves and what broke, in a line."""
        took = time.process_time() - self.began
        seeds = f"{len(self.steps):,} seeds from {self.first}"
        return f"{seeds}, {self.moves:,} simulated moves, {self.broken} broken; {took:,.0f} s of CPU"


def main(first: int, number: int, seconds: float) -> int:
    """Run `number` seeds from `first` on; returns 1 if one of them broke something."""
    tally, asked = Tally(first), list[int]()
    for which in (signal.SIGINT, signal.SIGTERM):
        signal.signal(which, lambda got, _: asked.append(got))
    said = time.monotonic()
    with without_admission():
        for seed in range(first, first + number):
            if asked or time.process_time() - tally.began >= seconds:
                print("stopped before the last seed", flush=True)
                break
            found = simulate(seed)
            tally.add(found)
            if found.broken and number == 1:
                print(*found.history, sep="\n")
            if time.monotonic() - said >= PROGRESS_S:
                said = time.monotonic()
                print(tally, file=sys.stderr, flush=True)
    print(tally)
    for what, numbers in (("steps (events and effects of the core)", tally.steps), ("faults", tally.faults)):
        print(f"{what}: {sum(numbers):,}, at least {min(numbers, default=0)} in a seed")
    print(", ".join(f"{name} {n:,}" for name, n in sorted(tally.reached.items(), key=lambda item: item[1])))
    return 1 if tally.broken else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.execute.simulation")
    parser.add_argument("first", type=int)
    parser.add_argument("number", type=int)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="of CPU time, at most")
    asked = parser.parse_args()
    sys.exit(main(asked.first, asked.number, asked.seconds))
