"""The libvirt exporters: what each VM takes of the CPUs and disks, and how long its vCPUs wait for one.

`libvirt_domain_vcpu_delay_seconds_total` is the time that a vCPU thread was ready and waited in the host's run queue
(/proc/PID/task/TID/schedstat): what the guest feels as steal. Debian's prometheus-libvirt-exporter (0.2, kumina's) does
not have it. `libvirt_domain_vcpu_wait_seconds_total` means the same and comes from the scheduler's statistics of the
thread (`wait_sum`), which many kernels keep only with `kernel.sched_schedstats=1`: it is 0 without.
"""

from __future__ import annotations

from dataclasses import replace

from optimizer.signals.signal import Exporter, Join, Signal

__all__ = ["CPU_USED", "DELAY", "INOVEX", "IO_USED", "TIMES", "TINKOFF", "WAIT", "WAITING"]

MILLI = 1000.0
KIB = 1 / 1024
DELAY = "libvirt_domain_vcpu_delay_seconds_total"
WAIT = "libvirt_domain_vcpu_wait_seconds_total"
CPU = "libvirt_domain_info_cpu_time_seconds_total"
READ, WRITTEN = "libvirt_domain_block_stats_read_bytes_total", "libvirt_domain_block_stats_write_bytes_total"
CPU_USED = f"sum by ({{vm}}) (rate({CPU}[{{window}}]))"
IO_USED = f"sum by ({{vm}}) (rate({READ}[{{window}}])) + sum by ({{vm}}) (rate({WRITTEN}[{{window}}]))"
TIMES = f"count by ({{vm}}) (count_over_time({CPU}[{{window}}]))"
"""How many series there are of what each domain has one of; of those of its disks nobody knows how many."""

WITH_DELAY = (
    "an exporter with vcpu.N.delay: inovex/prometheus-libvirt-exporter 2, with libvirt 7.2 or later; where there is "
    "only vcpu.N.wait, put libvirt-wait before it in signals.exporters"
)
WITH_WAIT = "an exporter with vcpu.N.delay or vcpu.N.wait: inovex/prometheus-libvirt-exporter"


def _steal(counter: str, advice: str) -> tuple[Signal, Signal]:
    """Return how long the vCPUs of each VM, and of each host, wait by a counter of each vCPU."""
    rate, over = f"rate({counter}[{{rate}}])", "quantile_over_time({quantile}, (%s)[{window}:{step}])"
    of_vm, of_host = over % f"avg by ({{vm}}) ({rate})", over % f"quantile by ({{host}}) (0.95, {rate})"
    return (
        Signal("vm.pressure.cpu_steal", of_vm, counter, advice=advice),
        Signal("host.pressure.cpu_steal", of_host, counter, of_its_vms=True, advice=advice),
    )


SIGNALS = (
    *_steal(DELAY, WITH_DELAY),
    Signal(
        "vm.demand.cpu_load_millicores",
        CPU_USED,
        CPU,
        scale=MILLI,
        once=TIMES,
        advice="let the libvirt exporter run on every hypervisor",
    ),
    Signal(
        "vm.demand.disk_io_kib_per_s",
        IO_USED,
        READ,
        scale=KIB,
        once=TIMES,
        needed=False,
        advice="a VM without disks has none",
    ),
)

HOST = Join("instance", pattern=r"^(.+?)(?::\d+)?$")
BY_DOMAIN = ("instance", "domain")

INOVEX = Exporter("libvirt", SIGNALS, HOST, Join("instance_id", "libvirt_domain_openstack_info", BY_DOMAIN))
"""inovex/prometheus-libvirt-exporter; without OpenStack `signals.vms` says that the label `domain` names VMs."""

WAITING = replace(INOVEX, name="libvirt-wait", signals=_steal(WAIT, WITH_WAIT))
"""Steal by vcpu.N.wait, where the exporter has no vcpu.N.delay."""

TINKOFF = replace(INOVEX, name="libvirt-tinkoff", vm=Join("uuid", "libvirt_domain_info_meta", BY_DOMAIN))
