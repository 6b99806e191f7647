"""Work that cannot be interrupted, in a thread of its own: where it takes too long, the process ends without it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["any_left_behind", "ends_within", "start_thread"]

NAME = "uninterruptible"
"""Of such threads; one that is there at the end of the program was left behind."""


def start_thread(work: Callable[[], object]) -> threading.Thread:
    """Start a thread; whoever waits for it may cease to, and must not touch then what it works on."""
    thread = threading.Thread(target=work, daemon=True, name=NAME)
    thread.start()
    return thread


FIRST, LATER = 0.005, 0.05
"""Seconds between two looks at the clock: nearly all such work is small, and done before the first."""


def ends_within(
    work: Callable[[], object],
    over: Callable[[], bool],
    tell: Callable[[], object] = lambda: None,
    grace_s: float = 0.0,
) -> bool:
    """Work in a thread of its own; return whether it ended: where it has to stop, and does not, it is left behind.

    What it raises is raised here; what it raises once it was left behind is lost with it.

    Parameters
    ----------
    over
        Whether to stop; asked all the time.
    tell
        Tells the work to end, which it may do within `grace_s`.
    """
    failed: list[BaseException] = []

    def caught() -> None:
        try:
            work()
        except BaseException as error:
            failed.append(error)

    thread, wait, told = start_thread(caught), FIRST, 0.0
    while True:
        thread.join(wait)
        if not thread.is_alive():
            if failed:
                raise failed[0]
            return True
        if over():
            if told >= grace_s:
                return False
            tell()
            told += wait
        wait = LATER


def any_left_behind() -> bool:
    """Whether such a thread still works."""
    return any(thread.name == NAME for thread in threading.enumerate())
