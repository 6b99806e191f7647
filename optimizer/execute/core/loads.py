"""How long moves keep links busy, and the order that follows from that alone."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from optimizer.execute.core.speeds import INTO, OUT, Link

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from optimizer.execute.core.model import State, Task
    from optimizer.execute.core.speeds import Sharing

__all__ = ["by_load", "links_of", "uses_s"]


def links_of(task: Task) -> tuple[Link, ...]:
    """Return the links of a move: its two ends, where the snapshot knows no more."""
    return task.links or (Link(OUT, task.source), Link(INTO, task.target))


def uses_s(task: Task, sharing: Sharing) -> Iterator[tuple[Link, float]]:
    """Yield for how long a move keeps each of its links busy; what lies between counts once it is known to bind."""
    for link in links_of(task):
        carries = sharing.carries.get(link, link.mib_s)
        if carries < inf:
            yield link, task.copied_mib / carries
        elif link.is_of_host:
            yield link, task.seconds


def by_load(state: State, can: Sequence[Task]) -> Sequence[Task]:
    """Return it by urgency, then by how long its chain takes or all that waits at the busiest of its links."""
    load: dict[Link, float] = {}
    for key in state.waiting:
        for link, for_s in uses_s(state.tasks[key], state.sharing):
            load[link] = load.get(link, 0.0) + for_s

    def turn(task: Task) -> tuple[float, ...]:
        busiest = max((load[link] for link, _ in uses_s(task, state.sharing)), default=0.0)
        return (task.rank[0], min(task.rank[1], -busiest), *task.rank[1:])

    return sorted(can, key=turn)
