"""The judge of a rival's balance: the cost that the rule `--balance` itself counts, its moves, and what it breaks.

``python -m benchmarks.peers.judge_balance FLEET ASSIGNMENT RESOURCE MOVES`` prints these; it ends with 0 if no must is
broken, no instance is worse, and there are no more moves than that (0: any number).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.peers.judge import judged
from benchmarks.policy import default_policy
from constraints.scope.best_balance import BestBalance
from optimizer.fleet import State
from optimizer.sources.fleet_json import read_fleet

if TYPE_CHECKING:
    from optimizer.fleet import Fleet

__all__ = ["balance_of"]


def balance_of(fleet: Fleet, assignment: dict[str, str], resource: str) -> dict[str, int]:
    """Return the moves, what is broken, and the cost of an assignment's end."""
    placement = fleet.vms.host.copy()
    for name, host in assignment.items():
        placement[fleet.vm_index[name]] = fleet.host_index[host]
    cost = BestBalance(words=(resource,)).cost(State(fleet, placement))
    return {**judged(fleet, default_policy(), assignment), "cost": cost}


def main(path: str, answer: str, resource: str, moves: str) -> int:
    """Judge; the exit code."""
    document: dict[str, Any] = json.loads(Path(answer).read_bytes())
    figures = balance_of(read_fleet(path), document, resource)
    print(json.dumps(figures))
    left = [f"{name}: {figures[name]}" for name in ("musts broken", "worse") if figures[name]]
    if int(moves) and figures["moves"] > int(moves):
        left.append(f"{figures['moves']} moves instead of {moves}")
    print(", ".join(left) or "clean", file=sys.stderr)
    return 1 if left else 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
