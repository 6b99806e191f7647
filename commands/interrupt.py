"""Ctrl-C, SIGTERM or SIGHUP while work is in flight: the first asks it to end, the second ends it at once."""

from __future__ import annotations

import gc
import signal
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

from commands.boundary import complain
from commands.signals import SIGNALS, Handler, hear_again
from optimizer.report.words import clean

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

__all__ = ["SIGNALS", "Interrupt"]


assert clean.__name__  # loaded by now: `complain` wants it, and a handler may run in the middle of an import


class Interrupt:
    """Handles the signals while it is entered; `event` is what the engine looks at.

    A signal that the caller has set aside (`nohup` does so with SIGHUP) stays set aside.

    Parameters
    ----------
    ending
        What happens after the first signal, as a message says it.
    at_once
        Whether the first signal ends it at once too: as long as nothing can have been found.
    """

    def __init__(self, ending: str = "ending with the best so far", *, at_once: bool = False) -> None:
        self.event = threading.Event()
        self.at_once = at_once
        self._ending = ending
        self._before: dict[signal.Signals, Any] = {}
        self._hook: Callable[[sys.UnraisableHookArgs], object] | None = None

    @property
    def asked(self) -> bool:
        """Whether the user asked to stop."""
        return self.event.is_set()

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            heard = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
            self._before = {number: signal.signal(number, self._ask) for number in heard}
            self._hook, sys.unraisablehook = sys.unraisablehook, self._lost
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._hook is not None:
            sys.unraisablehook = self._hook
        if signal.SIGALRM in self._before:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _lost(self, lost: sys.UnraisableHookArgs) -> None:
        """Ask once more, a moment later: the signal fell into a destructor, out of which nothing can be raised."""
        if lost.exc_type is KeyboardInterrupt and self.asked:
            self._before.setdefault(signal.SIGALRM, hear_again(self._ask))
        elif self._hook is not None:
            self._hook(lost)

    def _ask(self, *_: object) -> None:
        if self.asked:
            self._at_once()
        self.event.set()
        gc.freeze()  # what is there stays to the end, which is soon; what is new counts: a gateway may wait for hours
        if self.at_once:
            self._at_once()
        with suppress(RuntimeError):  # the signal fell into the middle of a print, which cannot be entered twice
            complain(f"interrupted: {self._ending} (once more ends at once)")

    def _at_once(self) -> NoReturn:
        """Raise, by whoever handled the signals before, so that it knows."""
        for handler in self._before.values():
            if isinstance(handler, Handler):
                handler.interrupt()
        raise KeyboardInterrupt
