"""`python -m benchmarks.interference [--hosts 1000] [--seed 2026]`: prints the table of the simulation in Markdown."""

from __future__ import annotations

import argparse
import sys

from benchmarks.interference.simulation import lines


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.interference", description=__doc__)
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=2026)
    asked = parser.parse_args()
    for line in lines(asked.hosts, asked.seed, lambda text: print(text, file=sys.stderr, flush=True)):
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
