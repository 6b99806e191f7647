"""The one place where fractions become integers. Demand is rounded up, capacity down, harm up."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "MILLI",
    "RATIO_EXPECTED",
    "RATIO_PATTERN",
    "capacity_limit",
    "capacity_limits",
    "demand_milli",
    "demands_milli",
    "harm",
    "limit_at_use",
    "limit_milli",
    "ratio_millionths",
    "ratio_text",
    "share",
    "share_of",
]

MILLI = 1000
MILLION = 1_000_000


def capacity_limit(physical: int, reserved: int, overcommit_millionths: int) -> int:
    """Return (physical - reserved) x overcommit, rounded down, never below 0."""
    return max(0, physical - reserved) * overcommit_millionths // MILLION


def capacity_limits(
    physical: NDArray[np.int64], reserved: NDArray[np.int64], overcommit_millionths: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return `capacity_limit` of each element; taken in two parts, since the product would not fit in int64."""
    millions, rest = np.divmod(np.maximum(physical - reserved, 0), MILLION)
    return np.asarray(millions * overcommit_millionths + rest * overcommit_millionths // MILLION, np.int64)


def share_of(amount: int, share: float | Fraction) -> int:
    """Return `share` of `amount`, rounded down: for limits. The share is read as the decimal that it prints as."""
    return math.floor(amount * Fraction(str(share)))


def limit_at_use(allocatable: int, load: int, room: int, more: float | Fraction) -> int:
    """Return the load of a host at the use ``load / room + more``, rounded down; exact, so no load is in between."""
    return math.floor(allocatable * (Fraction(load, room) + Fraction(str(more))))


def demand_milli(value: float) -> int:
    """Return a measured quantity in thousandths, rounded up."""
    return math.ceil(Fraction(str(value)) * MILLI)


def demands_milli(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return `demand_milli` of each element.

    The product is good enough wherever it is far from a whole number; near one, a value that prints with three
    decimals at most is that decimal, and the few that are left are taken one by one.
    """
    near = np.rint(values * MILLI)
    out = np.where(near / MILLI == values, near, np.ceil(values * MILLI)).astype(np.int64)
    unsure = (near / MILLI != values) & (np.abs(values * MILLI - near) < 1e-6 * np.maximum(1.0, np.abs(near)))
    for i in np.flatnonzero(unsure).tolist():
        out[i] = demand_milli(float(values[i]))
    return out


def limit_milli(value: float) -> int:
    """Return a limit in thousandths, rounded down."""
    return math.floor(Fraction(str(value)) * MILLI)


def harm(excess: int, unit: int, weight: int) -> int:
    """Return weight x ceil(1000 x excess / unit): what an excess of a rule counts."""
    return weight * -(-MILLI * excess // unit)


RATIO_PATTERN = r"^\d{1,3}(\.\d{1,6})?$|^\d{1,5}(\.\d{1,4})?%$"
"""How a ratio may be written as text: ``1.5`` or ``150%``."""

RATIO_EXPECTED = (
    "a decimal string, number or percentage from 0 to 999.999999 with at most 6 decimals, such as 1.5 or '150%'"
)


def ratio_millionths(value: object) -> int:
    """Return a ratio in millionths, exactly as it is written: 1.5, ``1.5`` and ``150%`` are the same.

    Raises
    ------
    ValueError
        It is no ratio, is out of range, or has more than six decimals.
    """
    written = repr(value) if type(value) in (int, float) else value
    match = (
        re.fullmatch(r"(\d{1,5}(?:\.\d{1,16})?(?:e-\d{1,2})?)(%?)", written, re.ASCII)
        if isinstance(written, str)
        else None
    )
    exact = Fraction(match[1]) * MILLION / (100 if match[2] else 1) if match else Fraction(-1)
    if exact.denominator != 1 or not 0 <= exact < 1000 * MILLION:
        raise ValueError(RATIO_EXPECTED)
    return int(exact)


def ratio_text(value: object) -> str:
    """Return a ratio as a decimal string, however it was written.

    Raises
    ------
    ValueError
        As `ratio_millionths`.
    """
    whole, part = divmod(ratio_millionths(value), MILLION)
    return f"{whole}.{part:06}".rstrip("0").rstrip(".")


def share(value: object) -> object:
    """Return a number that was written as text (``0.9``, ``90%``) as that number; anything else as it is.

    Raises
    ------
    ValueError
        As `ratio_millionths`, for text.
    """
    return float(ratio_text(value)) if isinstance(value, str) else value
