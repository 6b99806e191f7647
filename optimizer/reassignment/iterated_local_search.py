"""Iterated local search, for where the annealing is frozen: a VM is forced where cost is wasted, then all descends.

The scheme is Lourenço, Martin and Stützle's (Iterated local search, 2003): perturb, descend, keep what is not worse.
What is perturbed is chosen by the argument that bounds the cost: the sum of a hinge's levels over all hosts hangs on no
placement, so a host below 0 makes another one pay as much more, while the sum is above 0; and while it is not, a host
above 0 pays for nothing. That is *waste*. A VM is squeezed onto a host that is too low, or off one that is too high:
what pays may be one large VM that left its home early, while the hole that its return makes elsewhere is beyond what a
cool search takes. The descent then fills it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from optimizer.reassignment.annealing import Search, ready

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from optimizer.parameters import Annealing, Iterated
    from optimizer.reassignment.annealing import Schedule
    from optimizer.reassignment.cost_arrays import CostArrays, SearchState

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

__all__ = ["iterate_together", "waste"]


def waste(fixed: CostArrays, state: SearchState) -> tuple[Floats, NDArray[np.bool_]]:
    """Return what each host costs beyond what all of them must together; and of which hinges they have too little.

    Returns
    -------
    wasted
        [H, K] of K hinges: cost. Their sum is what the hinges cost over the aggregate bound; moves are not in it.
    scarce
        [K]: True where the sum of levels is above 0, so that hosts below 0 are what is wasted, else hosts above 0.
    """
    hinges = slice(len(fixed.union), None)
    level = state.level[:, hinges]
    scarce = level.sum(axis=0) > 0.0
    return np.maximum(np.where(scarce, -level, level), 0.0) * state.weight[:, hinges], scarce


class IteratedSearch:
    """One iterated local search: the `placement` that it is at, its cost (`value`), and what that wastes."""

    def __init__(
        self, fixed: CostArrays, start: SearchState, at: Ints, seed: int, given: Iterated, annealing: Annealing
    ) -> None:
        self.given = given
        self.search = Search(fixed, start, at, seed, annealing.keeper, annealing)
        self.rng = np.random.default_rng(seed)
        self.go_on_from(at)

    def go_on_from(self, placement: Ints) -> None:
        """Take a placement for the one to make better."""
        self.search.adopt(placement)
        self._keep()

    def run(self, schedule: Schedule, seconds: float, steps: int) -> None:
        """Perturb and descend for that many seconds, or steps if not 0; ends early where nothing is wasted.

        Moves may then still be dearer than they need to be: to save some is for others.
        """
        descent = self.given.descent * len(self.search.fixed.vm)
        since, made = perf_counter(), 0
        while self._sums[-1] > 0.0 and not schedule.over:
            if made >= steps if steps else perf_counter() - since >= seconds:
                return
            made += self.given.failed
            if not self._perturb():
                continue
            proposals = min(descent, max(0, steps - made)) if steps else descent
            self.search.run(proposals, 0.0, 0.0)
            made += proposals
            if int(self.search.state.total[0]) <= self.value:
                self._keep()
            else:
                self.search.adopt(self.placement)

    def _keep(self) -> None:
        state = self.search.state
        self.placement, self.value = state.place[:, 0].copy(), int(state.total[0])
        wasted, self._scarce = waste(self.search.fixed, state)
        self._sums = np.cumsum(wasted)

    def _drawn(self, sums: Floats) -> int:
        """Return an index, each as likely as its part of the sums."""
        return min(len(sums) - 1, int(np.searchsorted(sums, self.rng.random() * sums[-1], side="right")))

    def _perturb(self) -> bool:
        """Force a VM on a host that is too low, or off one that is too high; returns whether it went.

        The more it adds to the level the likelier it is drawn; one that takes from it (balance has such) never is.
        """
        fixed = self.search.fixed
        host, hinge = divmod(self._drawn(self._sums), len(self._scarce))
        if self._scarce[hinge]:
            who = self.placement != host
            if self.rng.random() < self.given.home:
                who &= fixed.vm[:, 0] == host
            target = host
        else:
            who, target = self.placement == host, int(self.rng.integers(len(fixed.host)))
        sums = np.cumsum(np.where(who, np.maximum(fixed.amount[::2, len(fixed.union) + hinge], 0.0), 0.0))
        return sums[-1] > 0.0 and self.search.squeeze(self._drawn(sums), target)


def iterate_together(
    fixed: CostArrays,
    start: SearchState,
    at: Ints,
    schedule: Schedule,
    *,
    seed: int,
    threads: int,
    given: Iterated,
    tell: Callable[[Ints, int], bool],
) -> None:
    """Make a placement better; `tell` hears of the best after each part of the time, and says whether to go on."""
    if not ready(fixed, start, schedule):
        return
    seeds = np.random.default_rng(seed).integers(2**31, size=2).tolist()
    searches = [IteratedSearch(fixed, start, at, s, given, schedule.given) for s in seeds]
    threads = min(2, max(1, threads))
    with ThreadPoolExecutor(threads) as pool:
        for left in range(given.rounds, 0, -1):
            seconds = schedule.left / left * threads / 2
            steps = 0 if schedule.steps is None else max(1, schedule.steps // given.rounds)
            list(pool.map(partial(IteratedSearch.run, schedule=schedule, seconds=seconds, steps=steps), searches))
            best = min(searches, key=lambda s: s.value)
            if not tell(best.placement, best.value) or left == 1:
                return
            for search in searches:
                if search is not best:
                    search.go_on_from(best.placement)
