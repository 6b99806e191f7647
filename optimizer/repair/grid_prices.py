"""Prices for receiving VMs by size, before the linear program has any: the steps of the bound, over few sizes.

Sizes are told apart as magnitudes are (`octave` between an amount and its double). A larger VM never has a lower price
than a smaller one, which would never be right: whoever has room for it has room for the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optimizer.bounds.hosts_exchange import MOVE
from optimizer.bounds.room_prices import PriceSteps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optimizer.bounds.host_choices import HostChoices
    from optimizer.parameters import Columns

__all__ = ["GridPrices"]


class GridPrices:
    """Prices by size, better from step to step."""

    def __init__(self, hosts: HostChoices, given: Columns) -> None:
        cell = np.floor(np.log2(np.maximum(hosts.amount[:, :2], 1)) * given.octave).astype(np.int64)
        largest = int(cell.max(initial=0))
        cell -= cell.min(axis=0, initial=largest)
        self._shape = tuple((cell.max(axis=0, initial=0) + 1).tolist())
        self._of = cell[:, 0] * self._shape[1] + cell[:, 1]
        self._cells = self._shape[0] * self._shape[1]
        self._empty = np.bincount(self._of, minlength=self._cells) == 0
        self._steps = PriceSteps(np.zeros(self._cells), given.steps, given.first_step)

    def prices(self) -> NDArray[np.float64]:
        """Return float64 [n]: the present ones, in moves."""
        return np.asarray(self._steps.now[self._of] / MOVE)

    def after(self, balance: NDArray[np.int64]) -> None:
        """Take a step; balance as `Look` has it."""
        self._steps.after(np.bincount(self._of, balance, self._cells))
        least = np.where(self._empty, np.inf, self._steps.now).reshape(self._shape)
        for axis in (0, 1):
            least = np.flip(np.minimum.accumulate(np.flip(least, axis), axis), axis)
        self._steps.now = np.where(np.isinf(least), 0.0, least).reshape(-1)
