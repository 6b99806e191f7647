"""Random tiny fleets: what the contract of all rules, and the oracle, are tried on.

A fleet has 2 to 4 hosts, 2 to 6 VMs and 1 to 3 resources, with numbers so tight that rules bind often; over many
seeds every optional fact of the format occurs.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from optimizer.sources.fleet_json import fleet_from_document

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from optimizer.fleet import Fleet

__all__ = ["random_document", "random_fleet", "some"]

Document = dict[str, Any]

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
RESOURCES = (
    {"name": "cpu_millicores", "copied": False},
    {"name": "memory_mib", "copied": True},
    {"name": "disk_mib", "copied": True},
)
LEVELS = ("host", "rack", "zone")
OWNERS = ("u0", "u1")
GROUPS = ("g0", "g1", "g2")
LABELS = {"tier": ("gold", "lead"), "cpu": ("epyc", "xeon")}
NOISE = ("cpu_steal", "cpu", "io", "memory")
BUSY: Any = ("create", "restore", "pdu_reboot", "ipmi_reboot", "node_unresponsive")


def random_fleet(rng: Random) -> Fleet:
    """Return a random tiny fleet, read the way any snapshot is."""
    return fleet_from_document(random_document(rng), "random")


def random_document(rng: Random) -> Document:
    """Return a random tiny snapshot."""
    resources = list(RESOURCES[: rng.choice((1, 1, 2, 3))])
    levels = list(LEVELS[: rng.choice((1, 2, 3, 3))])
    hosts: list[Document] = [{"id": f"h{i}"} for i in range(rng.randint(2, 4))]
    vms = [_vm(rng, i, hosts, [str(r["name"]) for r in resources]) for i in range(rng.randint(2, 6))]
    for host in hosts:
        _fill_host(rng, host, vms, resources, levels)
    document: Document = {
        "format": "remora-fleet/1",
        "fleet": "tiny",
        "taken_at": _time(0),
        "resources": resources,
        "levels": levels,
        "hosts": hosts,
        "vms": vms,
        "groups": _groups(rng, levels, vms),
    }
    document |= _events(rng, hosts, vms)
    if len(levels) > 1 and rng.random() < 0.1:
        document["move_within"] = rng.choice(levels[1:])
    return document


def _time(minutes: float) -> str:
    return (NOW + timedelta(minutes=minutes)).isoformat()


def some(rng: Random, chance: float, **fields: Callable[[], Any]) -> Document:
    """Return each of the fields with this chance."""
    return {name: make() for name, make in fields.items() if rng.random() < chance}


def _labels(rng: Random) -> dict[str, str]:
    return {key: rng.choice(values) for key, values in LABELS.items() if rng.random() < 0.6}


def _vm(rng: Random, number: int, hosts: list[Document], resources: list[str]) -> Document:
    vm: Document = {
        "id": f"v{number}",
        "host": rng.choice(hosts)["id"] if rng.random() < 0.95 else None,
        "demand": {r: rng.randint(0, 5) for r in resources if rng.random() < 0.9},
    }
    vm |= some(
        rng,
        0.5,
        owner=lambda: rng.choice(OWNERS),
        created_at=lambda: _time(-rng.choice((5, 30, 120, 3000))),
        noise=lambda: {kind: rng.choice((0.1, 0.35, 0.5, 0.9)) for kind in rng.sample(NOISE, rng.randint(0, 3))},
        sensitive=lambda: rng.random() < 0.6,
        labels=lambda: _labels(rng),
    )
    vm |= some(rng, 0.75, groups=lambda: rng.sample(GROUPS, rng.choice((1, 1, 2))))
    vm |= some(
        rng,
        0.15,
        state=lambda: rng.choice(("running", "paused", "stopped", "error", "unknown")),
        mobility=lambda: rng.choice(("live", "cold", "none")),
        requires=lambda: {"cpu": rng.sample(LABELS["cpu"], rng.randint(1, 2))},
        forbidden_hosts=lambda: [rng.choice(hosts)["id"]],
        no_move_until=lambda: _time(rng.choice((-10, 10))),
        pressure=lambda: {"cpu_steal": 0.2, "io": 0.31},
        dirty_mib_per_s=lambda: rng.choice((1.5, 50.0)),
        move_cost=lambda: rng.choice((0.5, 1.0, 2.25)),
    )
    if vm.get("mobility") == "none" and rng.random() < 0.5:
        vm["mobility_reason"] = "passthrough device"
    return vm


def _fill_host(rng: Random, host: Document, vms: list[Document], resources: list[Document], levels: list[str]) -> None:
    names = [str(r["name"]) for r in resources]
    load = {r: sum(vm["demand"].get(r, 0) for vm in vms if vm["host"] == host["id"]) for r in names}
    host["domains"] = {level: f"{level[0]}{rng.randint(0, 2)}" for level in levels[1:]}
    host["capacity"] = {r: max(1, load[r] + rng.randint(-2, 4)) for r in names if rng.random() < 0.95}
    host |= some(
        rng,
        0.2,
        overcommit=lambda: {rng.choice(names): rng.choice(("1.5", "0.75", "2"))},
        reserved=lambda: {rng.choice(names): rng.randint(0, 2)},
        measured=lambda: {r: max(0, load[r] + rng.randint(-1, 2)) for r in names},
        state=lambda: rng.choice(("active", "draining", "disabled", "down")),
        error_count=lambda: rng.choice((0, 3, 4)),
        max_vms=lambda: rng.randint(1, 3),
        busy=lambda: [rng.choice(BUSY)],
        pressure=lambda: {"cpu_steal": rng.choice((0.0, 0.3)), "cpu": 0.05, "io": 0.02},
        pressure_window_s=lambda: 600,
        migration_mib_per_s=lambda: rng.choice((100, 1200)),
        observed_at=lambda: _time(-rng.choice((1, 60))),
        signals_at=lambda: _time(-1),
        maintenance=lambda: [_window(rng)],
    )
    host["labels"] = _labels(rng)


def _window(rng: Random) -> Document:
    start = rng.choice((-60, -10, 0, 10, 120))
    return {"from": _time(start), "to": _time(start + rng.choice((10, 30))), "reason": "new fans"}


def _groups(rng: Random, levels: list[str], vms: list[Document]) -> list[Document]:
    chosen = [g for g in GROUPS if rng.random() < 0.7]
    known = sorted({*chosen, *(g for vm in vms for g in vm.get("groups", ()))})
    return [{"id": g, "rules": [_group_rule(rng, g, levels, known) for _ in range(rng.randint(1, 3))]} for g in chosen]


def _group_rule(rng: Random, group: str, levels: list[str], known: list[str]) -> Document:
    others = [g for g in known if g != group]
    pairwise = ("apart", "needs") if others else ()
    kind = rng.choice(("anti_affinity", "spread", "together", *pairwise))
    rule: Document = {"rule": kind, "level": rng.choice(levels)}
    if kind == "anti_affinity":
        rule["at_most"] = rng.choice((1, 1, 2))
    elif kind == "spread":
        rule["at_least"] = rng.choice((2, 2, 3))
    elif kind in pairwise:
        rule["with"] = rng.choice(others)
    return rule | some(rng, 0.4, hardness=lambda: rng.choice(("must", "should")), weight=lambda: rng.randint(2, 4))


def _events(rng: Random, hosts: list[Document], vms: list[Document]) -> Document:
    out: Document = {}
    if rng.random() < 0.6:
        out["interference"] = [_evidence(rng, vms) for _ in range(rng.randint(1, 3))]
    placed = [vm for vm in vms if vm["host"] is not None]
    if placed and rng.random() < 0.25:
        out["in_flight"] = [_under_way(rng, hosts, rng.choice(placed))]
    if rng.random() < 0.6:
        out["history_since"] = _time(-60 * 48)
        out["history"] = [_past(rng, hosts, vms, i) for i in range(rng.randint(1, 6))]
    return out


def _evidence(rng: Random, vms: list[Document]) -> Document:
    noisy, suffers = rng.sample(vms, 2)
    score = rng.choice((0.4, 0.6, 0.8))
    return {"noisy": noisy["id"], "suffers": suffers["id"], "kind": rng.choice(NOISE), "score": score}


def _under_way(rng: Random, hosts: list[Document], vm: Document) -> Document:
    other = rng.choice([h["id"] for h in hosts if h["id"] != vm["host"]])
    ends = (vm["host"], other) if rng.random() < 0.7 else (other, vm["host"])
    return {"id": "x0", "vm": vm["id"], "from": ends[0], "to": ends[1], "started_at": _time(-3), "by": "other"}


def _past(rng: Random, hosts: list[Document], vms: list[Document], number: int) -> Document:
    vm = rng.choice([*(vm["id"] for vm in vms), "deleted"])
    source, target = rng.sample([h["id"] for h in hosts], 2)
    start = -rng.choice((10, 50, 100, 300, 2000)) - number
    return {
        "vm": vm,
        "from": source,
        "to": target,
        "started_at": _time(start),
        "ended_at": _time(start + 4),
        "outcome": rng.choice(("done", "done", "failed", "failed", "aborted", "unknown")),
        "by": rng.choice(("remora", "other")),
    }
