"""Compiled searches that race: one keeps to all capacities, the others pay for passing them.

Which basin a search ends in is settled while it is still warm, and what it costs then tells what it will cost. So where
there is time for more than one, several begin, the best go on, and all the time that is left is theirs. At the end,
cold, the one that is behind goes on from the other's best placement. All cool on the same schedule, by time or, where
the answer must be the same everywhere, by proposals made.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import Thread
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from optimizer.reassignment.cost_arrays import CostArrays, SearchState, state_at

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from optimizer.limits import Deadline

    Ints = NDArray[np.int64]

__all__ = ["HARD", "SOFT", "STEPS_PER_SECOND", "Schedule", "Search", "anneal_together", "ready"]

STEPS_PER_SECOND = 3_000_000
"""Proposals of each search that count as a second where work is what counts."""

CHUNK_STEPS, CHUNK_SECONDS = 1 << 16, 0.04
"""What a kernel does before it is asked whether to go on: in steps at first and where these count, else in time."""

STEPS_EACH, MOST_RIVALS = 2_500, 31
"""Proposals a VM that are worth one search; four times as many are worth two, each twice as long, and so on.

And how many may begin, at most, that pay for passing capacities.
"""

SHARING = 0.97
"""From when on searches share what they find: before, one that costs more may merely be warmer."""

TAIL = 0.95
"""From when on the temperature is 0."""

DESCENT = 300
"""Proposals a VM at temperature 0, to know what to warm up to."""

HOMING, ROAMING = 0.3, 2000
"""Share of the capacities that count VMs at home as well, from which on home is no host like any other.

With less, and where capacities are kept to, `ROAMING` takes the place of the first number of the mix.
"""

CROWD = 20
"""VMs on a host, in the mean, from which on ruins become rare."""

MELTS = 1_000
"""VMs up to which there is time to melt all; beyond, the search that keeps to capacity begins cooler."""

EASE, STRICT = 0.5, 0.7
"""How often a penalty falls at first while its capacity is kept to; and from when on it never does.

