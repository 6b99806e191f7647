"""How long and how wide a search may go, and the one clock that says when to stop."""

from __future__ import annotations

import resource
import threading
from collections.abc import Callable  # noqa: TC003 - a field's type, which dataclasses look at
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from optimizer.parameters import Parameters

if TYPE_CHECKING:
    from optimizer.clock import Clock
    from optimizer.engine import Stop

__all__ = ["Deadline", "Limits", "OutOfTime", "WorkClock", "peak_rss_mib", "rss_mib"]


LOOKS = 32
"""Questions to a deadline for each of which the process's memory is looked up once."""


KEPT = 0.6
"""Share of a deadline's time that may be kept free at its end."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one search.

    Parameters
    ----------
    seconds
        Wall time for the whole answer.
    memory_mib
        Peak of the whole process at which the search stops.
    workers
        Threads of one CP-SAT search; interleaved, so that their number never changes the answer between two runs.
        Compiled searches of cost use as many as there are searches.
    deterministic
        Stop by work done instead of by the clock: `seconds` then are units of work.
    gap
        Of the moving, from 0 to 1: what is proven to be no further than that above the least, as a share of itself, is
        good enough.
    parameters
        How wide the search looks, and which of its mechanisms are on.
    """

    seconds: float = 30.0
    memory_mib: int = 4096
    workers: int = 1
    seed: int = 0
    deterministic: bool = False
    gap: float = 0.0
    parameters: Parameters = field(default_factory=Parameters)


class WorkClock:
    """Counts work in place of time, so that a search stops at the same point on every machine."""

    def __init__(self) -> None:
        self._done = 0.0

    def monotonic(self) -> float:
        """Return the work done, in units of about a second of one core."""
        return self._done

    def spend(self, work: float) -> None:
        """Count work."""
        self._done += work


class OutOfTime(Exception):
    """Raised by `Deadline.check` in the middle of something that is of no use half done."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is kept free of the time before an end; parts of a deadline share it."""

    end: float = inf
    seconds: Callable[[], float] = lambda: 0.0


class Deadline:
    """What is left of a search's time (or work), and memory; an interrupt ends it at once.

    Parameters
    ----------
    clock
        Where time comes from; a `WorkClock` where work is what counts.
    memory_mib
        The whole process's peak beyond which the search stops.
    """

    def __init__(
        self,
        clock: Clock | WorkClock,
        seconds: float,
        interrupt: Stop | None = None,
        memory_mib: int | None = None,
    ) -> None:
        self._clock, self._end = clock, clock.monotonic() + seconds
        self._interrupt: Stop = interrupt or threading.Event()
        self.memory_mib = memory_mib
        self._asked, self._too_large = 0, threading.Event()
        self._cut = threading.Event()
        self._failed: list[tuple[str, str]] = []
        self._kept = _Kept()

    @classmethod
    def of(cls, limits: Limits, clock: Clock, interrupt: Stop | None = None) -> Deadline:
        """Return the deadline that limits ask for, from now on."""
        return cls(WorkClock() if limits.deterministic else clock, limits.seconds, interrupt, limits.memory_mib)

    def left(self) -> float:
        """Seconds (or units of work) left; 0 when over or interrupted."""
        if self.interrupted or self.out_of_memory:
            return 0.0
        return max(0.0, min(self._end, self._kept.end - self._kept.seconds()) - self._clock.monotonic())

    def wall(self) -> float:
        """Seconds that one call may take by the machine's clock; without limit where work is what counts."""
        return inf if isinstance(self._clock, WorkClock) and self.left() > 0 else self.left()

    def spend(self, work: float) -> None:
        """Count work, in units of about a second of one core; nothing to do where time is what counts."""
        if isinstance(self._clock, WorkClock):
            self._clock.spend(work)

    @property
    def interrupted(self) -> bool:
        """Whether the user asked to stop."""
        return self._interrupt.is_set()

    @property
    def out_of_memory(self) -> bool:
        """Whether the process takes more than it may; looked up now and then, since that is a call of the system.

        What was once too large stays so until the search has ended. What the process took before it began says nothing:
        a service plans again and again.
        """
        most = self.memory_mib
        if most is not None and self._asked % LOOKS == 0 and peak_rss_mib() > most and rss_mib() > most:
            self._too_large.set()
        self._asked += 1
        return self._too_large.is_set()

    def over(self) -> bool:
        """Whether to stop."""
        over = self.left() <= 0.0
        if over and not self._cut.is_set():
            self._cut.set()
        return over

    def note_cut(self) -> None:
        """Take note that a part of the search was ended by the clock before it was through."""
        self._cut.set()

    def note_failed(self, what: str, error: str) -> None:
        """Take note that a solver raised something in place of an answer: of which stage, and what."""
        self._failed.append((what, error))

    @property
    def failed(self) -> tuple[tuple[str, str], ...]:
        """The stages for which a solver raised something, and what; each once."""
        return tuple(dict.fromkeys(self._failed))

    def counted(self, work: float) -> Callable[[], bool]:
        """Return `over`, which counts work each time that it is asked: for a search that asks as it goes."""

        def over() -> bool:
            self.spend(work)
            return self.over()

        return over

    def check(self) -> None:
        """Ask, from within something that is of no use half done.

        Raises
        ------
        OutOfTime
            If it is time to stop.
        """
        if self.over():
            raise OutOfTime

    @property
    def stopped_by(self) -> str:
        """What ended the search: ``work`` where it ran to its own end, no part of it cut short.

        ``time`` or, where work is what counts, ``work_limit`` where it was; ``interrupt`` and ``memory`` come before
        both. ``error`` where nothing of this was, but a solver failed.
        """
        if self.interrupted:
            return "interrupt"
        if self.out_of_memory:
            return "memory"
        cut = self._cut.is_set() or self.over()
        if not cut:
            return "error" if self._failed else "work"
        return "work_limit" if isinstance(self._clock, WorkClock) else "time"

    def part(self, share: float) -> Deadline:
        """Return a deadline at `share` of what is left."""
        part = Deadline(self._clock, self.left() * share, self._interrupt, self.memory_mib)
        part._cut, part._too_large, part._kept = self._cut, self._too_large, self._kept
        part._failed = self._failed
        return part

    def keep(self, seconds: Callable[[], float]) -> None:
        """Keep the last of the time free, for what is only known later: as much as `seconds` says when it is asked.

        Never more than `KEPT` of what is left now, and nothing where work is what counts.
        """
        if not isinstance(self._clock, WorkClock):
            most = KEPT * self.left()
            self._kept = _Kept(self._end, lambda: min(most, seconds()))

    def counting(self, work: float) -> Deadline:
        """Return a deadline by work done instead of by this one's clock, with the same interrupt and memory."""
        return Deadline(WorkClock(), work, self._interrupt, self.memory_mib)


def rss_mib() -> int:
    """Return the resident size of this process; where the system does not say, the largest that it has had."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return peak_rss_mib()
    return pages * resource.getpagesize() >> 20


def peak_rss_mib() -> int:
    """Return the largest resident size that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
