"""The refusals of the rule eligible in words: one template for each reason, with the numbers in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constraints.hard import counted
from optimizer.fleet import HostState
from optimizer.problem.amounts import amount, pair, spoken

if TYPE_CHECKING:
    from collections.abc import Callable

    from optimizer.fleet import Fleet
    from optimizer.problem.rule import Violation

MEMORY = "memory_mib"

__all__ = ["REASONS", "refused"]


def refused(violation: Violation, fleet: Fleet) -> str:
    """Say why a host may not receive a VM, and what would have to change."""
    host = fleet.host_index[violation.subject]
    return f"{violation.subject}: {_TEXTS[violation.reason](violation, fleet, host)}"


def _state(v: Violation, fleet: Fleet, host: int) -> str:
    word = HostState(int(fleet.hosts.state[host])).name.lower()
    return f"it is {word} and takes no VM; it would have to be active"


def _errors(v: Violation, fleet: Fleet, host: int) -> str:
    return f"{counted(v.value, 'error')}, more than the {v.limit} allowed; it takes no VM until they are cleared"


def _busy(v: Violation, fleet: Fleet, host: int) -> str:
    what = ", ".join(b.value for b in fleet.hosts.busy.get(host, ()) if b.value != "node_unresponsive")
    return f"busy with {what}: later, not never; ask again when that is over"


def _unresponsive(v: Violation, fleet: Fleet, host: int) -> str:
    return "it does not respond; it takes no VM until it does"


def _cpus(v: Violation, fleet: Fleet, host: int) -> str:
    vm = fleet.vms.ids[v.vms[0]]
    return f"{vm} asks {v.value / 1000:g} CPUs and the host has {v.limit / 1000:g}; a larger host is needed"


def _move_within(v: Violation, fleet: Fleet, host: int) -> str:
    level, _, name = (v.domain or "").partition(":")
    domain = fleet.hosts.domain[fleet.level_index[level]]
    home = fleet.domain_ids[fleet.level_index[level]][int(domain[fleet.vms.host[v.vms[0]]])]
    return f"it is in {level} {name}, and {fleet.vms.ids[v.vms[0]]} may not leave {level} {home}"


def _count(v: Violation, fleet: Fleet, host: int) -> str:
    why = "its CPUs allow" if v.reason == "vm_count_cpus" else "it may hold"
    return f"{counted(v.value, 'VM')}, {why} {v.limit}; move {v.value - v.limit} away first"


def _too_little(v: Violation, fleet: Fleet, host: int) -> str:
    asks = int(fleet.vms.demand[v.vms[0], fleet.resource_index[str(v.resource)]])
    left = v.limit - (v.value - asks)
    resource, vm = str(v.resource), fleet.vms.ids[v.vms[0]]
    value, limit = pair(resource, v.value, v.limit)
    free = f"{amount(resource, left)} left" if left >= 0 else f"{amount(resource, -left)} more in use than there is"
    return (
        f"{spoken(resource)}: {free} and {vm} asks {amount(resource, asks)} (with it {value} of {limit}); "
        f"{amount(resource, v.value - v.limit)} have to leave first"
    )


def _floor(v: Violation, fleet: Fleet, host: int) -> str:
    memory = amount(MEMORY, abs(v.value))
    free = f"{memory} would be free" if v.value >= 0 else f"{memory} more than there is would be in use"
    return (
        f"memory: {free} with {fleet.vms.ids[v.vms[0]]} there, under the floor of {amount(MEMORY, v.limit)}; "
        f"{amount(MEMORY, v.limit - v.value)} have to leave first"
    )


def _owner(v: Violation, fleet: Fleet, host: int) -> str:
    owner = fleet.vms.owner_ids[int(fleet.vms.owner[v.vms[0]])]
    return (
        f"owner {owner} is already there: {counted(v.value, 'VM')} of that owner, at most {v.limit} on a receiving host"
    )


_TEXTS: dict[str, Callable[[Violation, Fleet, int], str]] = {
    "state": _state,
    "errors": _errors,
    "vm_count_cpus": _count,
    "vm_count_cap": _count,
    "cpus": _cpus,
    "disk": _too_little,
    "memory": _too_little,
    "memory_floor": _floor,
    "busy": _busy,
    "unresponsive": _unresponsive,
    "owner": _owner,
    "move_within": _move_within,
}

REASONS = tuple(_TEXTS)
"""Every word with which eligible refuses, in the order of the page."""
