"""What rates of arrival come to, as a forecast: a line, with the spread of arrivals that do not wait for each other."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from optimizer.whatif.forecast import BAND, UNTESTED, WEEK, Forecast
from optimizer.whatif.grow import Past

if TYPE_CHECKING:
    from collections.abc import Iterable

    from optimizer.sources.rates import Rate

__all__ = ["pasts_of_rates"]


def pasts_of_rates(rates: Iterable[Rate]) -> dict[tuple[str, str], Past]:
    """Return the forecast of each resource of each pool that a rate is about; of the others nobody says anything.

    VMs of a size come as a Poisson process: after h days the mean is ``rate x h x size``, the variance
    ``rate x h x size^2``; those of all sizes add up. Those that go are one, too, of its own.
    """
    slope: defaultdict[tuple[str, str], float] = defaultdict(float)
    variance: defaultdict[tuple[str, str], float] = defaultdict(float)
    for rate in rates:
        for resource, size in rate.demand.items():
            slope[rate.pool, resource] += rate.per_day * size
            variance[rate.pool, resource] += abs(rate.per_day) * float(size) ** 2
    flat = (0.0,) * WEEK
    return {
        key: Past(0, Forecast(0.0, by_day, flat, (0.0, variance[key], 0.0), BAND, UNTESTED), relative=True)
        for key, by_day in slope.items()
    }
