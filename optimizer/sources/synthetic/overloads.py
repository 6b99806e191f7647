"""Problems of too much on a host: one VM is made so large that it alone has to leave, and nothing less will do.

The others are scaled to a share of capacity under any safe level; the one gets the rest and a little over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optimizer.sources.synthetic.placing import CEILING
from optimizer.sources.synthetic.planting import host_id, plain_vms, record, vm_id
from optimizer.sources.synthetic.sizes import CPU, DISK, HOST_KINDS, LOAD, MEMORY

if TYPE_CHECKING:
    from collections.abc import Callable

    from optimizer.sources.synthetic.draft import Draft

__all__ = [
    "baby",
    "bouncing",
    "choosy",
    "forbidden",
    "full_disk",
    "held",
    "hot",
    "immobile",
    "memory_over",
    "nearly_full",
    "unexplained",
    "unmovable",
]

FEWEST_VMS = 3
LARGEST_STRETCH = 2.5
"""The other VMs of a host are made at most that much larger."""

LARGEST_MEMORY_MIB = 16 * 1024
"""A VM that has to leave is small enough in memory to find room."""

LARGEST_MOVER_MIB = 40 * 1024
"""The same where memory itself is short."""

MOST_FORBIDDEN = 50
"""That many hosts at most does a VM forbid."""

MINUTE_S, HOUR_S = 60.0, 3600.0


def full_disk(draft: Draft, rng: np.random.Generator, host: int, kind: str = "full_disks") -> bool:
    """Bring disk a little over capacity."""
    return _overfill(draft, rng, host, kind, (1.01, 1.05))


def nearly_full(draft: Draft, rng: np.random.Generator, host: int) -> bool:
    """Bring disk between the alert and capacity."""
    return _overfill(draft, rng, host, "nearly_full", (0.93, 0.98))


def _overfill(draft: Draft, rng: np.random.Generator, host: int, kind: str, total: tuple[float, float]) -> bool:
    capacity = int(draft.capacity[host, DISK])
    mover = _mover(draft, host)
    if mover is None or not _scale_others(draft, host, [mover], DISK, float(rng.uniform(0.68, 0.73)), 0.64):
        return False
    draft.demand[mover, DISK] = int(capacity * rng.uniform(*total)) + 1 - _sum(draft, host, DISK, without=[mover])
    return record(draft, kind, host_id(host), [host], [mover], 1)


def choosy(draft: Draft, rng: np.random.Generator, host: int) -> bool:
    """Fill the disk by a VM that may only go to hosts of two CPU models."""
    if not full_disk(draft, rng, host, "choosy"):
        return False
    here, largest = draft.cpu_model(host), HOST_KINDS[-1].cpu
    other = largest if here != largest else HOST_KINDS[-2].cpu
    draft.requires[plain_vms(draft, host)[0]] = tuple(sorted((here, other)))
    return True


def forbidden(draft: Draft, rng: np.random.Generator, host: int) -> bool:
    """Fill the disk by a VM that forbids the hosts with most room."""
    if not full_disk(draft, rng, host, "forbidden"):
        return False
    used = np.bincount(draft.host, weights=draft.demand[:, DISK], minlength=draft.spec.hosts)
    roomiest = np.argsort(used - draft.capacity[:, DISK], kind="stable")[: min(MOST_FORBIDDEN, draft.spec.hosts // 8)]
    hosts = [host_id(h) for h in sorted(roomiest.tolist()) if h != host]
    draft.vm_extra[plain_vms(draft, host)[0]] = {"forbidden_hosts": hosts}
    return True


def hot(draft: Draft, rng: np.random.Generator, host: int) -> bool:
    """Bring measured CPU a little over capacity; the VM that causes it has bought as much."""
    capacity = int(draft.capacity[host, LOAD])
    mover = _mover(draft, host)
    before = draft.demand[draft.on[host]]
    if mover is None or not _scale_others(draft, host, [mover], LOAD, float(rng.uniform(0.60, 0.70)), 0.50):
        return False
    load = int(capacity * rng.uniform(1.01, 1.06)) + 1 - _sum(draft, host, LOAD, without=[mover])
    bought = max(int(draft.demand[mover, CPU]), -(-load // 1000) * 1000)
    if _sum(draft, host, CPU, without=[mover]) + bought > draft.usable[host, CPU] * CEILING[CPU]:
        draft.demand[draft.on[host]] = before
        return False
    draft.demand[mover, LOAD], draft.demand[mover, CPU] = load, bought
    return record(draft, "hot", host_id(host), [host], [mover], 1)


def memory_over(draft: Draft, rng: np.random.Generator, host: int) -> bool:
    """Bring memory a little over what is not reserved."""
    usable = int(draft.usable[host, MEMORY])
    for mover in plain_vms(draft, host):
        rest = _sum(draft, host, MEMORY, without=[mover])
        size = -(-(int(usable * rng.uniform(1.005, 1.02)) + 1 - rest) // 512) * 512
        if 0.60 * usable <= rest <= 0.80 * usable and size <= LARGEST_MOVER_MIB:
            draft.demand[mover, MEMORY] = size
            return record(draft, "memory_over", host_id(host), [host], [mover], 1)
    return False


def unexplained(draft: Draft, rng: np.random.Generator, host: int) -> bool:
    """Bring disk over capacity, a third of it in use by host overhead: that stays, and a VM must go."""
    capacity = int(draft.capacity[host, DISK])
    mover = _mover(draft, host)
    if mover is None or not _scale_others(draft, host, [mover], DISK, float(rng.uniform(0.36, 0.40)), 0.30):
        return False
    draft.demand[mover, DISK] = int(capacity * 0.32)
    total = int(capacity * rng.uniform(1.01, 1.04)) + 1
    draft.unexplained_disk[host] = total - _sum(draft, host, DISK, without=[])
    return record(draft, "unexplained", host_id(host), [host], [mover], 1)


def baby(draft: Draft, rng: np.random.Generator, host: int) -> bool:
    """Make one of the two that could go minutes old."""

    def young(vm: int) -> None:
        draft.vm_extra[vm] = {"created_before_s": 20 * MINUTE_S}

    return _either(draft, rng, host, "babies", young)


def held(draft: Draft, rng: np.random.Generator, host: int) -> bool:
    """Hold one of the two that could go until tomorrow."""

    def until(vm: int) -> None:
        draft.vm_extra[vm] = {"no_move_for_s": 24 * HOUR_S}

    return _either(draft, rng, host, "held", until)


def immobile(draft: Draft, rng: np.random.Generator, host: int) -> bool:
    """Make one of the two that could go a VM that cannot be moved."""

    def rooted(vm: int) -> None:
        draft.vm_extra[vm] = {"mobility": "none", "mobility_reason": "passes a device through"}

    return _either(draft, rng, host, "immobile", rooted)


def unmovable(draft: Draft, rng: np.random.Generator, host: int) -> bool:
    """Let one of the two that could go have failed to move four times in the last hours."""

    def failing(vm: int) -> None:
        draft.history += [(vm, host, _other(draft, host), n * HOUR_S, "failed") for n in (4, 3, 2, 1)]

    return _either(draft, rng, host, "unmovable", failing)


def bouncing(draft: Draft, rng: np.random.Generator, host: int) -> bool:
    """Let one of the two that could go have gone to and fro six times within a day."""

    def restless(vm: int) -> None:
        ends = [(_other(draft, host), host), (host, _other(draft, host))]
        draft.history += [(vm, *ends[n % 2], (2 + 3 * n) * HOUR_S, "done") for n in (5, 4, 3, 2, 1, 0)]

    return _either(draft, rng, host, "bouncing", restless)


def _either(draft: Draft, rng: np.random.Generator, host: int, kind: str, keep: Callable[[int], None]) -> bool:
    """Plant a full disk that either of two VMs would repair, and a reason for which one of them stays."""
    capacity = int(draft.capacity[host, DISK])
    pair = [v for v in plain_vms(draft, host) if draft.demand[v, MEMORY] <= LARGEST_MEMORY_MIB][:2]
    if len(pair) < 2 or draft.spec.hosts < 2:
        return False
    if not _scale_others(draft, host, pair, DISK, float(rng.uniform(0.44, 0.46)), 0.40):
        return False
    half = (int(capacity * rng.uniform(1.01, 1.03)) + 2 - _sum(draft, host, DISK, without=pair)) // 2
    draft.demand[pair, DISK] = half
    stays, goes = pair
    keep(stays)
    return record(draft, kind, host_id(host), [host], [goes], 1, stays=[vm_id(stays)])


def _mover(draft: Draft, host: int) -> int | None:
    """Return the VM that will have to leave: one that finds room, on a host with others."""
    plain = plain_vms(draft, host)
    small = plain and draft.demand[plain[0], MEMORY] <= LARGEST_MEMORY_MIB
    return plain[0] if small and len(draft.on[host]) >= FEWEST_VMS else None


def _sum(draft: Draft, host: int, resource: int, without: list[int]) -> int:
    return int(sum(int(draft.demand[v, resource]) for v in draft.on[host] if v not in without))


def _scale_others(draft: Draft, host: int, but: list[int], resource: int, share: float, least: float) -> bool:
    """Bring all other VMs to `share` of the host's capacity together, or at least to `least`; False if that is far.

    No VM's measured CPU is made larger than what it bought.
    """
    others = [v for v in draft.on[host] if v not in but]
    capacity, now = int(draft.capacity[host, resource]), _sum(draft, host, resource, but)
    if not others or now <= 0:
        return False
    factor = min(share * capacity / now, LARGEST_STRETCH)
    scaled = (draft.demand[others, resource] * factor).astype(np.int64)
    if resource == LOAD:
        scaled = np.minimum(scaled, draft.demand[others, CPU])
    if scaled.sum() < least * capacity:
        return False
    draft.demand[others, resource] = scaled
    return True


def _other(draft: Draft, host: int) -> int:
    return (host + 1) % draft.spec.hosts
