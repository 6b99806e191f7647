"""From the checked records of hosts and VMs to columns of numpy arrays.

The structure is right when these functions are called; names that refer to something are checked here, a whole column
at once, and only where one fails is the culprit looked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from optimizer.errors import InputError
from optimizer.fleet import ABSENT, Busy, Hosts, HostState, Mobility, Pressure, Vms, VmState, Window
from optimizer.problem.rounding import MILLI, demand_milli, ratio_millionths
from optimizer.similar import similar_or_some
from optimizer.sources.kinds import key_path, parse_time, similar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from enum import IntEnum

    from numpy.typing import NDArray

__all__ = ["Names", "host_columns", "index_of", "read_domains", "refer", "seconds", "vm_columns"]

T = TypeVar("T")
Records = list[dict[str, Any]]
EMPTY: Mapping[str, Any] = {}
"""Shared by all records that leave an object out."""

NAN = float("nan")
UNKNOWN = -2


@dataclass(frozen=True, slots=True)
class Names:
    """What a document's names refer to: the file, and the index of each resource, level and host."""

    where: str
    resources: Mapping[str, int]
    levels: Mapping[str, int]
    hosts: Mapping[str, int]


def index_of(ids: Sequence[str], where: str, path: str, what: str = "id") -> dict[str, int]:
    """Return the index of each id of a list of records.

    Raises
    ------
    InputError
        If one stands there twice.
    """
    index = {name: i for i, name in enumerate(ids)}
    if len(index) < len(ids):
        seen: dict[str, int] = {}
        for i, name in enumerate(ids):
            if seen.setdefault(name, i) != i:
                hint = f"{path}[{seen[name]}] has it too"
                raise InputError(where, f"{path}[{i}].{what}", name, "a unique name", hint)
    return index


def refer(
    names: Sequence[str | None], index: Mapping[str, int], where: str, path_of: Callable[[int], str], what: str
) -> NDArray[np.int32]:
    """Look names up, None as `ABSENT`; `path_of(i)` is where the i-th name stands.

    Raises
    ------
    InputError
        If a name refers to nothing.
    """
    found = np.array([ABSENT if name is None else index.get(name, UNKNOWN) for name in names], np.int32)
    lost = np.flatnonzero(found == UNKNOWN)
    if len(lost):
        i = int(lost[0])
        raise InputError(where, path_of(i), names[i], what, similar_or_some(names[i], index))
    return found


def seconds(text: str | None) -> float:
    """Return a checked time in epoch seconds, NaN for None."""
    at = parse_time(text) if text is not None else None
    return at.timestamp() if at is not None else NAN


def read_domains(hosts: Records, names: Names) -> tuple[NDArray[np.int32], tuple[tuple[str, ...], ...]]:
    """Return int32 [levels, H] and the ids of the domains of each level, in order of first appearance."""
    maps = _objects(hosts, "domains")
    wanted = [level for level in names.levels if level != "host"]
    _known_keys(maps, wanted, names.where, "hosts", "domains", "one of the levels below host")
    domain = np.zeros((len(names.levels), len(hosts)), np.int32)
    domain[0] = np.arange(len(hosts))
    ids: list[tuple[str, ...]] = [tuple(names.hosts)]
    for level in wanted:
        number: dict[str, int] = {}
        for h, domains in enumerate(maps):
            if level not in domains:
                path = f"hosts[{h}].domains"
                raise InputError(names.where, path, domains, f"a domain for every level: {level} is missing")
            domain[names.levels[level], h] = number.setdefault(domains[level], len(number))
        ids.append(tuple(number))
    return domain, tuple(ids)


def host_columns(hosts: Records, domain: NDArray[np.int32], names: Names) -> Hosts:
    """Return the columns of the hosts."""
    return Hosts(
        ids=tuple(names.hosts),
        domain=domain,
        capacity=_amounts(hosts, "hosts", "capacity", names, ABSENT),
        overcommit_millionths=_ratios(hosts, names),
        reserved=_amounts(hosts, "hosts", "reserved", names, 0),
        measured=_amounts(hosts, "hosts", "measured", names, ABSENT),
        state=_codes(hosts, "state", HostState),
        error_count=_integers(hosts, "error_count"),
        max_vms=_integers(hosts, "max_vms"),
        busy=_sparse(hosts, "busy", lambda words: tuple(Busy(word) for word in words)),
        maintenance=_windows(hosts, names.where),
        pressure=_signals(hosts, "pressure"),
        pressure_window_s=_floats(hosts, "pressure_window_s"),
        migration_mib_per_s=_floats(hosts, "migration_mib_per_s"),
        observed_at=_times(hosts, "observed_at"),
        signals_at=_times(hosts, "signals_at"),
        labels=tuple(_objects(hosts, "labels")),
        names=_sparse(hosts, "name", str),
        unobserved=_sparse(hosts, "unobserved", str),
        full_in_s=_full_in(hosts, names),
    )


