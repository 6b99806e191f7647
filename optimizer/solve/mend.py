"""Where single moves are stuck: CP-SAT over the few hosts that matter, widened until they are clean.

A neighbourhood frees every VM on its hosts, so chains and exchanges come for nothing; it never makes a stage worse,
because the placement it starts from is its first solution.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optimizer.problem.atoms import Apart, AtMost, Leave, Linear, Needs
from optimizer.problem.problem import Stage
from optimizer.problem.rule import Hardness
from optimizer.solve.cp_sat import Ended, Model

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optimizer.solve.bound import Bounds
    from optimizer.solve.limits import Deadline, Limits
    from optimizer.solve.work import Violated, Work

__all__ = ["Arrival", "Mender"]

WIDTHS = (6, 12, 24, 40)
"""Hosts beside those in trouble, attempt by attempt."""

LITERALS = 12_000
"""Size at which a neighbourhood stops growing: above it CP-SAT takes seconds for what a smaller one finds at once."""

Arrival = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Trouble:
    """A violated instance, with a name that lasts from one placement to the next."""

    name: tuple[int, int, int]
    violated: Violated
    must: bool


class Mender:
    """Mends what reception left, and takes back moves that were not needed."""

    def __init__(self, work: Work, bounds: Bounds, limits: Limits, deadline: Deadline) -> None:
        self.work, self.bounds, self.limits, self.deadline = work, bounds, limits, deadline
        self.problem = work.problem
        self.stages = [s for s in self.problem.stages if s is not Stage.PLACEMENT]
        self.forbidden: list[tuple[Arrival, ...]] = []
        self._random = np.random.default_rng(limits.seed)

    # -- what is wrong -------------------------------------------------------------------------------------------

    def troubles(self) -> list[Trouble]:
        """Return the violated musts and shoulds of the present placement, musts first."""
        number = {id(a): i for i, a in enumerate(self.problem.atoms)}
        found = [
            Trouble((number[id(v.atom)], v.member, v.domain), v, v.atom.asked.hardness is Hardness.MUST)
            for v in self.work.violated()
        ]
        return sorted(found, key=lambda t: (not t.must, t.name))

    def _members(self, violated: Violated) -> list[int]:
        """Return the VMs whose moves could mend an instance."""
        atom, now = violated.atom, self.work.placement
        if isinstance(atom, Leave):
            return [violated.member]
        level = self.problem.domain[atom.level]
        here = (now >= 0) & (level[np.maximum(now, 0)] == violated.domain)
        if isinstance(atom, Linear):
            return [int(v) for v in np.flatnonzero(here & (atom.amount > 0))]
        sets = (atom.left, atom.right) if isinstance(atom, Apart | Needs) else (atom.sets,)
        vms = np.concatenate([s[violated.member] for s in sets])
        return [int(v) for v in (vms[here[vms]] if isinstance(atom, AtMost | Apart) else vms)]

    # -- mending -------------------------------------------------------------------------------------------------

    def mend(self) -> None:
        """Look after each trouble once, widening until it is gone or the widths are used up."""
        hopeless: set[tuple[int, int, int]] = set()
        while not self.deadline.over():
            open_troubles = [t for t in self.troubles() if t.name not in hopeless]
            if not open_troubles:
                return
            trouble = open_troubles[0]
            hopeless.add(trouble.name)
            self._widen(trouble)

    def _widen(self, trouble: Trouble) -> None:
        for width in WIDTHS:
            if self.deadline.over() or trouble.name not in {t.name for t in self.troubles()}:
                return
            self.improve(self._members(trouble.violated), width)

    def trim(self, rounds: int) -> None:
        """Take back moves beyond the bound: neighbourhoods around moves from hosts that had nothing to give."""
        stale = 0
        while stale < rounds and not self.deadline.over():
            extra = self._extra()
            if not extra:
                return
            before = self.work.measure()
            vm = extra[int(self._random.integers(len(extra)))]
            self.improve([vm], WIDTHS[min(stale // 2, len(WIDTHS) - 1)])
            stale = stale + 1 if self.work.measure() == before else 0

    def _extra(self) -> list[int]:
        """VMs moved from hosts that give more than their own least."""
        start, moved = self.problem.start, np.flatnonzero(self.work.placement != self.problem.start)
        gives: dict[int, int] = {}
        for eviction in self.bounds.evictions:
            for vm in eviction.vms if eviction else ():
                gives[int(start[vm])] = gives.get(int(start[vm]), 0) + 1
        counts = np.bincount(start[moved], minlength=self.problem.hosts)
        return [v for v in moved.tolist() if counts[start[v]] > gives.get(int(start[v]), 0)]

    def improve(self, focus: list[int], width: int) -> bool:
        """Solve the neighbourhood of some VMs; return whether the placement changed."""
        hosts = self._hosts(focus, width)
        model = self._model(hosts)
        for arrivals in self.forbidden:
            model.forbid_arrivals(arrivals)
        work = 2.0 + width / 4
        placement, ends = model.run(self.stages, work=work, deadline=self.deadline, seed=self.limits.seed)
        if placement is None or (placement == self.work.placement).all():
            return False
        before = self.work.placement.copy()
        value = None if all(e.ended is Ended.OPTIMAL for e in ends) else self.work.measure()
        self.work.become(placement)
        if value is not None and self.work.measure() > value:
            self.work.become(before)
            return False
        return True

    def _model(self, hosts: NDArray[np.int64]) -> Model:
        return Model(self.problem, self.work.placement, self._candidates(hosts))

    def _candidates(self, hosts: NDArray[np.int64]) -> dict[int, NDArray[np.int64]]:
        """Every movable VM that is, or was at the start, on the hosts, over those of them that may receive it."""
        problem, now = self.problem, self.work.placement
        inside = np.zeros(problem.hosts, np.bool_)
        inside[hosts] = True
        free = np.flatnonzero(problem.movable & (inside[now] | inside[problem.start]))
        out = {}
        for vm in free.tolist():
            mask = problem.may_enter(vm) & inside
            mask[[now[vm], problem.start[vm]]] = True
            out[vm] = np.flatnonzero(mask)
        return out

    def _hosts(self, focus: list[int], width: int) -> NDArray[np.int64]:
        """Return the hosts of the focus, and the `width` others on which its VMs nearly fit."""
        start, now = self.problem.start, self.work.placement
        core = np.unique(np.concatenate([start[focus], now[focus]]))
        if core.size > 2 * width:
            core = self._random.permutation(core)[: 2 * width]
        movable = [v for v in focus if self.problem.movable[v]]
        hardest = sorted(movable, key=lambda v: -float(self.bounds.size[v]))[:3]
        ranked = [self._nearly_fits(vm) for vm in hardest] or [np.zeros(0, np.int64)]
        others = np.unique(np.concatenate([r[: max(1, width // len(ranked))] for r in ranked]))
        on_each = max(1, self.problem.vms // self.problem.hosts)
        most = max(4, int((LITERALS / on_each) ** 0.5))
        return np.unique(np.concatenate([core[:most], others[:most]]).astype(np.int64))

    def _nearly_fits(self, vm: int) -> NDArray[np.int64]:
        """Hosts that may receive the VM, those that lack least for it first; among those that lack nothing, a few."""
        lack = np.zeros(self.problem.hosts)
        for tally in self.work.tally.linears:
            if tally.atom.asked.hardness is Hardness.SHOULD:
                continue
            d = self.problem.domain[tally.atom.level]
            over = tally.load[d] + tally.atom.amount[vm] - tally.ceiling[d]
            lack += np.maximum(over, 0) / np.maximum(tally.atom.unit[d], 1)
        lack += self._random.random(lack.size) * 1e-3
        lack[~self.work.tally.admits(vm)] += 1.0
        lack[~self.problem.may_enter(vm)] = np.inf
        order = np.argsort(lack, kind="stable")
        return np.asarray(order[np.isfinite(lack[order])])
