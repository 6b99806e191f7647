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


QUIET = 0.05
"""The share of samples in which a VM is at or below its quiet level; what is always there is never seen to hurt."""

NEAREST = 3
"""Others that are most like a VM, with which it is compared to see whether it moves in step with them."""

SLOW = 5
"""Samples over which use is averaged, to see whether VMs swell and ebb together over the whole series."""

MOST = 0.4
"""Where more than this share of a host's VMs move in step, they do so together."""


@dataclass(frozen=True, eq=False)
class Design:
    """The regression of one host.

    Parameters
    ----------
    columns
        float64 [T, V + 2]: use by each VM (0 where it is not there), what the host would use beyond its VMs if none of
        it gave way to them, the common factor.
    beyond
        float64 [T]: what the host used beyond its VMs.
    stall
        float64 [T, V], 0 where not known.
    row_known
        bool [T]: the use of every VM that is there is known.
    stall_known
        bool [T, V].
    present
        bool [n, V]: the VM has enough samples in the window.
    quiet
        float64 [V]: the level that each VM's use seldom falls below.
    alone
        bool [V]: the VM's use goes up and down by itself, not in step with that of others.
    window
        Samples in a window; T = n x window.
    """

    columns: NDArray[np.float64]
    beyond: NDArray[np.float64]
    stall: NDArray[np.float64]
    row_known: NDArray[np.bool_]
    stall_known: NDArray[np.bool_]
    present: NDArray[np.bool_]
    quiet: NDArray[np.float64]
    alone: NDArray[np.bool_]
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
    beyond = _rest(series, use, last)
    wanted = _not_displaced(beyond, use, row_known, settings)
    columns = np.concatenate([use, wanted[:, None], _common(use, present, row_known, settings)[:, None]], axis=1)
    return Design(
        columns=columns,
        beyond=beyond,
        stall=np.nan_to_num(stall),
        row_known=row_known,
        stall_known=np.isfinite(stall),
        present=present,
        quiet=_quiet(use, there & row_known[:, None]),
        alone=_alone(use, there & row_known[:, None], settings),
        window=settings.window,
    )


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


def _not_displaced(
    beyond: NDArray[np.float64], use: NDArray[np.float64], row_known: NDArray[np.bool_], settings: Settings
) -> NDArray[np.float64]:
    """Return float64 [T]: what the host would use beyond its VMs if none of it gave way to them.

    On a full host all that is used adds up to what there is. So what a VM takes is missing beyond the VMs; were use
    there held fixed, each VM would be blamed for what goes on beyond them, too. How much gives way to each is found by
    non-negative least squares of less use beyond the VMs on their use; on a host with room nothing does.
    """
    from optimizer.signals.interference.kernel_nnls import solve_nnls  # numba: for who attributes alone

    rows = row_known.reshape(-1, settings.window)[:, :, None]
    columns = np.concatenate([use, beyond[:, None]], axis=1).reshape(len(rows), settings.window, -1)
    mean = (columns * rows).sum(axis=1, keepdims=True) / np.maximum(rows.sum(axis=1, keepdims=True), 1)
    centred = np.where(rows, columns - mean, 0.0).reshape(len(use), -1)
    return np.asarray(beyond + use @ solve_nnls(centred[:, :-1], -centred[:, -1]), np.float64)


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


def _quiet(use: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return float64 [V]: the `QUIET` quantile of each VM's use where it is known."""
    return np.array([np.quantile(u[k], QUIET) if k.any() else 0.0 for u, k in zip(use.T, known.T, strict=True)])


def _alone(use: NDArray[np.float64], known: NDArray[np.bool_], settings: Settings) -> NDArray[np.bool_]:
    """Return bool [V]: who does not move in step with others, so that what it does can be told from what they do.

    A VM is in step if its use, in standard units, correlates with the mean of the `NEAREST` others that are most like
    it by more than `in_step`, or with the mean of all others but the one most like it by more than `in_step_with_all`
    (smoothed: what all do is slow, and the noise of small VMs hides it), or, over the whole series, by more than
    `in_step_slowly` with that mean: what swells for longer than a window shows in none of them. Where most of a
    host's VMs are, only who goes against them is alone.
    """
    vms = use.shape[1]
    windows = use.reshape(-1, settings.window, vms)
    there = known.reshape(windows.shape)
    count = np.maximum(there.sum(axis=1, keepdims=True), 1)
    centred = np.where(there, windows - windows.sum(axis=1, keepdims=True) / count, 0.0)
    unit, smooth = _unit(centred), _unit(_smoothed(centred))
    like = unit.T @ unit
    np.fill_diagonal(like, -np.inf)
    nearest = np.argsort(-like, axis=1, kind="stable")[:, : min(NEAREST, vms - 1)]
    with_nearest = _correlation(unit, unit[:, nearest].sum(axis=2))
    with_all = _correlation(smooth, smooth.sum(axis=1, keepdims=True) - smooth - smooth[:, nearest[:, 0]])
    in_step = (with_nearest > settings.in_step) | (with_all > settings.in_step_with_all)
    if vms >= settings.common_from:
        in_step |= _slowly(use, known) > settings.in_step_slowly
    if in_step.sum() > MOST * vms:
        in_step |= with_all > 0.0
    return np.asarray(~in_step, np.bool_)


def _slowly(use: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return float64 [V]: how means over `SLOW` samples correlate with all others, without the one most like it."""
    mean = use.sum(axis=0, where=known) / np.maximum(known.sum(axis=0), 1)
    unit = _unit(np.where(known, use - mean, 0.0)[None])
    sums = np.cumsum(np.concatenate([np.zeros((1, unit.shape[1])), unit]), axis=0)
    slow = sums[SLOW:] - sums[:-SLOW]
    slow = _unit((slow - slow.mean(axis=0))[None])
    like = slow.T @ slow
    np.fill_diagonal(like, -np.inf)
    others = slow.sum(axis=1, keepdims=True) - slow - slow[:, np.argmax(like, axis=1)]
    return _correlation(slow, others)


def _unit(centred: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return float64 [T, V]: windows one after the other, each column of length 1 (or 0)."""
    columns = centred.reshape(-1, centred.shape[2])
    length = np.sqrt((columns**2).sum(axis=0))
    return np.asarray(columns / np.where(length > 0, length, 1.0), np.float64)


def _smoothed(centred: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return float64 [n, L, V]: the mean of each sample and its two neighbours in the window."""
    padded = np.pad(centred, ((0, 0), (1, 1), (0, 0)))
    return np.asarray((padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]) / 3, np.float64)


def _correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return float64 [V]: column by column; `one` has columns of length 1."""
    length = np.sqrt((other**2).sum(axis=0))
    return np.asarray((one * other).sum(axis=0) / np.where(length > 0, length, 1.0), np.float64)
