"""In which order moves start, where their number follows what the links carry: the busiest link is never to stand idle.

A plan takes at least as long as its busiest link needs for all that has to go over it, and just as long if that link is
never idle. So moves over it go first; what is in flight counts with what is left of it. It idles where all its moves
turn around at once (are confirmed, and the next prepared), which copies of one size that share it do, and the short
ones at the end of a longest-first order (Graham, Bounds on multiprocessing timing anomalies, SIAM J. Appl. Math. 17,
1969). So while enough of what is in flight beside its largest copy is left, the shortest goes next, else the longest of
those that get the most at their other ends. It is also less than full where its few copies get less there: what has
less to wait for does not join them. A move that alone takes longer than all that is left takes on any link, as where
one copy cannot fill a card, has the free slot at one of its ends kept for it until there is one at the other.

Canaries are quick, and none may follow until they have ended, so of those that are equally quick the ones over the
busiest links go, each from and to hosts of its own as far as there are such.
"""

from __future__ import annotations

from itertools import takewhile
from math import inf
from typing import TYPE_CHECKING

from optimizer.execute.core.sharing import NEARLY, is_on_links, links_now
from optimizer.execute.core.speeds import INTO, OUT, Link
from optimizer.execute.core.verdict import AGREED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from optimizer.execute.core.model import Flight, Moment, State, Task
    from optimizer.execute.core.speeds import Sharing

__all__ = ["Order", "by_load", "uses_s"]

Group = tuple[float, float, Link]

NOWHERE = Link("", "")

TURNS = 2
"""How many times what it takes until a copy follows one that is over has to be left, for the shortest to go next."""


def uses_s(task: Task, sharing: Sharing) -> Iterator[tuple[Link, float]]:
    """Yield for how long a move keeps each of its links busy; what lies between counts once it is known to bind."""
    for link in task.links or (Link(OUT, task.source), Link(INTO, task.target)):
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


