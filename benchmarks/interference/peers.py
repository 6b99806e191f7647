"""Other scores for the same pairs: CPI2's, with stall in the place of cycles per instruction, and plain correlation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optimizer.signals.interference.series import HostSeries

__all__ = ["cpi2_scores", "pearson_scores"]


def cpi2_scores(series: HostSeries) -> NDArray[np.float64]:
    """float64 [suffers, noisy]: the score of CPI2 (Zhang et al., EuroSys 2013, section 4.2).

    The suspect's use u is scaled to sum to 1; c is the victim's stall, and its mean the threshold: the sum of
    u (1 - mean / c) where c is above it, and of u (c / mean - 1) where it is below.
    """
    vms = len(series.vms)
    out = np.zeros((vms, vms))
    for v in range(vms):
        for u in range(vms):
            both = np.isfinite(series.stall[:, v]) & np.isfinite(series.use[:, u])
            c, x = series.stall[both, v], series.use[both, u]
            if u == v or not both.any() or x.sum() <= 0 or c.mean() <= 0:
                continue
            mean = c.mean()
            with np.errstate(divide="ignore"):
                weight = np.where(c > mean, 1 - mean / np.where(c > 0, c, 1), c / mean - 1)
            out[v, u] = float((x / x.sum() * weight).sum())
    return out


def pearson_scores(series: HostSeries) -> NDArray[np.float64]:
    """float64 [suffers, noisy]: the correlation of the victim's stall with the suspect's use."""
    vms = len(series.vms)
    out = np.zeros((vms, vms))
    for v in range(vms):
        for u in range(vms):
            both = np.isfinite(series.stall[:, v]) & np.isfinite(series.use[:, u])
            c, x = series.stall[both, v], series.use[both, u]
            if u != v and both.sum() > 2 and c.std() > 1e-12 and x.std() > 1e-12:
                out[v, u] = float(np.corrcoef(c, x)[0, 1])
    return out
