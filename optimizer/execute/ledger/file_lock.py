"""Locks on one machine, in files beside the ledger: the leader's, and whose turn it is to write."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager, suppress
from hashlib import sha256
from typing import TYPE_CHECKING

from optimizer.clock import SystemClock
from optimizer.execute.beside import LEADER, TURN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["TRY_AGAIN_S", "FileLock", "Turn"]

TRY_AGAIN_S = 0.001


class FileLock:
    """One lock for each fleet of a ledger; the file stays when it is released, and says nothing.

    `flock` is let go by the kernel when the process ends, however it ends, and a paused process keeps it. It is not
    put on the ledger itself: closing that once more would drop SQLite's own locks.
    """

    def __init__(self, ledger: Path, fleet: str) -> None:
        self.path = ledger.with_name(f"{ledger.name}{LEADER}{sha256(fleet.encode()).hexdigest()[:8]}")
        self._fd: int | None = None

    def take(self) -> bool:
        """Lock it; False where somebody else has."""
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        self._fd = fd
        return True

    def release(self) -> None:
        """Unlock it."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


class Turn:
    """Who may write next: held while waiting for the ledger, given up as soon as it is had.

    SQLite knows no queue: a writer that finds the file locked sleeps and looks again, and one that writes without a
    pause would keep it out for seconds (a stop, say, for as long as a run submits). So whoever wants to write takes the
    turn first. The one that has just written finds the turn taken, and waits.
    """

    def __init__(self, ledger: Path) -> None:
        self._ledger, self._path = ledger, ledger.with_name(f"{ledger.name}{TURN}")
        self._fd: int | None = None

    @contextmanager
    def taken(self, longest_s: float) -> Iterator[None]:
        """Take it, or go without it where that lasts too long or the file cannot be made; the ledger's lock counts."""
        clock = SystemClock()
        deadline = clock.monotonic() + longest_s
        fd = self._open()
        while fd is not None and not _locked(fd) and clock.monotonic() < deadline:
            clock.sleep(TRY_AGAIN_S)
        try:
            yield
        finally:
            if fd is not None:
                fcntl.flock(fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close its file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _open(self) -> int | None:
        if self._fd is None:
            with suppress(OSError):  # whoever may write to the ledger may take a turn
                mode = self._ledger.stat().st_mode & 0o666
                self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode)
        return self._fd


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
