"""One child process, measured from outside: wall time, CPU time, and the most memory it ever held."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Measured", "measure"]

MAXRSS_PER_MIB = 2**20 if sys.platform == "darwin" else 2**10


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run took, and what it printed; `stopped` where it reached its time limit and was killed."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    exit_code: int
    printed: bytes
    complained: str
    stopped: bool = False


def measure(command: Sequence[str], limit_s: float = threading.TIMEOUT_MAX) -> Measured:
    """Run a command to its end; at `limit_s` seconds of wall time it is killed, with its children.

    `os.wait4` gives the figures of this child alone (with the children it has waited for). This process stays small:
    a child's peak is never less than what its parent held when it was started.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.perf_counter()
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True)
        stopped = threading.Event()

        def stop() -> None:
            stopped.set()
            os.killpg(child.pid, signal.SIGKILL)

        timer = threading.Timer(limit_s, stop)
        timer.start()
        try:
            os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # not reaped yet: nobody else gets its number
        except KeyboardInterrupt:
            os.killpg(child.pid, signal.SIGKILL)
            raise
        finally:
            wall = time.perf_counter() - began
            timer.cancel()
            timer.join()
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        return Measured(
            wall_s=wall,
            cpu_s=usage.ru_utime + usage.ru_stime,
            peak_mib=usage.ru_maxrss / MAXRSS_PER_MIB,
            exit_code=child.returncode,
            printed=out.read(),
            complained=err.read().decode("utf-8", "replace"),
            stopped=stopped.is_set(),
        )