Asked for sooner, or all at once, the penalties overshoot and undo what the warm part had found.
"""

PENALTY_SHARE = 0.05
"""First penalty over the median weight of the costs."""


class Leg(NamedTuple):
    """A part of the race: up to which part of the whole, and how many searches are in it."""

    end: float
    searches: int


FINAL = (0.6, 0.7, 0.8, 0.9, 0.97, 1.0)
"""Where those that are left say what they found."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a search goes about it.

    `mix`: of 4096 proposals, see `kernel.anneal`.
    `warmth`: the first temperature over (cost after a descent - bound) / hosts, for up to `MELTS` VMs; then less, by
    the root of their number. `cooling`: the last temperature over the first.
    """

    hard: bool
    mix: tuple[int, ...]
    warmth: float
    cooling: float


HARD = Manner(
    hard=True,
    mix=(900, 2100, 2700, 3700, 4078, 4082, 4095),
    warmth=1.0,
    cooling=1e-3,
)
SOFT = Manner(
    hard=False,
    mix=(800, 1700, 2600, 3976, 4016, 4016, 4096),
    warmth=0.5,
    cooling=3e-3,
)
"""One keeps to all capacities, the other pays for passing them; few chains, which it makes before it judges them."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """What a race may take.

    `steps` for each of two threads, where these are what counts, whatever the threads are; else `seconds` of the
    deadline, of which `spare` are left when it is over.
    """

    deadline: Deadline
    seconds: float
    spare: float
    steps: int | None

    @property
    def left(self) -> float:
        """Seconds until the race has to be over."""
        return max(0.0, self.deadline.left() - self.spare)

    @property
    def over(self) -> bool:
        """Whether there is nothing left of them."""
        return self.deadline.over() or (self.steps is None and self.left <= 0.0)

    def rivals(self, vms: int, threads: int) -> int:
        """Return for how many searches that pay there is time, an odd number."""
        proposals = threads * self.seconds * STEPS_PER_SECOND if self.steps is None else 2 * self.steps
        most = min(MOST_RIVALS + 1, int((proposals / (STEPS_EACH * max(1, vms))) ** 0.5))
        return max(1, most - 1 | 1)

    def share(self, legs: Sequence[Leg], at: float, threads: int) -> tuple[float, int]:
        """Return for how many seconds, or steps where these count, each search of the leg that begins at `at` runs."""
        ends = [leg.end for leg in legs if leg.end > at]
        if self.steps is None:
            rounds = [-(-leg.searches // threads) for leg in legs if leg.end > at]
            return self.left * (ends[0] - at) / float(np.diff([at, *ends]) @ rounds), 0
        everything = float(np.diff([0.0, *(leg.end for leg in legs)]) @ [leg.searches for leg in legs])
        return 0.0, max(1, int(2 * self.steps * (ends[0] - at) / everything))


def _mixed(manner: Manner, fixed: CostArrays) -> Ints:
    """Return the mix for a problem.

    Where few capacities count VMs at home once they have left, who keeps to all tries home less often. Where many VMs
    share a host, single ones find room, and ruins are rare.
    """
    mix = np.array(manner.mix, np.int64)
    if manner.hard and not (fixed.union.size and fixed.union.mean() >= HOMING):
        mix[0] = ROAMING
    ruins = int(mix[6] - mix[5])
    mix[4:6] += ruins - round(ruins * min(1.0, (CROWD * len(fixed.host) / len(fixed.vm)) ** 2))
    return mix


class Search:
    """One search: its state, how far it is, and how many steps it makes between two looks at the clock."""

    def __init__(self, fixed: CostArrays, start: SearchState, at: Ints, seed: int, manner: Manner) -> None:
        from optimizer.reassignment.kernel import anneal, forced, squeezed
        from optimizer.reassignment.kernel_big import MOST

        self._anneal, self._forced, self._squeezed = anneal, forced, squeezed
        self.fixed, self.manner = fixed, manner
        self.state = state_at(fixed, start, at, seed)
        if not manner.hard:
            weights = self.state.weight[0, len(fixed.union) :]
            usual = float(np.median(weights)) if weights.size else 1.0
            self.state.weight[:, : len(fixed.union)] = max(1, int(PENALTY_SHARE * usual))
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
        self.chunk, self.at = CHUNK_STEPS, 0.0

    @property
    def value(self) -> int:
        """Cost of the best placement so far."""
        return int(self.state.total[4])

    @property
    def promise(self) -> int:
        """Cost and penalties of the placement that it is at."""
        return int(self.state.total[0]) + int(self.state.total[1])

    def run(self, steps: int, hot: float, cold: float, ease: int = 0) -> None:
        """Make that many proposals."""
        given = (self.manner.hard, ease, *self.given)
        self._anneal(steps, hot, cold, *given, *self.fixed.arrays(), *self.state.arrays())

    def prepare(self) -> None:
        """Have the kernels compiled, or loaded from the cache."""
        self.run(0, 0.0, 0.0)
        self.adopt(self.state.best.copy())
        self.squeeze(0, int(self.state.place[0, 0]))

    def adopt(self, placement: Ints) -> None:
        """Go on from a placement."""
        self._forced(placement, *self.fixed.arrays(), *self.state.arrays())

    def squeeze(self, vm: int, host: int) -> bool:
        """Take a VM to a host and away what is in its way, whatever that costs; returns whether that could be done."""
        _, _, trail, tried = self.given
        return bool(self._squeezed(vm, host, trail, tried, *self.fixed.arrays(), *self.state.arrays()))

    def descend(self, schedule: Schedule) -> None:
        """Take what gains, for a while."""
        left = DESCENT * len(self.fixed.vm)
        while left > 0 and not schedule.over:
            self.run(CHUNK_STEPS, 0.0, 0.0)
            left -= CHUNK_STEPS

    def to(self, end: float, first: float, schedule: Schedule, seconds: float, steps: int) -> None:
        """Anneal until `end` of the whole, for that many seconds, or steps if not 0; `first`: see `Manner.warmth`."""
        begin, since, made = self.at, perf_counter(), 0
        while self.at < end and not schedule.over:
            self._chunk(first, timed=not steps)
            made += self.chunk
            done = made / steps if steps else (perf_counter() - since) / max(seconds, 1e-9)
            self.at = min(end, begin + (end - begin) * done)

    def _chunk(self, first: float, *, timed: bool) -> None:
        since = perf_counter()
        temperature = first * self.warmth * self.manner.cooling ** (self.at / TAIL) if self.at < TAIL else 0.0
        self.run(self.chunk, temperature, temperature, int(65536 * EASE * max(0.0, 1.0 - self.at / STRICT) ** 3))
        if timed:
            rate = CHUNK_SECONDS / max(perf_counter() - since, 1e-4)
            self.chunk = int(self.chunk * min(2.0, max(0.5, rate)))


def _legs(searches: int) -> list[Leg]:
    """Return the parts of a race that that many begin: most leave it early, while little is lost with them."""
    half = max(2, searches // 4 * 2)
    return [Leg(0.1, searches), Leg(0.35, searches), Leg(0.5, half), *(Leg(end, 2) for end in FINAL)]


def anneal_together(
    fixed: CostArrays,
    start: SearchState,
    schedule: Schedule,
    *,
    bound: int,
    seed: int,
    threads: int,
    tell: Callable[[Ints, int], bool],
) -> None:
    """Search from `start`; `tell` hears of each placement that is better than all before, and says whether to go on."""
    if not ready(fixed, start, schedule):
        return
    threads = max(1, threads)
    rivals = schedule.rivals(len(fixed.vm), threads)
    seeds = np.random.default_rng(seed).integers(2**31, size=1 + rivals).tolist()
    keeper = Search(fixed, start, start.place[:, 0].copy(), seeds[0], HARD)
    keeper.descend(schedule)
    best, value = keeper.state.best.copy(), keeper.value
    if not tell(best, value):
        return
    first = max(value - bound, 0) / len(fixed.host)
    searches = [keeper, *(Search(fixed, start, best, s, SOFT) for s in seeds[1:])]
    legs, at = _legs(len(searches)), 0.0
    with ThreadPoolExecutor(threads) as pool:
        for end, most in legs:
            searches = sorted(searches, key=lambda s: s.promise)[:most]
            seconds, steps = schedule.share(legs, at, threads)
            run = partial(Search.to, end=end, first=first, schedule=schedule, seconds=seconds, steps=steps)
            list(pool.map(run, searches))
            leader, at = min(searches, key=lambda s: s.value), end
            if leader.value < value:
                best, value = leader.state.best.copy(), leader.value
            if not tell(best, value):
                return
            for search in searches:
                if end >= SHARING and int(search.state.total[0]) > value:
                    search.adopt(best)


def ready(fixed: CostArrays, start: SearchState, schedule: Schedule) -> bool:
    """Wait for the kernels, but no longer than there is time; compiling goes on, so that the next job has them."""
    thread = Thread(target=lambda: Search(fixed, start, start.place[:, 0], 0, HARD).prepare())
    thread.start()
    while thread.is_alive() and not schedule.over:
        thread.join(0.05)
    return not thread.is_alive() and not schedule.over
