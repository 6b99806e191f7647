"""From the series of a host to the regression that explains each VM's stall: rows, columns, and which of them count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optimizer.signals.interference.series import HostSeries
    from optimizer.signals.interference.settings import Settings

__all__ = ["Design", "design_of", "filled"]

EXTRA = 2
"""Columns beside the VMs' use: what the host uses beyond its VMs, and what the VMs do all at once."""


@dataclass(frozen=True, eq=False)
class Design:
    """The regression of one host.

    Parameters
    ----------
    columns
        float64 [T, V + 2]: use by each VM (0 where it is not there), use not attributed to any VM, the common factor.
    stall
        float64 [T, V], 0 where not known.
    row_known
        bool [T]: the use of every VM that is there is known.
    stall_known
        bool [T, V].
    present
        bool [n, V]: the VM has enough samples in the window.
    window
        Samples in a window; T = n x window.
    """

    columns: NDArray[np.float64]
    stall: NDArray[np.float64]
    row_known: NDArray[np.bool_]
    stall_known: NDArray[np.bool_]
    present: NDArray[np.bool_]
    window: int


def design_of(series: HostSeries, settings: Settings) -> Design | None:
    """Return the regression over the last whole windows of a series; None where there is not one window."""
    windows = min(settings.windows, len(series.stall) // settings.window)
    if not windows or len(series.vms) < 2:
        return None
    last = windows * settings.window
    use, stall = filled(series.use[-last:], settings.gap), series.net_stall[-last:]
    known = np.isfinite(use).reshape(windows, settings.window, -1)
    present = (known.mean(axis=1) >= settings.present) & (
        np.isfinite(stall).reshape(known.shape).mean(axis=1) >= settings.present
    )
    there = np.repeat(present, settings.window, axis=0)
    row_known = (np.isfinite(use) | ~there).all(axis=1)
    use = np.where(there & row_known[:, None], np.nan_to_num(use), 0.0)
    columns = np.concatenate(
        [use, _rest(series, use, last)[:, None], _common(use, present, row_known, settings)[:, None]], axis=1
    )
    stall_known = np.isfinite(stall)
    return Design(columns, np.nan_to_num(stall), row_known, stall_known, present, settings.window)


def filled(series: NDArray[np.float64], most: int) -> NDArray[np.float64]:
    """Fill gaps of at most `most` samples in a row, on the line between their neighbours; leave longer ones.

    Parameters
    ----------
    series
        float64 [T, V] with NaN where a sample is missing.
    """
    missing = np.isnan(series)
    if not (most and missing.any()):
        return series
    length = len(series)
    at = np.arange(length)[:, None]
    before = np.maximum.accumulate(np.where(missing, -1, at), axis=0)
    after = np.minimum.accumulate(np.where(missing, length, at)[::-1], axis=0)[::-1]
    fill = missing & (before >= 0) & (after < length) & (after - before - 1 <= most)
    column = np.broadcast_to(np.arange(series.shape[1]), series.shape)
    low, high = series[np.maximum(before, 0), column], series[np.minimum(after, length - 1), column]
    with np.errstate(invalid="ignore"):
        between = low + (high - low) * (at - before) / np.maximum(after - before, 1)
    return np.where(fill, between, series)


def _rest(series: HostSeries, use: NDArray[np.float64], last: int) -> NDArray[np.float64]:
    """Return float64 [T]: what the host uses beyond its VMs; where that is not known, as much as otherwise."""
    if series.total is None:
        return np.zeros(len(use))
    rest = np.asarray(series.total[-last:] - use.sum(axis=1), np.float64)
    known = np.isfinite(rest)
    return np.maximum(np.where(known, rest, rest[known].mean() if known.any() else 0.0), 0.0)


def _common(
    use: NDArray[np.float64], present: NDArray[np.bool_], row_known: NDArray[np.bool_], settings: Settings
) -> NDArray[np.float64]:
    """Return float64 [T]: what the VMs do all at once, as the median over them of their use in standard units.

    One loud VM, or a few, do not move a median; a load that all of them follow does.
    """
    out = np.zeros(len(use))
    for w, there in enumerate(present):
        rows = np.arange(w * settings.window, (w + 1) * settings.window)
        rows = rows[row_known[rows]]
        part = use[np.ix_(rows, np.flatnonzero(there))]
        if len(rows) < 2 or part.shape[1] < settings.common_from:
            continue
        centred = part - part.mean(axis=0)
        spread = centred.std(axis=0)
        varies = spread > 1e-9 * (np.abs(part).max(axis=0) + 1e-300)
        if varies.sum() >= settings.common_from:
            out[rows] = np.median(centred[:, varies] / spread[varies], axis=1)
    return out
