"""The button as a file: while it is there, nothing is submitted; what it says is the reason."""

from __future__ import annotations

from pathlib import Path

from optimizer.errors import InputError
from optimizer.execute.beside import STOP

__all__ = ["StopFile"]

LONGEST = 4096
"""Bytes: a file with more in it is no stop file."""

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
        if self.path is None:
            return ""
        try:
            said = self.path.read_text("utf-8", "replace").strip()
        except FileNotFoundError:
            return ""
        except OSError as error:
            said = str(error)
        return f"stopped by the file {self.path}" + (f": {said[:200]}" if said else "")

    def press(self, reason: str) -> None:
        """Put it there.

        Raises
        ------
        InputError
            Another file is there, which stays as it is, or it cannot be written.
        """
        if self.path is not None:
            self.check()
            try:
                self.path.write_text(f"{reason}\n"[:LONGEST], "utf-8")
            except OSError as error:
                expected, hint = "a stop file that can be written", "name another place for it: --stop-file"
                raise InputError(str(self.path), "", error.strerror or str(error), expected, hint) from error

    def lift(self) -> bool:
        """Take it away; returns whether it was there.

        Raises
        ------
        InputError
            Another file is there, which stays as it is.
        """
        if self.path is None or not self.path.exists():
            return False
        self.check()
        self.path.unlink()
        return True

    def check(self) -> None:
        """Refuse a path at which another file is, so that none is overwritten or taken away by mistake.

        A stop file is empty or one line of text, whoever wrote it; one whose name ends in ``.stop`` may say anything.

        Raises
        ------
        InputError
            Something else is there.
        """
        if self.path is not None and self.path.exists() and not _may_be_one(self.path):
            expected = "a stop file (empty, or one line that says why), or no file"
            raise InputError("--stop-file", "", str(self.path), expected, "name another file, or take this one away")


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
    plain = text.replace("\t", " ").isprintable() and text[0] not in "{[<"
    return plain and path.suffix.lower() not in DOCUMENTS
