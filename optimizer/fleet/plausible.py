"""Is this snapshot what it seems? Times and amounts that are legal, and yet far from what fleets have.

Mostly a wrong unit (KiB or bytes where MiB belong, a thousand times too much; GiB or whole cores, a thousand times too
little) or a wrong clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from optimizer.fleet.fleet import ABSENT, VmState
from optimizer.grammar import listed
from optimizer.similar import misspelt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from optimizer.fleet.fleet import Fleet

__all__ = ["Doubt", "empty_groups", "implausible", "misspelt_groups", "undeclared_groups", "unmatched_groups"]

SKEW_S = 60
"""Clocks of well kept machines differ by less than this."""

TIB = 1024**2
LARGEST = {"memory_mib": 32 * TIB, "disk_mib": 2048 * TIB, "cpu_millicores": 4096 * 1000}
"""More than any server has: memory of the largest machines allocated is 32 TiB; 2 PiB of disk is a rack of it."""

MEMORY_PER_CORE = TIB
"""MiB: a machine with a TiB of memory for each core is a wrong unit."""

RATE = "_per_s"
"""What a rate of use ends with: it is measured, not allocated, and no host need say how much it bears."""

OF_USUAL = 500
"""As a multiple of the median: hosts of one fleet differ by less."""

LEAST_PER_CORE = 128
"""MiB: where every host has less memory than this for each core, its unit is wrong; the leanest have 512."""

DISK_OF_MEMORY = 20_000
"""Where every host has more than this multiple of its memory as disk: servers made for storage have a few thousand."""

LEAST_VM_MIB, ORDINARY_HOST_MIB = 32, 16_384
"""No VM of a fleet with ordinary hosts is this small; where all are, their unit is wrong."""

VMS_OF_USUAL = 900
VM_OF_HOST = 2
"""A VM that asks for more than this multiple of what the largest host has runs nowhere."""

NAMED_GROUPS = 8
"""Of more groups than this the others are counted."""

ALWAYS_TAKEN = ("cpu_millicores", "memory_mib")
"""What no VM runs without; disks may be elsewhere, and other resources nobody's."""

ENOUGH = 5
"""Fewer hosts or VMs have no median that says anything."""


class Doubt(NamedTuple):
    """One thing to look at: a word for machines, the field, and what about it, in words."""

    code: str
    field: str
    text: str


def implausible(fleet: Fleet, now: datetime) -> Iterator[Doubt]:
    """Yield what is doubtful about a snapshot that is read at `now`."""
    ahead = (fleet.taken_at - now).total_seconds()
    if ahead > SKEW_S and fleet.simulated:
        text = f"a simulation left the fleet so, and its clock is {_span(ahead)} ahead: for study, no host was read"
        yield Doubt("simulated_snapshot", "taken_at", text)
    elif ahead > SKEW_S:
        yield Doubt(
            "future_snapshot",
            "taken_at",
            f"the snapshot was taken {_span(ahead)} from now, at {fleet.taken_at.isoformat()}: "
            "is the clock or the time zone of its source wrong?",
        )
    yield from misspelt_groups(fleet)
    for r, resource in enumerate(fleet.resources):
        yield from _unlimited(fleet, r, resource.name)
        yield from _weightless(fleet, r, resource.name)
        yield from _amounts(fleet, r, resource.name)


def misspelt_groups(fleet: Fleet) -> Iterator[Doubt]:
    """Say which groups are not declared and nearly called as one that is, first where no VM is in that."""
    loose = [group.id for group in fleet.groups if not group.declared]
    if not loose:
        return
    near = misspelt([group.id for group in fleet.groups if group.declared and not len(group.members)], loose)
    for empty, one in near.items():
        text = f"no VM is in the group {empty}, and VMs name {one}, which is not declared: is that this one?"
        yield Doubt("empty_group", "groups[]", text)
    taken = set(near.values())
    meant = misspelt([name for name in loose if name not in taken], [g.id for g in fleet.groups if g.declared])
    if meant:
        yield Doubt("undeclared_group", "vms[].groups", undeclared_groups(list(meant), meant))


