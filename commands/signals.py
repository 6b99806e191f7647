"""Signals that end the program, from its first line on; imports nothing but the standard library.

While a library loads, an exception would come out as an error of that library's own, so there the process ends at once:
nothing was begun. Everywhere else the signals are a `KeyboardInterrupt`, until a command handles them itself.
What comes when all is done, while Python is being taken down, changes nothing any more: least of all the exit code.
Out of a destructor nothing can be raised: a signal that falls into one is heard again a moment later.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

__all__ = ["SIGNALS", "Handler", "handle_from_now_on", "hear_again"]

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

INTERRUPTED = 130

AGAIN_S = 0.01
"""After that long a signal that was lost in a destructor is heard again."""

IMPORTING = "<frozen importlib._bootstrap>"
"""The file that frames of a running import come from."""


class Handler:
    """Makes a `KeyboardInterrupt` of a signal.

    Attributes
    ----------
    raised
        Whether it has: a library that the signal fell into may have made an error of its own of that.
    """

    def __init__(self) -> None:
        self.raised = False

    def __call__(self, _number: int, frame: FrameType | None) -> None:
        """End the process if something is being loaded, and raise if not."""
        while frame is not None:
            if frame.f_code.co_filename == IMPORTING:
                _end_at_once()
            frame = frame.f_back
        self.interrupt()

    def interrupt(self) -> NoReturn:
        """Raise."""
        self.raised = True
        raise KeyboardInterrupt


def handle_from_now_on(instead_of: Callable[[int, Any], None] | None = None) -> Handler:
    """Take over the signals where nobody else has done so, and from `instead_of`, which ends the program until then.

    Returns what handles them, from an earlier call where there was one.
    """
    handler = next((h for h in map(signal.getsignal, SIGNALS) if isinstance(h, Handler)), Handler())
    if threading.current_thread() is not threading.main_thread():
        return handler
    taken = False
    for number in SIGNALS:
        if signal.getsignal(number) in (signal.default_int_handler, signal.SIG_DFL, instead_of or signal.SIG_DFL):
            signal.signal(number, handler)
            atexit.register(signal.signal, number, signal.SIG_IGN)  # Python takes its handlers away before it has ended
            taken = True
    if taken:
        atexit.register(signal.signal, signal.SIGALRM, signal.SIG_IGN)  # an alarm that is still to come would kill it
        sys.unraisablehook = partial(_lost, handler, sys.unraisablehook)
    return handler


def hear_again(handler: Callable[[int, FrameType | None], object]) -> Any:
    """Call `handler` a moment later, as if a signal came; return what would have handled an alarm until now.

    By a timer of the system, not a thread: a destructor may run while a lock is held that starting a thread wants.
    """
    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, AGAIN_S)
    return before


def _lost(
    handler: Handler, otherwise: Callable[[sys.UnraisableHookArgs], object], lost: sys.UnraisableHookArgs
) -> None:
    """Hear a signal again that fell into a destructor; what else is lost there is told as usual."""
    if lost.exc_type is KeyboardInterrupt:
        hear_again(handler)
    else:
        otherwise(lost)


def _end_at_once() -> None:
    """Say so and leave, past everything that could fail half loaded."""
    try:
        if "--json" in sys.argv:
            os.write(1, b'{"error": {"exit_code": 130, "message": "interrupted"}}\n')
        os.write(2, b"remora: interrupted\n")
    finally:
        os._exit(INTERRUPTED)
