"""Time that is lost: vCPUs that wait for a CPU, and tasks that stall for CPU, I/O or memory (PSI)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from optimizer.fleet import Pressure
from optimizer.monitors.columns import host_readings, vm_readings
from optimizer.monitors.levels import Levels
from optimizer.sources.config_yaml import STRICT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from optimizer.monitors.reading import Live, Observation, Reading

__all__ = ["Psi", "VcpuWait"]

HOST, VM = "host", "vm"


@dataclass(frozen=True, kw_only=True, config=STRICT)
class VcpuWait(Levels):
    """The share of time for which vCPUs wait for a CPU: what guests feel as steal (`pressure.cpu_steal`).

    Parameters
    ----------
    of
        Of each ``vm``, or of each ``host`` (over its vCPUs).
    stale_after_s
        Signals of a host that are older are not judged.
    """

    monitor: Literal["vcpu_wait"] = "vcpu_wait"
    name: str = Field(default="vcpu_wait", max_length=64, pattern=r"^[A-Za-z0-9._-]+$")
    of: Literal["vm", "host"] = "vm"
    opens_above: float = Field(default=0.10, ge=0, le=1)
    closes_below: float = Field(default=0.05, ge=0, le=1)
    stale_after_s: int = Field(default=900, ge=1, le=2_592_000)

    def readings(self, seen: Observation, live: Live) -> Iterator[Reading]:
        """Judge each VM or host."""
        yield from _readings(self, self.of, Pressure.CPU_STEAL, seen, live, self.stale_after_s)


PSI_LEVELS = {"cpu": (0.40, 0.25), "io": (0.10, 0.05), "memory": (0.02, 0.01)}
"""Where nothing is said. I/O: stalled for a tenth of the time. Memory: any that lasts is bad. CPU is `waiting`, which a
busy host has some of all the time; it counts where the host is busy, as the signals have it."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Psi(Levels):
    """The share of time for which tasks stall (`pressure.cpu`, `.io`, `.memory`).

    Parameters
    ----------
    resource
        What they stall for.
    of
        Of each ``host`` or of each ``vm``.
    stale_after_s
        Signals of a host that are older are not judged.
    """

    monitor: Literal["psi"] = "psi"
    resource: Literal["cpu", "io", "memory"]
    of: Literal["vm", "host"] = "host"
    opens_above: float = Field(default=-1.0, le=1)
    closes_below: float = Field(default=-1.0, le=1)
    stale_after_s: int = Field(default=900, ge=1, le=2_592_000)

    def __post_init__(self) -> None:
        """Fill in what depends on the resource."""
        opens, closes = PSI_LEVELS[self.resource]
        if self.closes_below < 0:
            usual = self.opens_above < 0
            object.__setattr__(self, "closes_below", closes if usual else min(closes, self.opens_above / 2))
        if self.opens_above < 0:
            object.__setattr__(self, "opens_above", opens)
        if not self.name:
            object.__setattr__(self, "name", f"psi_{self.resource}" + ("_of_vms" if self.of == VM else ""))
        super().__post_init__()

    def readings(self, seen: Observation, live: Live) -> Iterator[Reading]:
        """Judge each host or VM."""
        yield from _readings(self, self.of, Pressure[self.resource.upper()], seen, live, self.stale_after_s)


def _readings(
    levels: Levels, of: str, column: Pressure, seen: Observation, live: Live, stale_after_s: float
) -> Iterator[Reading]:
    fleet = seen.fleet
    said: dict[str, Any] = {"signal": f"{of}.pressure.{column.name.lower()}"}
    if of == VM:
        yield from vm_readings(levels, fleet, fleet.vms.pressure[:, column], live, stale_after_s, lambda _: said)
    else:
        yield from host_readings(levels, fleet, fleet.hosts.pressure[:, column], live, stale_after_s, lambda _: said)
