"""Seeded damage to documents: one to three of the things that go wrong with files that people and programs write."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from random import Random

__all__ = ["mutate", "mutate_bytes", "nodes"]

DEEP: Any = []
for _ in range(500):
    DEEP = [DEEP]

JUNK: list[Any] = [
    None, True, False, 0, 1, -1, 3.0, 0.5, -0.0, 10**12, 10**12 + 1, 10**30, -(10**30), 2**63, 1e308, -1e308, 1e-320,
    float("nan"), float("inf"), "", " ", "h0", "v0", "host", "rack", "nan", "1.6", "-1",
    "\x00", "\x1b[31m", "\u202e", "\ud800",
    "<script>alert(1)</script>", "x" * 300, "x" * 100_000, "2026-02-30T00:00:00Z", "2026-11-21T12:00:00",
    "9999-12-31T23:59:59Z",
    [], {}, [[]], [None], [1, "a"], {"": 1}, {"a": {}}, {"x_a": [1]}, {"rule": "apart"}, ["v0", "v0"], DEEP,
]  # fmt: skip

INSERTS = [b"NaN", b"-Infinity", b"1e999", b"//", b"\x00", b"\xff", b"[" * 2000, b"9" * 5000, b"}", b"\n", b'"', b","]


def nodes(document: Any) -> list[tuple[Any, Any]]:
    """Return every (container, key) of a document, in order."""
    found: list[tuple[Any, Any]] = []
    stack = [document]
    while stack:
        here = stack.pop()
        keys = list(here) if isinstance(here, dict) else range(len(here)) if isinstance(here, list) else []
        for key in keys:
            found.append((here, key))
            if isinstance(here[key], dict | list):
                stack.append(here[key])
    return found


def mutate(document: Any, random: Random) -> Any:
    """Damage a document (its own copy) in one to three places, and return it."""
    for _ in range(random.choice((1, 1, 2, 3))):
        places = nodes(document)
        if not places:
            return _junk(random)
        _damage(*random.choice(places), places, random)
    return document if random.random() > 0.005 else _junk(random)


def _junk(random: Random) -> Any:
    """A piece of junk of its own: one that is shared would be damaged in its turn, and could come to hold itself."""
    return json.loads(json.dumps(random.choice(JUNK)))


def _damage(here: Any, key: Any, places: list[tuple[Any, Any]], random: Random) -> None:
    action = random.randrange(7)
    if action == 0:
        del here[key]
    elif action == 1 and isinstance(here, dict):
        new = random.choice([f"{key}s", key[:-1], key.upper(), f"x_{key}", "", "\x1b[0m", "__proto__", "id"])
        here[new] = here.pop(key)
    elif action == 2 and isinstance(here, list):
        here.insert(random.randrange(len(here) + 1), here[key])  # the same object twice: duplicate ids
    elif action == 3:
        other, where = random.choice(places)
        here[key] = json.loads(json.dumps(other[where])) if where in _keys(other) else None
    elif action == 4 and type(here[key]) in (int, float):
        here[key] = random.choice([-here[key], here[key] + 1, here[key] * 10**9, float(here[key]), str(here[key])])
    elif action == 5 and isinstance(here[key], str) and here[key]:
        cut = random.randrange(len(here[key]))
        here[key] = here[key][:cut] + random.choice(["", "\x07", "ü", " "]) + here[key][cut + 1 :]
    else:
        here[key] = _junk(random)


def _keys(container: Any) -> Any:
    return container if isinstance(container, dict) else range(len(container))


def mutate_bytes(data: bytes, random: Random) -> bytes:
    """Cut a file off, flip a byte, put some in, or double a piece."""
    at, end = sorted(random.randrange(len(data)) for _ in range(2))
    action = random.randrange(5)
    if action == 0:
        return data[:at]
    if action == 1:
        return data[:at] + bytes([random.randrange(256)]) + data[at + 1 :]
    if action == 2:
        put = random.choice(
            [b"NaN", b"-Infinity", b"1e999", b"//", b"\x00", b"\xff", b"[" * 2000, b"9" * 5000, b"}", b"\n"]
        )
        return data[:at] + put + data[at:]
    return data[:end] + data[at:] if action == 3 else data[:at] + data[end:]
