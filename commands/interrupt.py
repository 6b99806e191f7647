"""Ctrl-C while a search runs: the first asks it to end with the best so far, the second ends at once."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any

from commands.boundary import complain

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Interrupt"]

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupt:
    """Handles the signals while it is entered; `event` is what the engine looks at."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self._before: dict[signal.Signals, Any] = {}

    @property
    def asked(self) -> bool:
        """Whether the user asked to stop."""
        return self.event.is_set()

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._ask) for number in SIGNALS}
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
        complain("interrupted: ending with the best so far (once more ends at once)")
