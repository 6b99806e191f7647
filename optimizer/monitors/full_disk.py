"""Full disks, and disks that will be full soon: by what a host reports in use, and by how fast that grows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from optimizer.fleet import ABSENT
from optimizer.monitors.columns import host_readings
from optimizer.monitors.levels import Levels
from optimizer.monitors.reading import Lookout
from optimizer.sources.config_yaml import STRICT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet
    from optimizer.monitors.reading import Live, Observation, Reading

__all__ = ["FillingDisk", "FullDisk"]


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


@dataclass(frozen=True, kw_only=True, config=STRICT)
class FillingDisk(Lookout):
    """How long each host's disk lasts if it goes on filling as it does now (`full_in_s` of the snapshot).

    A host that reports its use and says nothing of this does not fill.

    Parameters
    ----------
    resource
        The resource that is the disk.
    opens_below_s, closes_above_s
        Time to full at which it is bad, and at which it is well.
    only_above
        A disk that is less full than this is well, however fast it fills now: a burst on an empty disk ends.
    stale_after_s
        Signals of a host that are older are not judged.
    """

    monitor: Literal["disk_filling"] = "disk_filling"
    name: str = Field(default="disk_filling", max_length=64, pattern=r"^[A-Za-z0-9._-]+$")
    resource: str = Field(default="disk_mib", min_length=1, max_length=256)
    opens_below_s: int = Field(default=86_400, ge=1, le=31_536_000)
    closes_above_s: int = Field(default=172_800, ge=2, le=63_072_000)
    only_above: float = Field(default=0.5, ge=0, le=1)
    open_after_s: int = Field(default=900, ge=0, le=2_592_000)
    stale_after_s: int = Field(default=900, ge=1, le=2_592_000)

    def __post_init__(self) -> None:
        """Refuse times that would leave nothing in between."""
        if self.closes_above_s <= self.opens_below_s:
            raise ValueError("closes_above_s has to be more than opens_below_s")

    def readings(self, seen: Observation, live: Live) -> Iterator[Reading]:
        """Judge each host that reports its use, where any host of the snapshot says how fast it fills."""
        fleet = seen.fleet
        r = fleet.resource_index.get(self.resource)
        if r is None:
            return
        lasts = np.full(len(fleet.hosts), np.inf)
        for h, said in fleet.hosts.full_in_s.items():
            lasts[h] = said.get(self.resource, np.inf)
        capacity = fleet.hosts.capacity[:, r]
        share = np.where(capacity > 0, fleet.hosts.measured[:, r] / np.maximum(capacity, 1), 0.0)
        lasts = np.where(share < self.only_above, np.inf, lasts)
        # a host fills the faster, the higher this is: 1 at `opens_below_s`
        haste = self.opens_below_s / np.maximum(lasts, 1.0)
        reported = (fleet.hosts.measured[:, r] != ABSENT) & bool(fleet.hosts.full_in_s)
        levels = Levels(opens_above=1.0, closes_below=self.opens_below_s / self.closes_above_s)

        def evidence(h: int) -> dict[str, Any]:
            said = {"resource": self.resource, "share": float(share[h])}
            limits = {"opens_below_s": self.opens_below_s, "closes_above_s": self.closes_above_s}
            return {**said, **limits, "value": float(lasts[h]) if np.isfinite(lasts[h]) else None}

        yield from host_readings(levels, fleet, np.where(reported, haste, np.nan), live, self.stale_after_s, evidence)


def _used(fleet: Fleet, r: int) -> NDArray[np.int64]:
    """int64 [H]: what the host reports, and at least what its VMs were allocated where it reports nothing."""
    measured = fleet.hosts.measured[:, r]
    return np.asarray(np.where(measured == ABSENT, fleet.explained[:, r], measured), np.int64)
