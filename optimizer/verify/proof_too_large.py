"""Harm of VMs that no host has room for, recomputed VM by VM and host by host in Python's integers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optimizer.problem.rounding import MILLI
from optimizer.problem.rule import Hardness

if TYPE_CHECKING:
    from optimizer.problem.atoms import Linear
    from optimizer.problem.problem import Problem

__all__ = ["least_wherever"]


def least_wherever(problem: Problem, vm: int) -> int:
    """Return the least harm that a placed VM does to unpriced shoulds about sums on hosts, wherever it ends."""
    atoms = [
        a
        for a in problem.demands.sums.values()
        if a.level == 0 and a.asked.hardness is Hardness.SHOULD and a.asked.price is None
    ]
    ends = problem.may_enter(vm).copy() if problem.movable[vm] else np.zeros(problem.hosts, np.bool_)
    ends[problem.start[vm]] = True
    fits = ends.copy()
    for atom in atoms:
        fits &= atom.amount[vm] <= atom.limit - atom.base
    if fits.any():
        return 0
    return min((sum(_alone(a, vm, h) for a in atoms) for h in np.flatnonzero(ends).tolist()), default=0)


def _alone(atom: Linear, vm: int, host: int) -> int:
    """Return its harm there as far as that adds up with others': see `optimizer.bounds.too_large`.

    Several on one host exceed its room by more than the sum of what each exceeds it by: by the room itself, for each
    but the first. That makes up for rounding each up, where the room is worth a unit of harm.
    """
    room = max(0, int(atom.limit[host]) - int(atom.base[host]))
    over, unit = MILLI * max(0, int(atom.amount[vm]) - room), int(atom.unit[host])
    steps = -(-over // unit) if MILLI * room >= unit else over // unit
    return int(atom.asked.weight) * steps
