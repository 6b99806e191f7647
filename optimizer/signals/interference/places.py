"""Which VMs shared a host when, by the series: who is where, since when two are apart, and what a VM suffered since."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optimizer.signals.interference.series import HostSeries, Observation

__all__ = ["Places"]


class Places:
    """An observation, by VM; samples are numbered from the start of the longest series."""

    def __init__(self, observation: Observation) -> None:
        self.observation = observation
        self._columns: dict[tuple[str, str], list[tuple[HostSeries, int]]] = {}
        for series in observation.hosts:
            for column, vm in enumerate(series.vms):
                self._columns.setdefault((series.kind, vm), []).append((series, column))

    def seen(self, vm: str, kind: str) -> bool:
        """Whether there is a series of the VM."""
        return (kind, vm) in self._columns

    def host(self, vm: str, kind: str) -> str | None:
        """Return the host on which the VM was seen last; None if it was not."""
        found = [
            (int(known[-1]), series.host)
            for series, column in self._columns.get((kind, vm), [])
            if (known := np.flatnonzero(np.isfinite(self._whole(series.use[:, column])))).size
        ]
        return max(found)[1] if found else None

    def last_together(self, one: str, other: str, kind: str) -> int | None:
        """Return the number of the last sample in which both were seen on one host; None if there is none."""
        of_other = {id(series): column for series, column in self._columns.get((kind, other), [])}
        last = -1
        for series, column in self._columns.get((kind, one), []):
            if id(series) in of_other:
                use = series.use[:, [column, of_other[id(series)]]]
                both = np.flatnonzero(self._whole(np.asarray(np.isfinite(use).all(axis=1), np.float64)) == 1)
                last = max(last, int(both[-1]) if both.size else -1)
        return last if last >= 0 else None

    def stall(self, vm: str, kind: str) -> NDArray[np.float64]:
        """float64 [T]: what the VM suffered, wherever it was; NaN where it is not known."""
        out = np.full(self.observation.length, np.nan)
        for series, column in self._columns.get((kind, vm), []):
            stall = self._whole(series.net_stall[:, column])
            out = np.where(np.isnan(out), stall, out)
        return out

    def _whole(self, column: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return a column as long as the longest, NaN before its own start."""
        missing = self.observation.length - len(column)
        return np.concatenate([np.full(missing, np.nan), column]) if missing else column
