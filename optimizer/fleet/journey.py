"""What a move costs in travel: how much is copied, and how long that takes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optimizer.fleet.fleet import Fleet

__all__ = ["DEFAULT_MIGRATION_MIB_PER_S", "copied_mib", "move_seconds"]

DEFAULT_MIGRATION_MIB_PER_S = 1000.0
"""Where no host says: about what one 10 Gbit/s link carries."""

SLOWEST_NET_SHARE = 0.1
"""A guest that dirties memory as fast as it is copied is throttled (auto-converge) until this share is left."""


def copied_mib(fleet: Fleet) -> NDArray[np.int64]:
    """Return int64 [V]: how many MiB have to travel when each VM moves (the resources marked ``copied``)."""
    columns = [i for i, r in enumerate(fleet.resources) if r.copied]
    return np.asarray(fleet.vms.demand[:, columns].sum(axis=1), dtype=np.int64)


def link_mib_per_s(fleet: Fleet, source: int, target: int) -> float:
    """Return how fast a copy between two hosts goes if it is alone: the slower of their speeds, as far as known."""
    rates = fleet.hosts.migration_mib_per_s
    known = [rate for rate in (float(rates[source]), float(rates[target])) if not math.isnan(rate)]
    return min(known, default=DEFAULT_MIGRATION_MIB_PER_S)


def move_seconds(fleet: Fleet, vm: int, source: int, target: int, amount_mib: int) -> float:
    """Return how long a move takes, in seconds, rounded up to a tenth.

    Pre-copy sends the memory that was dirtied meanwhile again and again; the rounds are a geometric series, so the
    whole lasts ``amount / (rate - dirty)`` (Clark et al., Live Migration of Virtual Machines, NSDI 2005).
    """
    rate = link_mib_per_s(fleet, source, target)
    dirty = float(fleet.vms.dirty_mib_per_s[vm])
    net = rate if math.isnan(dirty) else max(rate - dirty, rate * SLOWEST_NET_SHARE)
    return math.ceil(amount_mib / net * 10) / 10
