"""Two levels of one number: where it is bad, and where it is well. In between, nothing changes."""

from __future__ import annotations

import math

from pydantic import Field
from pydantic.dataclasses import dataclass

from optimizer.monitors.machine import Judged
from optimizer.monitors.reading import Lookout
from optimizer.sources.config_yaml import STRICT

__all__ = ["Levels"]

MOST = 10.0
"""Levels are shares: more is meant in per cent. What is allocated may be more than there is, not many times as much."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Levels(Lookout):
    """A monitor of a share of something.

    It opens after a window of the signals (ten minutes): a spike that is shorter moves one window, and not two.

    Parameters
    ----------
    opens_above
        A reading above this is bad.
    closes_below
        A reading at or below this is well; it has to be lower, so that a value that hovers opens nothing twice.
    """

    open_after_s: int = Field(default=600, ge=0, le=2_592_000)
    opens_above: float = Field(default=0.9, ge=0, le=MOST)
    closes_below: float = Field(default=0.85, ge=0, le=MOST)

    def __post_init__(self) -> None:
        """Refuse levels that would leave nothing in between."""
        if self.closes_below >= self.opens_above:
            raise ValueError(
                f"closes_below is {self.closes_below:g}, expected less than opens_above {self.opens_above:g}"
            )

    def judge(self, value: float) -> Judged:
        """Judge a value; NaN is missing."""
        if math.isnan(value):
            return Judged.MISSING
        if value > self.opens_above:
            return Judged.BAD
        return Judged.WELL if value <= self.closes_below else Judged.BETWEEN

    def limits(self) -> dict[str, float]:
        """Return the levels as evidence has them."""
        return {"opens_above": self.opens_above, "closes_below": self.closes_below}
