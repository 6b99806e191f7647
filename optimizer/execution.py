"""How plans are carried out, as an operator asks for it: the `execution` of a policy. Only data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta, timezone

__all__ = ["Execution", "TimeWindow", "WindowBudget", "is_open"]

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """From one time of day until another, on some days of the week, at an offset from UTC.

    Attributes
    ----------
    days
        0 is Monday; the day on which the window opens. Empty: every day.
    opens, closes
        Times of day; a window that closes before it opens goes past midnight.
    utc_offset_min
        Minutes that the clock on the wall is ahead of UTC.
    """

    opens: time
    closes: time
    days: frozenset[int] = frozenset()
    utc_offset_min: int = 0

    def contains(self, at: datetime) -> bool:
        """Whether the window is open then."""
        local = at.astimezone(timezone(timedelta(minutes=self.utc_offset_min)))
        now = local.time()
        if self.opens < self.closes:
            return self.opens <= now < self.closes and self._on(local)
        return (now >= self.opens and self._on(local)) or (now < self.closes and self._on(local - timedelta(days=1)))

    def _on(self, day: datetime) -> bool:
        return not self.days or day.weekday() in self.days


def is_open(windows: tuple[TimeWindow, ...], at: datetime) -> bool:
    """Whether moves may start then; without windows they always may."""
    return not windows or any(window.contains(at) for window in windows)


@dataclass(frozen=True, slots=True)
class WindowBudget:
    """A limit on moves, or on what is copied, within the last `window_s` seconds: of all, or per source or target.

    The ledger counts what it has written as an intent, so this survives a restart.
    """

    window_s: int
    moves: int | None = None
    gib: int | None = None
    per: str = "fleet"

    def __str__(self) -> str:
        what = " and ".join(f"{n} {w}" for n, w in ((self.moves, "moves"), (self.gib, "GiB")) if n is not None)
        of = "" if self.per == "fleet" else f" per {self.per}"
        return f"{what}{of} in {self.window_s} s"


@dataclass(frozen=True, slots=True)
class Execution:
    """The starting values are the design's; see `optimizer.execute.core.model.Settings` for what they do."""

    canary: int = 5
    attempts: int = 2
    stall_s: int = 150
    seconds_per_gib: int = 150
    patience_s: int = 600
    breaker_hosts: int = 10
    breaker_share: float = 0.4
    approval: bool = False
    windows: tuple[TimeWindow, ...] = ()
    budgets: tuple[WindowBudget, ...] = ()
