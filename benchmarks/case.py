"""A case: what is run, what it is compared with, who judges it, and what is read from its answer."""

from __future__ import annotations

import gzip
import lzma
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "CASES",
    "PYTHON",
    "REMORA",
    "ROOT",
    "Case",
    "Missing",
    "Party",
    "Settings",
    "Trial",
    "case",
    "generated_fleet",
    "given_data",
    "parse_json_peer",
    "unpacked",
]

ROOT = Path(__file__).resolve().parent.parent
PYTHON = (sys.executable,)
REMORA = (*PYTHON, str(ROOT / "cli.py"))
"""The program as a whole process, from this checkout."""


class Missing(Exception):
    """Something that a case needs is not on this machine; its text says what."""


def given_data() -> Path:
    """Return the directory of the given fleets and instances: REMORA_DATA, or beside the project."""
    return Path(os.environ.get("REMORA_DATA") or ROOT.parent / "shared" / "data")


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds for all cases of a run: `work` is a directory for files, `quick` asks for small sizes.

    `rival_s`: seconds after which a rival is asked to end. `instance_s`: seconds for an instance of ROADEF.
    """

    work: Path
    quick: bool = False
    seed: int = 1
    workers: int = 2
    rival_s: int = 300
    instance_s: int = 60

    @property
    def data(self) -> Path:
        """The directory of the given fleets and instances (REMORA_DATA)."""
        return given_data()

    def given(self, *parts: str) -> Path:
        """Return a given file.

        Raises
        ------
        Missing
            If it is not there.
        """
        path = self.data.joinpath(*parts)
        if not path.is_file():
            raise Missing(f"{path} is not there: set REMORA_DATA to the directory of the data")
        return path


def generated_fleet(settings: Settings, name: str, hosts: int, vms: int, *options: str) -> Path:
    """Have `remora generate` make a fleet; return its file, `name` in the directory of the run.

    Raises
    ------
    Missing
        If that fails.
    """
    path = settings.work / name
    size = ("--hosts", str(hosts), "--vms", str(vms), "--seed", str(settings.seed))
    made = subprocess.run((*REMORA, "generate", *size, *options, "-o", str(path)), capture_output=True, check=False)
    if made.returncode:
        raise Missing(f"remora generate failed: {made.stderr.decode('utf-8', 'replace').strip()[-200:]}")
    return path


def unpacked(settings: Settings, packed: Path) -> Path:
    """Return a plain copy, in the directory of the run, of a file that is packed as its name says (.xz or .gz)."""
    plain = settings.work / packed.stem
    with lzma.open(packed) if packed.suffix == ".xz" else gzip.open(packed) as there, plain.open("wb") as here:
        shutil.copyfileobj(there, here)
    return plain


@dataclass(frozen=True, slots=True)
class Party:
    """One measured command.

    Parameters
    ----------
    command
        What is measured.
    judge
        From what the command printed: a command that has to end with 0 for the answer to count. Not measured.
    read
        Figures of the answer, from what the command printed.
    ends
        Exit codes of the command that are no failure.
    limit_s
        Wall time after which it is killed.
    """

    command: tuple[str, ...]
    judge: Callable[[bytes], tuple[str, ...]] | None = None
    read: Callable[[bytes], Mapping[str, object]] = lambda printed: {}
    ends: tuple[int, ...] = (0,)
    limit_s: float = threading.TIMEOUT_MAX


@dataclass(frozen=True, slots=True)
class Trial:
    """Two parties that are run in turn.

    Parameters
    ----------
    label
        What the row is called.
    ours
        The program.
    peer
        A fixed reference, or a rival: ratios to it mean the same on another machine.
    peer_must_succeed
        False for a rival, who may fail: the row says so, and counts.
    """

    label: str
    ours: Party
    peer: Party
    peer_must_succeed: bool = True


@dataclass(frozen=True, slots=True)
class Case:
    """A named family of trials; `prepare` makes files and returns what should be measured."""

    name: str
    about: str
    prepare: Callable[[Settings], list[Trial]]


CASES: dict[str, Case] = {}
"""All cases by name, in the order of their files."""


def case(name: str, about: str) -> Callable[[Callable[[Settings], list[Trial]]], Callable[[Settings], list[Trial]]]:
    """Register the function as a case."""

    def register(prepare: Callable[[Settings], list[Trial]]) -> Callable[[Settings], list[Trial]]:
        CASES[name] = Case(name, about, prepare)
        return prepare

    return register


def parse_json_peer(path: Path) -> Party:
    """Return the reference for documents: the standard library parsing the same JSON, unpacked."""
    return Party((*PYTHON, "-c", "import json, sys; json.load(open(sys.argv[1], 'rb'))", str(path)))
