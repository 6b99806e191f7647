"""Reading within a deadline: in a thread that is left behind when it takes too long."""

from __future__ import annotations

import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from optimizer.errors import RemoraError, SafetyStop
from optimizer.service.ending import Ended

if TYPE_CHECKING:
    from collections.abc import Callable

    from optimizer.service.ending import Ending
    from optimizer.service.roles import Reading

__all__ = ["StageLate", "WithDeadline"]

LOOK_S = 0.2


class StageLate(SafetyStop):
    """A stage has lasted too long."""


class WithDeadline:
    """Reads in a thread of its own, and is back at the deadline, or when the service ends, whatever the reader does.

    A reader that hangs is left behind; until it has ended, no other is started, so that they do not add up.
    """

    def __init__(self, read: Callable[[], Reading], seconds: float, ending: Ending) -> None:
        self._read, self._seconds, self._ending = read, seconds, ending
        self._behind: threading.Thread | None = None

    def __call__(self) -> Reading:
        """Read.

        Raises
        ------
        StageLate
            It took too long, or an earlier one still does.
        """
        if self._behind is not None and self._behind.is_alive():
            raise StageLate("the fleet cannot be read: the reading of an earlier cycle has not ended yet")
        box: SimpleQueue[Reading | BaseException] = SimpleQueue()

        def work() -> None:
            try:
                box.put(self._read())
            except BaseException as error:
                box.put(error)

        self._behind = threading.Thread(target=work, name="read", daemon=True)
        self._behind.start()
        return self._opened(self._wait(box))

    def _wait(self, box: SimpleQueue[Reading | BaseException]) -> Reading | BaseException:
        waited = 0.0
        while waited < self._seconds:
            try:
                return box.get(timeout=min(LOOK_S, self._seconds - waited))
            except Empty:
                waited += LOOK_S
            if self._ending.asked:
                raise Ended(self._ending.reason)
        raise StageLate(f"the fleet was not read within {self._seconds:g} s")

    @staticmethod
    def _opened(came: Reading | BaseException) -> Reading:
        if isinstance(came, RemoraError):
            raise came
        if isinstance(came, BaseException):
            raise RuntimeError(f"{type(came).__name__}: {came}") from came
        return came
