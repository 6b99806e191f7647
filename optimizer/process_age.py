"""How long this process has lived: a limit that a user gives is for all of it, libraries and reading included."""

from __future__ import annotations

import os
import time
from pathlib import Path

__all__ = ["process_age_s"]

STARTED_AT = 19
"""Place of the start time, in ticks since boot, among the fields of /proc/self/stat after the command's name."""


def process_age_s() -> float:
    """Return the wall seconds since the process was started; 0 where the system does not say."""
    try:
        fields = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        ticks = os.sysconf("SC_CLK_TCK")
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[STARTED_AT]) / ticks)
    except (OSError, AttributeError, ValueError, IndexError):
        return 0.0
