"""The judge of a rival's answer: the rules' own check, and the reference evaluator; neither knows a solver.

``python -m benchmarks.peers.judge FLEET ASSIGNMENT`` prints how many VMs moved, how many musts are still broken and how
many instances of musts and guards are worse than at the start; it ends with 0 if the last two are none.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.policy import default_policy
from optimizer.fleet import State
from optimizer.problem.evaluate import evaluate
from optimizer.problem.problem import build
from optimizer.problem.rule import Hardness
from optimizer.sources.fleet_json import read_fleet

if TYPE_CHECKING:
    from optimizer.fleet import Fleet
    from optimizer.policy import Policy

__all__ = ["judged"]


def judged(fleet: Fleet, policy: Policy, assignment: dict[str, str]) -> dict[str, int]:
    """Return the judgement of an assignment (host of each VM, by name; who is not named stays).

    Raises
    ------
    ValueError
        If it names a VM or a host that does not exist.
    """
    host = {name: i for i, name in enumerate(fleet.hosts.ids)}
    vm = {name: i for i, name in enumerate(fleet.vms.ids)}
    unknown = sorted((assignment.keys() - vm.keys()) | (set(assignment.values()) - host.keys()))
    if unknown:
        raise ValueError(f"no such VM or host: {unknown[0]}")
    placement = fleet.vms.host.copy()
    for name, at in assignment.items():
        placement[vm[name]] = host[at]
    moved = np.flatnonzero(placement != fleet.vms.host).tolist()
    problem = build(fleet, policy.demands, policy.least)
    barred = [v for v in moved if not problem.movable[v] or not problem.may_enter(v)[placement[v]]]
    state = State(fleet, placement)
    broken = [v for rule in policy.rules for v in rule.check(state) if v.hardness is Hardness.MUST]
    worse = evaluate(problem, placement.tolist()).worse
    return {"moves": len(moved), "musts broken": len(broken), "worse": len(worse) + len(barred)}


def main(fleet: str, answer: str) -> int:
    """Judge; the exit code."""
    document: dict[str, Any] = json.loads(Path(answer).read_bytes())
    figures = judged(read_fleet(fleet), default_policy(), document)
    print(json.dumps(figures))
    left = [f"{name}: {figures[name]}" for name in ("musts broken", "worse") if figures[name]]
    print(", ".join(left) or "clean", file=sys.stderr)
    return 1 if left else 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
