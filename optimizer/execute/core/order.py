"""In which order moves start, where their number follows what the links carry: the busiest link is never to stand idle.

A plan takes at least as long as its busiest link needs for all that has to go over it, and just as long if that link is
always full. So moves over it go first; what is in flight counts with what is left of it. It idles where all its moves
turn around at once (are confirmed, and the next prepared), which copies of one size that share it do, and the short
ones at the end of a longest-first order (Graham, Bounds on multiprocessing timing anomalies, SIAM J. Appl. Math. 17,
1969). So of those that wait for a host's link that one goes next with which the link is foreseen to lose the least, if
the others follow the longest first; where it loses as little with several, the one that gets the most at its other end,
or has the most to wait for there. Where no forecast can be made (too many wait, of guests that do not all converge
beside each other, or for an uplink), the shortest goes next while enough of what is in flight beside its largest copy
is left, else the longest of those that get the most at their other ends. A link is also less than full where its few
copies get less there: what has less to wait for does not join them, if the link were not full any more once the first
of its copies has ended. A move that alone takes longer than all that is left takes on any link, as where one copy
cannot fill a card, has the free slot at one of its ends kept for it until there is one at the other.
"""

from __future__ import annotations

from itertools import takewhile
from math import inf
from typing import TYPE_CHECKING

from optimizer.execute.core.canaries import canaries
from optimizer.execute.core.foresight import lost_s
from optimizer.execute.core.loads import uses_s
from optimizer.execute.core.pace import allowed
from optimizer.execute.core.sharing import NEARLY, TIMES, is_on_links, links_now
from optimizer.execute.core.speeds import OUT, Link
from optimizer.execute.core.verdict import AGREED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from optimizer.execute.core.model import Flight, Moment, State, Task
    from optimizer.execute.ledger.records import Key

__all__ = ["Order"]

Group = tuple[float, float, Link]

NOWHERE = Link("", "")

TURNS = 2
"""How many times what it takes until a copy follows one that is over has to be left, for the shortest to go next."""

FEW = 16
"""How many moves that wait for a link are looked ahead at."""


