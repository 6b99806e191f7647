"""What monitors of a column of the fleet share: one number for each host or VM, NaN where there is none."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from optimizer.fleet import ABSENT, HostState
from optimizer.monitors.machine import Judged
from optimizer.monitors.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet
    from optimizer.monitors.levels import Levels
    from optimizer.monitors.reading import Live

__all__ = ["GONE", "host_readings", "too_old", "vm_readings"]

GONE = "it is not in the snapshot"
NOT_SAID = "the snapshot has no value for it"


def too_old(fleet: Fleet, stale_after_s: float) -> NDArray[np.bool_]:
    """Bool [H]: its signals are older than that; those of a host that does not say are as old as the snapshot."""
    age = fleet.now - fleet.hosts.signals_at
    return np.asarray(np.nan_to_num(age, nan=0.0) > stale_after_s)


def host_readings(
    levels: Levels,
    fleet: Fleet,
    values: NDArray[np.float64],
    live: Live,
    stale_after_s: float,
    evidence: Callable[[int], dict[str, Any]],
) -> Iterator[Reading]:
    """Judge hosts: float64 [H] of `values`. A host that is down, or whose signals are old, is missing."""
    old = too_old(fleet, stale_after_s)
    why = _why_unseen(fleet)
    unseen = np.isnan(values) | old
    unseen[list(why)] = True
    wanted = unseen | (values > levels.opens_above)
    wanted[[fleet.host_index[name] for name in live if name in fleet.host_index]] = True
    for h in np.flatnonzero(wanted).tolist():
        name = fleet.hosts.ids[h]
        if unseen[h]:
            yield Reading(name, Judged.MISSING, why=why.get(h) or (_age(fleet, h) if old[h] else NOT_SAID))
        else:
            said = {"value": float(values[h]), **levels.limits(), **evidence(h)}
            yield Reading(name, levels.judge(float(values[h])), "", said)
    yield from _gone(live, fleet.host_index)


def vm_readings(
    levels: Levels,
    fleet: Fleet,
    values: NDArray[np.float64],
    live: Live,
    stale_after_s: float,
    evidence: Callable[[int], dict[str, Any]],
) -> Iterator[Reading]:
    """Judge placed VMs: float64 [V] of `values`. One on a host whose signals are old is missing."""
    host = fleet.vms.host
    placed = host != ABSENT
    old = np.zeros(len(host), np.bool_)
    old[placed] = too_old(fleet, stale_after_s)[host[placed]]
    why = {**_on_unseen_hosts(fleet), **fleet.vms.unobserved}
    unseen = np.isnan(values) | old
    unseen[list(why)] = True
    wanted = unseen | (values > levels.opens_above)
    wanted[~placed] = False
    wanted[[fleet.vm_index[name] for name in live if name in fleet.vm_index]] = True
    for vm in np.flatnonzero(wanted).tolist():
        name, place = fleet.vms.ids[vm], _place(fleet, int(host[vm]))
        if unseen[vm] or not placed[vm]:
            plain = "it is not placed" if not placed[vm] else _age(fleet, int(host[vm])) if old[vm] else NOT_SAID
            yield Reading(name, Judged.MISSING, place, why=why.get(vm) or plain)
        else:
            said = {"value": float(values[vm]), **levels.limits(), **evidence(vm)}
            yield Reading(name, levels.judge(float(values[vm])), place, said)
    yield from _gone(live, fleet.vm_index)


def _why_unseen(fleet: Fleet) -> dict[int, str]:
    """Return by host why it is not known what happens there."""
    down = dict.fromkeys(np.flatnonzero(fleet.hosts.state == HostState.DOWN).tolist(), "the host is down")
    return {**down, **fleet.hosts.unobserved}


def _on_unseen_hosts(fleet: Fleet) -> dict[int, str]:
    """Return by VM why it is not known what happens on its host."""
    return {
        vm: f"of its host: {why}"
        for h, why in _why_unseen(fleet).items()
        for vm in np.flatnonzero(fleet.vms.host == h).tolist()
    }


def _place(fleet: Fleet, host: int) -> str:
    return fleet.hosts.ids[host] if host != ABSENT else ""


def _age(fleet: Fleet, host: int) -> str:
    age = fleet.now - float(fleet.hosts.signals_at[host])
    return f"the signals of its host are {math.floor(age)} s old"


def _gone(live: Live, known: dict[str, int]) -> Iterator[Reading]:
    for name in live:
        if name not in known:
            yield Reading(name, Judged.GONE, why=GONE)
