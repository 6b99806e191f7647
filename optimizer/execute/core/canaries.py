"""Which moves are the canaries: quick ones, and over the busiest links where that pays.

Nothing else starts until they have ended. A plan takes as long as its busiest link needs for all that has to go over it
and stands idle besides, so a canary over that link is worth what it carries there meanwhile, and costs all other links
what it takes longer than the quickest.
"""

from __future__ import annotations

from heapq import nsmallest
from typing import TYPE_CHECKING

from optimizer.execute.core.loads import links_of, uses_s

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from optimizer.execute.core.model import Task
    from optimizer.execute.core.speeds import Link, Sharing

__all__ = ["canaries"]

WEIGHT = 3.0
"""How often a second counts that canaries take: no copy has been seen yet, and where it takes several a host to fill a
card, one takes that many times as long as the snapshot says."""

AMONG = 64
"""How many moves over the busiest links are looked at."""


def canaries(
    quickest: Sequence[Task],
    number: int,
    load: Mapping[Link, float],
    order: Callable[[Task], tuple[float, ...]],
    taken: Collection[Link],
    sharing: Sharing,
) -> list[Task]:
    """Return which of the moves, all equally urgent and the quickest first, are the canaries; `number`: of these.

    `load`: seconds for which each link has to carry what waits and what is in flight; `order`: the moves over the
    busiest links first; `taken`: links of what is in flight. Each goes over links of its own as far as there are such:
    so it is seen what one copy gets.
    """

    def ends_s(within_s: float) -> tuple[float, list[Task]]:
        """Return when the busiest link ends if canaries take so long at most, and which they are then."""
        among = nsmallest(AMONG, (t for t in quickest if t.seconds <= within_s), key=order)
        left, over = dict(load), set(taken)
        chosen: list[Task] = []
        while among and len(chosen) < number:
            shared = [len(over.intersection(links_of(task))) for task in among]
            task = among.pop(shared.index(min(shared)))
            chosen.append(task)
            over.update(links_of(task))
            for link, for_s in uses_s(task, sharing):
                left[link] = left.get(link, 0.0) - for_s
        return WEIGHT * within_s + max(left.values(), default=0.0), chosen

    over_link: dict[Link, float] = {}
    for task in quickest:
        for link, _ in uses_s(task, sharing):
            over_link.setdefault(link, task.seconds)
    busiest = nsmallest(2 * number, over_link, key=lambda link: -load.get(link, 0.0))
    least_s = quickest[:number][-1].seconds
    lengths = sorted({least_s, *(over_link[link] for link in busiest if over_link[link] > least_s)})
    return min((ends_s(within_s) for within_s in lengths), key=lambda of: of[0])[1]
