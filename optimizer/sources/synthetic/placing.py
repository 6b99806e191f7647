"""Groups, and where each VM stands so that the fleet has no violations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optimizer.sources.synthetic.sizes import CPU, DISK, LOAD, MEMORY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from optimizer.sources.synthetic.spec import Spec

__all__ = ["CEILING", "groups", "place"]

CEILING = {CPU: 0.90, LOAD: 0.72, MEMORY: 0.90, DISK: 0.78}
"""Highest use of what is not reserved (of what is allocated, for CPU): no policy that ships minds."""

ROOMY = 0.86
"""Up to so full a memory the ceiling can be kept; a fuller fleet goes up to what is not reserved, whoever minds."""

MOST_ON_A_HOST = 120
TARGET_SPREAD = 0.09
"""Hosts aim at memory fills this far on either side of the mean."""

SAMPLE = 16
"""Hosts looked at for each VM; all of them where none of these has room."""


def groups(spec: Spec, racks: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the group of each VM and the level of each group; small groups are the most common."""
    group = np.full(spec.vms, -1, np.int64)
    chosen = rng.permutation(spec.vms)[: round(spec.grouped * spec.vms)].tolist()
    largest = min(7, spec.hosts)
    levels: list[int] = []
    while len(chosen) >= 2 and largest >= 2:
        size = min(2 + int(rng.geometric(0.4)) - 1, largest, len(chosen))
        kind, declared = rng.random(2).tolist()
        on_racks = kind < spec.rack_groups and 2 * size <= racks
        group[[chosen.pop() for _ in range(size)]] = len(levels)
        levels.append(1 if on_racks else 0 if declared < spec.declared else -1)
    return group, np.array(levels, np.int64)


def place(
    spec: Spec,
    usable: NDArray[np.int64],
    rack: NDArray[np.int64],
    demand: NDArray[np.int64],
    group: NDArray[np.int64],
    level: NDArray[np.int64],
    rng: np.random.Generator,
) -> NDArray[np.int64] | None:
    """Return the host of each VM, or None where one finds no room.

    The largest goes first, each to the host of a sample that is furthest under its target.
    """
    ceiling = np.array([CEILING[r] for r in range(4)])
    if spec.memory_fill > ROOMY:
        ceiling[MEMORY] = 1.0
    spread = min(TARGET_SPREAD, 1.0 - spec.memory_fill)
    left = np.column_stack([(usable * ceiling).astype(np.int64), np.full(spec.hosts, MOST_ON_A_HOST)]).tolist()
    target = spec.memory_fill + rng.uniform(-spread, spread, spec.hosts)
    goal = np.minimum(target, ceiling[MEMORY]).tolist()
    memory = usable[:, MEMORY].tolist()
    domain = [list(range(spec.hosts)), rack.tolist()]
    host = np.zeros(spec.vms, np.int64)
    taken: dict[int, set[int]] = {}
    order = np.lexsort((np.arange(spec.vms), -demand[:, MEMORY]))
    samples = rng.integers(0, spec.hosts, (spec.vms, SAMPLE)).tolist()
    levels, groups = level.tolist(), group.tolist()
    for v, sample in zip(order.tolist(), samples, strict=True):
        need = (*demand[v].tolist(), 1)
        at = domain[max(levels[groups[v]], 0)] if groups[v] >= 0 else domain[0]
        avoid = taken.setdefault(groups[v], set()) if groups[v] >= 0 else set()
        best = _best(sample, need, left, goal, at, avoid)
        if best is None:
            best = _best(range(spec.hosts), need, left, goal, at, avoid)
        if best is None:
            return None
        host[v] = best
        avoid.add(at[best])
        goal[best] -= need[MEMORY] / memory[best]
        left[best] = [a - b for a, b in zip(left[best], need, strict=True)]
    return host


def _best(
    among: Iterable[int],
    need: tuple[int, ...],
    left: list[list[int]],
    goal: list[float],
    at: list[int],
    avoid: set[int],
) -> int | None:
    """Return the host with room that is furthest under its target."""
    cpu, load, memory, disk, one = need
    best, most = None, -1e9
    for h in among:
        if goal[h] > most and at[h] not in avoid:
            a, b, c, d, e = left[h]
            if c >= memory and d >= disk and b >= load and a >= cpu and e >= one:
                best, most = h, goal[h]
    return best
