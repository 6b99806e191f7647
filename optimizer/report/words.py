"""Names, amounts and times as people read them. Everything that came from a file goes through `clean`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.grammar import count, listed
from optimizer.problem.amounts import amount, pair, percent, spoken

if TYPE_CHECKING:
    from datetime import datetime

__all__ = [
    "amount",
    "clean",
    "count",
    "duration",
    "listed",
    "minute",
    "moment",
    "pair",
    "percent",
    "shortened",
    "spoken",
]


def clean(text: object) -> str:
    """Render text so that it is harmless: one line, no control or format character, no lone surrogate."""
    said = str(text)
    return said if said.isprintable() else "".join(c if c.isprintable() else _escape(c) for c in said)


def _escape(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")


def shortened(text: str, limit: int) -> str:
    """Cut a text at `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def duration(seconds: float) -> str:
    """Render a duration with the two units that matter."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    whole = round(seconds)
    for name, size, below, step in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            return f"{whole // size} {name} {whole % size // step} {below}"
    return f"{whole} s"


def moment(at: datetime | None) -> str:
    """Render a time to the second; nothing where there is none."""
    return "" if at is None else at.isoformat(timespec="seconds").replace("+00:00", "Z")


def minute(at: datetime | None) -> str:
    """Render a time to the minute, for tables; nothing where there is none."""
    return "" if at is None else at.isoformat(timespec="minutes").replace("+00:00", "Z")
