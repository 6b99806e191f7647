"""What a host's link would lose under an order of moves: foreseen for that link alone, as if no other held them up.

Its copies share it, and its slots turn around: after each copy it takes a while until the next one is copied. It
loses all of that in which nothing is copied, and some of that in which one copy is alone on it, which may get less at
its other end. That is exact enough to tell orders apart, and the next forecast starts from what has come of the last.
"""

from __future__ import annotations

from bisect import insort
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["lost_s"]

ALONE = 0.5
"""Part of the time that counts as lost in which one copy is alone on a link while others wait for it."""


def lost_s(on: Iterable[float], waits: Sequence[float], ahead_s: float, turn_s: float, slots: int) -> float:
    """Return the seconds that a link loses until all is copied.

    `on`: for how long each copy on it would still keep it busy alone, in seconds, and `waits`: each that follows, in
    order; `ahead_s`: how long those are prepared which begin now, `turn_s`: until one follows a copy that is over;
    `slots`: how many may be on their way at once.
    """
    copies = sorted(on)
    joins = [ahead_s] * (slots - len(copies))
    now = lost = 0.0
    begun = 0
    while copies or begun < len(waits):
        is_more = begun < len(waits)
        joins_at = joins[0] if joins and is_more else inf
        ends_at = now + copies[0] * len(copies) if copies else inf
        then = min(joins_at, ends_at)
        if then == inf:
            break
        if is_more and len(copies) < 2:
            lost += (then - now) * (ALONE if copies else 1.0)
        copies = [left - (then - now) / len(copies) for left in copies]
        now = then
        if ends_at <= joins_at:
            del copies[0]
            joins.append(now + turn_s)
        else:
            del joins[0]
            insort(copies, waits[begun])
            begun += 1
    return lost
