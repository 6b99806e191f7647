"""The files that settings name: the policy of a ``remora.yaml``, the tables of its inventory, the program of a gate.

Any text of the document that is the path of a file counts, so that no field can be forgotten. In a policy, most of
whose texts are words, such as the name of a rule, it has to look like a path as well (`is_path`). Where a text is the
path of a directory, the tables count that are read there.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from optimizer.errors import InputError
from optimizer.sources.files import is_path
from optimizer.sources.fleet_csv import TABLES
from optimizer.sources.policy_yaml import FORMAT as POLICY
from optimizer.sources.safe_yaml import load_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["files_named_in"]

SIZE_LIMIT = 1 << 20
"""Bytes; settings are shorter, and a fleet need not be searched."""

LONGEST = 1000
"""A longer text is no path."""

SETTINGS = (".yaml", ".yml")


def files_named_in(settings: Path) -> Iterator[Path]:
    """Yield the files that a document in YAML names; nothing where it cannot be read: whoever reads it says so."""
    try:
        if settings.suffix.lower() not in SETTINGS or not settings.is_file() or settings.stat().st_size > SIZE_LIMIT:
            return
        document = load_yaml(settings.read_bytes(), str(settings))
    except (OSError, ValueError, InputError):
        return
    has_words = isinstance(document, dict) and document.get("format") == POLICY
    for text in dict.fromkeys(_texts(document)):
        if not has_words or is_path(text):
            yield from _files(settings, text)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)


def _files(settings: Path, text: str) -> Iterator[Path]:
    """Yield what a text may stand for, beside the settings or where the command runs."""
    if not text or len(text) > LONGEST:
        return
    for path in (settings.parent / text, Path(text)):
        try:
            path = path.expanduser()
            if path.is_dir():
                yield from (path / table for table in TABLES)
            elif path.is_file():
                yield path
        except (OSError, ValueError, RuntimeError):
            continue
