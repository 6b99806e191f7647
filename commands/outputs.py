"""Output files: what a command writes is never what it reads or keeps, whichever way the path is spelt.

Every command passes here before it runs (`guarded`), so no command has to list its own inputs. Inputs are known by
the types of their parameters: `FILE`, a policy (`InputName`), and ``@FILE`` in any text. A `KeptFile` counts together
with the files that SQLite puts beside it.
"""

from __future__ import annotations

import functools
import os
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from optimizer.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["FILE", "InputName", "KeptFile", "NewFile", "ReportFile", "check_outputs", "guarded"]

SQLITE_BESIDE = ("-wal", "-shm", "-journal")
"""What SQLite adds to a database's name for the files that it keeps beside it; to lose one is to lose data."""

SQLITE_MAGIC = b"SQLite format 3\0"
EXPECTED = "a file other than the inputs and the ledger"
HINT = "the output must not be an input; choose another name"


class InputFile(click.Path):
    """A file that is read; an empty name is no file, and not the directory that paths take it for."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse an empty name."""
        _refuse_nameless(self, value, param, ctx)
        return super().convert(value, param, ctx)


FILE = InputFile(path_type=Path)


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
    """A report to be written: its ending says as what."""

    ENDINGS = (".html", ".htm", ".svg", ".png")


class KeptFile(NewFile):
    """An SQLite database that is made where there is none, and otherwise kept."""


class _Output(NamedTuple):
    """A file that is to be written, and the option that says so; `kept` if it is a database."""

    option: str
    path: Path
    kept: bool


def guarded(command: click.Command) -> click.Command:
    """Let a command, or every command of a group, check its outputs before it does anything."""
    for inner in getattr(command, "commands", {}).values():
        guarded(inner)
    body = command.callback
    if body is None or isinstance(command, click.Group):
        return command

    @functools.wraps(body)
    def checked(*args: Any, **kwargs: Any) -> Any:
        check_outputs(click.get_current_context())
        return body(*args, **kwargs)

    command.callback = checked
    return command


def check_outputs(context: click.Context) -> None:
    """Refuse an output that is an input, another output, or a database that is kept.

    Raises
    ------
    InputError
        Naming the option; nothing has been written. Also where the ending of a report says nothing.
    """
    parameters = context.command.get_params(context)
    inputs = [path for p in parameters for path in _inputs(p, context.params.get(p.name or ""))]
    outputs = [output for p in parameters for output in _outputs(p, context.params.get(p.name or ""))]
    for i, output in enumerate(outputs):
        taken = [*inputs, *(path for other in outputs[:i] + outputs[i + 1 :] for path in _with_beside(other))]
        if any(_clash(path, read) for path in _with_beside(output) for read in taken) or _is_database(output):
            raise InputError(output.option, "", str(output.path), EXPECTED, HINT)
    for parameter in parameters:
        path = context.params.get(parameter.name or "") if isinstance(parameter.type, ReportFile) else None
        if path is not None and path.suffix.lower() not in ReportFile.ENDINGS:
            option, expected = min(parameter.opts, key=len), "a name that ends with .html, .svg or .png"
            raise InputError(option, "", str(path), expected, "the ending says what is written")


def _inputs(parameter: click.Parameter, value: Any) -> Iterator[Path]:
    kind = parameter.type
    for one in _each(value):
        if isinstance(kind, click.Path):
            yield Path(one)
        elif isinstance(kind, InputName):
            yield kind.path_of(str(one))
        elif isinstance(one, str) and len(one) > 1 and one.startswith("@"):
            yield Path(one[1:])


def _outputs(parameter: click.Parameter, value: Any) -> Iterator[_Output]:
    if isinstance(parameter.type, NewFile):
        option = min(parameter.opts, key=len)
        for one in _each(value):
            yield _Output(option, Path(one), isinstance(parameter.type, KeptFile))


def _each(value: Any) -> tuple[Any, ...]:
    if value is None:
        return ()
    return tuple(value) if isinstance(value, tuple | list) else (value,)


def _with_beside(output: _Output) -> Iterator[Path]:
    """Yield the path, and for a database those that SQLite keeps beside it (beside what a link leads to, too)."""
    yield output.path
    if output.kept:
        for base in dict.fromkeys((str(output.path), os.path.realpath(output.path))):
            yield from (Path(base + ending) for ending in SQLITE_BESIDE)


def _clash(output: Path, read: Path) -> bool:
    """Whether to write the one is to overwrite the other, or to put a file into a directory that is read."""
    if _same_file(output, read):
        return True
    try:
        return read.is_dir() and Path(os.path.realpath(output)).is_relative_to(os.path.realpath(read))
    except (OSError, ValueError):
        return False


def _same_file(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file, or would once it is made: links, hard links, spelling."""
    try:
        there = one.exists(), other.exists()
        if all(there):
            return one.samefile(other)
        a, b = Path(os.path.realpath(one)), Path(os.path.realpath(other))
        if a == b:
            return True
        # both missing: a file system that ignores case would make them one file; if one is there, it would show
        return not any(there) and a.parent == b.parent and _folded(a.name) == _folded(b.name)
    except (OSError, ValueError):
        return False  # whoever reads or writes it says what is wrong with the path


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _is_database(output: _Output) -> bool:
    """Whether an ordinary output would overwrite a database, or a file that SQLite keeps beside one."""
    if output.kept:
        return False
    path = Path(os.path.realpath(output.path))
    bases = [path] + [path.with_name(path.name.removesuffix(e)) for e in SQLITE_BESIDE if path.name.endswith(e)]
    return any(_starts_like_one(base) for base in bases)


def _starts_like_one(path: Path) -> bool:
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(len(SQLITE_MAGIC)) == SQLITE_MAGIC
    except (OSError, ValueError):
        return False