class Order:
    """What each link has still to carry, in seconds, and the copies that are on it, with what is left of each."""

    def __init__(self, state: State, now: Moment) -> None:
        self._links = links_now(state, now)
        self._sharing, self._poll_s = state.sharing, state.settings.poll_s
        self._canaries = allowed(state) if state.finished < state.settings.canary else 0
        self._load: dict[Link, float] = {}
        self._on: dict[Link, list[tuple[Task, float]]] = {}
        self._uses: dict[Key, tuple[tuple[Link, float], ...]] = {}
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
        for link, for_s in self._uses_s(task):
            self._on.setdefault(link, []).append((task, for_s * left))

    def _quickest(self, can: Iterable[Task]) -> Iterator[Task]:
        """Yield moves by urgency: of the most urgent the canaries, then the quickest first."""
        left = sorted(can, key=lambda task: (task.rank[0], task.seconds, task.rank))
        urgent = [task for task in left if task.rank[0] == left[0].rank[0]]
        order = {task.key: (self._group(task)[1], *task.rank) for task in urgent}
        first = canaries(urgent, self._canaries, self._load, lambda t: order[t.key], self._on.keys(), self._sharing)
        gone = {task.key for task in first}
        yield from first
        yield from (task for task in left if task.key not in gone)

    def in_turn(self, can: Iterable[Task]) -> Iterator[Task]:
        """Yield moves by urgency, then by how long their chain takes or what is left for the busiest of their links.

        Until the canaries have ended those of the most urgent.
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
        """Whether a move would take from a copy without which a link that is busier than its own is soon not full."""
        if self._goes_alone(task):
            return False
        links = [link for link, _ in self._uses_s(task)]
        busy = self._busiest(task)[1]
        full: dict[Link, bool] = {}
        for link in links:
            for copy, _ in self._on.get(link, ()):
                its, its_busy = self._busiest(copy)
                if its_busy <= busy or copy.rank[0] > task.rank[0]:
                    continue
                gets = self._gets(copy, its, links)
                nearly = NEARLY * self._sharing.alone_mib_s(copy.links)
                if gets >= min(nearly, self._gets(copy, its)):
                    continue
                if its not in full:
                    full[its] = self._is_full(its, links)
                if not full[its]:
                    return True
        return False

    def _next(self, left: Sequence[Task], link: Link) -> Sequence[Task]:
        """Return which go next over a link until one begins, of all, the longest first: by what is in flight there."""
        if one_by_one := list(takewhile(lambda task: self._goes_alone(task) or not self._fills(task, link), left)):
            return one_by_one
        elsewhere = {t.key: -self._gets(t, link, [other for other, _ in self._uses_s(t)]) for t in left}
        on = sorted(for_s for _, for_s in self._on.get(link, ()))
        ahead_s = self._sharing.ahead_s.value
        turn_s = ahead_s + AGREED * self._poll_s
        slots = min(self._slots(left[0], link), len(on) + len(left))
        if slots and len(left) <= FEW and all(self._converges(t, self._carries(link) / slots) for t in left):
            waits = {t.key: dict(self._uses_s(t))[link] for t in left}
            lost: dict[Key, float] = {}
            for task in left:
                after = [for_s for key, for_s in waits.items() if key != task.key]
                lost[task.key] = round(lost_s(on, [waits[task.key], *after], ahead_s, turn_s, slots), 1)
            return sorted(left, key=lambda t: (lost[t.key], elsewhere[t.key], -self._waits(t, link)))
        if sum(on[:-1]) >= TURNS * turn_s:
            return left[::-1]
        return sorted(left, key=lambda t: elsewhere[t.key])

    def _slots(self, task: Task, link: Link) -> int:
        """Return how many moves a host's link may have; 0 for what lies between hosts, or where no cap says it."""
        kind = "source" if link.kind == OUT else "target"
        return next((t.limit for t in task.tokens if t.kind == kind), 0) if link.is_of_host else 0

    def _waits(self, task: Task, but: Link) -> float:
        """Return how long the busiest of a move's links but this one has still to carry, in seconds."""
        return max((self._load.get(link, 0.0) for link, _ in self._uses_s(task) if link != but), default=0.0)

    def _converges(self, task: Task, share_mib_s: float) -> bool:
        """Whether a copy converges at this speed."""
        return TIMES * self._sharing.dirties_mib_s(task.dirties_mib_s) <= share_mib_s

    def _fills(self, task: Task, link: Link) -> bool:
        """Whether a copy alone fills a link, or nearly."""
        return self._sharing.alone_mib_s(task.links) >= NEARLY * self._carries(link)

    def _goes_alone(self, task: Task) -> bool:
        """Whether nobody knows what a guest dirties, so that its copy shares its links with no other."""
        return self._sharing.dirties_mib_s(task.dirties_mib_s) == inf

    def _count(self, task: Task, left: float) -> None:
        for link, for_s in self._uses_s(task):
            self._load[link] = self._load.get(link, 0.0) + for_s * left

    def _group(self, task: Task) -> Group:
        link, load = self._busiest(task)
        return task.rank[0], min(task.rank[1], -load), link

    def _busiest(self, task: Task) -> tuple[Link, float]:
        busiest, most = NOWHERE, -inf
        for link, _ in self._uses_s(task):
            load = self._load.get(link, 0.0)
            if load > most:
                busiest, most = link, load
        return busiest, max(most, 0.0)

    def _uses_s(self, task: Task) -> tuple[tuple[Link, float], ...]:
        """Return for how long a move keeps each of its links busy; reckoned once."""
        found = self._uses.get(task.key)
        if found is None:
            found = self._uses[task.key] = tuple(uses_s(task, self._sharing))
        return found

    def _carries(self, link: Link) -> float:
        return self._sharing.carries.get(link, link.mib_s)

    def _gets(self, task: Task, but: Link, joined: Sequence[Link] = ()) -> float:
        """Return the fair share of a move on its links but this one, once one copy more has joined these."""
        least = self._sharing.stream_mib_s
        for link, _ in self._uses_s(task):
            if link != but:
                copies = len(self._on.get(link, ())) + (link in joined)
                least = min(least, self._carries(link) / max(1, copies))
        return least

    def _is_full(self, link: Link, joined: Sequence[Link]) -> bool:
        """Whether what its copies get elsewhere fills a link when the first of them has ended; if nobody knows: yes."""
        carries, last = self._carries(link), sorted(self._on[link], key=lambda on: on[1])[1:]
        return carries == inf or sum(self._gets(t, link, joined) for t, _ in last) >= carries * (1 - 1e-9)


def _left(flight: Flight) -> float:
    return 1.0 if flight.left_mib is None else min(1.0, flight.left_mib / max(1, flight.copied_mib))
