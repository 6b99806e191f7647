"""What SQLite asks of the file system, recorded; and what is on disk after a power cut at any instant of that.

Recorded by a VFS of apsw (https://rogerbinns.github.io/apsw/vfs.html) below a real SQLite. A write is on disk for
certain once its file was synced; before that each of its sectors may be there or not, in any order. That a file was
made or deleted is certain once its directory was synced: with the first sync of a new file, and with a deletion that
asks for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

__all__ = ["Disk", "Operation", "Recorder"]

SECTOR = 512


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that was asked for; `acknowledged` is how many events had been acknowledged before it."""

    what: str
    name: str
    acknowledged: int
    offset: int = 0
    data: bytes = b""
    certain: bool = False


class Recorder:
    """Passes everything on to the operating system, and writes down what changes files."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.operations: list[Operation] = []
        self.acknowledged = 0
        self._vfs = _Vfs(self)

    def add(self, what: str, path: str, **more: Any) -> None:
        """Write an operation down."""
        self.operations.append(Operation(what, Path(path).name, self.acknowledged, **more))

    def close(self) -> None:
        """Let nobody open a file through it any more."""
        self._vfs.unregister()


class _Vfs(apsw.VFS):
    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        super().__init__(recorder.name, base="")

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        if not Path(path).exists():
            self.recorder.add("create", path)
        return _File(self.recorder, path, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        super().xDelete(filename, syncdir)
        self.recorder.add("delete", filename, certain=bool(syncdir))


class _File(apsw.VFSFile):
    def __init__(self, recorder: Recorder, path: str, name: Any, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._recorder, self._path = recorder, path

    def xWrite(self, data: bytes, offset: int) -> None:
        super().xWrite(data, offset)
        self._recorder.add("write", self._path, offset=offset, data=bytes(data))

    def xTruncate(self, newsize: int) -> None:
        super().xTruncate(newsize)
        self._recorder.add("truncate", self._path, offset=newsize)

    def xSync(self, flags: int) -> None:
        super().xSync(flags)
        self._recorder.add("sync", self._path)


@dataclass
class _Content:
    """A file: what is certain of it, and what was asked for since."""

    certain: bytes = b""
    asked: list[Operation] = field(default_factory=list)

    def now(self, chosen: Sequence[Operation]) -> bytes:
        content = bytearray(self.certain)
        for operation in chosen:
            if operation.what == "truncate":
                del content[operation.offset :]
                continue
            end = operation.offset + len(operation.data)
            content.extend(bytes(max(0, end - len(content))))
            content[operation.offset : end] = operation.data
        return bytes(content)


class Disk:
    """The files of a directory, each under its names: what stands there for certain, and what may."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._names: dict[str, list[_Content | None]] = {name: [_Content(data)] for name, data in files.items()}

    def apply(self, operation: Operation) -> None:
        """Let something be asked for."""
        names = self._names.setdefault(operation.name, [None])
        match operation.what:
            case "create":
                names.append(_Content())
            case "delete":
                names.append(None)
                if operation.certain:
                    del names[:-1]
            case "sync":
                file = names[-1]
                assert file is not None
                file.certain, file.asked = file.now(file.asked), []
                del names[:-1]
            case _:
                file = names[-1]
                assert file is not None
                file.asked.append(operation)

    def lost(self) -> dict[str, bytes]:
        """Return the files where nothing is there that is not certain."""
        return {name: files[0].certain for name, files in self._names.items() if files[0] is not None}

    def kept(self) -> dict[str, bytes]:
        """Return the files where everything is there that was asked for."""
        return {name: files[-1].now(files[-1].asked) for name, files in self._names.items() if files[-1] is not None}

    def torn(self, rng: Random) -> dict[str, bytes]:
        """Return the files where some of it is there, sector by sector."""
        out = {}
        for name, files in self._names.items():
            file = rng.choice(files)
            if file is not None:
                pieces = [piece for operation in file.asked for piece in _sectors(operation)]
                likely = rng.choice([0.1, 0.5, 0.9])
                out[name] = file.now([piece for piece in pieces if rng.random() < likely])
        return out


def _sectors(operation: Operation) -> list[Operation]:
    if operation.what != "write":
        return [operation]
    starts = range(0, len(operation.data), SECTOR)
    return [
        Operation("write", operation.name, 0, operation.offset + at, operation.data[at : at + SECTOR]) for at in starts
    ]
