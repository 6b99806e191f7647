"""Fleets with signals by chance, and what hurts in them, counted from their documents alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests import build

if TYPE_CHECKING:
    from random import Random

__all__ = ["START", "at", "bad_of", "signalled"]

START = datetime(2026, 11, 21, 12, tzinfo=UTC)

Document = dict[str, Any]


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def signalled(random: Random, minutes: float, hosts: int = 6, vms: int = 12) -> Document:
    """Return a snapshot in which every signal is well, in between, bad, absent or old, by chance."""
    moment = at(minutes)

    def share(opens: float, closes: float) -> float:
        low, middle, high = closes * random.random(), (opens + closes) / 2, opens * (1.01 + random.random())
        return round(random.choice([low, low, middle, high]), 4)

    def pressure() -> Document:
        levels = {"cpu_steal": (0.10, 0.05), "cpu": (0.40, 0.25), "io": (0.10, 0.05), "memory": (0.02, 0.01)}
        return {name: share(*of) for name, of in levels.items() if random.random() < 0.8}

    def host(i: int) -> Document:
        disk = 100_000
        more: Document = {"pressure": pressure(), "measured": {"disk_mib": int(disk * min(1.0, share(0.90, 0.85)))}}
        if random.random() < 0.3:
            more["full_in_s"] = {"disk_mib": random.choice([3600.0, 100_000.0, 500_000.0])}
        if random.random() < 0.2:
            more["signals_at"] = (moment - timedelta(seconds=random.choice([60, 899, 901, 5000]))).isoformat()
        if random.random() < 0.1:
            more["unobserved"] = "no answer from its exporter"
        if random.random() < 0.1:
            more["state"] = "down"
        return build.host(f"h{i}", cpu=64000, memory=65536, disk=disk, rack=f"r{i % 2}", **more)

    def vm(i: int) -> Document:
        more: Document = {"pressure": pressure()} if random.random() < 0.9 else {}
        if random.random() < 0.1:
            more["unobserved"] = "its exporter does not know it"
        where = f"h{random.randrange(hosts)}" if random.random() < 0.95 else None
        return build.vm(f"v{i}", where, cpu=1000, memory=1024, disk=1024, groups=[f"g{i % 4}"], **more)

    listed = [host(i) for i in range(hosts)]
    return build.document(listed, [vm(i) for i in range(vms)], taken_at=moment.isoformat())


def bad_of(document: Document) -> dict[tuple[str, str], str]:
    """Return (monitor, subject) -> bad, between, well or missing, of everything that the usual monitors watch."""
    out: dict[tuple[str, str], str] = {}
    now = datetime.fromisoformat(document["taken_at"])
    hosts = {host["id"]: host for host in document["hosts"]}
    fills = any("full_in_s" in host for host in hosts.values())
    for name, host in hosts.items():
        blind = _blind(host, now)
        share = host["measured"]["disk_mib"] / host["capacity"]["disk_mib"]
        out["full_disk", name] = "missing" if blind else _level(share, 0.90, 0.85)
        lasts = host.get("full_in_s", {}).get("disk_mib")
        slow = lasts is None or share < 0.5
        level = "well" if slow else "bad" if lasts < 86_400 else "well" if lasts >= 172_800 else "between"
        out["disk_filling", name] = "missing" if blind or not fills else level
        for signal, opens, closes in (("cpu", 0.40, 0.25), ("io", 0.10, 0.05), ("memory", 0.02, 0.01)):
            value = host["pressure"].get(signal)
            out[f"psi_{signal}", name] = "missing" if blind or value is None else _level(value, opens, closes)
    for vm in document["vms"]:
        value = vm.get("pressure", {}).get("cpu_steal")
        unseen = vm["host"] is None or value is None or "unobserved" in vm or _blind(hosts[vm["host"]], now)
        out["vcpu_wait", vm["id"]] = "missing" if unseen else _level(value, 0.10, 0.05)
    for group in {g for vm in document["vms"] for g in vm["groups"]}:
        where = [vm["host"] for vm in document["vms"] if group in vm["groups"] and vm["host"] is not None]
        for host in set(where):
            bad = where.count(host) > 1
            out["anti_affinity", f"{group} host:{host}"] = "bad" if bad else "well"
    return out


def _blind(host: Document, now: datetime) -> bool:
    old = "signals_at" in host and (now - datetime.fromisoformat(host["signals_at"])).total_seconds() > 900
    return old or host.get("state") == "down" or "unobserved" in host


def _level(value: float, opens: float, closes: float) -> str:
    return "bad" if value > opens else "well" if value <= closes else "between"
