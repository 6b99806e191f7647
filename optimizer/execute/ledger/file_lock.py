"""The leader's lock on one machine: a file beside the ledger, locked as long as the process lives."""

from __future__ import annotations

import fcntl
import os
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FileLock"]


class FileLock:
    """One lock for each fleet of a ledger; the file stays when it is released, and says nothing.

    `flock` is let go by the kernel when the process ends, however it ends, and a paused process keeps it. It is not
    put on the ledger itself: closing that once more would drop SQLite's own locks.
    """

    def __init__(self, ledger: Path, fleet: str) -> None:
        self.path = ledger.with_name(f"{ledger.name}-leader-{sha256(fleet.encode()).hexdigest()[:8]}")
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
