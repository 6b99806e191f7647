"""The button as a file: while it is there, nothing is submitted; what it says is the reason."""

from __future__ import annotations

from pathlib import Path

from optimizer.errors import InputError

__all__ = ["StopFile"]


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
        return cls(None if "://" in ledger else Path(f"{ledger}.stop"))

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
            It cannot be written.
        """
        if self.path is not None:
            try:
                self.path.write_text(f"{reason}\n", "utf-8")
            except OSError as error:
                expected, hint = "a stop file that can be written", "name another place for it: --stop-file"
                raise InputError(str(self.path), "", error.strerror or str(error), expected, hint) from error

    def lift(self) -> bool:
        """Take it away; returns whether it was there."""
        if self.path is None or not self.path.exists():
            return False
        self.path.unlink()
        return True
