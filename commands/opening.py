"""The part of a run before its search: reading and judging a large fleet alone may take longer than a limit allows.

Where it does, the command ends on time with a line that says so: a plan that moves nothing would take longer still to
describe and to print than a plain line.
"""

from __future__ import annotations

import signal
import threading
from math import ceil
from typing import TYPE_CHECKING, Any, NoReturn

from optimizer.errors import NotInTime

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from optimizer.clock import Clock

__all__ = ["Opening", "allowed_s"]

LARGE_MIB = 1.0
"""Size of a fleet's document from which on reading it counts; about 10,000 VMs."""

PACKED = {".gz": 8.0, ".xz": 12.0}
"""How many times smaller documents are when packed."""

SLACK_S, SLACK = 1.0, 0.05
"""What the process may take beyond its limit: the larger of a second and a twentieth of it."""

KEPT_S = 0.25
"""Seconds of that which are kept for the line, and for leaving."""

MIB_S, LEAST_S = 0.35, 2.0
"""Seconds for each MiB of the document, and for any, that leave time for a search: what a message proposes."""

STATED = 2.0
"""How many times as long as it took to state the problem and to judge the fleet the least of a search takes."""

AGAIN_S = 0.5
"""After that long an alarm that was lost in a destructor rings again."""


def allowed_s(limit_s: float) -> float:
    """Return the seconds that a process may take whose limit is `limit_s`."""
    return limit_s + max(SLACK_S, SLACK * limit_s)


class Opening:
    """Bounds the time until a search begins: entered before the fleet is read, it ends when that has been judged.

    Parameters
    ----------
    fleet
        The file: of a small one the plan comes, however busy the machine is.
    began
        When the process was started, on the clock.
    counted
        Whether work is what counts, not time.

    Attributes
    ----------
    large
        Whether reading and judging it takes so long that an interrupt cannot wait for its end.
    """

    def __init__(self, fleet: Path, limit_s: float, began: float, clock: Clock, *, counted: bool) -> None:
        self._mib = _mib(fleet)
        self.large = self._mib >= LARGE_MIB
        self._limit_s, self._began, self._clock = limit_s, began, clock
        self._bound = self.large and not counted
        self._before: Any = None

    def __enter__(self) -> Opening:
        if self._bound and threading.current_thread() is threading.main_thread():
            left = self._left()
            if left <= 0:
                self._refuse()
            self._before = signal.signal(signal.SIGALRM, self._ring)
            signal.setitimer(signal.ITIMER_REAL, left, AGAIN_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """Let the search begin; an alarm that an interrupt has set since (`hear_again`) is left to ring."""
        if self._before is not None and signal.getsignal(signal.SIGALRM) == self._ring:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            signal.signal(signal.SIGALRM, self._before)
            self._before = None

    def judged(self, violations: int, seconds: float) -> None:
        """Let the search begin, if there is still time to say what is left.

        Parameters
        ----------
        violations
            How many there are at the start.
        seconds
            What it took to state the problem and to judge the fleet.

        Raises
        ------
        NotInTime
            There is not.
        """
        from optimizer.parameters import Describing
        from optimizer.planning.ending import telling_s

        self.end()
        needed_s = telling_s(Describing(), 0, violations) + STATED * seconds
        if self._bound and self._left() < needed_s:
            self._refuse(needed_s)
        self._bound = False

    def _ring(self, *_: object) -> None:
        left = self._left()
        if left <= 0:
            self._refuse()
        signal.setitimer(signal.ITIMER_REAL, left, AGAIN_S)  # the machine's time is not always what the clock counts

    def _left(self) -> float:
        return self._began + allowed_s(self._limit_s) - KEPT_S - self._clock.monotonic()

    def _refuse(self, needed_s: float = 0.0) -> NoReturn:
        took = self._clock.monotonic() - self._began
        enough = max(ceil(LEAST_S + MIB_S * self._mib), ceil(2 * took), ceil(took + needed_s))
        raise NotInTime(
            f"no plan in time: after {took:.1f} s of --time-limit {self._limit_s:g} this fleet has not been read and "
            f"judged; nothing was written. A limit of {enough} or more leaves time to plan"
        )


def _mib(path: Path) -> float:
    """Return the size of a document, about what it is unpacked; 0 where it is no file of known size."""
    try:
        size = path.stat().st_size
    except OSError:  # whoever reads it says so
        return 0.0
    return size * PACKED.get(path.suffix, 1.0) / 2**20
