"""How much a what-if question may take: time, threads, memory; asked wherever something may take long."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from optimizer import cp_sat

if TYPE_CHECKING:
    import threading

    from optimizer.clock import Clock
    from optimizer.cp_sat import CpSolver

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

    def share(self, questions: int) -> Effort:
        """Return the limits of the next of that many questions: an equal share of the time that is left."""
        return replace(self, until=self.clock.monotonic() + self.left() / questions)

    def solver(self, seconds: float | None = None) -> CpSolver:
        """Return CP-SAT with these limits; `seconds`: less than all that is left."""
        solver = cp_sat.CpSolver()
        solver.parameters.catch_sigint_signal = False
        solver.parameters.max_time_in_seconds = max(0.05, self.left() if seconds is None else seconds)
        solver.parameters.num_workers = self.workers
        solver.parameters.random_seed = self.seed
        solver.parameters.max_memory_in_mb = self.memory_mib
        return solver

    def over(self) -> bool:
        """Whether to end now."""
        return (self.interrupt is not None and self.interrupt.is_set()) or self.clock.monotonic() >= self.until
