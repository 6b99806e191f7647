"""What a program prints: an argument vector, no shell, a deadline, and no more of the environment than is named."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from typing import TYPE_CHECKING

from optimizer.errors import InputError, shorten

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

__all__ = ["command_output"]

KEPT = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR")
"""What a program is given of the environment, beside what is named: where it runs, and which language it speaks."""


def command_output(
    command: Sequence[str],
    deadline_s: float,
    environ: Mapping[str, str],
    named: Iterable[str] = (),
    *,
    where: str,
    path: str,
    directory: Path,
) -> bytes:
    """Run a program and return what it printed.

    Parameters
    ----------
    named
        Variables of `environ` that it is given beside `KEPT`.
    where, path
        The file that names it and the field in it, for messages.
    directory
        Where it runs.

    Raises
    ------
    InputError
        It cannot be started, fails, or takes longer than `deadline_s`; then its whole process group is killed.
    """
    wanted = {*KEPT, *named}
    given = {name: value for name, value in environ.items() if name in wanted or name.startswith("LC_")}
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=given,
            cwd=directory,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or str(error)
        raise InputError(where, path, command[0], "a program that can be started", problem) from error
    try:
        out, err = process.communicate(timeout=deadline_s)
    except subprocess.TimeoutExpired as error:
        _end(process)
        raise InputError(where, path, command[0], f"an answer within {deadline_s:g} s") from error
    except BaseException:
        _end(process)
        raise
    if process.returncode:
        said = err.decode("utf-8", "replace").strip().rpartition("\n")[2]
        hint = f"it wrote {shorten(said, 200)}" if said else "it wrote nothing on standard error"
        raise InputError(where, path, f"{command[0]} exited with {process.returncode}", "exit code 0", hint)
    return out


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
    process.wait()
