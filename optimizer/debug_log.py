"""Lines of a debug log: an event and its values as ``key=value``, made only where somebody listens.

Modules get their logger by ``logging.getLogger("remora.ROOM")`` and write with `DEBUG`; nothing here sets up handlers,
which is for the command line alone.
"""

from __future__ import annotations

import json

__all__ = ["Event"]


class Event:
    """An event and its values, put into words when they are written."""

    def __init__(self, name: str, /, **values: object) -> None:
        self.name, self.values = name, values

    def __str__(self) -> str:
        return " ".join([f"event={_word(self.name)}", *(f"{key}={_word(v)}" for key, v in self.values.items())])


def _word(value: object) -> str:
    """Write a value without spaces or quotes in the open."""
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    plain = text and all(c.isprintable() and c not in ' "=\\' for c in text)
    return text if plain else json.dumps(text)
