"""What is learned of the speed of copies while a plan is carried out: means by how many there were at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["NOTHING", "Mean", "Sharing"]

WEIGHT = 0.2
"""Part of a mean that its last value has, at least."""


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean that forgets, and of how many."""

    value: float = 0.0
    number: int = 0

    def with_one(self, value: float) -> Mean:
        """Return the mean with one value more."""
        weight = max(WEIGHT, 1 / (self.number + 1))
        return Mean(self.value + weight * (value - self.value), self.number + 1)


NOTHING = Mean()


@dataclass(frozen=True, slots=True)
class Sharing:
    """What was learned, of speeds by how many copies were on the busiest end at once.

    `ahead_s` is how long preparing takes, `dirtied` which part of what its link carries a guest dirties.
    """

    early: Mapping[int, Mean] = field(default_factory=dict)
    whole: Mapping[int, Mean] = field(default_factory=dict)
    ahead_s: Mean = NOTHING
    dirtied: Mean = NOTHING
