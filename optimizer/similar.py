"""Which of the names that there are was meant: for "did you mean ...?"."""

from __future__ import annotations

import re
from difflib import get_close_matches
from itertools import islice
from typing import TYPE_CHECKING

from optimizer.grammar import listed

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["misspelt", "nearest", "similar", "similar_or_some"]

PARTS = re.compile(r"[.\-_:/ ]+")
LONGEST = 64
"""A longer name is not compared letter by letter."""

COMPARED = 20_000
"""That many names are compared letter by letter, those that begin or end like the given one first."""

CLOSE = 0.75

SHORT = 2
"""Names of so few letters are not compared by which letters they have."""

LEAST = 2
"""Names of so few letters are too short for a slip to show."""

WORD = 3
"""In a part of so few letters, another letter makes another word."""

DIGITS = re.compile(r"[0-9]+")


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


def misspelt(names: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """Return which of the `names`, none of which is known, look like one that is with a slip in it, and like which.

    A slip is another case or separator, or one letter that is missing, too many, wrong, or swapped with the next. Names
    that differ in a number, in a part of a letter or two (``shard-a``, ``shard-b``), or in one letter of a part of
    three (``my-app``, ``my-api``) are names of different things.
    Takes time in proportion to the letters of all names.
    """
    near: dict[str, list[str]] = {}
    for one in known:
        for key in _with_a_slip(one):
            near.setdefault(key, []).append(one)
    found = {}
    for name in names:
        meant = (one for key in _with_a_slip(name) for one in near.get(key, ()) if _is_a_slip(name, one))
        if (first := next(meant, None)) is not None:
            found[name] = first
    return found


def _with_a_slip(name: str) -> list[str]:
    """Return the name folded, and where it is neither short nor long, with each of its letters left out."""
    folded = _folded(name)
    return [folded, *(folded[:i] + folded[i + 1 :] for i in range(len(folded)) if LEAST < len(folded) <= LONGEST)]


def _is_a_slip(name: str, other: str) -> bool:
    """Whether two names that are the same but for a letter in each differ as one does from what it should be."""
    one, two = _folded(name), _folded(other)
    if one == two:
        return True
    if DIGITS.findall(one) != DIGITS.findall(two):
        return False
    at = [i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b]
    is_wrong = len(one) == len(two) and len(at) == 1
    parts = [(a, b) for a, b in zip(one.split("."), two.split("."), strict=False) if a != b]
    if one.count(".") == two.count(".") and all(max(map(len, both)) <= (WORD if is_wrong else SHORT) for both in parts):
        return False
    return len(one) != len(two) or is_wrong or _is_swapped(one, two, at)


def _is_swapped(one: str, two: str, at: list[int]) -> bool:
    """Whether the letters `at` which two names of one length differ are two neighbours, and swapped."""
    i = at[0]
    return at == [i, i + 1] and one[i : i + 2] == two[i + 1] + two[i]


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
