"""Keys that stand twice in one object of a JSON text: parsers take the last of them and say nothing.

The look that every document gets compares two counts: a colon follows each key, and the text of a string is the same
after parsing: where the parsed document, said again, has as many colons as the bytes it came from, no key was dropped.
Only where the counts differ is the text walked, token by token, which is slow and exact.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Duplicate", "duplicate_key", "may_have_duplicates"]

TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]')
ESCAPED_COLON = re.compile(rb"\\u003[aA]")


class Duplicate(NamedTuple):
    """A key that stands twice: its path, the key itself, and the line on which it stands the second time."""

    path: str
    key: str
    line: int


def may_have_duplicates(data: bytes, document: Any) -> bool:
    """Whether the text may have a key twice in one object; `document` is what it was parsed to."""
    try:
        again = orjson.dumps(document)
    except (TypeError, RecursionError):  # it is nested more deeply than can be written
        return True
    return data.count(b":") != again.count(b":") or ESCAPED_COLON.search(data) is not None


def duplicate_key(data: bytes) -> Duplicate | None:
    """Return the first key that stands twice in one object of a JSON text; None where there is none."""
    text = data.decode("utf-8")
    walk = _Walk()
    for token in TOKEN.finditer(text):
        if (key := walk.take(token[0])) is not None:
            return Duplicate(walk.path(key), key, text.count("\n", 0, token.start()) + 1)
    return None


class _Walk:
    """Objects and arrays that are open: the keys of each object so far, the number of the element of each array."""

    def __init__(self) -> None:
        self._open: list[set[str] | int] = []
        self._keys: list[str] = []
        self._wants_key = False

    def take(self, token: str) -> str | None:
        """Take one token; return it where it is a key that its object has already."""
        if token[0] == '"':
            return self._string(token)
        if token == "{":
            self._push(set())
        elif token == "[":
            self._push(0)
        elif token in "}]":
            self._open.pop()
            self._keys.pop()
            self._wants_key = False
        elif token == ",":
            self._next()
        return None

    def path(self, key: str) -> str:
        """Return where the walk is, ending with a key."""
        return "".join(self._steps()).lstrip(".") + f".{key}" if len(self._open) > 1 else key

    def _steps(self) -> Iterator[str]:
        for inside, key in zip(self._open[:-1], self._keys[:-1], strict=True):
            yield f"[{inside}]" if isinstance(inside, int) else f".{key}"

    def _push(self, kind: set[str] | int) -> None:
        self._open.append(kind)
        self._keys.append("")
        self._wants_key = isinstance(kind, set)

    def _next(self) -> None:
        inside = self._open[-1]
        if isinstance(inside, int):
            self._open[-1] = inside + 1
        else:
            self._wants_key = True

    def _string(self, token: str) -> str | None:
        inside = self._open[-1] if self._open else 0
        if not self._wants_key or isinstance(inside, int):
            return None
        self._wants_key = False
        key: str = orjson.loads(token)
        self._keys[-1] = key
        if key in inside:
            return key
        inside.add(key)
        return None
