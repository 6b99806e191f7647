"""Memory that a cycle needed for a while is given back to the system when it ends.

What Python and the solvers free stays with the C library, which gives back only what lies at the end of its heap. A
block that lives there keeps tens of MiB that nobody uses, and which block that is changes from cycle to cycle: a
process that holds nothing more than before seems to grow and shrink. glibc has a call that gives back all that is free
(`malloc_trim`); other libraries are left alone.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

from optimizer.service.events import CycleEnded

if TYPE_CHECKING:
    from collections.abc import Callable

    from optimizer.service.events import Event

__all__ = ["GivesBack"]


def _trim() -> Callable[[int], int] | None:
    """Return glibc's `malloc_trim`; None where the C library has none."""
    try:
        found: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None
    return found


class GivesBack:
    """Hears of the end of each cycle, and gives back what is free then."""

    def __init__(self) -> None:
        self._trim = _trim()

    def tell(self, event: Event) -> None:
        """Give it back, if a cycle has ended."""
        if self._trim is not None and isinstance(event, CycleEnded):
            self._trim(0)
