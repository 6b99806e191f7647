"""The document: a draft, written down as `remora-fleet/1`."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from optimizer.sources.synthetic.draft import RESERVED_MIB, Draft, draft
from optimizer.sources.synthetic.planting import host_id, vm_id
from optimizer.sources.synthetic.plants import plant
from optimizer.sources.synthetic.sizes import CPU, DISK, HOST_KINDS, LOAD, MEMORY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from optimizer.sources.synthetic.spec import Spec

__all__ = ["generate"]

RESOURCES = [
    {"name": "cpu_millicores", "copied": False},
    {"name": "cpu_load_millicores", "copied": False},
    {"name": "memory_mib", "copied": True},
    {"name": "disk_mib", "copied": True},
]
HISTORY_S = 48 * 3600.0
DAY_S = 86400.0
SEEN_BEFORE_S = 20.0
"""Hosts were looked at this long before the snapshot was put together."""

HOSTS_STREAM, VMS_STREAM, HISTORY_STREAM = 1, 2, 3


def generate(spec: Spec) -> dict[str, Any]:
    """Make a fleet.

    Returns
    -------
    dict
        A `remora-fleet/1` document. ``x_planted`` lists what was planted: ``kind`` (the field of the spec),
        ``subject``, ``hosts`` that it has to itself, ``vms`` concerned, and ``least_moves``, the fewest moves that
        repair it: those of the first that many of ``vms``, for one. The sum of these is the fewest that repair the
        fleet, if what leaves finds room.

    Raises
    ------
    InputError
        If that many VMs cannot be placed on that many hosts.
    """
    made = draft(spec)
    plant(made)
    taken = spec.time()

    def stamp(before_s: float) -> str:
        """Return the time that many seconds before the snapshot."""
        return (taken - timedelta(seconds=round(before_s))).isoformat().replace("+00:00", "Z")

    return {
        "format": "remora-fleet/1",
        "fleet": spec.fleet,
        "taken_at": spec.taken_at,
        "resources": [dict(r) for r in RESOURCES],
        "levels": ["host", "rack", "zone"],
        **({"move_within": "zone"} if spec.move_within_zone else {}),
        "hosts": list(_hosts(made, stamp)),
        "vms": list(_vms(made, stamp)),
        "groups": list(_groups(made)),
        "interference": made.interference,
        "history_since": stamp(HISTORY_S),
        "history": list(_history(made, stamp)),
        "x_planted": made.planted,
    }


def _named(row: list[int]) -> dict[str, int]:
    return {
        "cpu_millicores": row[CPU],
        "cpu_load_millicores": row[LOAD],
        "memory_mib": row[MEMORY],
        "disk_mib": row[DISK],
    }


def _hosts(made: Draft, stamp: Any) -> Iterator[dict[str, Any]]:
    rng = made.random(HOSTS_STREAM)
    slack = rng.uniform(0.0, 0.002, made.spec.hosts)
    quiet = rng.uniform(0.0, 0.05, (made.spec.hosts, 4)).round(3).tolist()
    seen = stamp(SEEN_BEFORE_S)
    for h, row in enumerate(made.capacity.tolist()):
        kind = HOST_KINDS[int(made.kind[h])]
        disk = int(made.demand[made.on[h], DISK].sum())
        host = {
            "id": host_id(h),
            "domains": {"rack": f"r{int(made.rack[h])}", "zone": f"z{int(made.zone[h])}"},
            "capacity": _named(row),
            "overcommit": {"cpu_millicores": made.spec.cpu_overcommit},
            "reserved": {"memory_mib": RESERVED_MIB},
            "measured": {"disk_mib": disk + made.unexplained_disk.get(h, int(slack[h] * row[DISK]))},
            "state": "active",
            "error_count": 0,
            "max_vms": 135,
            "pressure": dict(zip(("cpu_steal", "cpu", "io", "memory"), quiet[h], strict=True)),
            "pressure_window_s": 600,
            "migration_mib_per_s": 2400 if kind.cores >= 64 else 1200,
            "observed_at": seen,
            "signals_at": seen,
            "labels": {"cpu": kind.cpu, "kind": kind.name},
        }
        extra = dict(made.host_extra.get(h, {}))
        if "window_s" in extra:
            before, after = extra.pop("window_s")
            host["maintenance"] = [{"from": stamp(before), "to": stamp(-after), "reason": "kernel update"}]
        host.update(extra)
        yield host


def _vms(made: Draft, stamp: Any) -> Iterator[dict[str, Any]]:
    rng = made.random(VMS_STREAM)
    count = made.spec.vms
    age = rng.uniform(3 * DAY_S, 900 * DAY_S, count).tolist()
    loud = rng.uniform(0.3, 0.45, (count, 2)).round(2).tolist()
    dirty = rng.exponential(8.0, count).round(1).tolist()
    hosts, owners, groups = made.host.tolist(), made.owner.tolist(), made.group.tolist()
    for v, row in enumerate(made.demand.tolist()):
        extra = dict(made.vm_extra.get(v, {}))
        vm: dict[str, Any] = {
            "id": vm_id(v),
            "host": host_id(hosts[v]),
            "demand": _named(row),
            "owner": f"u{owners[v]}",
            "created_at": stamp(extra.pop("created_before_s", age[v])),
            "dirty_mib_per_s": dirty[v],
            "move_cost": round(1 + (row[MEMORY] + row[DISK]) / 262144, 2),
        }
        member = ([f"g{groups[v]}"] if groups[v] >= 0 else []) + made.member_of.get(v, [])
        if member:
            vm["groups"] = member
        if made.noisy[v]:
            vm["noise"] = {"cpu": loud[v][0], "io": loud[v][1]}
        if made.sensitive[v]:
            vm["sensitive"] = True
        if v in made.requires:
            vm["requires"] = {"cpu": list(made.requires[v])}
        if "no_move_for_s" in extra:
            vm["no_move_until"] = stamp(-extra.pop("no_move_for_s"))
        vm.update(extra)
        yield vm


def _groups(made: Draft) -> Iterator[dict[str, Any]]:
    for g, level in enumerate(made.group_level.tolist()):
        if level >= 0:
            rule = {"rule": "anti_affinity", "level": ("host", "rack")[level], "at_most": 1, "hardness": "must"}
            yield {"id": f"g{g}", "rules": [rule]}
    for name, rules in made.rules.items():
        yield {"id": name, "rules": rules}


def _history(made: Draft, stamp: Any) -> Iterator[dict[str, Any]]:
    """Yield past moves, the oldest first: background, then recent ones, and what problems have noted."""
    rng = made.random(HISTORY_STREAM)
    spec = made.spec
    past: list[tuple[str, str, str, float, str]] = []
    for v in rng.permutation(spec.vms)[: round(spec.history * spec.vms)].tolist():
        name = vm_id(v) if rng.random() < 0.8 else f"deleted{v}"
        outcome = "done" if rng.random() < 0.9 else "failed"
        source = host_id(int(rng.integers(spec.hosts)))
        past.append((name, source, host_id(int(made.host[v])), float(rng.uniform(26, 46)) * 3600, outcome))
    quiet = [v for v in range(spec.vms) if int(made.host[v]) not in made.used]
    for v in rng.permutation(quiet)[: spec.recent_moves].tolist():
        source = host_id(int(rng.integers(spec.hosts)))
        past.append((vm_id(int(v)), source, host_id(int(made.host[int(v)])), float(rng.uniform(600, 3300)), "done"))
    past += [(vm_id(v), host_id(a), host_id(b), before, outcome) for v, a, b, before, outcome in made.history]
    for vm, source, target, before, outcome in sorted(past, key=lambda move: (-move[3], move)):
        yield {
            "vm": vm,
            "from": source,
            "to": target,
            "started_at": stamp(before),
            "ended_at": stamp(before - 90),
            "outcome": outcome,
            "by": "remora",
        }
