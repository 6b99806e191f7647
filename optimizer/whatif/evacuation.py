"""Evacuating hosts VM by VM: arrivals only, so that the moves of a wave are safe in any order.

A VM that leaves still counts where it was (in the same rack, say) until the wave is over: what is kept so is kept at
every instant. Demands that depend on who else is where are judged by the rules' own `check` afterwards.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from optimizer.fleet import ABSENT
from optimizer.problem.atoms import UNLIMITED
from optimizer.problem.presence import load_of
from optimizer.problem.rule import Hardness
from optimizer.whatif.sizing import largest_shares

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from optimizer.problem.problem import Problem

__all__ = ["Evacuation"]


class Evacuation:
    """Where VMs are, and what is free for those that leave.

    Parameters
    ----------
    at
        int32 [V]: where each VM is.
    preferred
        float64 [H]: hosts with more of it receive first; of equals the fullest.
    """

    def __init__(self, problem: Problem, at: NDArray[np.int32], preferred: NDArray[np.float64]) -> None:
        self.problem, self.at, self.preferred = problem, at.copy(), preferred
        self.amounts: list[NDArray[np.int64]] = []
        self.left: list[NDArray[np.int64]] = []
        self.domain: list[NDArray[np.int32]] = []
        self.full = np.zeros(problem.hosts)
        self._limits: list[NDArray[np.int64]] = []
        for atom in problem.demands.sums.values():
            if atom.asked.hardness is Hardness.SHOULD:
                continue
            domain = problem.domain[atom.level]
            load = load_of(atom, domain, at, problem.also_at)
            free = np.where(atom.limit >= UNLIMITED, UNLIMITED // 4, np.maximum(atom.limit - load, 0))
            self.amounts.append(atom.amount.astype(np.int64))
            self.left.append(free)
            self.domain.append(domain)
            self._limits.append(np.maximum(atom.limit, 1))
            if atom.level == 0:
                self.full = np.maximum(self.full, (np.maximum(atom.limit, 1) - free) / np.maximum(atom.limit, 1))
        by_host = (
            (a, limit) for a, limit in zip(self.amounts, self._limits, strict=True) if len(limit) == problem.hosts
        )
        self._size = largest_shares(problem.vms, by_host)
        self._sets(at)

    def _sets(self, at: NDArray[np.int32]) -> None:
        self.of: dict[int, list[int]] = {}
        self.k: list[int] = []
        self.level: list[int] = []
        self.there: list[Counter[int]] = []
        for atom in self.problem.demands.counts.values():
            if atom.asked.hardness is Hardness.SHOULD:
                continue
            domain = self.problem.domain[atom.level]
            for i in range(len(atom.sets)):
                count: Counter[int] = Counter()
                for vm in atom.sets[i].tolist():
                    self.of.setdefault(vm, []).append(len(self.k))
                    ends = (int(at[vm]), int(self.problem.also_at[vm]))
                    count.update({int(domain[h]) for h in ends if h != ABSENT})
                self.k.append(int(atom.k[i]))
                self.level.append(atom.level)
                self.there.append(count)

    def evacuate(self, vms: Iterable[int], open_: NDArray[np.bool_]) -> list[tuple[int, int]] | None:
        """Find hosts for all of some VMs, the largest first; None, and nothing is changed, if one has none.

        Parameters
        ----------
        open_
            bool [H]: hosts that may receive.
        """
        made: list[tuple[int, int]] = []
        for vm in sorted(vms, key=lambda v: (-self._size[v], v)):
            host = self._best(vm, open_)
            if host is None:
                for one, there in made:
                    self._count(one, there, -1)
                return None
            self._count(vm, host, 1)
            made.append((vm, host))
        return made

    def _best(self, vm: int, open_: NDArray[np.bool_]) -> int | None:
        takes = open_ & self.problem.may_enter(vm)
        for amount, left, domain in zip(self.amounts, self.left, self.domain, strict=True):
            if amount[vm]:
                takes &= (left >= amount[vm])[domain]
        for s in self.of.get(vm, ()):
            for d, n in self.there[s].items():
                if n >= self.k[s]:
                    takes &= self.problem.domain[self.level[s]] != d
        hosts = np.flatnonzero(takes)
        if not hosts.size:
            return None
        return int(hosts[np.lexsort((-self.full[hosts], -self.preferred[hosts]))[0]])

    def _count(self, vm: int, host: int, sign: int) -> None:
        full = 0.0
        for amount, left, domain, limit in zip(self.amounts, self.left, self.domain, self._limits, strict=True):
            d = int(domain[host])
            left[d] -= sign * int(amount[vm])
            full = (
                max(full, (float(limit[d]) - float(left[d])) / float(limit[d])) if len(left) == len(self.full) else full
            )
        self.full[host] = full
        for s in self.of.get(vm, ()):
            self.there[s][int(self.problem.domain[self.level[s]][host])] += sign
