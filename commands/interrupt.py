"""Ctrl-C, SIGTERM or SIGHUP while work is in flight: the first asks it to end, the second ends it at once."""

from __future__ import annotations

import signal
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from commands.boundary import complain
from commands.signals import SIGNALS
from optimizer.report.words import clean

if TYPE_CHECKING:
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
    """

    def __init__(self, ending: str = "ending with the best so far") -> None:
        self.event = threading.Event()
        self._ending = ending
        self._before: dict[signal.Signals, Any] = {}

    @property
    def asked(self) -> bool:
        """Whether the user asked to stop."""
        return self.event.is_set()

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            heard = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
            self._before = {number: signal.signal(number, self._ask) for number in heard}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, *_: object) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.event.set()
        with suppress(RuntimeError):  # the signal fell into the middle of a print, which cannot be entered twice
            complain(f"interrupted: {self._ending} (once more ends at once)")
