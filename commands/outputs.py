"""Output files: what a command writes is never what it reads or keeps, whichever way the path is spelt.

Every command passes here before it runs (`guarded`), so no command has to list its own inputs. Inputs are known by
the types of their parameters (`path_types`), and as ``@FILE`` in any text; files that settings name, such as a policy
in a ``remora.yaml``, are inputs as well. A `KeptFile` counts together with what is kept beside it.
"""

from __future__ import annotations

import functools
import os
import re
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from commands.path_types import InputName, KeptFile, LedgerPlace, MayBeFile, NewFile, Settings, StopPath
from optimizer.errors import InputError
from optimizer.execute.beside import LEADER, SQLITE, endings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["check_outputs", "guarded"]

SQLITE_MAGIC = b"SQLite format 3\0"
EXPECTED = "a file other than the inputs and the ledger"
HINT = "the output must not be an input; choose another name"


class _Output(NamedTuple):
    """A file that is written: the option that says so, its type, and the endings of what is kept beside it."""

    option: str
    path: Path
    kind: click.ParamType[Any]
    beside: tuple[str, ...]


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
    """Refuse an output that is an input, another output, or a database that is kept, or what is kept beside one.

    Raises
    ------
    InputError
        Naming the option; nothing has been written.
    """
    said = [(p, context.params.get(p.name or "")) for p in context.command.get_params(context)]
    stop = any(bool(value) for p, value in said if isinstance(p.type, StopPath))
    outputs = [output for p, value in said for output in _outputs(p, value, stop=stop)]
    outputs.sort(key=_is_made, reverse=True)  # what is made anew gives way, and is named
    inputs = [(p.type, path) for p, value in said for path in _inputs(p, value)]
    named = list(_named(inputs)) if any(_is_made(output) for output in outputs) else []
    for i, output in enumerate(outputs):
        read = [path for _, path in inputs] + (named if _is_made(output) else [])
        if (
            any(_is_input(path, one) for path in _with_beside(output) for one in read)
            or any(_same_output(output, other) for other in outputs[:i] + outputs[i + 1 :])
            or _is_database(output)
        ):
            raise InputError(output.option, "", str(output.path), EXPECTED, HINT)


def _inputs(parameter: click.Parameter, value: Any) -> Iterator[Path]:
    found = (_input(parameter.type, one) for one in _each(value))
    yield from (path for path in found if path is not None)


def _named(inputs: Iterable[tuple[click.ParamType[Any], Path]]) -> Iterator[Path]:
    """Yield the files that the inputs name that are settings."""
    from commands.named_files import files_named_in

    for kind, path in inputs:
        if isinstance(kind, Settings | InputName | MayBeFile):
            yield from files_named_in(path)


def _input(kind: click.ParamType[Any], one: Any) -> Path | None:
    """Return what is read for the value of a parameter."""
    if isinstance(kind, InputName):
        return kind.path_of(str(one))
    if isinstance(kind, click.Path):
        return Path(one)
    if isinstance(kind, NewFile | StopPath) or not isinstance(one, str) or not one:
        return None
    if one.startswith("@") and len(one) > 1:
        return Path(one[1:])
    return Path(one) if isinstance(kind, MayBeFile) else None


def _outputs(parameter: click.Parameter, value: Any, *, stop: bool) -> Iterator[_Output]:
    """Yield what is written for a parameter; `stop` says that the stop file is elsewhere than beside the ledger."""
    kind = parameter.type
    if isinstance(kind, NewFile | StopPath):
        kept = endings(stop=not stop) if isinstance(kind, LedgerPlace) else SQLITE if isinstance(kind, KeptFile) else ()
        for one in _each(value):
            yield _Output(min(parameter.opts, key=len), Path(one), kind, kept)


def _is_made(output: _Output) -> bool:
    """Whether it is made anew, and not a database that is kept, or a stop file, which settings may well name."""
    return not isinstance(output.kind, KeptFile | StopPath)


def _each(value: Any) -> tuple[Any, ...]:
    if value is None or value == "":
        return ()
    return tuple(value) if isinstance(value, tuple | list) else (value,)


def _bases(output: _Output) -> tuple[str, ...]:
    """Return the path, and what a link leads to."""
    return tuple(dict.fromkeys((str(output.path), os.path.realpath(output.path))))


def _with_beside(output: _Output) -> Iterator[Path]:
    """Yield the path, and for a database those that are kept beside it (beside what a link leads to, too)."""
    yield output.path
    for base in _bases(output) if output.beside else ():
        yield from (Path(base + ending) for ending in output.beside)


def _same_output(one: _Output, other: _Output) -> bool:
    """Whether two outputs would be one file, or the one what is kept beside the other."""
    if any(_same_file(a, b) for a in _with_beside(one) for b in _with_beside(other)):
        return True
    return isinstance(other.kind, LedgerPlace) and _is_lock(one.path, other)


def _is_lock(path: Path, ledger: _Output) -> bool:
    """Whether a path is that of the file whose lock says who leads a fleet."""
    there = os.path.realpath(path)
    return any(_folded(there).startswith(_folded(os.path.realpath(base) + LEADER)) for base in _bases(ledger))


def _is_input(output: Path, read: Path) -> bool:
    """Whether to write the one is to overwrite the other, or a table of a directory that is read, or to add one."""
    if _same_file(output, read):
        return True
    try:
        inside = read.is_dir() and Path(os.path.realpath(output)).is_relative_to(os.path.realpath(read))
        return inside and output.name in _tables()
    except (OSError, ValueError):
        return False


def _tables() -> tuple[str, ...]:
    """Return what is read of a directory by its name alone."""
    from optimizer.sources.fleet_csv import TABLES

    return tuple(TABLES)


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
    """Whether an ordinary output would overwrite a database, or a file that is kept beside one."""
    if isinstance(output.kind, KeptFile):
        return False
    path = Path(os.path.realpath(output.path))
    beside = endings(stop=not isinstance(output.kind, StopPath))
    names = [path.name, *(path.name.removesuffix(e) for e in beside), re.sub(LEADER + "[0-9a-f]+$", "", path.name)]
    return any(_starts_like_one(path.with_name(name)) for name in dict.fromkeys(names) if name)


def _starts_like_one(path: Path) -> bool:
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(len(SQLITE_MAGIC)) == SQLITE_MAGIC
    except (OSError, ValueError):
        return False
