"""The cost of levels, kept up to date: hinges over the same amounts are one *family*, a convex cost of a host's load.

A load counts once for each level that it is over, so a family costs about the square of how far loads are apart: each
level's slope is one more. A fast view of the hinges; `evaluate` is its oracle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optimizer.fleet import ABSENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from optimizer.problem.problem import Problem

__all__ = ["Family", "LevelCosts", "families"]


@dataclass(frozen=True, eq=False)
class Family:
    """Hinges over one amount.

    Attributes
    ----------
    amount
        int64 [V].
    level
        int64 [J, H]: loads (of VMs alone) from which each level counts, ascending in J.
    weight
        int64 [J].
    """

    amount: NDArray[np.int64]
    level: NDArray[np.int64]
    weight: NDArray[np.int64]

    def loads(self, placement: NDArray[np.int32]) -> NDArray[np.int64]:
        """Return int64 [H]: what the VMs of a placement add up to on each host."""
        out = np.zeros(self.level.shape[1], np.int64)
        placed = np.flatnonzero(placement != ABSENT)
        np.add.at(out, placement[placed], self.amount[placed])
        return out

    def cost(self, hosts: NDArray[np.int64], load: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return int64 [n]: what these loads (int64 [n]) cost on these hosts."""
        over = np.maximum(load - self.level[:, hosts], 0)
        return np.asarray(self.weight @ over, np.int64)


def families(problem: Problem) -> tuple[Family, ...]:
    """Return the hinges of a problem, those over the same amounts together."""
    found: dict[bytes, list[int]] = {}
    hinges = problem.demands.hinges
    for number, atom in hinges.items():
        found.setdefault(atom.amount.tobytes(), []).append(number)
    out = []
    for numbers in found.values():
        level = np.array([-hinges[n].offset for n in numbers], np.int64)
        weight = np.array([hinges[n].weight for n in numbers], np.int64)
        order = np.argsort(level.sum(axis=1), kind="stable")
        out.append(Family(hinges[numbers[0]].amount, level[order], weight[order]))
    return tuple(out)


class LevelCosts:
    """Loads and cost of a placement, followed move by move."""

    def __init__(self, problem: Problem, placement: NDArray[np.int32]) -> None:
        self.families = families(problem)
        self.loads = [f.loads(placement) for f in self.families]
        everywhere = np.arange(problem.hosts)
        self.total = sum(int(f.cost(everywhere, load).sum()) for f, load in zip(self.families, self.loads, strict=True))

    def move(self, vm: int, source: int, target: int) -> None:
        """Take a VM from one host to another."""
        ends = np.array([source, target])
        for family, load in zip(self.families, self.loads, strict=True):
            amount = int(family.amount[vm])
            if amount:
                self.total -= int(family.cost(ends, load[ends]).sum())
                load[source] -= amount
                load[target] += amount
                self.total += int(family.cost(ends, load[ends]).sum())

    def change(self, hosts: NDArray[np.int64], amounts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
        """Return int64 [n]: by how much the cost of hosts rises where their loads change by these, family by family."""
        out = np.zeros(len(hosts), np.int64)
        for family, load, amount in zip(self.families, self.loads, amounts, strict=True):
            here = load[hosts]
            out += family.cost(hosts, here + amount) - family.cost(hosts, here)
        return out
