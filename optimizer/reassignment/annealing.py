"""Compiled searches that race: one keeps to all capacities, the others pay for passing them.

Which basin a search ends in is settled while it is still warm, and what it costs then tells what it will cost. So where
there is time for more than one, several begin, the best go on, and all the time that is left is theirs. At the end,
cold, the one that is behind goes on from the other's best placement. All cool on the same schedule, by time or, where
the answer must be the same everywhere, by proposals made.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from threading import Thread
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from optimizer.parameters import Annealing
from optimizer.reassignment.cost_arrays import CostArrays, SearchState, room_for, state_at

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from optimizer.limits import Deadline
    from optimizer.parameters import Manner

    Ints = NDArray[np.int64]

__all__ = ["STEPS_PER_SECOND", "Schedule", "Search", "anneal_together", "ready"]

STEPS_PER_SECOND = 3_000_000
"""Proposals of each search that count as a second where work is what counts."""


class Leg(NamedTuple):
    """A part of the race: up to which part of the whole, and how many searches are in it."""

    end: float
    searches: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """What a race may take.

    `steps` for each of two threads, where these are what counts, whatever the threads are; else `seconds` of the
    deadline, of which `spare` are left when it is over.
    `given`: the parameters of the searches.
    """

    deadline: Deadline
    seconds: float
    spare: float
    steps: int | None
    given: Annealing = field(default_factory=Annealing)

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
        each = self.given.steps_each * max(1, vms)
        most = min(self.given.most_payers + 1, int((proposals / each) ** 0.5))
        return max(1, most - 1 | 1)

    def share(self, legs: Sequence[Leg], at: float, threads: int) -> tuple[float, int]:
        """Return for how many seconds, or steps where these count, each search of the leg that begins at `at` runs."""
        ends = [leg.end for leg in legs if leg.end > at]
        if self.steps is None:
            rounds = [-(-leg.searches // threads) for leg in legs if leg.end > at]
            return self.left * (ends[0] - at) / float(np.diff([at, *ends]) @ rounds), 0
        everything = float(np.diff([0.0, *(leg.end for leg in legs)]) @ [leg.searches for leg in legs])
        return 0.0, max(1, int(2 * self.steps * (ends[0] - at) / everything))


def _mixed(manner: Manner, fixed: CostArrays, given: Annealing) -> Ints:
    """Return the mix for a problem.

    Where few capacities count VMs at home once they have left, who keeps to all tries home less often. Where many VMs
    share a host, single ones find room, and ruins are rare.
    """
    mix = np.array(manner.mix, np.int64)
    if manner.hard and not (fixed.union.size and fixed.union.mean() >= given.homing):
        mix[0] = given.roaming
    ruins = int(mix[6] - mix[5])
    mix[4:6] += ruins - round(ruins * min(1.0, (given.crowd * len(fixed.host) / len(fixed.vm)) ** 2))
    return mix


class Search:
    """One search: its state, how far it is, and how many steps it makes between two looks at the clock."""

    def __init__(
        self,
        fixed: CostArrays,
        start: SearchState,
        at: Ints,
        seed: int,
        manner: Manner,
        parameters: Annealing,
    ) -> None:
        from optimizer.reassignment.kernel import anneal, forced, squeezed
        from optimizer.reassignment.kernel_big import MOST

        self._anneal, self._forced, self._squeezed = anneal, forced, squeezed
        self.fixed, self.manner, self.parameters = fixed, manner, parameters
        self.state = state_at(fixed, start, at, seed)
        if not manner.hard:
            weights = self.state.weight[0, len(fixed.union) :]
            usual = float(np.median(weights)) if weights.size else 1.0
            self.state.weight[:, : len(fixed.union)] = max(1, int(parameters.penalty_share * usual))
        self.mix, self.room = _mixed(manner, fixed, parameters), room_for(fixed, MOST)
        melting = min(1.0, (parameters.melts / max(1, len(fixed.vm))) ** 0.5)
        self.warmth = manner.warmth * (melting if manner.hard else 1.0)
        self.chunk, self.at = parameters.chunk_steps, 0.0

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
        self._anneal(steps, hot, cold, self.manner.hard, ease, self.mix, self.room, self.fixed, self.state)

    def prepare(self) -> None:
        """Have the kernels compiled, or loaded from the cache."""
        self.run(0, 0.0, 0.0)
        self.adopt(self.state.best.copy())
        self.squeeze(0, int(self.state.place[0, 0]))

    def adopt(self, placement: Ints) -> None:
        """Go on from a placement."""
        self._forced(placement, self.fixed, self.state)

    def squeeze(self, vm: int, host: int) -> bool:
        """Take a VM to a host and away what is in its way, whatever that costs; returns whether that could be done."""
        return bool(self._squeezed(vm, host, self.room, self.fixed, self.state))

    def descend(self, schedule: Schedule) -> None:
        """Take what gains, for a while."""
        left = self.parameters.descent * len(self.fixed.vm)
        while left > 0 and not schedule.over:
            self.run(self.parameters.chunk_steps, 0.0, 0.0)
            left -= self.parameters.chunk_steps

    def to(self, end: float, first: float, schedule: Schedule, seconds: float, steps: int) -> None:
        """Anneal until `end` of the whole, for that many seconds, or steps if not 0; `first`: see `Manner.warmth`."""
        begin, since, made = self.at, perf_counter(), 0
        while self.at < end and not schedule.over:
            self._chunk(first, timed=not steps)
            made += self.chunk
            done = made / steps if steps else (perf_counter() - since) / max(seconds, 1e-9)
            self.at = min(end, begin + (end - begin) * done)

    def _chunk(self, first: float, *, timed: bool) -> None:
        since, given = perf_counter(), self.parameters
        cooled = self.manner.cooling ** (self.at / given.tail)
        temperature = first * self.warmth * cooled if self.at < given.tail else 0.0
        ease = int(65536 * given.ease * max(0.0, 1.0 - self.at / given.strict) ** 3)
        self.run(self.chunk, temperature, temperature, ease)
        if timed:
            rate = given.chunk_seconds / max(perf_counter() - since, 1e-4)
            self.chunk = int(self.chunk * min(2.0, max(0.5, rate)))


def _legs(searches: int, given: Annealing) -> list[Leg]:
    """Return the parts of a race that that many begin: most leave it early, while little is lost with them."""
    early = [
        Leg(end, searches if share == 1.0 else max(2, int(searches * share / 2) * 2)) for end, share in given.leave
    ]
    return [*early, *(Leg(end, 2) for end in given.final)]


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
    given = schedule.given
    keeper = Search(fixed, start, start.place[:, 0].copy(), seeds[0], given.keeper, given)
    keeper.descend(schedule)
    best, value = keeper.state.best.copy(), keeper.value
    if not tell(best, value):
        return
    first = max(value - bound, 0) / len(fixed.host)
    searches = [keeper, *(Search(fixed, start, best, s, given.payer, given) for s in seeds[1:])]
    legs, at = _legs(len(searches), given), 0.0
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
                if end >= given.sharing and int(search.state.total[0]) > value:
                    search.adopt(best)


def ready(fixed: CostArrays, start: SearchState, schedule: Schedule) -> bool:
    """Wait for the kernels, but no longer than there is time; compiling goes on, so that the next job has them."""
    thread = Thread(
        target=lambda: Search(fixed, start, start.place[:, 0], 0, schedule.given.keeper, schedule.given).prepare()
    )
    thread.start()
    while thread.is_alive() and not schedule.over:
        thread.join(0.05)
    return not thread.is_alive() and not schedule.over
