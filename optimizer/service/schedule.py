"""When the next cycle is due."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from optimizer.service.record import BAD

if TYPE_CHECKING:
    from optimizer.service.record import Outcome

__all__ = ["Schedule"]


@dataclass
class Schedule:
    """Every `every_s`, give or take a share `jitter`; after a bad cycle sooner, and then later and later.

    Parameters
    ----------
    watch_every_s
        How often the fleet is only watched in between; None: never.
    backoff_s, backoff_most_s
        After the n-th bad cycle in a row the next is tried in ``backoff_s x 2^(n - 1)``, at most the second.
    rng
        Where the jitter comes from.
    """

    every_s: float = 600.0
    jitter: float = 0.1
    watch_every_s: float | None = None
    backoff_s: float = 60.0
    backoff_most_s: float = 3600.0
    rng: Random = field(default_factory=Random)
    bad: int = 0
    next_at: float = float("-inf")
    watch_at: float = float("inf")
    trigger: str = "start"

    def due(self, now: float) -> str:
        """Return why a cycle is due now; empty if none is."""
        if now >= self.next_at:
            return self.trigger
        return "watch" if now >= self.watch_at else ""

    def after(self, began: float, now: float, outcome: Outcome, *, planned: bool, again_s: float | None = None) -> None:
        """Set the time of the next cycle, after one that began and has ended now.

        Where it is watched in between, it is watched also as soon as what is pending may open: in `again_s`.
        """
        if self.watch_every_s is not None:
            self.watch_at = now + min(self.watch_every_s, self.watch_every_s if again_s is None else again_s)
        if outcome in BAD:
            self.bad += 1
            wait = min(self.backoff_s * 2 ** min(self.bad - 1, 30), self.backoff_most_s)
            self.next_at, self.trigger = now + self._around(wait), "retry"
        elif planned or self.bad:
            self.bad = 0
            self.next_at, self.trigger = max(now, began + self._around(self.every_s)), "time"

    def _around(self, seconds: float) -> float:
        return seconds * (1 + self.rng.uniform(-self.jitter, self.jitter))
