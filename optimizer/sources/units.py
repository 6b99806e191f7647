"""Amounts as people write them: ``64GiB``, ``2TB``, ``0.5 cores``; exact, and rounded once, the safe way."""

from __future__ import annotations

import math
import re
from fractions import Fraction

__all__ = ["Amount", "UnitError", "family_of", "parse_amount"]

_AMOUNT = re.compile(r"\s*(\d{1,30}(?:\.\d{1,30})?|\.\d{1,30})\s*([A-Za-z]*)\s*", re.ASCII)

_DECIMAL = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_BYTES = {
    f"{prefix}{infix}b": Fraction((1024 if infix else 1000) ** power)
    for prefix, power in _DECIMAL.items()
    for infix in ("", "i")
    if prefix or not infix
}
_CORES = {
    **dict.fromkeys(("core", "cores", "cpu", "cpus", "vcpu", "vcpus"), Fraction(1)),
    **dict.fromkeys(("m", "millicore", "millicores", "millicpu"), Fraction(1, 1000)),
}
_FAMILIES = {
    "bytes": ("64GiB, 2TB, 512MiB", _BYTES),
    "cores": ("16cores, 0.5 cores, 500m", _CORES),
}
_BASES = {
    "_bytes": ("bytes", Fraction(1)),
    "_kib": ("bytes", Fraction(2**10)),
    "_mib": ("bytes", Fraction(2**20)),
    "_gib": ("bytes", Fraction(2**30)),
    "_tib": ("bytes", Fraction(2**40)),
    "_millicores": ("cores", Fraction(1, 1000)),
    "_cores": ("cores", Fraction(1)),
}
Amount = int


class UnitError(ValueError):
    """An amount that cannot be read; its text says what was expected."""


def family_of(resource: str) -> tuple[str, Fraction] | None:
    """Return the family of a resource's unit and the unit's size; None where the name has no unit that is known."""
    return next((base for ending, base in _BASES.items() if resource.endswith(ending)), None)


def parse_amount(text: str, resource: str, *, up: bool, unit: str = "") -> Amount:
    """Read an amount of a resource in the unit that the resource's name ends in.

    Parameters
    ----------
    text
        A number, with or without a unit; without one it is in `unit`, and without that in the resource's own.
    up
        Round up (demand) or down (capacity).

    Raises
    ------
    UnitError
        If it is no number, or its unit does not measure this resource.
    """
    match = _AMOUNT.fullmatch(text)
    base = family_of(resource)
    examples = f", such as {_FAMILIES[base[0]][0]}" if base else " without a unit"
    if match is None:
        raise UnitError(f"an amount that is not negative{examples}")
    number, suffix = Fraction(match[1]), match[2] or unit
    if suffix:
        number *= _factor(suffix, base, examples)
    return math.ceil(number) if up else math.floor(number)


def _factor(suffix: str, base: tuple[str, Fraction] | None, examples: str) -> Fraction:
    """Return how many of the resource's own unit one `suffix` is."""
    units = _FAMILIES[base[0]][1] if base else {}
    size = units.get(suffix.lower())
    # Gb may mean bits, and M a million: only m is a thousandth
    unclear = suffix == "M" or (suffix.endswith("b") and suffix != suffix.lower())
    if base is None or size is None or unclear:
        raise UnitError(f"an amount{examples}")
    return size / base[1]
