"""Where single moves are stuck: CP-SAT over the few hosts that matter, widened until they are clean.

A neighbourhood frees every VM on its hosts, so chains and exchanges come for nothing; it never makes a stage worse,
because the placement it starts from is its first solution.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from optimizer.cp.model import Model
from optimizer.cp.staged_model import StagedModel
from optimizer.limits import OutOfTime
from optimizer.problem.atoms import UNLIMITED
from optimizer.problem.problem import Stage
from optimizer.problem.rounding import harm
from optimizer.problem.rule import Hardness
from optimizer.repair.ejection_chains import EjectionChains
from optimizer.repair.group_moves import GroupMoves
from optimizer.repair.preferences import Preferences
from optimizer.repair.trouble import Trouble, can_be_paid, members, troubles

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from optimizer.bounds.bounds import Bounds
    from optimizer.limits import Deadline, Limits
    from optimizer.problem.working_placement import Violated, WorkingPlacement

__all__ = ["NeighbourhoodSearch"]

CHAIN_WORK = 0.006
"""What one problem's chains count as work; measured on fleets of a thousand hosts."""

NODE_WORK = 0.0002
"""What looking up who could make way for one VM counts as work."""


class NeighbourhoodSearch:
    """Repairs what reception left, and takes back moves that were not needed.

    Parameters
    ----------
    acceptable
        Has the last word on a placement: whether it can be carried out. A chain of VMs that had not moved is one move
        after the other behind those that were made, each with room when its turn comes, so it is not asked of these.
    jitter
        float64 [V]: factors on how hard VMs are to place; with them problems come in a random order, to try others.
    """

    def __init__(
        self,
        work: WorkingPlacement,
        bounds: Bounds,
        limits: Limits,
        deadline: Deadline,
        acceptable: Callable[[NDArray[np.int32]], bool],
        jitter: NDArray[np.float64] | None = None,
    ) -> None:
        self.acceptable = acceptable
        self.work, self.bounds, self.limits, self.deadline = work, bounds, limits, deadline
        self.parameters = limits.parameters
        self.given, self.chains = limits.parameters.neighbourhoods, limits.parameters.chains
        self.problem = work.problem
        self.stages = [s for s in self.problem.stages if s is not Stage.PLACEMENT]
        self._size = bounds.size if jitter is None else bounds.size * jitter
        self._shuffled = jitter is not None
        self._random = np.random.default_rng(limits.seed)
        self.cut = False
        near, block = self.parameters.repair.near, self.chains.block
        self._ejections = EjectionChains(work, self._size, near=near, block=block, stop=lambda: self.deadline.over())

    # -- repairing -------------------------------------------------------------------------------------------------

    def by_chains(self) -> None:
        """Look after each problem with ejection chains, the shortest first.

        Where many VMs should be elsewhere, musts come before these, and the room that all of them want is made at once.
        """
        if self._many_should_leave():
            for links, spend in self.chains.kinds if self.chains.enabled else ():
                if not self._chains_for_each(links, spend, self.chains.nodes, self.chains.movers, shoulds=False):
                    break
            Preferences(self.work, self.bounds, self.deadline, self._size, self.parameters).run()
        for links, spend in self.chains.kinds if self.chains.enabled else ():
            if not self._chains_for_each(links, spend, self.chains.nodes, self.chains.movers):
                return

    def by_full_hosts(self) -> None:
        """Try chains that leave every host they touch full, so that no room is left over in which nothing fits.

        Where a fleet has hardly any room to spare, what is wasted on one host is missing on another. After the idea of
        Gupta and Ho, A new heuristic algorithm for the one-dimensional bin-packing problem, Production Planning &
        Control 10 (1999): least slack, bin by bin.
        """
        for links, spend in self.chains.full_kinds if self.chains.enabled else ():
            if not self._chains_for_each(links, spend, self.chains.nodes, self.chains.movers, full=True):
                return

    def by_wider_chains(self) -> None:
        """Go on with chains for what is still broken, each time twice as many of them: until all have been tried."""
        nodes, kinds = self.chains.nodes, self.chains.kinds
        while self.chains.enabled and self.chains.wider and self.troubles():
            nodes, self.cut = 2 * nodes, False
            if not all(self._chains_for_each(links, spend, nodes, None) for links, spend in kinds) or not self.cut:
                return

    def _many_should_leave(self) -> bool:
        given, leaves = self.parameters.preferences, self.problem.demands.leaves
        found = sum(not t.must and t.name.atom in leaves for t in self.troubles()) if leaves else 0
        return given.enabled and found >= given.least

    def _chains_for_each(
        self, links: int, spend: int, nodes: int, most: int | None, *, shoulds: bool = True, full: bool = False
    ) -> bool:
        """Try chains of one kind on each problem; return whether there is something left to do, and time for it."""
        if (self.work.broken and self.deadline.over()) or self._at_floor():
            return False
        found = [t for t in self.troubles() if t.must or shoulds]
        if self._shuffled:
            self._random.shuffle(found)
        for trouble in found:
            if self.deadline.over():
                return False
            current = self.work.current(trouble.violated)
            if current is not None and can_be_paid(self.work, current):
                self.by_chain(current, links, spend, nodes, most, full=full)
        return True

    def by_company(self) -> None:
        """Look after groups that want company (AtLeast, Same, Needs), one VM at a time."""
        if self.parameters.groups.enabled:
            deadline = self.deadline.part(self.parameters.groups.share)
            GroupMoves(self.work, self.bounds, deadline, self.acceptable, self._size, self.parameters).run()

    def troubles(self) -> list[Trouble]:
        """Return the violated musts and shoulds of the present placement, musts first; none once time is over."""
        return [] if self.work.broken and self.deadline.over() else troubles(self.work)

    def by_search(self) -> None:
        """Look after each problem with CP-SAT, few more moves and few hosts first."""
        for extra, width in self.given.attempts if self.given.enabled else ():
            for trouble in self.troubles():
                if self.deadline.over() or self._at_floor():
                    return
                current = self.work.current(trouble.violated)
                if current is not None and can_be_paid(self.work, current):
                    self.repair_one(replace(trouble, violated=current), extra, width)

    def _at_floor(self) -> bool:
        """Whether no plan can leave less harm."""
        return self.bounds.at_floor(self.work.values())

    def trim(self) -> None:
        """Take back moves beyond the bound: neighbourhoods around moves from hosts that had nothing to give.

        The more it has taken back, the longer it goes on without taking anything back.
        """
        stale, paid, trims = 0, 0, self.given.trims
        while self.given.trim and stale < self.given.trim_rounds * (1 + paid) and not self.deadline.over():
            extra = self._extra()
            if not extra or self.bounds.met(self.work.values()):
                return
            vm = extra[int(self._random.integers(len(extra)))]
            taken = self.take_back(vm, trims[stale % len(trims)])
            stale, paid = (0, paid + 1) if taken else (stale + 1, paid)

    def _extra(self) -> list[int]:
        """VMs moved from hosts that give more than their own least."""
        start, moved = self.problem.start, np.flatnonzero(self.work.placement != self.problem.start)
        gives: dict[int, int] = {}
        for eviction in self.bounds.evictions:
            for vm in eviction.vms if eviction else ():
                gives[int(start[vm])] = gives.get(int(start[vm]), 0) + 1
        counts = np.bincount(start[moved], minlength=self.problem.hosts)
        return [v for v in moved.tolist() if counts[start[v]] > gives.get(int(start[v]), 0)]

    def by_chain(
        self, violated: Violated, links: int, spend: int, nodes: int, most: int | None, *, full: bool = False
    ) -> bool:
        """Move one VM whose leaving ends a violation, others making way for it; return whether that worked."""
        self.deadline.spend(CHAIN_WORK)
        chains = self._ejections
        before = self.work.measure()
        for vm in self._repairing(violated, most, full=full):
            settled = chains.settle(vm, links, spend, nodes, self.work.wanted(violated), full=full)
            self.deadline.spend(NODE_WORK * chains.asked)
            if settled:
                if self.work.measure() < before and (not chains.moved_anew or self.acceptable(self.work.placement)):
                    return True
                chains.undo()
            self.cut |= chains.cut
            if self.deadline.over():
                return False
        return False

    def _repairing(self, violated: Violated, most: int | None, *, full: bool = False) -> list[int]:
        """Return the VMs any one of which ends the violation by leaving (and leaves it full), the easiest first."""
        total = self.problem.demands.sums.get(violated.instance.atom)
        if not total and (violated.excess > 1 or not violated.atom.shape.leaving_repairs):
            return []
        vms = members(self.work, violated)
        if total:
            least, largest = violated.excess, violated.excess if full else UNLIMITED
            vms = [v for v in vms if least <= total.amount[v] <= largest]
        vms = sorted(vms, key=lambda v: (float(self._size[v]), v))
        self.cut |= most is not None and len(vms) > most
        return [v for v in vms if self.bounds.departures.can_leave(v)][:most]

    def repair_one(self, trouble: Trouble, extra: int, width: int) -> bool:
        """Look for a better placement around a problem, `extra` more moves at most; return whether there was one.

        In phases first, since what they find can be carried out; as a mere placement, which may move again what was
        moved already, after that.
        """
        wanted = self.work.wanted(trouble.violated)
        candidates = self._candidates(self._hosts(members(self.work, trouble.violated), width, wanted))
        now, start = self.work.placement, self.problem.start
        unmoved = {v: hosts for v, hosts in candidates.items() if now[v] == start[v]}
        less = self._harm_of(trouble) if extra < self.given.attempts[-1][0] else min(1, self._harm_of(trouble))
        phases = self.given.phases
        staged = unmoved and phases
        if staged and self._try(lambda: StagedModel(self.work, unmoved, phases, self.deadline.check), extra, less):
            return True
        worth_it = not phases or (len(unmoved) < len(candidates) and extra > 1)
        return worth_it and self._try(lambda: Model(self.problem, now, candidates, self.deadline.check), extra, less)

    @staticmethod
    def _harm_of(trouble: Trouble) -> int:
        """Harm of musts that a problem accounts for: half a repair would cost a move and still want another."""
        v = trouble.violated
        return harm(v.excess, v.unit, v.atom.asked.weight) if trouble.must else 0

    def take_back(self, vm: int, width: int) -> bool:
        """Look for a placement around a VM that moves less; return whether there was one."""
        candidates = self._candidates(self._hosts([vm], width))
        return self._try(lambda: Model(self.problem, self.work.placement, candidates, self.deadline.check), 0)

    def _try(self, make: Callable[[], Model], extra: int, less: int = 0) -> bool:
        """Solve a neighbourhood: `extra` more moves at most, harm of musts lower by `less`; take it if better."""
        try:
            model = make()
        except OutOfTime:
            return False
        before, values = self.work.placement.copy(), self.work.values()
        offset = self.work.values(but_not=model.covered)
        moved = [v for v in model.literal if before[v] != self.problem.start[v]]
        dearest = int(self.problem.moving[list(model.literal)].max(initial=1))
        model.cap(Stage.MOVING, int(self.problem.moving[moved].sum()) + extra * dearest)
        for stage, least in self.bounds.whatever_else.items():
            model.bound(stage, least - offset[stage])
        if less:
            model.cap(Stage.HARM, values[Stage.HARM] - offset[Stage.HARM] - less)
        placement, _ = model.run(self.stages, work=self.given.work, deadline=self.deadline, seed=self.limits.seed)
        if placement is None or (placement == before).all():
            return False
        self.work.become(placement)
        if tuple(self.work.values().values()) < tuple(values.values()) and self.acceptable(placement):
            return True
        self.work.become(before)
        return False

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

    def _hosts(self, focus: list[int], width: int, wanted: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
        """Return the hosts of the focus, and the `width` others on which its VMs nearly fit, wanted ones first."""
        start, now = self.problem.start, self.work.placement
        core = np.unique(np.concatenate([start[focus], now[focus]]))
        if core.size > 2 * width:
            core = self._random.permutation(core)[: 2 * width]
        movable = [v for v in focus if self.problem.movable[v]]
        hardest = sorted(movable, key=lambda v: -float(self.bounds.size[v]))[:3]
        ranked = [self._nearly_fits(vm, wanted) for vm in hardest] or [np.zeros(0, np.int64)]
        others = np.concatenate([r[: max(1, width // len(ranked))] for r in ranked])
        others = others[np.sort(np.unique(others, return_index=True)[1])]
        return self._within_reason(core, others)

    def _within_reason(self, core: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return hosts, those of the core first, as long as their VMs over all of them make no more than they may."""
        hosts = np.concatenate([core, others[~np.isin(others, core)]]).astype(np.int64)
        vms = np.cumsum(np.bincount(self.work.placement[self.work.placement >= 0], minlength=self.problem.hosts)[hosts])
        count = int((vms * np.arange(1, hosts.size + 1) <= self.given.literals).sum())
        return np.sort(hosts[: max(count, 2)])

    def _nearly_fits(self, vm: int, wanted: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
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
        if wanted is not None:
            lack[~wanted] += 1.0
        lack[~self.problem.may_enter(vm)] = np.inf
        order = np.argsort(lack, kind="stable")
        return np.asarray(order[np.isfinite(lack[order])])
