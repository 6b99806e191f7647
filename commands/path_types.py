"""The types of parameters that name files: what is read, what is written, what is kept. `outputs` goes by them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "FILE",
    "SETTINGS",
    "InputName",
    "KeptFile",
    "LedgerPlace",
    "MayBeFile",
    "NewFile",
    "ReportFile",
    "Settings",
    "StopPath",
]


class InputFile(click.Path):
    """A file that is read; an empty name is no file, and not the directory that paths take it for."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse an empty name."""
        _refuse_nameless(self, value, param, ctx)
        return super().convert(value, param, ctx)


FILE = InputFile(path_type=Path)


class Settings(InputFile):
    """A file that is read, and in which the names of others may stand that are read for it."""


SETTINGS = Settings(path_type=Path)


def _refuse_nameless(
    kind: click.ParamType[Any], value: Any, param: click.Parameter | None, ctx: click.Context | None
) -> None:
    if not str(value):
        kind.fail("'' is not the name of a file", param, ctx)


class InputName(click.ParamType[str]):
    """A name or the path of a file that is read; `path_of` says which file a name stands for."""

    name = "name or path"

    def __init__(self, path_of: Callable[[str], Path]) -> None:
        self.path_of = path_of

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Refuse an empty name."""
        _refuse_nameless(self, value, param, ctx)
        return str(value)


class MayBeFile(click.ParamType[str]):
    """A text that may be the path of what is read: a plan by its id or its file, what a source or a driver reads."""

    name = "text"


class NewFile(click.ParamType[Path]):
    """A file to be written: its directory has to be there before any work is done."""

    name = "file"
    is_written = True

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Check that a file could be written there."""
        path = Path(value)
        try:
            if path.is_dir() or not str(value):
                self.fail(f"{str(value)!r} is not the name of a file", param, ctx)
            if str(value) == "-":
                self.fail("'-' would be a file called so: give a name (./- means it)", param, ctx)
            if not path.parent.is_dir():
                self.fail(f"there is no directory {str(path.parent)!r}", param, ctx)
            writable = not self.is_written or os.access(path if path.exists() else path.parent, os.W_OK)
        except (OSError, ValueError) as error:
            self.fail(f"{str(value)!r}: {error}", param, ctx)
        if not writable:
            self.fail(f"{str(value)!r} may not be written", param, ctx)
        return path


class ReportFile(NewFile):
    """A report to be written: its ending says as what; of one that is packed (`.html.gz`), the ending before."""

    ENDINGS = (".html", ".htm", ".svg", ".png")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Refuse an ending that says nothing."""
        path = super().convert(value, param, ctx)
        if self.ending(path) not in self.ENDINGS:
            self.fail(f"{str(path)!r} does not say by its ending what to write: .html, .svg or .png", param, ctx)
        return path

    @staticmethod
    def ending(path: Path) -> str:
        """Return the ending that says what is written."""
        from optimizer.sources.files import unpacked

        return unpacked(path).suffix.lower()


class KeptFile(NewFile):
    """An SQLite database that is made where there is none, and otherwise kept."""


class LedgerPlace(KeptFile):
    """Where a ledger is: a file, or the address of a PostgreSQL; who only reads it need not be able to write it."""

    is_written = False

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check a file as any that is kept; an address is checked when it is opened."""
        if "://" in str(value):
            return str(value)
        return super().convert(value, param, ctx)


class StopPath(click.ParamType[str]):
    """The file that stops every run: written, read, and taken away."""

    name = "path"
