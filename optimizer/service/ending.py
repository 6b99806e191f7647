"""How a service ends, or a stage of it: nothing more is submitted, what is in flight is awaited up to a limit."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from optimizer.execute.button import StopFile

if TYPE_CHECKING:
    from collections.abc import Callable

    from optimizer.clock import Clock

__all__ = ["Ended", "Ending", "EndingButton", "Interrupting", "Stopper"]


class Ended(Exception):
    """The service was told to end: the cycle goes no further."""


class Ending:
    """What is asked while a cycle runs: whether the service was told to end, or the stage has lasted too long.

    It is set by a signal handler, so it has no lock: `ask` only assigns. `also` says whatever else speaks against going
    on, such as a lease that was lost. `began_at` is when a stage began last, or ended.
    """

    def __init__(self, clock: Clock, wait_s: float = 300.0) -> None:
        self._clock, self._wait_s = clock, wait_s
        self._why = ""
        self._since: float | None = None
        self._at_once = False
        self._until: float | None = None
        self._late = ""
        self.began_at = float("-inf")
        self.also: Callable[[], str] = str

    def ask(self, why: str) -> None:
        """Let the service end; asked a second time, at once."""
        if self._since is None:
            self._why, self._since = why, self._clock.monotonic()
        else:
            self._at_once = True

    def begin(self, stage: str, seconds: float | None = None) -> None:
        """Let a stage begin, which may last `seconds`."""
        self.began_at = self._clock.monotonic()
        self._until = None if seconds is None else self.began_at + seconds
        self._late = stage

    @property
    def asked(self) -> bool:
        """Whether the service is to end."""
        return self._since is not None

    @property
    def reason(self) -> str:
        """Why nothing more may be begun; empty while it may."""
        if self._since is not None:
            return f"the service ends: {self._why}"
        if self._until is not None and self._clock.monotonic() >= self._until:
            return f"stage {self._late} has lasted too long"
        return self.also()

    @property
    def at_once(self) -> bool:
        """Whether what is in flight is no longer awaited."""
        if self._at_once:
            return True
        began = self._since
        if began is None and self._until is not None and self.reason:
            began = self._until
        return began is not None and self._clock.monotonic() - began >= self._wait_s


class EndingButton(StopFile):
    """The stop file, which is also pressed while the service ends: so a run submits nothing more, and winds up."""

    def __init__(self, file: StopFile, ending: Ending) -> None:
        super().__init__(file.path)
        self._ending = ending

    def reason(self) -> str:
        """Say why nothing may be submitted."""
        return self._ending.reason or super().reason()


class Interrupting:
    """What `apply` asks whether it is to end with moves in flight."""

    def __init__(self, ending: Ending) -> None:
        self._ending = ending

    def is_set(self) -> bool:
        """Whether it is."""
        return self._ending.at_once


class Stopper(threading.Event):
    """What a solver asks whether it is to end with the best so far."""

    def __init__(self, reason: Callable[[], str]) -> None:
        super().__init__()
        self._reason = reason

    def is_set(self) -> bool:
        """Whether it is."""
        return bool(self._reason()) or super().is_set()
