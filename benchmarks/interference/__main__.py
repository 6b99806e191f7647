"""`python -m benchmarks.interference [psi] [--hosts 1000] [--rounds 6] [--seed 2026]`: prints a table in Markdown.

Without a word the simulation, with `psi` the rig of cgroups on this machine (root, cgroup v2, about 7 minutes):
`--outside N` with N processes of its own outside of the groups, `--nice -15` before everything else that runs; the
priority of the session that it is called from is then the same until it ends.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from benchmarks.interference import psi, simulation
from benchmarks.interference.psi_groups import Unable

if TYPE_CHECKING:
    from collections.abc import Generator


def main() -> int:
    """Print the table; 1 where the evidence is right less often than is asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.interference", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("simulation", "psi"), default="simulation")
    parser.add_argument("--rounds", type=int, default=psi.ROUNDS)
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--outside", type=int, default=0)
    parser.add_argument("--nice", type=int, default=0)
    asked = parser.parse_args()
    try:
        if asked.what == "psi":
            return int(not _held(psi.lines(asked.seed, asked.rounds, psi.Conditions(asked.outside, asked.nice), _tell)))
        return int(not _held(simulation.lines(asked.hosts, asked.seed, _tell)))
    except Unable as error:
        _tell(f"this machine cannot run the rig: {error}")
        return 2


def _held(lines: Generator[str, None, bool]) -> bool:
    """Print all lines; return whether the figures are what is asked."""
    while True:
        try:
            print(next(lines), flush=True)
        except StopIteration as end:
            return bool(end.value)


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
