"""How much a what-if question may take: time, threads, memory; asked wherever something may take long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading

    from optimizer.clock import Clock

__all__ = ["Effort"]


@dataclass(frozen=True)
class Effort:
    """Limits of one answer.

    Attributes
    ----------
    until
        On the clock's monotonic seconds.
    """

    clock: Clock
    until: float
    workers: int = 2
    seed: int = 0
    memory_mib: int = 4096
    interrupt: threading.Event | None = None

    def left(self) -> float:
        """Return the seconds that are left, not below 0."""
        return max(0.0, self.until - self.clock.monotonic())

    def over(self) -> bool:
        """Whether to end now."""
        return (self.interrupt is not None and self.interrupt.is_set()) or self.clock.monotonic() >= self.until
