"""What hosts have left for new VMs: sums and counts of single hosts that musts and guards limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optimizer.fleet import ABSENT
from optimizer.problem.atoms import UNLIMITED
from optimizer.problem.rule import Hardness

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from optimizer.problem.problem import Problem
    from optimizer.whatif.room import Kind

__all__ = ["LARGEST_GAIN", "Sums"]

LARGEST_GAIN = 10**6


class Sums:
    """Limits of hosts: what is left, int64 [R, H], what each VM takes, int64 [R, V], and of each kind, int64 [K, R].

    `sound` (bool [R, H]) says where a limit is kept: where it is not, a VM that leaves frees nothing for new ones.
    """

    def __init__(self, problem: Problem, kinds: Sequence[Kind]) -> None:
        self.problem = problem
        self.first = [int(kind.vms[0]) for kind in kinds]
        rows = [*self._sums(), *self._counts()]
        self.left = np.array([left for left, _, _ in rows], np.int64).reshape(-1, problem.hosts)
        self.amount = np.array([amount for _, amount, _ in rows], np.int64).reshape(-1, problem.vms)
        self.sound = np.array([sound for _, _, sound in rows], np.bool_).reshape(-1, problem.hosts)
        self.takes = self.amount[:, self.first].T
        self.limiting = [np.flatnonzero(takes > 0) for takes in self.takes]

    def _sums(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]]:
        for number, atom in self.problem.demands.sums.items():
            if atom.level == 0 and atom.asked.hardness is not Hardness.SHOULD:
                load = self.problem.start_loads[number]
                left = np.where(atom.limit >= UNLIMITED, UNLIMITED // 4, np.maximum(atom.limit - load, 0))
                yield left, atom.amount, load <= atom.limit

    def _counts(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]]:
        """Yield the sets that a kind belongs to, of which hosts take a number."""
        for atom in self.problem.demands.counts.values():
            if atom.level or atom.asked.hardness is Hardness.SHOULD:
                continue
            at = np.flatnonzero(np.isin(atom.sets.members, self.first))
            for i in np.unique(np.searchsorted(atom.sets.indptr, at, side="right") - 1).tolist():
                members = atom.sets[i]
                amount = np.zeros(self.problem.vms, np.int64)
                amount[members] = 1
                here = np.zeros(self.problem.hosts, np.int64)
                for ends in (self.problem.start[members], self.problem.also_at[members]):
                    np.add.at(here, ends[ends != ABSENT], 1)
                yield np.maximum(int(atom.k[i]) - here, 0), amount, here <= int(atom.k[i])

    def freed(self, vms: NDArray[np.integer], at: NDArray[np.integer]) -> NDArray[np.int64]:
        """Return int64 [R, n]: what VMs free on their hosts for new ones; nothing where a limit is exceeded already."""
        return np.where(self.sound[:, at], self.amount[:, vms], 0)

    def count(self, left: NDArray[np.int64], kind: int = 0) -> NDArray[np.int64]:
        """Return int64 [...]: how many VMs of a kind fit into what is left, int64 [R, ...]."""
        limiting = self.limiting[kind]
        if not len(limiting):
            return np.full(left.shape[1:], LARGEST_GAIN, np.int64)
        takes = self.takes[kind, limiting].reshape(-1, *([1] * (left.ndim - 1)))
        return np.asarray((left[limiting] // takes).min(axis=0), np.int64)

    def least_loss(self, vms: NDArray[np.int64], open_: NDArray[np.bool_], kind: int = 0) -> NDArray[np.int64]:
        """Return int64 [n]: the fewest VMs of the kind that some host loses by taking each VM; -1 where none can.

        A host that is not `open_` (bool [H]) to the kind loses nothing.
        """
        base = self.count(self.left, kind)
        out = np.full(len(vms), -1, np.int64)
        for i, vm in enumerate(vms.tolist()):
            after = self.left - self.amount[:, [vm]]
            fits = (after >= 0).all(axis=0)
            if fits.any():
                loss = np.where(open_, base - self.count(np.maximum(after, 0), kind), 0)
                out[i] = loss[fits].min()
        return out
