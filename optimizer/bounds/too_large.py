"""VMs that are too large for every host: wherever such a VM ends, a limit that should hold is exceeded by that much.

On one host the excess of several of them is no less than what each has alone, and neither is its harm, rounded up as it
is, as long as the host's own limit is a thousandth of its unit: where it is less, what each has is rounded down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optimizer.fleet import ABSENT
from optimizer.problem.problem import stage_of
from optimizer.problem.rounding import MILLI
from optimizer.problem.rule import Hardness

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optimizer.problem.atoms import Linear
    from optimizer.problem.problem import Problem, Stage

__all__ = ["too_large"]

LIKELY = 8
"""Hosts with most room for each limit: nearly every VM fits on one of them."""


def too_large(problem: Problem, stage: Stage) -> dict[int, int]:
    """Return the harm that each VM that fits on no host does at least, where it does the least.

    Parameters
    ----------
    stage
        The stage of the limits that are looked at: those of shoulds on hosts.
    """
    atoms = [
        a
        for a in problem.demands.sums.values()
        if not a.level and a.asked.hardness is Hardness.SHOULD and stage_of(a.asked)[0] is stage
    ]
    if not atoms:
        return {}
    hosts = np.arange(problem.hosts)
    roomiest = np.unique(np.concatenate([np.argsort(a.base - a.limit, kind="stable")[:LIKELY] for a in atoms]))
    found = {}
    for vm in _candidates(problem, atoms, roomiest):
        at = problem.may_enter(vm).copy() if problem.movable[vm] else np.zeros(problem.hosts, np.bool_)
        at[problem.start[vm]] = True
        least = int(np.sum([_harm(a, vm, hosts[at]) for a in atoms], axis=0).min())
        if least:
            found[vm] = least
    return found


def _candidates(problem: Problem, atoms: list[Linear], roomiest: NDArray[np.int64]) -> list[int]:
    """Return the VMs that fit on none of a few hosts with much room."""
    which, rows = problem.enter_class
    fits = rows[:, roomiest][which] & problem.movable[:, None]
    for atom in atoms:
        fits &= atom.amount[:, None] <= (atom.limit - atom.base)[None, roomiest]
    return np.flatnonzero(~fits.any(axis=1) & (problem.start != ABSENT)).tolist()


def _harm(atom: Linear, vm: int, hosts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return int64 [n]: the harm of the VM alone on each of n hosts, as far as it adds up with that of others."""
    room = np.maximum(atom.limit[hosts] - atom.base[hosts], 0)
    excess, unit = MILLI * np.maximum(int(atom.amount[vm]) - room, 0), atom.unit[hosts]
    return np.asarray(atom.asked.weight * np.where(MILLI * room >= unit, -(-excess // unit), excess // unit))
