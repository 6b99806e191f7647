"""The judge of a rival's answer: the reference evaluator, which knows no solver, on the assignment alone.

``python -m benchmarks.peers.judge FLEET ASSIGNMENT`` prints how many VMs moved, how many musts are still broken and how
many instances of musts and guards are worse than at the start; it ends with 0 if the last two are none.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.peers.statement import problem_of
from optimizer.problem.evaluate import evaluate
from optimizer.problem.rule import Hardness

if TYPE_CHECKING:
    from optimizer.problem.problem import Problem

__all__ = ["judged"]


def judged(problem: Problem, assignment: dict[str, str]) -> dict[str, int]:
    """Return the judgement of an assignment (host of each VM, by name).

    Raises
    ------
    ValueError
        If it names a VM or a host that does not exist.
    """
    host = {name: i for i, name in enumerate(problem.host_ids)}
    vm = {name: i for i, name in enumerate(problem.vm_ids)}
    unknown = sorted((assignment.keys() - vm.keys()) | (set(assignment.values()) - host.keys()))
    if unknown:
        raise ValueError(f"no such VM or host: {unknown[0]}")
    placement = problem.start.tolist()
    for name, at in assignment.items():
        placement[vm[name]] = host[at]
    judgement = evaluate(problem, placement)
    moved = [v for v in range(problem.vms) if placement[v] != problem.start[v]]
    entered = [v for v in moved if not problem.movable[v] or not problem.may_enter(v)[placement[v]]]
    musts = [i for i in judgement.excess if problem.atoms[i.atom].asked.hardness is Hardness.MUST]  # type: ignore[union-attr]
    return {"moves": len(moved), "musts broken": len(musts), "worse": len(judgement.worse) + len(entered)}


def main(fleet: str, answer: str) -> int:
    """Judge; the exit code."""
    document: dict[str, Any] = json.loads(Path(answer).read_bytes())
    figures = judged(problem_of(Path(fleet)), document)
    print(json.dumps(figures))
    left = [f"{name}: {figures[name]}" for name in ("musts broken", "worse") if figures[name]]
    print(", ".join(left) or "clean", file=sys.stderr)
    return 1 if left else 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
