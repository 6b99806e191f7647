"""Names, amounts and times as people read them. Everything that came from a file goes through `clean`."""

from __future__ import annotations

__all__ = ["amount", "clean", "count", "duration", "percent", "shortened"]

MIB_STEPS = (("PiB", 1024**3, 10), ("TiB", 1024**2, 10), ("GiB", 1024, 1))
"""Units, their size, and from how many on they serve: 1.9 TiB of 1.9 TiB would hide that one is over the other."""


def clean(text: object) -> str:
    """Render text so that it is harmless: one line, no control or format character, no lone surrogate."""
    return "".join(c if c.isprintable() else _escape(c) for c in str(text))


def _escape(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")


def shortened(text: str, limit: int) -> str:
    """Cut a text at `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def amount(resource: str, value: int) -> str:
    """Render an amount in the unit that the resource's name ends with; bare where it names none."""
    if resource.endswith("_mib"):
        unit, size = next(((u, s) for u, s, least in MIB_STEPS if abs(value) >= s * least), ("MiB", 1))
        return f"{value} {unit}" if size == 1 else f"{value / size:,.1f} {unit}"
    if resource.endswith("_millicores"):
        return f"{value / 1000:,.1f} cores"
    return f"{value:,}"


def percent(part: float, whole: float) -> str:
    """Render a share; where the whole is 0, a dash or ``over``."""
    if whole <= 0:
        return "over" if part > 0 else "-"
    return f"{100 * part / whole:.1f} %"


def duration(seconds: float) -> str:
    """Render a duration with the two units that matter."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    whole = round(seconds)
    for name, size, below, step in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            return f"{whole // size} {name} {whole % size // step} {below}"
    return f"{whole} s"


def count(number: int, one: str, many: str = "") -> str:
    """Render a number with its noun."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