def unmatched_groups(fleet: Fleet) -> Iterator[Doubt]:
    """Say which declared groups have no VM, and which groups that VMs name are not declared though others are."""
    empty = [group.id for group in fleet.groups if group.declared and not len(group.members)]
    if empty:
        named = [group.id for group in fleet.groups if len(group.members)]
        yield Doubt("empty_group", "groups[]", empty_groups(empty, misspelt(empty, named)))
    loose = [group.id for group in fleet.groups if not group.declared]
    declared = [group.id for group in fleet.groups if group.declared]
    if loose and declared:
        yield Doubt("undeclared_group", "vms[].groups", undeclared_groups(loose, misspelt(loose, declared)))


def empty_groups(names: Sequence[str], meant: Mapping[str, str]) -> str:
    """Say that no VM is in these groups, and what may have been `meant` by which."""
    return f"no VM is in {_groups(names, meant)}: what is asked of it is asked of nobody"


def undeclared_groups(names: Sequence[str], meant: Mapping[str, str]) -> str:
    """Say what holds for groups that only VMs name, and what may have been `meant` by which."""
    verb = "which is" if len(names) == 1 else "which are"
    return f"VMs name {_groups(names, meant)}, {verb} not declared: anti-affinity on hosts is assumed"


def _groups(names: Sequence[str], meant: Mapping[str, str]) -> str:
    """Name groups, the first of many, each with what may have been meant."""
    shown = [f"{name} (did you mean {meant[name]}?)" if name in meant else name for name in names[:NAMED_GROUPS]]
    more = [f"{len(names) - NAMED_GROUPS:,} more"] if len(names) > NAMED_GROUPS else []
    return f"the group{'s' if len(names) > 1 else ''} {listed([*shown, *more])}"


def _unlimited(fleet: Fleet, r: int, name: str) -> Iterator[Doubt]:
    """Say which hosts do not say how much they have of what VMs ask for, and what only hosts have."""
    asked, silent = fleet.vms.demand[:, r] > 0, fleet.hosts.capacity[:, r] == ABSENT
    if name.endswith(RATE) and silent.all():
        return
    if asked.any() and silent.any() and not silent.all():
        first, number = int(np.argmax(silent)), int(silent.sum())
        what = f"{fleet.hosts.ids[first]} does" if number == 1 else f"{number:,} hosts do"
        such = "" if number == 1 else f", such as {fleet.hosts.ids[first]}"
        text = f"{what} not say how much {name} there is{such}: nothing limits what is placed there"
        yield Doubt("no_capacity", f"hosts[{first}].capacity.{name}", text)
    elif asked.any() and silent.all():
        yield Doubt("no_capacity", "hosts[].capacity", f"VMs ask for {name}, and no host says how much it has of it")
    elif not asked.any() and not silent.all() and len(asked) >= ENOUGH:
        yield Doubt("no_demand", "vms[].demand", f"hosts have {name}, and no VM asks for any of it")


def _weightless(fleet: Fleet, r: int, name: str) -> Iterator[Doubt]:
    """Say which VMs run and ask for nothing of what most of the others take."""
    runs = np.isin(fleet.vms.state, (VmState.RUNNING, VmState.PAUSED))
    asked, silent = runs & (fleet.vms.demand[:, r] > 0), runs & (fleet.vms.demand[:, r] == 0)
    if name in ALWAYS_TAKEN and silent.any() and asked.sum() > silent.sum():
        first, number = int(np.argmax(silent)), int(silent.sum())
        what = f"{fleet.vms.ids[first]} runs and takes" if number == 1 else f"{number:,} VMs run and take"
        such = "" if number == 1 else f", such as {fleet.vms.ids[first]}"
        text = f"{what} no {name}{such}: it is planned as if that were so"
        yield Doubt("no_demand", f"vms[{first}].demand.{name}", text)


