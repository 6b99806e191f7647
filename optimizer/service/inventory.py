"""Reads a snapshot from a file, or from what a program prints."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optimizer.errors import InputError, printable
from optimizer.service.roles import Reading
from optimizer.sources.files import parse_json
from optimizer.sources.fleet_json import fleet_from_document, read_fleet

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["CommandReader", "FileReader"]

LAST_WORDS = 200


@dataclass(frozen=True, slots=True)
class FileReader:
    """Reads the snapshot in a file, as it is then."""

    path: Path

    def __call__(self) -> Reading:
        """Return the fleet."""
        return Reading(read_fleet(self.path))


@dataclass(frozen=True, slots=True)
class CommandReader:
    """Reads the snapshot that a program prints; there is no shell, and at the deadline the program is killed."""

    words: Sequence[str]
    deadline_s: float

    def __call__(self) -> Reading:
        """Return the fleet.

        Raises
        ------
        InputError
            The program cannot be run, fails, takes too long, or prints no snapshot.
        """
        where = self.words[0]
        try:
            done = subprocess.run(list(self.words), capture_output=True, timeout=self.deadline_s, check=False)
        except subprocess.TimeoutExpired as error:
            raise InputError(where, "", f"no end within {self.deadline_s:g} s", "a snapshot of the fleet") from error
        except OSError as error:
            raise InputError(where, "", error.strerror or str(error), "a program that prints a snapshot") from error
        if done.returncode:
            said = printable(done.stderr.decode("utf-8", "replace").strip()[-LAST_WORDS:])
            raise InputError(where, "", f"exit code {done.returncode}: {said}", "a snapshot of the fleet")
        return Reading(fleet_from_document(parse_json(done.stdout, where), where))