class Order:
    """What each link has still to carry, in seconds, and the copies that are on it, with what is left of each."""

    def __init__(self, state: State, now: Moment) -> None:
        self._links = links_now(state, now)
        self._sharing, self._poll_s = state.sharing, state.settings.poll_s
        self._canaries = state.finished < state.settings.canary
        self._load: dict[Link, float] = {}
        self._on: dict[Link, list[tuple[Task, float]]] = {}
        self._ends: set[Link] = set()
        self._begun = 0
        for key in state.waiting:
            self._count(state.tasks[key], 1.0)
        for flight in state.flying.values():
            task = state.tasks.get(flight.key)
            if task is not None and is_on_links(flight, state, now):
                left = _left(flight)
                self._count(task, left)
                self._add(task, left)

    def lets(self, task: Task) -> bool:
        """Whether a move may start, by what goes over its links; one that may is put on them."""
        if not self._links.have_room(task):
            self._links.keep(task)
            return False
        if not self._canaries and self._disturbs(task):
            return False
        self._links.add(task)
        self._add(task)
        return True

    def _add(self, task: Task, left: float = 1.0) -> None:
        """Put a move on its links, of which this part is left."""
        self._begun += 1
        self._ends |= _ends(task)
        for link, for_s in uses_s(task, self._sharing):
            self._on.setdefault(link, []).append((task, for_s * left))

    def _quickest(self, can: Iterable[Task]) -> Iterator[Task]:
        """Yield moves by urgency, the quickest first: of those that take a look longer at most, as above."""
        left = sorted(can, key=lambda task: (task.rank[0], task.seconds, task.rank))
        quick_s = left[0].seconds + self._poll_s
        slower = [t for t in left if t.rank[0] > left[0].rank[0] or t.seconds > quick_s]
        quick = sorted(left[: len(left) - len(slower)], key=lambda task: (self._group(task), task.rank))
        while quick:
            yield quick.pop(next((n for n, t in enumerate(quick) if not _ends(t) & self._ends), 0))
        yield from slower

    def in_turn(self, can: Iterable[Task]) -> Iterator[Task]:
        """Yield moves by urgency, then by how long their chain takes or what is left for the busiest of their links.

        Until the canaries have ended the quickest of the most urgent.
        """
        if self._canaries:
            yield from self._quickest(can)
            return
        groups: dict[Group, list[Task]] = {}
        for task in can:
            groups.setdefault(self._group(task), []).append(task)
        for group in sorted(groups):
            left = sorted(groups[group], key=lambda task: task.rank[1:])
            while left:
                gone, begun = set(), self._begun
                for task in self._next(left, group[2]):
                    yield task
                    gone.add(task.key)
                    if self._begun > begun:
                        break
                left = [task for task in left if task.key not in gone]

    def longest(self, waits: Iterable[Task]) -> Iterator[Task]:
        """Yield those of the moves that take longer alone than all that is left takes on any link."""
        most_s = max(self._load.values(), default=0.0)
        yield from (t for t in waits if t.copied_mib / self._sharing.alone_mib_s(t.links) >= most_s)

    def _disturbs(self, task: Task) -> bool:
        """Whether a move would take from a copy without which a link that is busier than its own is not full."""
        if self._goes_alone(task):
            return False
        links = [link for link, _ in uses_s(task, self._sharing)]
        busy = self._busiest(task)[1]
        for link in links:
            for copy, _ in self._on.get(link, ()):
                its, its_busy = self._busiest(copy)
                if its_busy <= busy or copy.rank[0] > task.rank[0]:
                    continue
                if self._gets(copy, its, links) < self._gets(copy, its) and not self._is_full(its, links):
                    return True
        return False

    def _next(self, left: Sequence[Task], link: Link) -> Sequence[Task]:
        """Return which go next over a link until one begins, of all, the longest first: by what is in flight there."""
        beside = sorted(for_s for _, for_s in self._on.get(link, ()))[:-1]
        turn_s = self._sharing.ahead_s.value + AGREED * self._poll_s
        if one_by_one := list(takewhile(lambda task: self._goes_alone(task) or not self._fills(task, link), left)):
            return one_by_one
        if sum(beside) >= TURNS * turn_s:
            return left[::-1]
        return sorted(left, key=lambda t: -self._gets(t, link, [other for other, _ in uses_s(t, self._sharing)]))

    def _fills(self, task: Task, link: Link) -> bool:
        """Whether a copy alone fills a link, or nearly."""
        return self._sharing.alone_mib_s(task.links) >= NEARLY * self._carries(link)

    def _goes_alone(self, task: Task) -> bool:
        """Whether nobody knows what a guest dirties, so that its copy shares its links with no other."""
        return self._sharing.dirties_mib_s(task.dirties_mib_s) == inf

    def _count(self, task: Task, left: float) -> None:
        for link, for_s in uses_s(task, self._sharing):
            self._load[link] = self._load.get(link, 0.0) + for_s * left

    def _group(self, task: Task) -> Group:
        link, load = self._busiest(task)
        return task.rank[0], min(task.rank[1], -load), link

    def _busiest(self, task: Task) -> tuple[Link, float]:
        loads = ((link, self._load.get(link, 0.0)) for link, _ in uses_s(task, self._sharing))
        return max(loads, key=lambda of: of[1], default=(NOWHERE, 0.0))

    def _carries(self, link: Link) -> float:
        return self._sharing.carries.get(link, link.mib_s)

    def _gets(self, task: Task, but: Link, joined: Sequence[Link] = ()) -> float:
        """Return the fair share of a move on its links but this one, once one copy more has joined these."""
        shares = (
            self._carries(link) / max(1, len(self._on.get(link, ())) + (link in joined))
            for link, _ in uses_s(task, self._sharing)
            if link != but
        )
        return min((self._sharing.stream_mib_s, *shares))

    def _is_full(self, link: Link, joined: Sequence[Link]) -> bool:
        """Whether what its copies get elsewhere fills a link; of one of which nobody knows what it carries: yes."""
        carries = self._carries(link)
        return carries == inf or sum(self._gets(t, link, joined) for t, _ in self._on[link]) >= carries * (1 - 1e-9)


def _left(flight: Flight) -> float:
    return 1.0 if flight.left_mib is None else min(1.0, flight.left_mib / max(1, flight.copied_mib))


def _ends(task: Task) -> set[Link]:
    return {Link(OUT, task.source), Link(INTO, task.target)}
