"""``python -m benchmarks.whatif QUESTION [HOSTS ...]``: a table of one question, in Markdown.

forecast, seconds and gains have no sizes; waves, hspace and requests take numbers of hosts. seconds and gains want
REMORA_DATA. It ends with 1 where what is asked of the answers does not hold.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from benchmarks.whatif.forecasts import quality
from benchmarks.whatif.ganeti import print_waves
from benchmarks.whatif.hspace import print_rooms
from benchmarks.whatif.requests import print_requests
from benchmarks.whatif.seconds import SIZE, ask, given_fleets, print_seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

LIMIT_S = 60
GAIN, GAINING = 0.05, 5
"""By how much rearranging has to pay, and on how many fleets."""
COVERAGE = (0.75, 0.85)
"""Share of values within the band of 80 %."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 1 where what is asked does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.whatif", description=__doc__)
    by_size = {"waves": print_waves, "hspace": print_rooms, "requests": print_requests}
    whole = {"forecast": _forecast, "seconds": print_seconds, "gains": _gains}
    parser.add_argument("question", choices=(*whole, *by_size))
    parser.add_argument("hosts", nargs="*", type=int, help="sizes; by default those of the page")
    asked = parser.parse_args(arguments)
    if asked.question in whole:
        if asked.hosts:
            parser.error(f"{asked.question} has no sizes")
        return int(not whole[asked.question]())
    return int(not by_size[asked.question](asked.hosts))


def _forecast() -> bool:
    well = True
    for seed in (1, 2, 3):
        found = quality(seed, 300)
        print(
            f"seed {seed}: {found.series} series, {found.coverage:.1%} of values within the band of 80 %, days to a "
            f"level 30 days ahead wrong by {found.days_error:.0%} (median), by back-tests {found.tested_days_error:.0%}"
        )
        well &= COVERAGE[0] <= found.coverage <= COVERAGE[1]
    return well


def _gains() -> bool:
    """How many more fit after at most 20 moves."""
    print("| fleet | fit now | after at most 20 moves | more | at most | wall s |")
    print("|---|--:|--:|--:|--:|--:|")
    gaining = 0
    for name, path in given_fleets().items():
        limits = ("--moves", "20", "--time-limit", str(LIMIT_S))
        answer, wall, _ = ask("fit", str(path), "--flavour", SIZE, *limits)
        now, last = answer["value"], answer["after_moves"][-1]
        more = f"{(last['value'] - now) / now:.1%}" if now else "-"
        print(f"| {name} | {now:,} | {last['value']:,} | {more} | {last['bound']:,} | {wall:.1f} |", flush=True)
        gaining += last["value"] >= now * (1 + GAIN) and last["value"] > now
    return gaining >= GAINING


if __name__ == "__main__":
    sys.exit(main())
