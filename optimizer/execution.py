"""How plans are carried out, as an operator asks for it: the `execution` of a policy. Only data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta, timezone

from optimizer.grammar import count, listed

__all__ = [
    "PLACEHOLDERS",
    "Execution",
    "Gate",
    "Gates",
    "Hook",
    "Hooks",
    "Prometheus",
    "TimeWindow",
    "WindowBudget",
    "is_open",
]

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
        moves = [] if self.moves is None else [count(self.moves, "move")]
        what = listed([*moves, *([] if self.gib is None else [f"{self.gib} GiB"])])
        of = "" if self.per == "fleet" else f" per {self.per}"
        return f"{what}{of} in {self.window_s} s"


PLACEHOLDERS = ("fleet", "plan", "move", "vm", "source", "target", "state", "reason")
"""What may stand in braces in the arguments of a hook; a gate's command knows only the first two."""


@dataclass(frozen=True, slots=True)
class Gate:
    """A question that has to be answered well before more moves start: exactly one of the three.

    Attributes
    ----------
    query
        In PromQL; each value that it returns has to be at most `at_most` and at least `at_least`, where given.
    check
        The name of a rule of the policy, checked on a fresh reading of the fleet.
    command
        A program and its arguments; it has to exit with 0.
    environment
        Variables that the command is given beside those that say where it runs (`PATH`, `HOME`, `LANG`, ...).
    """

    name: str
    deadline_s: float
    query: str = ""
    at_most: float | None = None
    at_least: float | None = None
    check: str = ""
    command: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Gates:
    """The gates, and when they are asked.

    Attributes
    ----------
    every
        How many moves end from one opening to the next time that they are asked; the first time is after the canary.
    hold_s
        How long moves are held back while a gate is closed; then the run stops.
    again_s
        How long after an answer a closed gate is asked again.
    """

    every: int = 20
    hold_s: int = 900
    again_s: int = 30
    ask: tuple[Gate, ...] = ()


@dataclass(frozen=True, slots=True)
class Hook:
    """A program that is called before or after each move, with arguments in which `PLACEHOLDERS` are filled in."""

    command: tuple[str, ...]
    deadline_s: float = 30.0
    environment: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hooks:
    """Programs called before a move (each may veto it) and after it."""

    before: tuple[Hook, ...] = ()
    after: tuple[Hook, ...] = ()


@dataclass(frozen=True, slots=True)
class Prometheus:
    """Where queries go, where the secret is (never the secret itself), and whose certificates are believed."""

    url: str = ""
    token_env: str = ""
    token_file: str = ""
    username: str = ""
    password_env: str = ""
    password_file: str = ""
    ca_file: str = ""
    client_cert_file: str = ""
    client_key_file: str = ""


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
    gates: Gates = Gates()
    hooks: Hooks = Hooks()
    prometheus: Prometheus = Prometheus()
