"""What a rival is told: the problem that `remora plan` solves, as plain JSON in the terms that every rival has.

``python -m benchmarks.peers.statement FLEET OUT``: hosts, VMs, where each is; sums of amounts under limits; how many
VMs of a group may share a host or a rack; VMs that stay; hosts that may not be entered. The limits are those of the
default policy, so that nobody solves an easier problem.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.policy import default_policy
from optimizer.problem.atoms import UNLIMITED
from optimizer.problem.problem import build
from optimizer.problem.rule import Hardness
from optimizer.problem.shapes import COUNT, SUM
from optimizer.sources.fleet_json import read_fleet

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optimizer.problem.atoms import Linear
    from optimizer.problem.problem import Problem

__all__ = ["statement"]

SAID = (SUM, COUNT)
"""Shapes for which a statement has words."""


def statement(problem: Problem) -> dict[str, Any]:
    """Return the problem as plain data.

    Raises
    ------
    ValueError
        If a must or a guard asks for what cannot be said.
    """
    for atom in problem.demands.harming.values():
        if atom.shape not in SAID and atom.asked.hardness is not Hardness.SHOULD:
            raise ValueError(f"the rule {atom.asked.rule} asks for {type(atom).__name__}, which rivals are not told")
    sums: list[dict[str, Any]] = []
    for total in problem.demands.sums.values():
        if total.level == 0 and total.asked.hardness is not Hardness.SHOULD:
            sums.append(_sum(problem, total, len(sums)))
    groups: list[dict[str, Any]] = [
        {
            "level": problem.levels[crowd.level],
            "members": [crowd.sets[i].tolist() for i in range(len(crowd.sets))],
            "most": crowd.k.tolist(),
        }
        for crowd in problem.demands.counts.values()
        if crowd.asked.hardness is Hardness.MUST
    ]
    return {
        "hosts": list(problem.host_ids),
        "vms": list(problem.vm_ids),
        "start": problem.start.tolist(),
        "domains": {level: problem.domain[i].tolist() for i, level in enumerate(problem.levels)},
        "sums": sums,
        "groups": groups,
        "fixed": np.flatnonzero(~problem.movable).tolist(),
        "closed": [
            {"vms": None if a.vms is None else a.vms.tolist(), "hosts": np.flatnonzero(~a.hosts).tolist()}
            for a in problem.demands.enters.values()
        ],
    }


def _sum(problem: Problem, atom: Linear, number: int) -> dict[str, Any]:
    """Say a sum under a limit; a guard asks only that nothing gets worse, which a limit raised to the start says."""
    used: NDArray[np.int64] = np.zeros(problem.hosts, np.int64)
    np.add.at(used, problem.start[problem.start >= 0], atom.amount[problem.start >= 0])
    limit = np.where(atom.limit >= UNLIMITED, used.sum() + atom.amount.sum(), atom.limit - atom.base)
    if atom.asked.hardness is Hardness.GUARD:
        limit = np.maximum(limit, used)
    name = f"{number}-{atom.asked.rule}-{atom.resource}"
    return {
        "name": name,
        "resource": atom.resource,
        "amount": atom.amount.tolist(),
        "limit": np.maximum(limit, 0).tolist(),
    }


def main(fleet: str, out: str) -> None:
    """Write the statement of a fleet under the default policy."""
    policy = default_policy()
    problem = build(read_fleet(fleet), policy.demands, policy.least)
    Path(out).write_text(json.dumps(statement(problem)), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