def vm_columns(vms: Records, names: Names) -> Vms:
    """Return the columns of the VMs."""
    owners: dict[str, int] = {}
    owner = [owners.setdefault(vm["owner"], len(owners)) if "owner" in vm else ABSENT for vm in vms]
    index = index_of([vm["id"] for vm in vms], names.where, "vms")
    return Vms(
        ids=tuple(index),
        host=refer([vm["host"] for vm in vms], names.hosts, names.where, "vms[{}].host".format, "a host of the fleet"),
        demand=_amounts(vms, "vms", "demand", names, 0),
        owner=np.array(owner, np.int32),
        owner_ids=tuple(owners),
        created_at=_times(vms, "created_at"),
        no_move_until=_times(vms, "no_move_until"),
        state=_codes(vms, "state", VmState),
        mobility=_codes(vms, "mobility", Mobility),
        mobility_reason=_sparse(vms, "mobility_reason", str),
        requires=_sparse(vms, "requires", lambda needs: {k: tuple(values) for k, values in needs.items()}),
        forbidden_hosts=_forbidden(vms, names),
        sensitive=np.array([vm.get("sensitive", False) for vm in vms], np.bool_),
        noise=_signals(vms, "noise"),
        pressure=_signals(vms, "pressure"),
        dirty_mib_per_s=_floats(vms, "dirty_mib_per_s"),
        move_cost_milli=_move_costs(vms),
        labels=tuple(_objects(vms, "labels")),
        names=_sparse(vms, "name", str),
        unobserved=_sparse(vms, "unobserved", str),
    )


def _objects(records: Records, name: str) -> list[dict[str, Any]]:
    return [record.get(name, EMPTY) for record in records]


def _known_keys(
    maps: Sequence[Mapping[str, Any]], known: Iterable[str], where: str, path: str, name: str, expected: str
) -> None:
    known = tuple(known)
    if set().union(*maps) <= set(known):
        return
    for i, entries in enumerate(maps):
        for key, value in entries.items():
            if key not in known:
                at = key_path(f"{path}[{i}].{name}", key)
                raise InputError(where, at, value, f"{expected} ({', '.join(known)})", similar(key, known))


def _amounts(records: Records, path: str, name: str, names: Names, absent: int) -> NDArray[np.int64]:
    maps = _objects(records, name)
    _known_keys(maps, names.resources, names.where, path, name, "a resource that the fleet names")
    out = np.empty((len(records), len(names.resources)), np.int64)
    for resource, r in names.resources.items():
        out[:, r] = [amounts.get(resource, absent) for amounts in maps]
    return out


def _ratios(hosts: Records, names: Names) -> NDArray[np.int64]:
    maps = _objects(hosts, "overcommit")
    _known_keys(maps, names.resources, names.where, "hosts", "overcommit", "a resource that the fleet names")
    out = np.full((len(hosts), len(names.resources)), ABSENT, np.int64)
    for h, ratios in enumerate(maps):
        for resource, ratio in ratios.items():
            out[h, names.resources[resource]] = ratio_millionths(ratio)
    return out


def _codes(records: Records, name: str, of: type[IntEnum]) -> NDArray[np.int8]:
    """Word by word to the number of the enum's member; its first member stands where nothing is said."""
    code = {member.name.lower(): int(member) for member in of}
    first = next(iter(code))
    return np.array([code[record.get(name, first)] for record in records], np.int8)


def _integers(records: Records, name: str) -> NDArray[np.int64]:
    return np.array([record.get(name, ABSENT) for record in records], np.int64)


def _floats(records: Records, name: str) -> NDArray[np.float64]:
    return np.array([record.get(name, NAN) for record in records], np.float64)


def _times(records: Records, name: str) -> NDArray[np.float64]:
    return np.array([seconds(record.get(name)) for record in records], np.float64)


def _signals(records: Records, name: str) -> NDArray[np.float64]:
    maps = _objects(records, name)
    out = np.full((len(records), len(Pressure)), NAN)
    said = set().union(*maps)
    for kind in Pressure:
        signal = kind.name.lower()
        if signal in said:
            out[:, kind] = [signals.get(signal, NAN) for signals in maps]
    return out


def _sparse(records: Records, name: str, read: Callable[[Any], T]) -> dict[int, T]:
    return {i: read(record[name]) for i, record in enumerate(records) if record.get(name)}


def _full_in(hosts: Records, names: Names) -> dict[int, dict[str, float]]:
    _known_keys(
        _objects(hosts, "full_in_s"),
        names.resources,
        names.where,
        "hosts",
        "full_in_s",
        "a resource that the fleet names",
    )
    return _sparse(hosts, "full_in_s", lambda said: {resource: float(seconds) for resource, seconds in said.items()})


def _windows(hosts: Records, where: str) -> dict[int, tuple[Window, ...]]:
    found = {}
    for h, host in enumerate(hosts):
        windows = [
            Window(seconds(w["from"]), seconds(w["to"]), w.get("reason", "")) for w in host.get("maintenance", ())
        ]
        for i, window in enumerate(windows):
            if window.end <= window.start:
                path = f"hosts[{h}].maintenance[{i}].to"
                raise InputError(where, path, host["maintenance"][i]["to"], "a time after the window's start")
        if windows:
            found[h] = tuple(windows)
    return found


def _forbidden(vms: Records, names: Names) -> dict[int, tuple[int, ...]]:
    found = {}
    for v, vm in enumerate(vms):
        if vm.get("forbidden_hosts"):
            path = f"vms[{v}].forbidden_hosts"
            hosts = refer(
                vm["forbidden_hosts"], names.hosts, names.where, (path + "[{}]").format, "a host of the fleet"
            )
            found[v] = tuple(sorted(hosts.tolist()))
    return found


def _move_costs(vms: Records) -> NDArray[np.int64]:
    """Thousandths, rounded up; where three decimals say the number exactly there is nothing to round."""
    cost = _floats(vms, "move_cost")
    steps = np.rint(cost * MILLI)
    out = np.where(np.isnan(cost), ABSENT, np.nan_to_num(steps)).astype(np.int64)
    for v in np.flatnonzero(~np.isnan(cost) & (steps / MILLI != cost)).tolist():
        out[v] = demand_milli(float(cost[v]))
    return out
