"""How long and how wide a search may go, and the one clock that says when to stop."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optimizer.clock import Clock

__all__ = ["Deadline", "Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one search.

    Parameters
    ----------
    seconds
        Wall time for the whole answer. `memory_mib`: of the solver.
    workers
        Threads of one CP-SAT search; interleaved, so that their number never changes the answer between two runs.
    deterministic
        Stop by work done instead of by the clock, wherever the search can count its work.
    """

    seconds: float = 30.0
    memory_mib: int = 4096
    workers: int = 1
    seed: int = 0
    deterministic: bool = False


class Deadline:
    """Time left, by a clock that is passed in; an interrupt ends it at once."""

    def __init__(self, clock: Clock, seconds: float, interrupt: threading.Event | None = None) -> None:
        self._clock, self._end = clock, clock.monotonic() + seconds
        self._interrupt = interrupt or threading.Event()

    def left(self) -> float:
        """Seconds left; 0 when over or interrupted."""
        return 0.0 if self.interrupted else max(0.0, self._end - self._clock.monotonic())

    @property
    def interrupted(self) -> bool:
        """Whether the user asked to stop."""
        return self._interrupt.is_set()

    def over(self) -> bool:
        """Whether to stop."""
        return self.left() <= 0.0

    def part(self, share: float) -> Deadline:
        """Return a deadline at `share` of what is left."""
        return Deadline(self._clock, self.left() * share, self._interrupt)
