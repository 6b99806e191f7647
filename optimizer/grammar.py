"""Numbers with their nouns, and lists, as people write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["count", "listed"]


def count(number: int, one: str, many: str = "") -> str:
    """Render a number with its noun."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def listed(parts: Iterable[str], word: str = "and") -> str:
    """Render a list: ``a``, ``a and b``, ``a, b and c``."""
    *first, last = parts
    return f"{', '.join(first)} {word} {last}" if first else last
