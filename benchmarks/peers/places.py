"""Where rivals live: virtual environments of their own and an unpacked package, made once and kept in the user's cache.

Nothing of them is imported here, and nothing of this project there: they are separate programs, each run as a process.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.case import Missing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["cache", "debian_programs", "environment", "newer_python"]

NEWEST = 14
"""Minor version of Python up to which interpreters are looked for."""


def newer_python(minor: int) -> Path:
    """Return an interpreter of Python 3.`minor` or newer, from PATH or pyenv, the oldest first.

    Raises
    ------
    Missing
        If there is none.
    """
    for candidate in _interpreters(minor):
        code = f"import sys, venv, ensurepip; raise SystemExit(sys.version_info < (3, {minor}))"
        if subprocess.run((str(candidate), "-c", code), capture_output=True, check=False).returncode == 0:
            return candidate
    raise Missing(f"no Python 3.{minor} or newer on PATH or under pyenv")


def _interpreters(minor: int) -> Iterator[Path]:
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    for number in range(minor, NEWEST + 1):
        found = shutil.which(f"python3.{number}")
        yield from [Path(found)] if found else []
        yield from sorted(pyenv.glob(f"3.{number}.*/bin/python"))


def environment(name: str, packages: Sequence[str], minor: int) -> Path:
    """Return the interpreter of a virtual environment that has just these packages, made if it is not there.

    Raises
    ------
    Missing
        If there is no interpreter, or the packages cannot be installed.
    """
    home = cache() / name
    python = home / "bin" / "python"
    if python.is_file():
        return python
    making = home.with_name(f"{name}.{os.getpid()}")
    try:
        _run((str(newer_python(minor)), "-m", "venv", str(making)))
        _run((str(making / "bin" / "python"), "-m", "pip", "install", "--quiet", *packages))
        making.rename(home)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return python


def debian_programs(packages: Sequence[str], program: str) -> tuple[Path, str]:
    """Return a program, and a path of libraries that it wants: from PATH, else from Debian packages.

    The packages are fetched and unpacked, not installed.

    Raises
    ------
    Missing
        If neither can be done.
    """
    installed = shutil.which(program)
    if installed:
        return Path(installed), ""
    home = cache() / packages[0]
    if not home.is_dir():
        making = home.with_name(f"{packages[0]}.{os.getpid()}")
        making.mkdir()
        try:
            _run(("apt-get", "download", *packages), cwd=making)
            for archive in sorted(making.glob("*.deb")):
                _run(("dpkg-deb", "--extract", str(archive), str(making)))
            making.rename(home)
        finally:
            shutil.rmtree(making, ignore_errors=True)
    found = sorted(p for p in home.rglob(program) if p.is_file() and os.access(p, os.X_OK))
    if not found:
        raise Missing(f"the package {packages[0]} has no program {program}")
    return found[0], ":".join(sorted({str(p.parent) for p in home.rglob("*.so.*")}))


def cache() -> Path:
    """Return the directory in which rivals are kept."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "remora" / "benchmarks"
    home.mkdir(parents=True, exist_ok=True)
    return home


def _run(command: Sequence[str], cwd: Path | None = None) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
    except OSError as error:
        raise Missing(f"{command[0]}: {error.strerror}") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise Missing(f"{' '.join(command[:3])} failed: {lines[-1][:200] if lines else 'no message'}")
