"""Fleets of many hosts in which one thing cannot be, each in a way of its own: the cases of `benchmarks.explain`."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["KINDS", "Case", "planted"]

GIB = 1024
TAKEN_AT = "2026-11-21T12:00:00Z"
HOST_GIB, RACK_HOSTS, ON_A_HOST = 256, 25, 10


@dataclass
class Case:
    """A fleet as a document, and the arguments of `remora explain` that ask about it."""

    kind: str
    hosts: list[dict[str, Any]]
    vms: list[dict[str, Any]]
    groups: list[dict[str, Any]] = field(default_factory=list)
    ask: list[str] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """Return the snapshot."""
        return {
            "format": "remora-fleet/1",
            "fleet": self.kind,
            "taken_at": TAKEN_AT,
            "resources": [{"name": "cpu_millicores", "copied": False}, {"name": "memory_mib", "copied": True}],
            "levels": ["host", "rack"],
            "groups": self.groups,
            "hosts": self.hosts,
            "vms": self.vms,
        }

    def on(self, host: str) -> list[dict[str, Any]]:
        """Return the VMs of a host."""
        return [v for v in self.vms if v["host"] == host]


def planted(kind: str, seed: int, hosts: int = 1000) -> Case:
    """Return a fleet with something in it that cannot be."""
    rng = Random(f"{kind} {seed}")
    case = _sound(kind, rng, hosts)
    KINDS[kind](case, rng)
    return case


def _sound(kind: str, rng: Random, hosts: int, load: float = 0.7) -> Case:
    """Return a fleet in order, about 70 % full."""
    case = Case(kind, [], [])
    for h in range(hosts):
        capacity = {"cpu_millicores": 128_000, "memory_mib": HOST_GIB * GIB}
        case.hosts.append({"id": f"h{h:04}", "domains": {"rack": f"r{h // RACK_HOSTS:02}"}, "capacity": capacity})
        left = int(HOST_GIB * load)
        for n in range(ON_A_HOST):
            size = max(1, min(rng.choice((4, 8, 16, 32)), left - (ON_A_HOST - n - 1)))
            left -= size
            demand = {"cpu_millicores": 1000, "memory_mib": size * GIB}
            case.vms.append({"id": f"v{h:04}-{n}", "host": f"h{h:04}", "demand": demand})
    return case


def _some_host(case: Case, rng: Random) -> str:
    return str(rng.choice(case.hosts)["id"])


def _pinned(case: Case, rng: Random) -> None:
    """Drain a host with VMs that cannot be moved."""
    host = _some_host(case, rng)
    for vm in rng.sample(case.on(host), rng.choice((1, 1, 2, 4))):
        vm |= {"mobility": "none", "mobility_reason": "device attached"}
    case.ask = ["--drain", host]


def _only_here(case: Case, rng: Random) -> None:
    """Drain the one host that has a label which a VM requires."""
    host = _some_host(case, rng)
    next(h for h in case.hosts if h["id"] == host)["labels"] = {"gpu": "a100"}
    rng.choice(case.on(host))["requires"] = {"gpu": ["a100"]}
    case.ask = ["--drain", host]


def _giant(case: Case, rng: Random) -> None:
    """Drain the one large host, where a VM stands that is larger than all others."""
    host = _some_host(case, rng)
    next(h for h in case.hosts if h["id"] == host)["capacity"]["memory_mib"] = 4 * HOST_GIB * GIB
    rng.choice(case.on(host))["demand"]["memory_mib"] = (HOST_GIB + rng.randint(1, 64)) * GIB
    case.ask = ["--drain", host]


def _one_a_rack(case: Case, rng: Random) -> None:
    """Drain a rack although a group has a VM in every rack, at most one in each."""
    racks = sorted({h["domains"]["rack"] for h in case.hosts})
    for rack in racks:
        host = rng.choice([h["id"] for h in case.hosts if h["domains"]["rack"] == rack])
        rng.choice(case.on(host))["groups"] = ["quorum"]
    case.groups.append({"id": "quorum", "rules": [{"rule": "anti_affinity", "level": "rack", "at_most": 1}]})
    case.ask = ["--drain", f"rack:{rng.choice(racks)}"]


def _together(case: Case, rng: Random) -> None:
    """Drain a host whose VMs have to stay together and are more than any other host takes."""
    host = _some_host(case, rng)
    next(h for h in case.hosts if h["id"] == host)["capacity"]["memory_mib"] = 2 * HOST_GIB * GIB
    for vm in case.on(host)[:6]:
        vm |= {"groups": ["pod"]}
        vm["demand"]["memory_mib"] = 50 * GIB
    case.groups.append({"id": "pod", "rules": [{"rule": "together", "level": "host"}]})
    case.ask = ["--drain", host]


def _few_moves(case: Case, rng: Random) -> None:
    """Drain a host of ten VMs with fewer moves."""
    case.ask = ["--drain", _some_host(case, rng), "--max-moves", str(rng.randint(0, ON_A_HOST - 1))]


def _small_pool(case: Case, rng: Random) -> None:
    """Drain one of a few hosts that have a label, where the others have no room for all."""
    pool = rng.sample([h["id"] for h in case.hosts], rng.randint(3, 5))
    for host in case.hosts:
        if host["id"] in pool:
            host["labels"] = {"license": "db"}
    for host in pool:
        for vm in case.on(host):
            vm["requires"] = {"license": ["db"]}
            vm["demand"]["memory_mib"] = 24 * GIB
    case.ask = ["--drain", pool[0]]


def _full(case: Case, rng: Random) -> None:
    """Drain a rack of a fleet that is nearly full."""
    for host in case.hosts:
        host["capacity"]["memory_mib"] = sum(v["demand"]["memory_mib"] for v in case.on(host["id"])) + 2 * GIB
    case.ask = ["--drain", f"rack:r{rng.randrange(len(case.hosts) // RACK_HOSTS):02}"]


def _too_full(case: Case, rng: Random) -> None:
    """Repair the memory of a host none of whose VMs can be moved."""
    host = _some_host(case, rng)
    for vm in case.on(host):
        vm |= {"mobility": "none", "mobility_reason": "local disk"}
        vm["demand"]["memory_mib"] = 30 * GIB
    case.ask = ["--blocked", f"capacity:{host}"]


def _too_many(case: Case, rng: Random) -> None:
    """Repair a group that has more VMs than there are racks, at most one in each."""
    racks = sorted({h["domains"]["rack"] for h in case.hosts})
    crowded = rng.choice(racks)
    for rack in racks:
        hosts = [h["id"] for h in case.hosts if h["domains"]["rack"] == rack]
        for host in rng.sample(hosts, rng.randint(2, 4) if rack == crowded else 1):
            rng.choice(case.on(host))["groups"] = ["wide"]
    case.groups.append({"id": "wide", "rules": [{"rule": "anti_affinity", "level": "rack", "at_most": 1}]})
    case.ask = ["--blocked", f"anti_affinity:wide rack:{crowded}"]


def _there(case: Case, rng: Random) -> None:
    """Place a VM on a host that takes none and that it is kept off by two rules."""
    vm, host = rng.choice(case.vms), rng.choice(case.hosts)
    host["state"] = "disabled"
    vm["forbidden_hosts"] = [host["id"]]
    case.ask = [vm["id"], "--to", host["id"], "--stops"]


KINDS: dict[str, Callable[[Case, Random], None]] = {
    "pinned": _pinned,
    "only here": _only_here,
    "giant": _giant,
    "one a rack": _one_a_rack,
    "together": _together,
    "few moves": _few_moves,
    "small pool": _small_pool,
    "full": _full,
    "too full": _too_full,
    "too many": _too_many,
    "there": _there,
}
