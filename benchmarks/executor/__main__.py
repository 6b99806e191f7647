"""`python -m benchmarks.executor [--moves 1000] [--ledger postgresql://...]`: prints tables in Markdown.

How long plans take over links that copies share, by the executor's own pace and by a fixed number of moves for each
host at once, none with a cap of the fleet and all behind the same canary; beside it a bound below which no
executor comes. Then what the executor itself costs on each ledger. Ends with 1 if a move was not done, a cap was not
held, or the executor's own pace took longer than the best of 1, 2 and 3.
"""

from __future__ import annotations

import argparse
import sys
from math import inf
from typing import TYPE_CHECKING

from benchmarks.executor.carry import NUMBERS, adaptive, carry, fixed
from benchmarks.executor.fleets import KINDS, case_of
from benchmarks.executor.links import least_seconds
from optimizer.execute.states import MoveState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.executor.carry import Carried, Way

MOST = max(NUMBERS)


def minutes(carried: Carried, moves: int) -> str:
    """Return how long it took; in brackets how many moves were not done."""
    left = moves - carried.ended[MoveState.DONE]
    return f"{carried.seconds / 60:.1f}" + (f" ({left} not done)" if left else "")


def times(kinds: Sequence[str], seed: int, moves: int, hosts: int, *, free: bool, knows: bool) -> bool:
    """Print how long each way takes; returns whether the executor's own is never the slower one."""
    fixed_numbers = [*(f"{n} a host" for n in NUMBERS), *(f"{n}, no canary" for n in NUMBERS if free)]
    heads = [*fixed_numbers, "of the best", "of the bound"]
    print("| minutes | Remora | " + " | ".join(heads) + " |\n" + "|---" * (len(heads) + 2) + "|")
    good = True
    for kind in kinds:
        case = case_of(KINDS[kind], seed, moves, hosts, knows=knows)
        own = carry(case, adaptive(MOST))
        behind = [carry(case, fixed(n, canary=True)) for n in NUMBERS]
        without = [carry(case, fixed(n, canary=False)) for n in NUMBERS if free]
        cells = [minutes(c, moves) for c in (own, *behind, *without)]
        best = min((c.seconds for c in behind if c.ended[MoveState.DONE] == moves), default=inf)
        bound = least_seconds(case.plan.moves, case.network)
        print(f"| {kind} | {' | '.join(cells)} | {own.seconds / best:.3f} | {own.seconds / bound:.2f} |", flush=True)
        good &= own.ended[MoveState.DONE] == moves and own.at_once <= MOST and own.seconds <= best
    return good


def costs(ledgers: Sequence[str], seed: int, moves: int, hosts: int, way: Way) -> None:
    """Print what the executor costs."""
    print("\n| ledger | CPU ms a move | commits a move |\n|---|---|---|")
    case = case_of(KINDS["host-bound"], seed, moves, hosts)
    for ledger in ledgers:
        carried = carry(case, way, ledger)
        name = ledger.partition(":")[0] or "SQLite, on disk"
        print(f"| {name} | {1000 * carried.cpu_s / moves:.1f} | {carried.commits / moves:.2f} |", flush=True)


def main() -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.executor", description=__doc__)
    parser.add_argument("--moves", type=int, default=1000)
    parser.add_argument("--hosts", type=int, default=160)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", action="append", choices=sorted(KINDS), help="of fleet; repeat for more")
    parser.add_argument("--ledger", action="append", default=[], metavar="PLACE", help="also: postgresql://...")
    parser.add_argument("--no-canary", action="store_true", help="also fixed numbers without a canary")
    parser.add_argument("--unknown", action="store_true", help="the snapshot does not say what guests dirty")
    parser.add_argument("--only", choices=("times", "costs"))
    asked = parser.parse_args()
    good = True
    if asked.only != "costs":
        ways = {"free": asked.no_canary, "knows": not asked.unknown}
        good = times(asked.kind or list(KINDS), asked.seed, asked.moves, asked.hosts, **ways)
    if asked.only != "times":
        costs(["", *asked.ledger], asked.seed, asked.moves, asked.hosts, adaptive(MOST))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
