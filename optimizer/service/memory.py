"""Memory that a cycle needed for a while is given back to the system when it ends.

What Python and the solvers free stays with the C library. glibc gives back what lies at the end of its heap, and raises
the size from which a block is asked from the system by itself to that of the largest that was freed, so that arrays of
MiBs come to lie in the heap, each held there by whatever small block follows. Then a process that holds nothing more
than before seems to grow and shrink by tens of MiB. So large blocks are asked from the system, and go back to it, and
what else is free goes back when a cycle ends (`mallopt`, `malloc_trim`). Other C libraries are left alone.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

from optimizer.service.events import CycleEnded

if TYPE_CHECKING:
    from collections.abc import Callable

    from optimizer.service.events import Event

__all__ = ["GivesBack"]

MMAP_THRESHOLD = -3
"""The parameter of `mallopt` (malloc.h: M_MMAP_THRESHOLD); once it is set, glibc raises it no more."""

LARGE = 128 * 1024
"""Bytes; what it is in the beginning."""


def _trim() -> Callable[[int], int] | None:
    """Let large blocks be the system's; returns glibc's `malloc_trim`, None where the C library has none."""
    try:
        library = ctypes.CDLL(None)
        found: Callable[[int], int] = library.malloc_trim
        library.mallopt(MMAP_THRESHOLD, LARGE)
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
