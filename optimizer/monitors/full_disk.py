"""Full disks: what a host reports in use of its disk, or what its VMs were allocated where that is more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from optimizer.fleet import ABSENT
from optimizer.monitors.columns import host_readings
from optimizer.monitors.levels import Levels
from optimizer.sources.config_yaml import STRICT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet
    from optimizer.monitors.reading import Live, Observation, Reading

__all__ = ["FullDisk"]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class FullDisk(Levels):
    """How full the disk of each host is, as a share of what it physically has.

    Parameters
    ----------
    resource
        The resource that is the disk.
    stale_after_s
        Signals of a host that are older are not judged.
    """

    monitor: Literal["full_disk"] = "full_disk"
    name: str = Field(default="full_disk", max_length=64, pattern=r"^[A-Za-z0-9._-]+$")
    resource: str = Field(default="disk_mib", min_length=1, max_length=256)
    stale_after_s: int = Field(default=900, ge=1, le=2_592_000)

    def readings(self, seen: Observation, live: Live) -> Iterator[Reading]:
        """Judge each host; one that does not name the resource is left aside."""
        fleet = seen.fleet
        r = fleet.resource_index.get(self.resource)
        if r is None:
            return
        used, capacity = _used(fleet, r), fleet.hosts.capacity[:, r]
        values = np.where(capacity > 0, used / np.maximum(capacity, 1), 0.0)

        def evidence(h: int) -> dict[str, Any]:
            return {"resource": self.resource, "used": int(used[h]), "capacity": int(capacity[h])}

        yield from host_readings(self, fleet, values, live, self.stale_after_s, evidence)


def _used(fleet: Fleet, r: int) -> NDArray[np.int64]:
    """int64 [H]: what the host reports, and at least what its VMs were allocated where it reports nothing."""
    measured = fleet.hosts.measured[:, r]
    return np.asarray(np.where(measured == ABSENT, fleet.explained[:, r], measured), np.int64)
