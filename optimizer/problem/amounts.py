"""Amounts as people say them: the same words in the rules' texts and in the tables of pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["amount", "amount_of", "pair", "percent", "short_names", "spoken"]

MIB_STEPS = (("PiB", 1024**3, 2), ("TiB", 1024**2, 2), ("GiB", 1024, 1))
"""Units, their size in MiB, and with how many digits after the point they are said."""

MOST_DIGITS = 3
WORDS = {
    "memory_mib": "memory",
    "disk_mib": "disk",
    "cpu_millicores": "CPU",
    "cpu_load_millicores": "CPU load",
    "vms": "VMs",
    "vms_to_leave": "VMs to leave",
}
UNITS = ("_mib", "_millicores")


def spoken(resource: str) -> str:
    """Return what people call a resource: its name without the unit, which stands beside the number."""
    if resource in WORDS:
        return WORDS[resource]
    return next((resource.removesuffix(unit) for unit in UNITS if resource.endswith(unit)), resource)


def short_names(resources: Iterable[str]) -> dict[str, str]:
    """Return resources by what may be typed for them on a command line: ``memory`` for ``memory_mib``."""
    return {spoken(resource).lower().replace(" ", "_"): resource for resource in resources}


def amount(resource: str, value: int) -> str:
    """Render an amount in the unit that the resource's name ends with; bare where it names none."""
    unit, size, digits = _unit(resource, value)
    return _said(value, unit, size, digits)


def amount_of(resource: str, needed: int) -> str:
    """Render how much of what is needed: ``4 GiB of memory``, or ``3 gpus`` where the name says no unit.

    Rounded up: whoever frees what is said has freed enough.
    """
    unit, size, digits = _unit(resource, needed)
    parts = 10**digits
    enough = -(-needed * parts // size)  # in units of the last digit
    of = "of " if resource.endswith(UNITS) else ""
    what = "VM" if (resource, needed) == ("vms", 1) else spoken(resource)
    return f"{_said(enough, unit, parts, digits)} {of}{what}"


def pair(resource: str, value: int, limit: int) -> tuple[str, str]:
    """Render a value and its limit in one unit, with enough digits to tell them apart."""
    unit, size, digits = _unit(resource, min((abs(v) for v in (value, limit) if v), default=0))
    while size > 1 and value != limit and f"{value / size:.{digits}f}" == f"{limit / size:.{digits}f}":
        if digits == MOST_DIGITS:
            unit, size, digits = _smaller(resource, unit)
        else:
            digits += 1
    return _said(value, unit, size, digits), _said(limit, unit, size, digits)


def percent(part: float, whole: float) -> str:
    """Render a share; where the whole is 0, a dash or ``over``."""
    if whole <= 0:
        return "over" if part > 0 else "-"
    return f"{100 * part / whole:.1f} %"


def _unit(resource: str, value: int) -> tuple[str, int, int]:
    if resource.endswith("_mib"):
        return next(((u, s, d) for u, s, d in MIB_STEPS if abs(value) >= s), ("MiB", 1, 0))
    if resource.endswith("_millicores"):
        return ("cores", 1000, 1)
    return ("", 1, 0)


def _smaller(resource: str, unit: str) -> tuple[str, int, int]:
    if unit == "cores":
        return ("millicores", 1, 0)
    names = [u for u, _, _ in MIB_STEPS]
    following = MIB_STEPS[names.index(unit) + 1 :]
    return following[0] if following else ("MiB", 1, 0)


def _said(value: int, unit: str, size: int, digits: int) -> str:
    if size == 1:
        return f"{value:,} {unit}".rstrip()
    text = f"{value / size:,.{digits}f}"
    if value % size == 0:
        text = f"{value // size:,}"
    return f"{text} {'core' if text == '1' and unit == 'cores' else unit}"