def _amounts(fleet: Fleet, r: int, name: str) -> Iterator[Doubt]:
    capacity = fleet.hosts.capacity[:, r]
    named = capacity != ABSENT
    largest = LARGEST.get(name, np.iinfo(np.int64).max)
    odd = named & ((capacity > largest) | _far_above(capacity, named, OF_USUAL))
    if name == "memory_mib" and "cpu_millicores" in fleet.resource_index:
        cpu = fleet.hosts.capacity[:, fleet.resource_index["cpu_millicores"]]
        odd |= named & (cpu > 0) & (capacity > MEMORY_PER_CORE // 1000 * cpu)
    if odd.any():
        yield _doubt("capacity", name, fleet.hosts.ids, capacity, odd, "host")
    few = ~odd & _too_small(fleet, capacity, named, name)
    if few.any():
        yield _doubt("capacity", name, fleet.hosts.ids, capacity, few, "host", too_small=True)
    demand = fleet.vms.demand[:, r]
    room = capacity[named & ~odd].max(initial=0)
    # where every host is odd, their VMs cannot be compared with them
    beyond = (demand > VM_OF_HOST * room) if room > 0 else np.zeros(len(demand), np.bool_)
    odd_vms = (demand > largest) | beyond | _far_above(demand, demand > 0, VMS_OF_USUAL)
    if odd_vms.any():
        yield _doubt("demand", name, fleet.vms.ids, demand, odd_vms, "VM")
    small = ~odd_vms & _small_vms(name, demand, capacity)
    if small.any():
        yield _doubt("demand", name, fleet.vms.ids, demand, small, "VM", too_small=True)


def _far_above(amounts: NDArray[np.int64], given: NDArray[np.bool_], times: int) -> NDArray[np.bool_]:
    """Return which amounts are far above the median of those given."""
    if given.sum() < ENOUGH:
        return np.zeros(len(amounts), np.bool_)
    return np.asarray(given & (amounts > times * np.median(amounts[given])))


def _too_small(fleet: Fleet, capacity: NDArray[np.int64], named: NDArray[np.bool_], name: str) -> NDArray[np.bool_]:
    """Return which hosts have far less than is usual, or memory in no proportion to their cores and disks."""
    few = _far_below(capacity, named & (capacity > 0), OF_USUAL)
    if name == "memory_mib" and named.sum() >= ENOUGH:
        other = {n: fleet.hosts.capacity[:, r] for n, r in fleet.resource_index.items()}
        if (cores := other.get("cpu_millicores")) is not None:
            few |= named & bool((capacity * 1000 < LEAST_PER_CORE * cores)[named].all())
        if (disk := other.get("disk_mib")) is not None:
            few |= named & bool((disk > DISK_OF_MEMORY * np.maximum(capacity, 1))[named].all())
    return np.asarray(few)


def _far_below(amounts: NDArray[np.int64], given: NDArray[np.bool_], times: int) -> NDArray[np.bool_]:
    """Return which amounts are far below the median of those given."""
    if given.sum() < ENOUGH:
        return np.zeros(len(amounts), np.bool_)
    return np.asarray(given & (amounts < np.median(amounts[given]) / times))


def _small_vms(name: str, demand: NDArray[np.int64], capacity: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which VMs ask for far less than is usual; all, where each asks for memory that no VM runs with."""
    asked, hosts = demand > 0, capacity[capacity != ABSENT]
    ordinary = name == "memory_mib" and asked.sum() >= ENOUGH and hosts.size and np.median(hosts) >= ORDINARY_HOST_MIB
    if ordinary and (demand[asked] < LEAST_VM_MIB).all():
        return asked
    return _far_below(demand, asked, VMS_OF_USUAL)


def _doubt(
    field: str,
    resource: str,
    ids: tuple[str, ...],
    amounts: NDArray[np.int64],
    odd: NDArray[np.bool_],
    one: str,
    *,
    too_small: bool = False,
) -> Doubt:
    most = np.argmin if too_small else np.argmax
    worst = int(most(np.where(odd, amounts, np.iinfo(np.int64).max if too_small else ABSENT)))
    number = int(odd.sum())
    what = f"{number:,} {one}{'' if number == 1 else 's'}"
    such = "," if number == 1 else ", the least" if too_small else ", the most"
    units = SMALL_UNITS if too_small else UNITS
    unit = f": is it in {units[ending]}?" if (ending := resource.rpartition("_")[2]) in units else ""
    far = "less" if too_small else "more"
    list_ = "hosts" if one == "host" else "vms"
    return Doubt(
        "unusual_amount",
        f"{list_}[{worst}].{field}.{resource}",
        f"{what} with far {far} {resource} than is usual{such} {ids[worst]} with {int(amounts[worst])}{unit}",
    )


UNITS = {"mib": "MiB, not in KiB or bytes", "millicores": "thousandths of a core"}
SMALL_UNITS = {"mib": "MiB, not in GiB", "millicores": "thousandths of a core, not in cores"}


def _span(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:,.0f} seconds"
