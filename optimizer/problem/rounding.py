"""The one place where fractions become integers. Demand is rounded up, capacity down, harm up."""

from __future__ import annotations

import math
from fractions import Fraction

__all__ = ["MILLI", "capacity_limit", "demand_milli", "harm", "limit_milli", "share_of"]

MILLI = 1000
MILLION = 1_000_000


def capacity_limit(physical: int, reserved: int, overcommit_millionths: int) -> int:
    """Return (physical - reserved) x overcommit, rounded down, never below 0."""
    return max(0, physical - reserved) * overcommit_millionths // MILLION


def share_of(amount: int, share: float | Fraction) -> int:
    """Return `share` of `amount`, rounded down: for limits. The share is read as the decimal that it prints as."""
    return math.floor(amount * Fraction(str(share)))


def demand_milli(value: float) -> int:
    """Return a measured quantity in thousandths, rounded up."""
    return math.ceil(Fraction(str(value)) * MILLI)


def limit_milli(value: float) -> int:
    """Return a limit in thousandths, rounded down."""
    return math.floor(Fraction(str(value)) * MILLI)


def harm(excess: int, unit: int, weight: int) -> int:
    """Return weight x ceil(1000 x excess / unit): what an excess of a rule counts."""
    return weight * -(-MILLI * excess // unit)
