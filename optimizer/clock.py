"""Time is passed in: nothing below the command line reads the machine's clock by itself."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Clock", "SimulatedClock", "SystemClock", "pieces"]


class Clock(Protocol):
    """What the rest of the house may ask about time."""

    def now(self) -> datetime:
        """Return the date and time, with an offset."""

    def monotonic(self) -> float:
        """Return seconds that never run backwards, for measuring durations."""

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the date and time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return the machine's monotonic seconds."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)


@dataclass
class SimulatedClock:
    """A clock that moves only when it is told to."""

    at: datetime
    eventful: ClassVar[bool] = False
    """Whether anything happens while it sleeps, so that whoever waits has to look up now and then."""

    def __post_init__(self) -> None:
        self._start = self.at

    def now(self) -> datetime:
        """Return the simulated date and time."""
        return self.at

    def monotonic(self) -> float:
        """Return the simulated seconds since the start."""
        return (self.at - self._start).total_seconds()

    def sleep(self, seconds: float) -> None:
        """Move the clock forward by `seconds`."""
        self.at += timedelta(seconds=seconds)


def pieces(clock: Clock, seconds: float, most: float) -> Iterator[float]:
    """Yield parts of a time to sleep, none longer than `most`; all of it where nothing can happen meanwhile."""
    uneventful = isinstance(clock, SimulatedClock) and not clock.eventful
    while seconds > most and not uneventful:
        yield most
        seconds -= most
    yield seconds
