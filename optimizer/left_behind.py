"""Work that cannot be interrupted, in a thread of its own: where it takes too long, the process ends without it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["any_left_behind", "start_thread"]

NAME = "uninterruptible"
"""Of such threads; one that is there at the end of the program was left behind."""


def start_thread(work: Callable[[], object]) -> threading.Thread:
    """Start a thread; whoever waits for it may cease to, and must not touch then what it works on."""
    thread = threading.Thread(target=work, daemon=True, name=NAME)
    thread.start()
    return thread


def any_left_behind() -> bool:
    """Whether such a thread still works."""
    return any(thread.name == NAME for thread in threading.enumerate())
