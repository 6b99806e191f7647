"""Proxmox VE, as prometheus-pve-exporter reads it from its API: one exporter speaks of a whole cluster.

Hosts are its nodes and VMs its guests, by number: ``id="node/pve1"``, ``id="qemu/100"``. CPU use is a share of what the
node or guest has. The exporter (3.10) has no PSI and no vCPU wait: node_exporter on the nodes has the first.
"""

from __future__ import annotations

from optimizer.signals.signal import Exporter, Join, Signal

__all__ = ["PVE"]

MIB = 1 / 2**20
KIB = 1 / 1024
MILLI = 1000.0
NODE, GUEST = 'id=~"node/.+"', 'id=~"(qemu|lxc)/.+"'
STORAGE = 'id=~"storage/[^/]+/{filesystem}"'
RUNS = "let prometheus-pve-exporter run, with a user that may audit all nodes and guests (PVEAuditor)"
WHICH = "set signals.filesystem to the storage of the VMs, such as local-lvm; where it is shared, signals.without this"


def _load(whose: str, label: str) -> str:
    used = f"max by ({{{label}}}) (avg_over_time(pve_cpu_usage_ratio{{{whose}}}[{{window}}]))"
    return f"{used} * max by ({{{label}}}) (pve_cpu_usage_limit{{{whose}}})"


def _moved(kind: str) -> str:
    return f"max by ({{vm}}) (rate(pve_disk_{kind}_bytes_total{{{GUEST}}}[{{window}}]))"


_USED = f"pve_disk_usage_bytes{{{STORAGE}}}"
_FREE = f"max by ({{host}}) (pve_disk_size_bytes{{{STORAGE}}}) - max by ({{host}}) ({_USED})"

PVE = Exporter(
    "pve",
    host=Join("id", pattern=r"^(?:node|storage)/([^/]+)"),
    vm=Join("id", pattern=r"^(?:qemu|lxc)/(.+)$"),
    signals=(
        Signal(
            "host.measured.cpu_load_millicores",
            _load(NODE, "host"),
            f"pve_cpu_usage_ratio{{{NODE}}}",
            scale=MILLI,
            advice=RUNS,
        ),
        Signal(
            "host.measured.memory_mib",
            f"max by ({{host}}) (avg_over_time(pve_memory_usage_bytes{{{NODE}}}[{{window}}]))",
            f"pve_memory_usage_bytes{{{NODE}}}",
            scale=MIB,
            advice=RUNS,
        ),
        Signal(
            "host.measured.disk_mib",
            f"max by ({{host}}) (avg_over_time({_USED}[{{window}}]))",
            _USED,
            scale=MIB,
            advice=WHICH,
        ),
        Signal(
            "host.full_in_s.disk_mib",
            f"({_FREE}) / (max by ({{host}}) (deriv({_USED}[{{growth}}])) > 0)",
            _USED,
            needed=False,
            advice=WHICH,
        ),
        Signal(
            "vm.demand.cpu_load_millicores",
            _load(GUEST, "vm"),
            f"pve_cpu_usage_ratio{{{GUEST}}}",
            scale=MILLI,
            advice=RUNS,
        ),
        Signal(
            "vm.demand.disk_io_kib_per_s",
            f"{_moved('read')} + {_moved('written')}",
            f"pve_disk_read_bytes_total{{{GUEST}}}",
            scale=KIB,
            needed=False,
            advice="prometheus-pve-exporter 3.5 or later; a guest without disks has none",
        ),
    ),
)
