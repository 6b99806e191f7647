"""Doing something within a deadline: in a thread that is left behind when it takes too long."""

from __future__ import annotations

import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from optimizer.errors import InputError, RemoraError
from optimizer.service.ending import Ended

if TYPE_CHECKING:
    from collections.abc import Callable

    from optimizer.service.ending import Ending
    from optimizer.service.roles import Reading

__all__ = ["Aside", "StageLate", "WithDeadline"]

T = TypeVar("T")

LOOK_S = 0.2


class StageLate(RemoraError):
    """A stage has lasted too long: no safety refused to act, so it counts as a failure."""

    exit_code = InputError.exit_code


class Aside(Generic[T]):
    """Does something in a thread of its own, and is back at the deadline, or when the service ends, whatever it does.

    What hangs is left behind; until it has ended, nothing else is started, so that it does not add up.

    Parameters
    ----------
    name
        What the thread is called.
    behind, late
        What is said where an earlier one has not ended yet, and where this one takes too long (``{seconds:g}`` is
        filled in).
    """

    def __init__(self, seconds: float, ending: Ending, name: str, behind: str, late: str) -> None:
        self._seconds, self._ending, self._name = seconds, ending, name
        self._late, self._still = late.format(seconds=seconds), behind
        self._behind: threading.Thread | None = None

    def do(self, work: Callable[[], T]) -> T:
        """Do it.

        Raises
        ------
        StageLate
            It took too long, or an earlier one still does.
        """
        if self._behind is not None and self._behind.is_alive():
            raise StageLate(self._still)
        box: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()

        def run() -> None:
            try:
                box.put((work(), None))
            except BaseException as error:
                box.put((None, error))

        self._behind = threading.Thread(target=run, name=self._name, daemon=True)
        self._behind.start()
        came, error = self._wait(box)
        if isinstance(error, RemoraError):
            raise error
        if error is not None:
            raise RuntimeError(f"{type(error).__name__}: {error}") from error
        return cast("T", came)

    def _wait(self, box: SimpleQueue[tuple[T | None, BaseException | None]]) -> tuple[T | None, BaseException | None]:
        waited = 0.0
        while waited < self._seconds:
            try:
                return box.get(timeout=min(LOOK_S, self._seconds - waited))
            except Empty:
                waited += LOOK_S
            if self._ending.asked:
                raise Ended(self._ending.reason)
        raise StageLate(self._late)


class WithDeadline:
    """Reads aside, within a deadline."""

    def __init__(self, read: Callable[[], Reading], seconds: float, ending: Ending) -> None:
        self._read = read
        behind = "the fleet cannot be read: the reading of an earlier cycle has not ended yet"
        self._aside: Aside[Reading] = Aside(
            seconds, ending, "read", behind, "the fleet was not read within {seconds:g} s"
        )

    def __call__(self) -> Reading:
        """Read.

        Raises
        ------
        StageLate
            It took too long, or an earlier one still does.
        """
        return self._aside.do(self._read)
