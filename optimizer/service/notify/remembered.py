"""What webhooks were told of that is not over yet, kept in a file: no restart, and no next cron job, repeats it."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

from optimizer.errors import InputError
from optimizer.sources.files import json_bytes, write_whole

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

__all__ = ["FILE", "Remembered"]

FILE = "told.json"
FORMAT = "remora-told/1"


class Remembered:
    """Which notices each receiver was told of, by their keys, which begin with what they are.

    What is on its way counts as told; what was not delivered is forgotten again, so that it is told while it holds.
    Only what was delivered is written down. Used by the cycle's thread and those of the receivers.

    Parameters
    ----------
    path
        Where it is kept. A file that is not there, or is none, says nothing.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        self._told: dict[str, dict[str, bool]] = {}
        self.read()

    def read(self) -> None:
        """Begin with what the file says: another process may have written it since."""
        with self._lock:
            self._told = {receiver: dict.fromkeys(keys, True) for receiver, keys in _read(self._path)}
            self._written = self._document()

    def is_new(self, receiver: str, key: str) -> bool:
        """Whether a receiver was not told of something; from now on it counts as told."""
        with self._lock:
            mine = self._told.setdefault(receiver, {})
            if key in mine:
                return False
            mine[key] = False
            return True

    def came(self, receiver: str, key: str, delivered: bool) -> None:
        """Note what became of a notice that was new."""
        with self._lock:
            mine = self._told.get(receiver, {})
            if key in mine and delivered:
                mine[key] = True
            elif key in mine:
                del mine[key]

    def keep(self, what: str, keys: Collection[str] = ()) -> None:
        """Let all else of this kind be over: where it comes again, it is new."""
        with self._lock:
            for mine in self._told.values():
                for key in [key for key in mine if key.startswith(f"{what} ") and key not in keys]:
                    del mine[key]

    def save(self) -> str:
        """Write down what was delivered, if that has changed; returns why it could not be, if so."""
        with self._lock:
            document = self._document()
        if document == self._written:
            return ""
        try:
            write_whole(self._path, json_bytes({"format": FORMAT, "told": document}))
        except InputError as error:
            return str(error)
        self._written = document
        return ""

    def _document(self) -> dict[str, list[str]]:
        delivered = {
            receiver: sorted(key for key, sent in mine.items() if sent) for receiver, mine in self._told.items()
        }
        return {receiver: keys for receiver, keys in sorted(delivered.items()) if keys}


def _read(path: Path) -> Iterator[tuple[str, Iterable[str]]]:
    try:
        document = json.loads(path.read_bytes())
        if document["format"] == FORMAT:
            for receiver, keys in document["told"].items():
                yield str(receiver), [str(key) for key in keys]
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return
