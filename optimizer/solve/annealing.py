"""Two compiled searches side by side, one that keeps to all capacities and one that pays for passing them.

Both cool on the same schedule, by time or, where the answer must be the same everywhere, by proposals made. At a few
points the one that is behind goes on from the other's best placement.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import Thread
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from optimizer.solve.cost_arrays import Fixed, State, state_at

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from optimizer.solve.limits import Deadline

    Ints = NDArray[np.int64]

__all__ = ["STEPS_PER_SECOND", "Schedule", "Search", "anneal_together"]

STEPS_PER_SECOND = 3_000_000
"""Proposals of each search that count as a second where work is what counts."""

CHUNK_STEPS, CHUNK_SECONDS = 1 << 16, 0.04
"""What a kernel does before it is asked whether to go on: in steps at first and where these count, else in time."""

MEETINGS, SHARING = (0.1, 0.2, 0.4, 0.6, 0.7, 0.8, 0.87, 0.93, 1.0), 0.7
"""When both say what they found, in parts of the whole, and from when on they share it: before, all is too warm."""

TAIL = 0.95
"""From when on the temperature is 0."""

DESCENT = 300
"""Proposals a VM at temperature 0, to know what to warm up to."""

HOMING = 0.3
"""Share of the capacities that count VMs at home as well, from which on home is no host like any other."""

CROWD = 20
"""VMs on a host, in the mean, from which on ruins become rare."""

MELTS = 1_000
"""VMs up to which there is time to melt all; beyond, the search that keeps to capacity begins cooler."""

LENIENCE = 0.1
"""Share of the hosts that may pass a capacity at first; from there it falls, to none.

Asked for sooner, or all at once, the penalties overshoot and undo what the warm part had found.
"""

LATE, EARLY = (0.8, 0.8), (0.65, 0.72)
"""At which parts of the whole no host may pass a capacity any more, and penalties no longer fall.

