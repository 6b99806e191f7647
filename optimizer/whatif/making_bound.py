"""How many VMs more fit after K moves at most, whatever is moved where: no candidates, no search."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optimizer.fleet import ABSENT
from optimizer.problem.atoms import UNLIMITED
from optimizer.problem.rule import Hardness
from optimizer.whatif.moving_bound import Rooms, most_by_weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optimizer.problem.problem import Problem
    from optimizer.whatif.room import Kind

__all__ = ["Bound", "Sums"]

LARGEST_GAIN = 10**6
LARGEST_TABLE = 20_000_000


class Sums:
    """Sums over hosts that musts and guards limit: what is left, int64 [R, H], and what each VM takes, int64 [R, V]."""

    def __init__(self, problem: Problem, kind: Kind) -> None:
        rows = [
            (
                np.where(a.limit >= UNLIMITED, UNLIMITED // 4, np.maximum(a.limit - problem.start_loads[n], 0)),
                a.amount,
                problem.start_loads[n] <= a.limit,
            )
            for n, a in problem.demands.sums.items()
            if a.level == 0 and a.asked.hardness is not Hardness.SHOULD
        ]
        self.left = np.array([left for left, _, _ in rows], np.int64).reshape(-1, problem.hosts)
        self.amount = np.array([amount for _, amount, _ in rows], np.int64).reshape(-1, problem.vms)
        self.sound = np.array([sound for _, _, sound in rows], np.bool_).reshape(-1, problem.hosts)
        one = self.amount[:, int(kind.vms[0])]
        self.limiting = np.flatnonzero(one > 0)
        self.takes = one[self.limiting]

    def freed(self, vms: NDArray[np.integer], at: NDArray[np.integer]) -> NDArray[np.int64]:
        """Return int64 [R, n]: what VMs free on their hosts for new ones; nothing where a limit is exceeded already."""
        return np.where(self.sound[:, at], self.amount[:, vms], 0)

    def count(self, left: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return int64 [...]: how many VMs of the kind fit into what is left, int64 [R, ...]."""
        if not len(self.takes):
            return np.full(left.shape[1:], LARGEST_GAIN, np.int64)
        takes = self.takes.reshape(-1, *([1] * (left.ndim - 1)))
        return np.asarray((left[self.limiting] // takes).min(axis=0), np.int64)

    def least_loss(self, vms: NDArray[np.int64], open_: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return int64 [n]: the fewest VMs of the kind that some host loses by taking each VM; -1 where none can.

        A host that is not `open_` (bool [H]) to the kind loses nothing.
        """
        base = self.count(self.left)
        out = np.full(len(vms), -1, np.int64)
        for i, vm in enumerate(vms.tolist()):
            after = self.left - self.amount[:, [vm]]
            fits = (after >= 0).all(axis=0)
            if fits.any():
                loss = np.where(open_, base - self.count(np.maximum(after, 0)), 0)
                out[i] = loss[fits].min()
        return out


class Bound:
    """How many fit at most after K departures, wherever those go."""

    def __init__(self, problem: Problem, kind: Kind) -> None:
        self.problem, self.kind, self.sums = problem, kind, Sums(problem, kind)
        self.open = problem.may_enter(int(kind.vms[0])).copy()
        for leave in problem.demands.leaves.values():
            if kind.vms[0] in leave.vms and leave.asked.hardness is not Hardness.SHOULD:
                self.open &= ~leave.hosts

    def most(self, moves: int) -> list[int]:
        """Return the bound for 0, 1, ... `moves` moves."""
        total = self._in_all()
        by_weights = most_by_weights(self._rooms(), moves)
        best = np.zeros(moves + 1, np.int64)
        for host in np.flatnonzero(self.open).tolist():
            after = self._after(host, moves)
            if after[-1] == after[0]:
                best = best + after[0]
                continue
            spent = np.full_like(best, -1)
            for here in range(moves + 1):  # moves off this host
                spent[here:] = np.maximum(spent[here:], best[: moves + 1 - here] + after[here])
            best = spent
        if by_weights is not None:
            best = np.minimum(best, by_weights)
        return [min(total, int(n), self.kind.wanted) for n in best]

    def _rooms(self) -> Rooms:
        """Return what new VMs find, and what VMs that may move free and take, in units of one new VM."""
        sums, problem = self.sums, self.problem
        vms = np.flatnonzero(problem.movable & (problem.start != ABSENT))
        at = problem.start[vms].astype(np.int64)
        takes = sums.takes[:, None]
        left, freed = sums.left[:, at], sums.freed(vms, at)
        return Rooms(
            sums.left[sums.limiting] / takes,
            np.where(self.open, sums.count(sums.left), 0),
            self.open,
            freed[sums.limiting] / takes,
            sums.amount[:, vms][sums.limiting] / takes,
            np.where(self.open[at], sums.count(left + freed) - sums.count(left), 0),
            at,
            self._fits(vms),
        )

    def _fits(self, vms: NDArray[np.int64]) -> NDArray[np.bool_] | None:
        """Return bool [n, H]: where there is room for each VM by sums alone; None where that is too much to look at."""
        if len(vms) * self.problem.hosts > LARGEST_TABLE:
            return None
        fits = np.ones((len(vms), self.problem.hosts), np.bool_)
        for amount, left in zip(self.sums.amount, self.sums.left, strict=True):
            fits &= (amount[vms][:, None] <= left[None, :]) | (amount[vms] == 0)[:, None]
        fits[np.arange(len(vms)), self.problem.start[vms]] = False
        return fits

    def _in_all(self) -> int:
        """Return what the whole fleet has left of the scarcest resource, in VMs: moving changes no sum."""
        sums = [
            int(sum(int(n) for n in left) // take)
            for left, take in zip(self.sums.left[self.sums.limiting], self.sums.takes, strict=True)
        ]
        return min(sums, default=LARGEST_GAIN)

    def _after(self, host: int, moves: int) -> NDArray[np.int64]:
        """Return int64 [moves + 1]: how many fit where 0, 1, ... VMs have left, the largest of each resource."""
        here = np.flatnonzero((self.problem.start == host) & self.problem.movable)
        freed = -np.sort(-self.sums.amount[:, here], axis=1)[:, :moves]
        most = np.zeros((len(freed), moves + 1), np.int64)
        most[:, 1 : freed.shape[1] + 1] = np.cumsum(freed, axis=1)
        most[:, freed.shape[1] + 1 :] = most[:, [freed.shape[1]]]
        return self.sums.count(self.sums.left[:, [host]] + most)
