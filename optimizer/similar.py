"""Which of the names that there are was meant: for "did you mean ...?"."""

from __future__ import annotations

import re
from difflib import get_close_matches
from itertools import islice
from typing import TYPE_CHECKING

from optimizer.grammar import listed

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["nearest", "similar", "similar_or_some"]

PARTS = re.compile(r"[.\-_:/ ]+")
LONGEST = 64
"""A longer name is not compared letter by letter."""

COMPARED = 20_000
"""That many names are compared letter by letter, those that begin or end like the given one first."""

CLOSE = 0.75

SHORT = 2
"""Names of so few letters are not compared by which letters they have."""


def similar(name: object, known: Iterable[str], most: int = 3) -> str:
    """Return ``did you mean X?`` for the nearest of the `known` names, or nothing where none is near."""
    near = nearest(name, known, most)
    if not near:
        return ""
    return f"did you mean {listed(near, 'or')}?"


def similar_or_some(name: object, known: Iterable[str], some: int = 8) -> str:
    """Return `similar`, and where no name is near, which names there are: all of a few, the first of many."""
    names = list(known)
    if not names:
        return "there is none"
    rest = f" and {len(names) - some:,} more" if len(names) > some else ""
    return similar(name, names) or f"there are {', '.join(names[:some])}{rest}"


def nearest(name: object, known: Iterable[str], most: int = 3) -> list[str]:
    """Return the names that may have been meant, at most `most`.

    The same but for case or separators; else those of which it is a part at either end (a short name of a full one, or
    the other way round); else the one that is nearest letter by letter.
    """
    if not isinstance(name, str) or not name:
        return []
    names = list(known)
    folded = _folded(name)
    same = [k for k in names if _folded(k) == folded]
    if same:
        return same[:most]
    parts = folded.split(".")
    within = [k for k in names if _is_part(parts, _folded(k).split("."))]
    if within:
        return _closest_length(name, within)[:most]
    if len(name) > LONGEST:
        return []
    alike = sorted(names, key=lambda k: not (k[:2] == name[:2] or k[-2:] == name[-2:]))
    by_case = {k.casefold(): k for k in islice(alike, COMPARED)}
    close = get_close_matches(name.casefold(), by_case, 1, CLOSE)
    return [by_case[k] for k in close or _swapped(name.casefold(), by_case)]


def _swapped(name: str, names: Iterable[str]) -> list[str]:
    """Return the first name with the same letters: two swapped in a short one make it look far from itself."""
    letters = sorted(name)
    return [k for k in names if len(k) == len(name) > SHORT and sorted(k) == letters][:1]


def _folded(name: str) -> str:
    """Case, and which separators stand between the parts, do not tell names apart."""
    return ".".join(part for part in PARTS.split(name.casefold()) if part)


def _is_part(one: list[str], other: list[str]) -> bool:
    """Whether the parts of one name begin or end those of the other."""
    short, long = (one, other) if len(one) < len(other) else (other, one)
    return bool(short != [""]) and len(short) < len(long) and short in (long[: len(short)], long[-len(short) :])


def _closest_length(name: str, found: list[str]) -> list[str]:
    return sorted(found, key=lambda k: abs(len(k) - len(name)))
