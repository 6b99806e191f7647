"""Runs seeds and says what came of them:  python -m tests.execute.simulation FIRST NUMBER

A seed that breaks something is printed, and can be run again alone (NUMBER 1), with its history.
"""

from __future__ import annotations

import sys
from collections import Counter

from tests.execute.simulation.simulate import simulate, without_admission


def main(first: int, number: int) -> int:
    reached: Counter[str] = Counter()
    steps = submits = broken = 0
    with without_admission():
        for seed in range(first, first + number):
            found = simulate(seed)
            steps += found.steps
            submits += sum(e["what"] == "submit" for e in found.history)
            reached.update(found.reached)
            if found.broken:
                broken += 1
                print(f"seed {seed}: {found.broken[:3]}")
                if number == 1:
                    print(*found.history, sep="\n")
    print(f"{number} seeds, {steps:,} steps, {submits:,} submits, {broken} broken")
    print(", ".join(f"{name} {n}" for name, n in sorted(reached.items(), key=lambda item: item[1])))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
