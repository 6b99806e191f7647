"""How large VMs are beside hosts: what goes first where VMs are packed one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

__all__ = ["largest_shares"]


def largest_shares(
    number: int, resources: Iterable[tuple[NDArray[np.int64], NDArray[np.int64]]]
) -> NDArray[np.float64]:
    """Return float64 [n]: the largest share that each VM takes of what a host usually has.

    Parameters
    ----------
    number
        How many VMs, or kinds of VM.
    resources
        For each resource of hosts, what each VM takes (int64 [n]) and what each host may give (int64 [H]).
    """
    largest = np.zeros(number)
    for amount, limit in resources:
        largest = np.maximum(largest, amount / max(1.0, float(np.median(limit))))
    return largest
