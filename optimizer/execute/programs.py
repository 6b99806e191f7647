"""How any program is started and ended: an argument vector, no shell, nothing to read, a session of its own.

Gates, hooks and the driver `command` wait each in its own way; what they start dies with its whole group.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["NotStarted", "end_group", "start_program"]


class NotStarted(Exception):
    """The program could not be started: nothing has happened."""


def start_program(words: Sequence[str], environment: Mapping[str, str], out: Any, err: Any) -> subprocess.Popen[bytes]:
    """Start a program with exactly this environment; `out` and `err` are as for `subprocess.Popen`.

    Raises
    ------
    NotStarted
        There is no such program, or it may not be run.
    """
    try:
        return subprocess.Popen(
            list(words),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env=dict(environment),
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise NotStarted(getattr(error, "strerror", None) or str(error)) from error


def end_group(process: subprocess.Popen[bytes], within_s: float | None = None) -> None:
    """Kill a program and its group (it leads a session of its own, so nobody else is in that), and await its end.

    `within_s`: how long to wait at most; without it, as long as it takes.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(within_s)