Late where there is time to melt all; a search of more VMs needs longer to recover from it.
"""

PENALTY_SHARE = 0.05
"""First penalty over the median weight of the costs."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a search goes about it.

    `mix`: of 4096 proposals, see `kernel.anneal`; `homing`: the same where who is away fills two hosts.
    `warmth`: the first temperature over (cost after a descent - bound) / hosts, for up to `MELTS` VMs; then less, by
    the root of their number. `cooling`: the last temperature over the first.
    """

    hard: bool
    mix: tuple[int, ...]
    homing: tuple[int, ...]
    warmth: float
    cooling: float


HARD = Manner(
    hard=True,
    mix=(2000, 2100, 2700, 3700, 4078, 4082, 4095),
    homing=(900, 2100, 2700, 3700, 4078, 4082, 4095),
    warmth=1.0,
    cooling=1e-3,
)
SOFT = Manner(
    hard=False,
    mix=(1900, 2000, 3200, 4040, 4096, 4096, 4096),
    homing=(1000, 2300, 3000, 4040, 4088, 4088, 4096),
    warmth=0.5,
    cooling=3e-3,
)
"""One keeps to all capacities, the other pays for passing them; few chains, which it makes before it judges them."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How far a search is, from 0 to 1, as time and steps go by.

    `steps`: how many make the whole, where they are what counts; else `seconds` of the deadline, of which `spare`
    are left when it is over.
    """

    deadline: Deadline
    seconds: float
    spare: float
    steps: int | None

    def at(self, steps: int) -> float:
        """Return how far a search is that has made so many steps; 1 when it has to stop."""
        if self.deadline.over():
            return 1.0
        if self.steps is not None:
            return min(1.0, steps / max(1, self.steps))
        return min(1.0, 1.0 - (self.deadline.left() - self.spare) / max(self.seconds, 1e-9))


def _mixed(manner: Manner, fixed: Fixed) -> Ints:
    """Return the mix for a problem.

    Where enough capacities count VMs at home once they have left, they have to go home often. Where many VMs share a
    host, single ones find room, and ruins are rare.
    """
    homing = fixed.union.size and fixed.union.mean() >= HOMING
    mix = np.array(manner.homing if homing else manner.mix, np.int64)
    ruins = int(mix[6] - mix[5])
    mix[4:6] += ruins - round(ruins * min(1.0, (CROWD * len(fixed.host) / len(fixed.vm)) ** 2))
    return mix


class Search:
    """One search: its state, and how many steps it makes between two looks at the clock."""

    def __init__(self, fixed: Fixed, start: State, at: Ints, seed: int, manner: Manner) -> None:
        from optimizer.solve.kernel import anneal, forced
        from optimizer.solve.kernel_big import MOST

        self._anneal, self._forced = anneal, forced
        self.fixed, self.manner = fixed, manner
        self.state = state_at(fixed, start, at, seed)
        if not manner.hard:
            weights = self.state.weight[len(fixed.union) :]
            usual = float(np.median(weights)) if weights.size else 1.0
            self.state.weight[: len(fixed.union)] = max(1, int(PENALTY_SHARE * usual))
        loose = fixed.service.copy()
        loose[:, 1:3] = 0
        self.given = (
            _mixed(manner, fixed),
            loose,
            np.zeros((MOST + 1, 2), np.int64),
            np.zeros(len(fixed.vm), np.uint8),
        )
        melting = min(1.0, (MELTS / max(1, len(fixed.vm))) ** 0.5)
        self.warmth = manner.warmth * (melting if manner.hard else 1.0)
        self.steps, self.chunk = 0, CHUNK_STEPS

    @property
    def value(self) -> int:
        """Cost of the best placement so far."""
        return int(self.state.total[4])

    def run(self, steps: int, hot: float, cold: float, lenient: int = 0) -> None:
        """Make so many proposals."""
        given = (self.manner.hard, lenient, *self.given)
        self._anneal(steps, hot, cold, *given, *self.fixed.arrays(), *self.state.arrays())
        self.steps += steps

    def prepare(self) -> None:
        """Have the kernels compiled, or loaded from the cache."""
        self.run(0, 0.0, 0.0)
        self.adopt(self.state.best.copy())

    def adopt(self, placement: Ints) -> None:
        """Go on from a placement."""
        self._forced(placement, *self.fixed.arrays(), *self.state.arrays())

    def until(self, schedule: Schedule, end: float, first: float) -> None:
        """Anneal until `end` of the schedule; `first` is what `Manner.warmth` is in parts of."""
        while (now := schedule.at(self.steps)) < end:
            self.part(schedule, now, first)

    def part(self, schedule: Schedule, now: float, first: float) -> None:
        """Anneal for a chunk."""
        begin = perf_counter()
        temperature = first * self.warmth * self.manner.cooling ** (now / TAIL) if now < TAIL else 0.0
        strict, firm = LATE if len(self.fixed.vm) <= MELTS else EARLY
        lenient = int(len(self.fixed.host) * LENIENCE * max(0.0, 1.0 - now / strict)) if now < firm else -1
        self.run(self.chunk, temperature, temperature, lenient)
        if schedule.steps is None:
            rate = CHUNK_SECONDS / max(perf_counter() - begin, 1e-4)
            self.chunk = int(self.chunk * min(2.0, max(0.5, rate)))


def anneal_together(
    fixed: Fixed,
    start: State,
    schedule: Schedule,
    *,
    bound: int,
    seed: int,
    threads: int,
    tell: Callable[[Ints, int], bool],
) -> None:
    """Search from `start`; `tell` hears of each placement that is better than all before, and says whether to go on."""
    seeds = np.random.default_rng(seed).integers(2**31, size=2).tolist()
    best, value = start.place[:, 0].copy(), int(start.total[0])
    if not _compiled(fixed, start, schedule):
        return
    searches = [Search(fixed, start, best, seeds[0], HARD)]
    _descend(searches[0], schedule)
    first = max(searches[0].value - bound, 0) / len(fixed.host)
    if not tell(searches[0].state.best, searches[0].value):
        return
    searches.append(Search(fixed, start, searches[0].state.best, seeds[1], SOFT))
    with ThreadPoolExecutor(max(1, min(threads, len(searches)))) as pool:
        for end in MEETINGS:
            if threads > 1:
                list(pool.map(partial(Search.until, schedule=schedule, end=end, first=first), searches))
            else:
                _in_turn(searches, schedule, end, first)
            leader = min(searches, key=lambda s: s.value)
            if leader.value < value:
                best, value = leader.state.best.copy(), leader.value
            if not tell(best, value) or end == 1.0:
                return
            for search in searches:
                if end >= SHARING and int(search.state.total[0]) > value:
                    search.adopt(best)


def _compiled(fixed: Fixed, start: State, schedule: Schedule) -> bool:
    """Wait for the kernels, but no longer than there is time; compiling goes on, so that the next job has them."""
    thread = Thread(target=lambda: Search(fixed, start, start.place[:, 0], 0, HARD).prepare())
    thread.start()
    while thread.is_alive() and schedule.at(0) < 1.0:
        thread.join(0.05)
    return not thread.is_alive()


def _descend(search: Search, schedule: Schedule) -> None:
    left = DESCENT * len(search.fixed.vm)
    while left > 0 and schedule.at(search.steps) < 1.0:
        search.run(CHUNK_STEPS, 0.0, 0.0)
        left -= CHUNK_STEPS


def _in_turn(searches: list[Search], schedule: Schedule, end: float, first: float) -> None:
    """Let the searches take turns in one thread."""
    ready = True
    while ready:
        ready = False
        for search in searches:
            now = schedule.at(search.steps)
            if now < end:
                search.part(schedule, now, first)
                ready = True
