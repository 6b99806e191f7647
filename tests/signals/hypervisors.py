"""Hypervisors as their exporters see them: what waits and what is full follows from which VMs stand where.

The same series are written as a history (OpenMetrics) and served as they are now (an exporter process would).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["Hypervisors", "exposition", "history", "proxmox_history"]

GIB = 1024
MIB = 2**20
Sample = tuple[str, dict[str, str], float]

CORES = 16
BUSY_FROM = 0.9
"""Use of the CPUs from which on vCPUs wait."""

IO_FROM_KIB = 200_000
"""KiB/s from which on tasks stall for the disks."""


@dataclass(frozen=True)
class Hypervisors:
    """Hosts of a snapshot, and what each VM does: cores that it uses, KiB/s that it writes.

    `reset_at`: when the exporters were restarted, so that counters begin at 0 again. `fills_mib_per_s`: how fast the
    disks of a host fill, from `began` on. `libvirt`: its exporter, `inovex`, one that has vcpu.wait
    and not vcpu.delay (`wait`), or `tinkoff`. `more`: CEEMS is there, and a storage pool.
    """

    document: Mapping[str, Any]
    cores: Mapping[str, float]
    io_kib: Mapping[str, float]
    began: float
    reset_at: float = 0.0
    fills_mib_per_s: Mapping[str, float] = field(default_factory=dict)
    libvirt: str = "inovex"
    more: bool = False

    def samples(self, host: str, now: float) -> Iterator[Sample]:
        """Yield what the exporters of a host say at a time."""
        since = now - (self.reset_at if self.reset_at and now >= self.reset_at else self.began)
        vms = [vm for vm in self.document["vms"] if vm["host"] == host]
        used = sum(self.cores.get(vm["id"], 0.1) for vm in vms) + 0.2
        written = sum(self.io_kib.get(vm["id"], 100.0) for vm in vms)
        crowded, stalled = used > BUSY_FROM * CORES, written > IO_FROM_KIB
        capacity = next(h["capacity"] for h in self.document["hosts"] if h["id"] == host)
        full = sum(vm["demand"]["disk_mib"] for vm in vms) + GIB
        full += self.fills_mib_per_s.get(host, 0.0) * (now - self.began)
        memory = sum(vm["demand"]["memory_mib"] for vm in vms) + GIB
        for core in range(2):
            yield "node_cpu_seconds_total", {"cpu": str(core), "mode": "user"}, since * min(used, CORES) / 2
            yield "node_cpu_seconds_total", {"cpu": str(core), "mode": "idle"}, since * (1 - min(used / CORES, 1))
            yield "node_cpu_seconds_total", {"cpu": str(core), "mode": "steal"}, 0.0
        yield "node_memory_MemTotal_bytes", {}, float(capacity["memory_mib"] * MIB)
        yield "node_memory_MemAvailable_bytes", {}, float((capacity["memory_mib"] - memory) * MIB)
        where = {"mountpoint": "/var/lib/nova", "device": "/dev/vdb"}
        yield "node_filesystem_size_bytes", where, float(capacity["disk_mib"] * MIB)
        yield "node_filesystem_avail_bytes", where, float((capacity["disk_mib"] - full) * MIB)
        yield "node_pressure_cpu_waiting_seconds_total", {}, since * (0.3 if crowded else 0.01)
        yield "node_pressure_io_stalled_seconds_total", {}, since * (0.3 if stalled else 0.005)
        yield "node_pressure_memory_stalled_seconds_total", {}, since * 0.001
        yield "node_disk_io_time_seconds_total", {"device": "vdb"}, since * (0.95 if stalled else 0.2)
        yield "node_time_seconds", {}, now
        if self.more:
            yield "libvirt_storage_pool_allocation_bytes", {"storage_pool": "vms"}, float(2 * full * MIB)
            yield "libvirt_storage_pool_allocation_bytes", {"storage_pool": "images"}, float(MIB)
        for vm in vms:
            yield from self._of_vm(vm["id"], since, crowded)

    def _of_vm(self, vm: str, since: float, crowded: bool) -> Iterator[Sample]:
        domain = {"domain": f"instance-{vm}"}
        if self.libvirt == "tinkoff":
            yield "libvirt_domain_info_meta", {**domain, "uuid": vm, "flavor": "m1", "instance_name": "a name"}, 1.0
        else:
            yield "libvirt_domain_openstack_info", {**domain, "instance_id": vm, "flavor_name": "m1"}, 1.0
        if self.more:
            unit = {"manager": "libvirt", "hostname": "a-name", "cgrouphostname": "", "uuid": vm}
            yield "ceems_compute_unit_cpu_psi_seconds", unit, since * (0.2 if crowded else 0.02)
            yield "ceems_compute_unit_memory_psi_seconds", unit, since * 0.03
        yield "libvirt_domain_info_cpu_time_seconds_total", domain, since * self.cores.get(vm, 0.1)
        for vcpu in range(2):
            waits = since * (0.14 if crowded else 0.01)
            kind = "wait" if self.libvirt == "wait" else "delay"
            yield f"libvirt_domain_vcpu_{kind}_seconds_total", {**domain, "vcpu": str(vcpu)}, waits
        for kind, share in (("read", 0.25), ("write", 0.75)):
            moved = since * share * self.io_kib.get(vm, 100.0) * 1024
            yield f"libvirt_domain_block_stats_{kind}_bytes_total", {**domain, "target_device": "vda"}, moved


def proxmox_samples(fleet: Hypervisors, now: float) -> Iterator[Sample]:
    """Yield what prometheus-pve-exporter says of the same fleet, by its own names; VM h1-0 is guest 100, and so on."""
    since = now - fleet.began
    for host in fleet.document["hosts"]:
        node, vms = {"id": f"node/{host['id']}"}, [vm for vm in fleet.document["vms"] if vm["host"] == host["id"]]
        used = sum(fleet.cores.get(vm["id"], 0.1) for vm in vms) + 0.2
        full = sum(vm["demand"]["disk_mib"] for vm in vms) + GIB + fleet.fills_mib_per_s.get(host["id"], 0.0) * since
        yield "pve_up", node, 1.0
        yield "pve_cpu_usage_ratio", node, min(used / CORES, 1.0)
        yield "pve_cpu_usage_limit", node, float(CORES)
        yield "pve_memory_usage_bytes", node, float((sum(vm["demand"]["memory_mib"] for vm in vms) + GIB) * MIB)
        yield "pve_memory_size_bytes", node, float(host["capacity"]["memory_mib"] * MIB)
        for name, mib in (("vms", full), ("local", 1.0)):
            storage = {"id": f"storage/{host['id']}/{name}"}
            yield "pve_disk_usage_bytes", storage, float(mib * MIB)
            yield "pve_disk_size_bytes", storage, float(host["capacity"]["disk_mib"] * MIB)
    for number, vm in enumerate(fleet.document["vms"], 100):
        guest = {"id": f"qemu/{number}"}
        yield "pve_guest_info", {**guest, "node": vm["host"], "name": vm["id"], "type": "qemu", "template": "0"}, 1.0
        yield "pve_cpu_usage_ratio", guest, fleet.cores.get(vm["id"], 0.1) / 4
        yield "pve_cpu_usage_limit", guest, 4.0
        yield "pve_memory_usage_bytes", guest, float(vm["demand"]["memory_mib"] * MIB)
        for kind, share in (("read", 0.25), ("written", 0.75)):
            yield f"pve_disk_{kind}_bytes_total", guest, since * share * fleet.io_kib.get(vm["id"], 100.0) * 1024


def _line(name: str, labels: Mapping[str, str], value: float, at: float | None = None) -> str:
    inside = ",".join(f'{key}="{text}"' for key, text in labels.items())
    return f"{name}{{{inside}}} {value!r}" + (f" {at:.3f}" if at is not None else "")


def exposition(fleet: Hypervisors, host: str, now: float) -> str:
    """Return what an exporter of a host serves."""
    return "".join(_line(*sample) + "\n" for sample in fleet.samples(host, now))


def history(fleet: Hypervisors, start: float, end: float, step: float) -> str:
    """Return the series of all hosts over a time, as OpenMetrics for `promtool tsdb create-blocks-from`."""
    hosts = [h["id"] for h in fleet.document["hosts"]]
    return _open_metrics({f"{host}:9100": partial(fleet.samples, host) for host in hosts}, start, end, step)


def proxmox_history(fleet: Hypervisors, start: float, end: float, step: float, exporters: int = 1) -> str:
    """Return the same as several exporters of one Proxmox cluster say it: each speaks of all of it."""
    names = [f"pve{i}:9221" for i in range(exporters)]
    return _open_metrics({name: partial(proxmox_samples, fleet) for name in names}, start, end, step)


def _open_metrics(
    exporters: Mapping[str, Callable[[float], Iterator[Sample]]], start: float, end: float, step: float
) -> str:
    out: dict[str, list[str]] = {}
    for instance, samples in exporters.items():
        at = start
        while at <= end:
            for name, labels, value in samples(at):
                where = {"instance": instance, "job": "hypervisors"}
                out.setdefault(name, []).append(_line(name, where | labels, value, at))
            at += step
    lines = [f"# TYPE {name} unknown\n" + "\n".join(mine) for name, mine in out.items()]
    return "\n".join([*lines, "# EOF", ""])
