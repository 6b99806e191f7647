"""Whether something grows: a straight line through hourly samples, and how far its slope may be off by chance.

The line is by least squares. Neighbours are alike (a heap that grew is large an hour later, too), so n of them
say as much as n (1 - r) / (1 + r) that are not, r being the correlation of what the line leaves from hour to hour.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Trend", "trend_of"]

HOURS = 24.0
LEAST = 12
"""Fewer samples say nothing of a trend."""

ERRORS = 2.0
"""A slope is within so many errors of what was found, in 95 of 100 cases."""


@dataclass(frozen=True, slots=True)
class Trend:
    """How much more there is after a day, and the standard error of that; both in the unit of the samples."""

    a_day: float
    error: float

    def verdict(self, most: float) -> str:
        """Say whether it is flat: by less than `most` a day, whatever chance does."""
        if self.a_day + ERRORS * self.error < most:
            return "flat"
        return "GROWS" if self.a_day - ERRORS * self.error > 0 else "not known: take more days"


def trend_of(samples: Sequence[float], skipped: int) -> Trend | None:
    """Return the trend of hourly samples after the first `skipped`; None where there are too few."""
    values = np.asarray(samples[skipped:], np.float64)
    if len(values) < LEAST:
        return None
    days = np.arange(len(values)) / HOURS
    centred = days - days.mean()
    slope = float(centred @ values / (centred @ centred))
    rest = values - values.mean() - slope * centred
    power = float(rest @ rest)
    if power <= 1e-12 * max(1.0, float(values @ values)):
        return Trend(slope, 0.0)
    alike = min(max(float(rest[1:] @ rest[:-1]) / power, 0.0), 0.99)
    spread = power / (len(values) - 2) * (1 + alike) / (1 - alike)
    return Trend(slope, float(np.sqrt(spread / (centred @ centred))))
