"""Ruin and recreate: some moves are taken back, and the problems that return are repaired in another way.

After Schrimpf, Schneider, Stamm-Wilbrandt and Dueck, Record breaking optimization results using the ruin and recreate
principle, Journal of Computational Physics 159 (2000). What makes a move needless is usually near it: the ruin is one
move, some that share a host with it, and a few others.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from optimizer.repair.neighbourhood_search import NeighbourhoodSearch

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from optimizer.bounds.bounds import Bounds
    from optimizer.limits import Deadline, Limits
    from optimizer.parameters import Recreate
    from optimizer.problem.working_placement import WorkingPlacement

__all__ = ["recreate"]


def recreate(
    work: WorkingPlacement,
    bounds: Bounds,
    limits: Limits,
    deadline: Deadline,
    acceptable: Callable[[NDArray[np.int32]], bool],
) -> None:
    """Look for a placement that moves less and harms no more, until a number of rounds in a row found none."""
    given = limits.parameters.recreate
    random = np.random.default_rng(limits.seed)
    best, kept, stale = work.measure(), work.placement.copy(), 0
    while stale < given.rounds and not deadline.over() and not bounds.met(work.values()):
        before = work.placement.copy()
        if (before == work.problem.start).all():
            break
        _ruin(work, random, given)
        seeded = replace(limits, seed=int(random.integers(2**31)))
        jitter = np.exp(random.normal(0.0, given.spread, work.problem.vms))
        NeighbourhoodSearch(work, bounds, seeded, deadline, acceptable, jitter).by_chains()
        found = work.measure()
        if found > _slightly_worse(best, given.slack) or not work.is_no_worse() or not acceptable(work.placement):
            work.become(before)
        stale = 0 if found < best else stale + 1
        if found < best and (work.placement != before).any():
            best, kept = found, work.placement.copy()
    work.become(kept)


def _slightly_worse(measure: tuple[int, ...], slack: int) -> tuple[int, ...]:
    """Return what the search may stand at, away from the best it has seen: a little more moving."""
    return (*measure[:-1], measure[-1] + max(1, measure[-1] // slack))


def _ruin(work: WorkingPlacement, random: np.random.Generator, given: Recreate) -> None:
    """Send a few VMs home, and with them all that came where they return to: so hosts hold what they held at first."""
    start, now = work.problem.start, work.placement
    moved = np.flatnonzero(now != start)
    first = int(random.choice(moved))
    hosts = {int(start[first]), int(now[first])}
    near = [int(v) for v in moved if hosts & {int(start[v]), int(now[v])}]
    chosen = {first, *_some(random, near, given.near), *_some(random, moved.tolist(), given.far)}
    while True:
        homes = np.unique(start[list(chosen)])
        came = {int(v) for v in moved if now[v] in homes}
        if came <= chosen:
            break
        chosen |= came
    for vm in sorted(chosen):
        work.put(vm, int(start[vm]))


def _some(random: np.random.Generator, vms: list[int], most: int) -> list[int]:
    return [int(v) for v in random.permutation(vms)[: int(random.integers(1, most + 1))]]
