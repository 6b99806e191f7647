"""Prices of VMs of which nothing is known yet, from those of others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optimizer.bounds.host_choices import HostChoices

__all__ = ["spread"]


def spread(hosts: HostChoices, known: NDArray[np.int64], price: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return float64 [n], in moves: others cost as much as any that is known, no larger, and may go as far.

    Parameters
    ----------
    known
        int64 [k]: VMs, as positions.
    price
        float64 [k]: theirs, in moves.
    """
    load, kind = hosts.amount[:, 1], hosts.fixed.kind
    _, level = np.unique(hosts.amount[:, 0], return_inverse=True)
    key = kind * (int(load.max(initial=0)) + 1) + load  # ascending by kind, then by load
    apart = kind * (float(price.max(initial=0.0)) + 1.0)  # more than any price: the dearest of a kind before is less
    ranked = known[np.argsort(key[known], kind="stable")]
    out = np.zeros(len(load))
    out[known] = price
    for n in range(int(level.max(initial=-1)) + 1):
        smaller = ranked[level[ranked] <= n]
        most = np.maximum.accumulate(np.append(-1.0, out[smaller] + apart[smaller]))
        same = np.flatnonzero(level == n)
        out[same] = np.maximum(most[np.searchsorted(key[smaller], key[same], side="right")] - apart[same], 0.0)
    out[known] = price
    return out
