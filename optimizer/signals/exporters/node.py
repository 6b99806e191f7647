"""node_exporter on the hypervisors: what is in use, how long tasks wait (PSI), and how soon a file system is full.

Pressures are a quantile over the window of rates over `{rate}`: a spike is no pressure, and what lasts for a third of
the window is. PSI counts only where the resource is busy: tasks held back by a quota of their own wait on an idle host
as well (the filter of OpenShift's KubeVirtRelieveAndMigrate). `node_cpu_seconds_total{mode="steal"}` is not asked:
what it counts is taken by a hypervisor *above*, so on bare metal it is always 0.
"""

from __future__ import annotations

from optimizer.signals.signal import Exporter, Join, Signal

__all__ = ["CPU_TIMES", "CPU_USED", "NODE", "STEAL_OF_NODE"]

MIB = 1 / 2**20
MILLI = 1000.0

STEAL_OF_NODE = 'mode="steal"'
"""What a query has in it that reads the steal of a hypervisor above."""

IDLE = 'node_cpu_seconds_total{mode="idle"}'
CPU_USED = 'sum by ({host}) (rate(node_cpu_seconds_total{mode!~"idle|iowait|steal"}[{window}]))'
CPU_TIMES = f"max by ({{host}}) (count by ({{host}}, cpu) (count_over_time({IDLE}[{{window}}])))"
"""How many series there are of what each CPU of a host has one of."""

PSI = "boot the host with psi=1 (RHEL has it off), and let node_exporter run its collector `pressure`"
FILESYSTEM = "set signals.filesystem to the mount point that holds the disks of VMs"


def _over(kind: str) -> str:
    counter = f"node_pressure_{kind}_seconds_total"
    return f"quantile_over_time({{quantile}}, (max by ({{host}}) (rate({counter}[{{rate}}])))[{{window}}:{{step}}])"


def _used(kind: str) -> str:
    return f'node_filesystem_{kind}_bytes{{mountpoint="{{filesystem}}"}}'


_CPU_BUSY = f"1 - avg by ({{host}}) (rate({IDLE}[{{window}}]))"
_MEMORY_BUSY = (
    "1 - max by ({host}) (avg_over_time(node_memory_MemAvailable_bytes[{window}]))"
    " / max by ({host}) (node_memory_MemTotal_bytes)"
)
_DISK_BUSY = "max by ({host}) (rate(node_disk_io_time_seconds_total[{window}]))"

NODE = Exporter(
    "node",
    host=Join("instance", pattern=r"^(.+?)(?::\d+)?$"),
    signals=(
        Signal(
            "host.measured.disk_mib",
            f"max by ({{host}}) (max by ({{host}}) ({_used('size')})"
            f" - min by ({{host}}) (avg_over_time({_used('avail')}[{{window}}])))",
            _used("avail"),
            scale=MIB,
            advice=FILESYSTEM,
        ),
        Signal(
            "host.full_in_s.disk_mib",
            f"max by ({{host}}) ({_used('avail')}) / -(min by ({{host}}) (deriv({_used('avail')}[{{growth}}])) < 0)",
            _used("avail"),
            needed=False,
            advice=FILESYSTEM,
        ),
        Signal(
            "host.measured.memory_mib",
            "max by ({host}) (node_memory_MemTotal_bytes)"
            " - min by ({host}) (avg_over_time(node_memory_MemAvailable_bytes[{window}]))",
            "node_memory_MemAvailable_bytes",
            scale=MIB,
            advice="let node_exporter run its collector `meminfo`",
        ),
        Signal(
            "host.measured.cpu_load_millicores",
            CPU_USED,
            IDLE,
            scale=MILLI,
            once=CPU_TIMES,
            advice="let node_exporter run its collector `cpu`",
        ),
        Signal(
            "host.pressure.cpu",
            _over("cpu_waiting"),
            "node_pressure_cpu_waiting_seconds_total",
            busy=_CPU_BUSY,
            advice=PSI,
        ),
        Signal(
            "host.pressure.memory",
            _over("memory_stalled"),
            "node_pressure_memory_stalled_seconds_total",
            busy=_MEMORY_BUSY,
            advice=PSI,
        ),
        Signal(
            "host.pressure.io",
            _over("io_stalled"),
            "node_pressure_io_stalled_seconds_total",
            busy=_DISK_BUSY,
            busy_above=0.5,
            advice=PSI,
        ),
        Signal(
            "host.clock_skew_s",
            "max by ({host}) (abs(avg_over_time((node_time_seconds - timestamp(node_time_seconds))[{window}:{step}])))",
            "node_time_seconds",
            advice="let node_exporter run its collector `time`",
        ),
    ),
)
