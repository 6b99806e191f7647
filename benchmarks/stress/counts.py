"""Whether a search ends by time and never by a count: the same easy repair, many times over.

    python -m benchmarks.stress.counts [--kinds pairs need-each join-one] [--sizes 50 200 800 5000] [--limit 20]

plans fleets in which a number of hosts (or VMs, or domains) each need one easy repair, in process and by CPU time, with
one worker; prints for each how many are left, the moves, the fewest there can be, what stopped the search, and the CPU
seconds; judges each plan by `verify`; and ends with 1 if one is left although time was not what ended it, or a plan
does not hold.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from typing import TYPE_CHECKING

from benchmarks.stress.fleets import KINDS
from constraints import CATALOGUE, SHIPPED
from optimizer.clock import SystemClock
from optimizer.pipeline import Request, make_plan
from optimizer.sources.fleet_json import fleet_from_document
from optimizer.sources.policy_yaml import read_policy
from optimizer.verify.verify import verify

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

EASY = ("pairs", "need-each", "join-one")


class _CpuClock(SystemClock):
    """Counts the CPU time of this process, so that other work on the machine does not matter."""

    def monotonic(self) -> float:
        return time.process_time()


def _row(kind: str, size: int, limit_s: float) -> tuple[str, bool]:
    """Plan one fleet; return its line of the table, and whether it is as it should be."""
    stress = KINDS[kind][0](random.Random(f"{kind} of {size}"), size)
    fleet, policy = fleet_from_document(stress.fleet, kind), read_policy("default", CATALOGUE, SHIPPED)
    began = time.process_time()
    plan = make_plan(fleet, policy, Request(seconds=limit_s, workers=1), clock=_CpuClock())
    took = time.process_time() - began
    harm = next(stage for stage in plan.objective if stage.stage == "harm")
    holds = not verify(fleet, policy, plan).findings
    words = [kind, size, len(plan.remaining), len(plan.moves), stress.clean, harm.stopped_by or "-", f"{took:.1f} s"]
    cells = [f"{word:,}" if isinstance(word, int) else str(word) for word in words]
    right = holds and (harm.value == 0 or harm.stopped_by == "time")
    return "| " + " | ".join([*cells, "verified" if holds else "**does not hold**"]) + " |", right


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stress.counts")
    parser.add_argument("--kinds", nargs="+", choices=EASY, default=["pairs"])
    parser.add_argument("--sizes", type=int, nargs="+", default=[50, 200, 800, 5000])
    parser.add_argument("--limit", type=float, default=20.0, help="CPU seconds for each plan")
    asked = parser.parse_args(arguments)
    print("| kind | repairs needed | left | moves | fewest moves | stopped by | CPU | verify |")
    print("|---|--:|--:|--:|--:|---|--:|---|")
    wrong = 0
    for kind in asked.kinds:
        for size in asked.sizes:
            line, right = _row(kind, size, asked.limit)
            print(line, flush=True)
            wrong += not right
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
