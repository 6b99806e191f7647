"""Which VMs are too large, idle or noisy: what they use beside what they were allocated."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

from optimizer.fleet import ABSENT, VmState

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optimizer.fleet import Fleet

__all__ = ["Judgement", "Pair", "Sized", "Thresholds", "judged", "size"]


class Judgement(Enum):
    """What a VM is, by what it uses; the first that holds."""

    IDLE = "idle"
    TOO_LARGE = "too large"
    TOO_SMALL = "too small"
    NOISY = "noisy"


@dataclass(frozen=True, slots=True)
class Pair:
    """A resource that is measured, and the one that is allocated for it, both in one unit."""

    used: str
    allocated: str


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When a VM is what.

    Attributes
    ----------
    idle, large, small
        Use as a share of what is allocated: below `idle`, below `large`, above `small`.
    target
        The share that a recommended size would be used to.
    least
        Nothing smaller is recommended, in the resource's unit.
    noise
        From here on a VM is noisy, in any kind of noise.
    victims
        With evidence of this many victims it is noisy as well.
    """

    idle: float = 0.02
    large: float = 0.25
    small: float = 0.9
    target: float = 0.5
    least: int = 500
    noise: float = 0.5
    victims: int = 3


@dataclass(frozen=True, slots=True)
class Sized:
    """One VM (index) that is not as it should be; `recommended` is None where size is not what is wrong."""

    vm: int
    judgement: Judgement
    used: int
    allocated: int
    recommended: int | None
    noise: float
    victims: int


def judged(fleet: Fleet, pair: Pair) -> NDArray[np.intp]:
    """Return the VMs that can be judged: they run, something is allocated to them, and their use was measured.

    A running VM uses something: where a snapshot says 0, or nothing, it was not measured.
    """
    used, allocated = (fleet.vms.demand[:, fleet.resource_index[name]] for name in (pair.used, pair.allocated))
    running = (fleet.vms.state == VmState.RUNNING) & (fleet.vms.host != ABSENT)
    return np.flatnonzero(running & (allocated > 0) & (used > 0))


def size(fleet: Fleet, pair: Pair, thresholds: Thresholds) -> tuple[Sized, ...]:
    """Return which of the VMs that can be judged are idle, too large, too small or noisy; what wastes most first."""
    used = fleet.vms.demand[:, fleet.resource_index[pair.used]]
    allocated = fleet.vms.demand[:, fleet.resource_index[pair.allocated]]
    noise = _loudest(fleet)
    victims = Counter(one.noisy for one in fleet.interference)
    out = []
    for vm in judged(fleet, pair).tolist():
        judgement = _judge(int(used[vm]) / int(allocated[vm]), float(noise[vm]), victims[vm], thresholds)
        if judgement is None:
            continue
        recommended = None
        if judgement is not Judgement.NOISY:
            wanted = -(-int(used[vm]) * 1000 // round(1000 * thresholds.target))
            recommended = max(wanted, thresholds.least)
            if judgement in (Judgement.IDLE, Judgement.TOO_LARGE) and recommended >= allocated[vm]:
                continue  # it is as small as it can be
        out.append(Sized(vm, judgement, int(used[vm]), int(allocated[vm]), recommended, float(noise[vm]), victims[vm]))
    return tuple(sorted(out, key=lambda s: (s.used - s.allocated, s.vm)))


def _loudest(fleet: Fleet) -> NDArray[np.float64]:
    """Return float64 [V]: the loudest of a VM's noises; 0 where nothing is known."""
    return np.asarray(np.nan_to_num(fleet.vms.noise, nan=0.0).max(axis=1, initial=0.0), np.float64)


def _judge(share: float, noise: float, victims: int, t: Thresholds) -> Judgement | None:
    if noise >= t.noise or victims >= t.victims:
        return Judgement.NOISY
    if share < t.idle:
        return Judgement.IDLE
    if share < t.large:
        return Judgement.TOO_LARGE
    return Judgement.TOO_SMALL if share > t.small else None
