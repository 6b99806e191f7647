"""What a program prints: an argument vector, no shell, a deadline, and no more of the environment than is named."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from typing import TYPE_CHECKING

from optimizer.errors import InputError, shorten
from optimizer.sources.environment import concealed, environment_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

__all__ = ["command_output"]


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
        Variables of `environ` that it is given beside those that every program is.
    where, path
        The file that names it and the field in it, for messages.
    directory
        Where it runs.

    Raises
    ------
    InputError
        It cannot be started, fails, or takes longer than `deadline_s`; then its whole process group is killed.
    """
    given = environment_of(environ, named)
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
        said = concealed(err.decode("utf-8", "replace").strip().rpartition("\n")[2], given)
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
