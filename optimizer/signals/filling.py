"""Signals laid over an inventory: the joined snapshot, with what is not known closed host by host."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from optimizer.grammar import count
from optimizer.signals.signal import Of, target
from optimizer.sources.kinds import time_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from optimizer.fleet import Fleet
    from optimizer.signals.joined import Joined

__all__ = ["Closed", "closed", "filled_document", "with_resources"]

Document = dict[str, Any]
Closed = dict[int, list[str]]
"""By host or VM: why it is closed, one reason for each signal."""

REASONS_SHOWN = 3
LONGEST = 900
LOAD = "cpu_load_millicores"
CPU = "cpu_millicores"


def with_resources(document: Document, names: Sequence[str]) -> Document:
    """Return the snapshot with every field that signals fill having its resource.

    What VMs use is a resource of its own, beside what was allocated to them. Of CPUs a host has as much as it has CPUs;
    of other use there is no limit.
    """
    known = {resource["name"] for resource in document["resources"]}
    wanted = dict.fromkeys(key for field, key in map(_target, names) if field == "demand")
    new = [key for key in wanted if key not in known]
    if not new:
        return document
    hosts = document["hosts"]
    if LOAD in new:
        hosts = [_with_load(host) for host in hosts]
    resources = [*document["resources"], *({"name": name, "copied": False} for name in new)]
    return {**document, "resources": resources, "hosts": hosts}


def _with_load(host: Document) -> Document:
    cpus = host["capacity"].get(CPU)
    return host if cpus is None else {**host, "capacity": {**host["capacity"], LOAD: cpus}}


def _target(name: str) -> tuple[str, str]:
    return target(name) or ("", "")


def closed(fleet: Fleet, read: Sequence[Joined], everywhere: str) -> tuple[Closed, Closed]:
    """Return which hosts and which VMs are closed, and why.

    A host is closed where a signal of it that is needed is missing, and where no VM on it has one of theirs: then what
    reports them is silent. `everywhere` closes all.
    """
    hosts: Closed = {}
    vms: Closed = {}
    if everywhere:
        hosts = {h: [everywhere] for h in range(len(fleet.hosts))}
    for one in read:
        if not one.wanted.signal.needed:
            continue
        name = one.wanted.signal.name
        side = hosts if one.wanted.signal.of is Of.HOST else vms
        for i, why in sorted(one.problems.items()):
            if one.place.expected[i]:
                side.setdefault(i, []).append(f"{name}: {why}")
        if one.wanted.signal.of is Of.VM:
            for h, (why, lacking) in _silent(one).items():
                hosts.setdefault(h, []).append(f"{name}: none of its {count(lacking, 'VM')} has it ({why})")
    return hosts, vms


def _silent(one: Joined) -> dict[int, tuple[str, int]]:
    """Return the hosts of which no VM has a signal, with the reason of the first VM and how many there are."""
    expected = np.flatnonzero(one.place.expected)
    hosts = one.place.host_of[expected]
    has = ~np.isnan(one.values[expected])
    count = np.bincount(hosts, minlength=1)
    some = np.bincount(hosts, weights=has, minlength=len(count))
    silent = np.flatnonzero((count > 0) & (some == 0)).tolist()
    first = {int(h): int(v) for v, h in zip(expected[::-1].tolist(), hosts[::-1].tolist(), strict=True)}
    return {h: (one.problems.get(first[h], ""), int(count[h])) for h in silent}


def filled_document(
    document: Document, read: Sequence[Joined], hosts: Closed, vms: Closed, now: datetime, window_s: int
) -> Document:
    """Return the snapshot with the values of signals in it; `document` is not changed."""
    new_hosts = [dict(host) for host in document["hosts"]]
    new_vms = [dict(vm) for vm in document["vms"]]
    resources = {resource["name"] for resource in document["resources"]}
    for one in read:
        _fill(one, new_hosts if one.wanted.signal.of is Of.HOST else new_vms, resources)
    for records, shut in ((new_hosts, hosts), (new_vms, vms)):
        for i, whys in shut.items():
            records[i]["unobserved"] = _reasons(whys)
    ages = _oldest(read, len(new_hosts))
    for h, host in enumerate(new_hosts):
        if not math.isnan(ages[h]):
            host["signals_at"] = time_text(now.fromtimestamp(now.timestamp() - max(ages[h], 0.0), now.tzinfo))
        if "pressure" in host:
            host["pressure_window_s"] = window_s
    return {**document, "hosts": new_hosts, "vms": new_vms}


def _fill(one: Joined, records: list[Document], resources: set[str]) -> None:
    field, key = _target(one.wanted.signal.name)
    if field == "clock_skew_s" or (field in ("measured", "full_in_s", "demand") and key not in resources):
        return
    values = one.values.tolist()
    for i in np.flatnonzero(~np.isnan(one.values)).tolist():
        if not key:
            records[i][field] = round(values[i], 3)
        else:
            records[i][field] = {**records[i].get(field, {}), key: _amount(field, values[i])}


def _amount(field: str, value: float) -> float:
    """Return an amount in use as a whole number, rounded up as all that is in use is; else a number of few digits."""
    if field in ("measured", "demand"):
        return math.ceil(value - 1e-9)
    return round(value, 4 if field == "pressure" else 0)


def _reasons(whys: Sequence[str]) -> str:
    more = f"; and {len(whys) - REASONS_SHOWN} more" if len(whys) > REASONS_SHOWN else ""
    text = "; ".join(whys[:REASONS_SHOWN]) + more
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _oldest(read: Sequence[Joined], count: int) -> list[float]:
    """Return by host the age of the oldest signal that was read; NaN where none was."""
    out = np.full(count, np.nan)
    for one in read:
        if one.wanted.signal.of is Of.HOST:
            out = np.fmax(out, np.where(np.isnan(one.values), np.nan, one.ages))
    ages: list[float] = out.tolist()
    return ages


def unfilled(fleet_resources: Mapping[str, int], names: Sequence[str]) -> list[str]:
    """Return the signals whose resource the fleet does not have."""
    return [n for n in names if _target(n)[0] in ("measured", "full_in_s") and _target(n)[1] not in fleet_resources]
