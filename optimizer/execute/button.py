"""The button as a file: while it is there, nothing is submitted; what it says is the reason."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from optimizer.errors import InputError, RemoraError, SafetyStop
from optimizer.execute.beside import STOP

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["StopFile", "stopping"]

LONGEST = 4096
"""Bytes: a file with more in it is no stop file."""

FIRST = "stopped by "
"""What a stop file that Remora wrote begins with: by this it is known again, whatever the reason, whatever its name."""

DOCUMENTS = (".json", ".yaml", ".yml", ".csv", ".toml", ".gz", ".xz")
"""Names of other files end so."""


class StopFile:
    """A file whose being there stops every run that looks at it; it is looked at before each submit.

    Parameters
    ----------
    path
        Where it would be; None: nowhere.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path

    @classmethod
    def beside(cls, ledger: str) -> StopFile:
        """Return the one beside a ledger file; a ledger in a server has none."""
        return cls(None if "://" in ledger else Path(f"{ledger}{STOP}"))

    def reason(self) -> str:
        """Say why nothing may be submitted; empty where the file is not there. One that cannot be read stops, too."""
        said = self.said()
        if said is None:
            return ""
        return f"stopped by the file {self.path}" + (f": {said}" if said else "")

    def said(self) -> str | None:
        """Return what the file says: who stops, and why, or why it cannot be read; None where it is not there."""
        if self.path is None:
            return None
        try:
            said = self.path.read_text("utf-8", "replace").strip()
        except FileNotFoundError:
            return None
        except OSError as error:
            said = str(error)
        return said.removeprefix(FIRST)[:200]

    def since(self) -> datetime | None:
        """Return when it was written; None where that cannot be read."""
        try:
            return None if self.path is None else datetime.fromtimestamp(self.path.stat().st_mtime, UTC)
        except OSError:
            return None

    def press(self, reason: str) -> None:
        """Put it there, with who wants it and why: one line, cut where it would be too long for a stop file.

        Raises
        ------
        InputError
            Another file is there, which stays as it is, or it cannot be written.
        """
        if self.path is not None:
            self.check()
            try:
                self.path.write_bytes(_line(f"{FIRST}{reason}"))
            except OSError as error:
                raise self._unusable(error) from error

    def lift(self) -> bool:
        """Take it away; returns whether it was there.

        Raises
        ------
        InputError
            Another file is there, which stays as it is, or it cannot be taken away.
        """
        if self.path is None or not self._is_there():
            return False
        self.check()
        try:
            self.path.unlink()
        except OSError as error:
            raise self._unusable(error) from error
        return True

    def check(self) -> None:
        """Refuse a path at which another file is, so that none is overwritten or taken away by mistake.

        A stop file is empty or one line of text, whoever wrote it; one whose name ends in ``.stop`` may say anything.

        Raises
        ------
        InputError
            Something else is there, or nobody can say what.
        """
        if self.path is not None and self._is_there() and not _may_be_one(self.path):
            expected = "a stop file (empty, or one line that says why), or no file"
            raise InputError("--stop-file", "", str(self.path), expected, "name another file, or take this one away")

    def _is_there(self) -> bool:
        try:
            return self.path is not None and self.path.exists()
        except OSError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: OSError) -> InputError:
        expected, hint = "a stop file that can be written", "name another place for it: --stop-file"
        return InputError(str(self.path), "", error.strerror or str(error), expected, hint)


@contextmanager
def stopping(button: StopFile, reason: str) -> Iterator[InputError | None]:
    """Press a button, and let the body stop the ledger: each whatever becomes of the other.

    Yields
    ------
    InputError | None
        What was wrong with the file, for the body to tell once the ledger is stopped.

    Raises
    ------
    SafetyStop
        The ledger could not be stopped: the file alone stops, or nothing does.
    """
    wrong: InputError | None = None
    try:
        button.press(reason)
    except InputError as error:
        wrong = error
    try:
        yield wrong
    except (RemoraError, OSError) as error:
        if error is wrong or (wrong is None and button.path is None):
            raise
        done = f"stopped by the file {button.path} alone" if wrong is None else f"nothing is stopped: {wrong}"
        raise SafetyStop(f"{done}; {error}") from error


def _line(text: str) -> bytes:
    plain = "".join(c if c.isprintable() else " " for c in text)
    return plain.encode()[: LONGEST - 1].decode(errors="ignore").encode() + b"\n"


def _may_be_one(path: Path) -> bool:
    if not path.is_file():
        return False
    if path.suffix == STOP:
        return True
    try:
        with path.open("rb") as file:
            said = file.read(LONGEST + 1)
        text = said.decode("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return False
    if not text or len(said) > LONGEST:
        return not said.strip() and len(said) <= LONGEST
    if not text.replace("\t", " ").isprintable():
        return False
    return text.startswith(FIRST) or (text[0] not in "{[<" and path.suffix.lower() not in DOCUMENTS)
