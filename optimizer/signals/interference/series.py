"""The series of one host and one resource, as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import NDArray

__all__ = ["KINDS", "HostSeries", "Observation"]

KINDS = ("cpu_steal", "cpu", "io", "memory")
"""What VMs compete for, in the words of a snapshot's `pressure`."""


@dataclass(frozen=True, eq=False)
class HostSeries:
    """What the VMs of a host used of one resource and how long each was stalled for want of it.

    Parameters
    ----------
    host
        Its id.
    kind
        One of `KINDS`.
    vms
        Their ids, the columns of the arrays.
    stall
        float64 [T, V]: the fraction of each interval that the VM lost waiting, 0 to 1. NaN: not known.
    use
        float64 [T, V]: use of the resource, in any unit that is the same for all. NaN: not known, or not on the host.
    total
        float64 [T]: use of the whole host in the same unit; None or NaN: not known.
    throttled
        float64 [T, V]: the part of `stall` that the VM's own quota caused; None or NaN: nothing.
    """

    host: str
    kind: str
    vms: tuple[str, ...]
    stall: NDArray[np.float64]
    use: NDArray[np.float64]
    total: NDArray[np.float64] | None = None
    throttled: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        """Refuse arrays that do not fit each other, or that hold what no series holds."""
        shape = (len(self.stall), len(self.vms))
        for name in ("stall", "use", "throttled"):
            array = getattr(self, name)
            if array is not None and array.shape != shape:
                raise ValueError(f"{self.host}: {name} has the shape {array.shape}, expected {shape}")
            if array is not None and np.isinf(array).any():
                raise ValueError(f"{self.host}: {name} is infinite somewhere")
        if self.total is not None and self.total.shape != shape[:1]:
            raise ValueError(f"{self.host}: total has the shape {self.total.shape}, expected {shape[:1]}")

    @property
    def net_stall(self) -> NDArray[np.float64]:
        """float64 [T, V]: stall without what the VM's own quota caused, never below 0."""
        if self.throttled is None:
            return self.stall
        return np.maximum(self.stall - np.nan_to_num(self.throttled), 0.0)


@dataclass(frozen=True, eq=False)
class Observation:
    """The series of many hosts and resources that end at one time.

    Parameters
    ----------
    hosts
        Their series; samples are counted back from the end, where all agree.
    ends_at
        The time of the last sample.
    interval_s
        Seconds from one sample to the next.
    """

    hosts: tuple[HostSeries, ...]
    ends_at: datetime
    interval_s: float

    @property
    def length(self) -> int:
        """Samples of the longest series."""
        return max((len(h.stall) for h in self.hosts), default=0)

    def sample_of(self, at: datetime) -> int:
        """Return the number of the first sample after a time, in the longest series; below 0 if it was before that."""
        before = (self.ends_at - at).total_seconds() / self.interval_s
        return self.length - int(np.floor(before + 1e-9))
