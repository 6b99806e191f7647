"""Runs seeds and says what came of them:  python -m tests.execute.simulation FIRST NUMBER [--seconds S]

A seed that breaks something is printed, and can be run again alone (NUMBER 1), with its history. With `--seconds` it
stops after that much CPU time, however many seeds are left.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from tests.execute.simulation.simulate import simulate, without_admission


def main(first: int, number: int, seconds: float) -> int:
    """Run `number` seeds from `first` on; returns 1 if one of them broke something."""
    reached: Counter[str] = Counter()
    steps: list[int] = []
    faults: list[int] = []
    moves = broken = 0
    began = time.process_time()
    with without_admission():
        for seed in range(first, first + number):
            if time.process_time() - began >= seconds:
                break
            found = simulate(seed)
            steps.append(found.steps)
            faults.append(found.faults)
            moves += found.moves
            reached.update(found.reached)
            if found.broken:
                broken += 1
                print(f"seed {seed}: {found.broken[:3]}", flush=True)
                if number == 1:
                    print(*found.history, sep="\n")
    took = time.process_time() - began
    print(f"{len(steps):,} seeds, {moves:,} simulated moves, {broken} broken; {took:,.0f} s of CPU")
    print(f"steps (events and effects of the core): {sum(steps):,}, at least {min(steps)} in a seed")
    print(f"faults: {sum(faults):,}, at least {min(faults)} in a seed")
    print(", ".join(f"{name} {n:,}" for name, n in sorted(reached.items(), key=lambda item: item[1])))
    return 1 if broken else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.execute.simulation")
    parser.add_argument("first", type=int)
    parser.add_argument("number", type=int)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="of CPU time, at most")
    asked = parser.parse_args()
    sys.exit(main(asked.first, asked.number, asked.seconds))
