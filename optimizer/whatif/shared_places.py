"""Losses packed so that they need the same places: what is kept free for one loss is free for every other.

All losses keep their VMs off what every one of them leaves; new VMs go there. Two ways to have them need the same:
each loss is packed again beside what the others need; and one loss decides what is kept free for all, which is all that
it takes with it and the places that it needs elsewhere. That is never too much to keep, so if all others restart there,
what the tightest loss leaves can be used to the last place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optimizer.whatif.spare_room import packed_within, repacked

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optimizer.whatif.effort import Effort
    from optimizer.whatif.spare_room import Left

__all__ = ["SharedPlaces"]

ROUNDS, DECIDING = 4, 5
"""How often all losses are packed again beside each other, and how many decide what is kept free, at most."""


@dataclass(frozen=True, eq=False)
class SharedPlaces:
    """Losses that were packed, and what they leave.

    Attributes
    ----------
    left
        The losses: packing one again replaces it in this list.
    most
        int64 [H]: how many new VMs each host has room for while nothing is lost.
    """

    left: list[Left]
    most: NDArray[np.int64]
    effort: Effort

    def pays(self, one: Left) -> NDArray[np.int64]:
        """Return int64 [H]: how many places a loss takes from hosts that are left."""
        return np.where(one.loss.lost, 0, self.most - one.places)

    def tightest(self, pool: NDArray[np.bool_]) -> tuple[int, int]:
        """Return the loss (index) that leaves fewest places in a pool (bool [H]), and how many."""
        sums = [
            int(one.places[pool].sum()) if one.loss.lost[pool].any() else int(self.most[pool].sum())
            for one in self.left
        ]
        return min(((i, n) for i, n in enumerate(sums)), key=lambda pair: (pair[1], pair[0]), default=(0, 0))

    def common(self) -> NDArray[np.int64]:
        """Return int64 [H]: how many places each host has after every loss of others."""
        common = self.most
        for one in self.left:
            common = np.minimum(common, np.where(one.loss.lost, common, one.places))
        return common

    def share(self, pool: NDArray[np.bool_]) -> None:
        """Pack losses again, so that fewer places in all are kept free, until what the tightest leaves can be used."""
        self._settle(pool)
        takes = [int(self.most[pool & one.loss.lost].sum()) for one in self.left]
        for which in sorted(np.flatnonzero(takes).tolist(), key=lambda i: (-takes[i], i))[:DECIDING]:
            before, had = list(self.left), self._usable(pool)
            if self._is_enough(pool) or self.effort.over():
                return
            self._keep_for(which, pool)
            self._settle(pool)
            if self._usable(pool) <= had:
                self.left[:] = before

    def _usable(self, pool: NDArray[np.bool_]) -> int:
        return int(self.common()[pool].sum())

    def _is_enough(self, pool: NDArray[np.bool_]) -> bool:
        return self._usable(pool) >= self.tightest(pool)[1]

    def _settle(self, pool: NDArray[np.bool_]) -> None:
        """Pack losses again beside the others, as long as that helps."""
        for _ in range(ROUNDS):
            before = self._usable(pool)
            if before >= self.tightest(pool)[1] or self.effort.over():
                return
            self._again(pool)
            if self._usable(pool) <= before:
                return

    def _again(self, pool: NDArray[np.bool_]) -> None:
        """Pack each loss again beside the others; take it unless more is kept free then."""
        goal = self.tightest(pool)[1]
        before, had = list(self.left), self._usable(pool)
        pays = np.array([self.pays(one) for one in self.left])
        for i, one in enumerate(before):
            if self.effort.over():
                break
            others = np.delete(pays, i, axis=0).max(axis=0, initial=0)
            if (pays[i] <= others).all():
                continue
            new = repacked(one, self.most, others, self.effort)
            if new.missing <= one.missing and new.places[pool].sum() >= goal:
                self.left[i], pays[i] = new, self.pays(new)
        if self._usable(pool) < had:
            self.left[:] = before

    def _keep_for(self, which: int, pool: NDArray[np.bool_]) -> None:
        """Keep free what one loss takes with it, and what it needs elsewhere; pack the others into that.

        One by one, then exactly; where a loss does not restart there as a whole, what it needs besides is kept too.
        """
        deciding, goal = self.left[which], self.tightest(pool)[1]
        kept = np.where(deciding.loss.lost, self.most, np.maximum(self.pays(deciding), 0))
        exactly = True
        for i, one in enumerate(self.left):
            if self.effort.over():
                return
            least = np.where(pool, self.most - kept, one.places)
            least[one.loss.lost] = 0
            if i == which or (one.places >= least).all():
                continue
            new = repacked(one, self.most, kept, self.effort)
            if not self._holds(one, new, pool, goal) or (new.places < least).any():
                found = packed_within(one, least, pool, goal, self.effort) if exactly else None
                exactly, new = found is not None, found or new
            if self._holds(one, new, pool, goal) and _lacks(new, least) < _lacks(one, least):
                self.left[i] = new

    def _holds(self, one: Left, new: Left, pool: NDArray[np.bool_], goal: int) -> bool:
        """Whether another packing of a loss is no worse: as many VMs restart, and as many places stay in the pool."""
        return new.missing <= one.missing and bool(new.places[pool].sum() >= goal)


def _lacks(one: Left, least: NDArray[np.int64]) -> int:
    """Return how many of the places that a loss has to leave on each host (int64 [H]) it does not."""
    return int(np.maximum(least - one.places, 0).sum())
