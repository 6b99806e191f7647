"""What engines are given to do in the tests: functions that their workers can import."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from optimizer.planning.in_parts import Found, solve_piece

if TYPE_CHECKING:
    from optimizer.engine import Stop

QUESTION = 3
"""The question whether to stop at which a worker dies: it is asked all the time in the midst of a search."""


class Never:
    def is_set(self) -> bool:
        return False


class Always:
    def is_set(self) -> bool:
        return True


class Fatal:
    """Kills its process at a certain question, as long as `marker` is not there (which then is)."""

    def __init__(self, marker: Path) -> None:
        self.marker, self.asked = marker, 0

    def is_set(self) -> bool:
        self.asked += 1
        if self.asked == QUESTION and not self.marker.exists():
            self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return False


def solve_but_die_once(marker: str, task: bytes, _: Stop) -> Found:
    """Solve a piece; the first process to be in the midst of one is killed as by the system, without a word."""
    return solve_piece(task, Fatal(Path(marker)))


def die(task: bytes, _: Stop) -> bytes:
    os.kill(os.getpid(), signal.SIGKILL)
    return task


def die_once(marker: str, task: bytes, _: Stop) -> bytes:
    if not Path(marker).exists():
        Path(marker).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return task.upper()


def fail(task: bytes, _: Stop) -> bytes:
    raise ValueError(f"no {task.decode()} today")


def shout(task: bytes, _: Stop) -> bytes:
    return task.upper()


class There:
    """Stops when a file is there."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def is_set(self) -> bool:
        return self.marker.exists()


def wait_for_stop(marker: str, task: bytes, stop: Stop) -> bytes:
    """Say (by a file) that the task is in flight, and be at it until told to stop."""
    Path(marker).touch()
    while not stop.is_set():
        pass
    return task
