"""Where single moves are stuck: CP-SAT over the few hosts that matter, widened until they are clean.

A neighbourhood frees every VM on its hosts, so chains and exchanges come for nothing; it never makes a stage worse,
because the placement it starts from is its first solution.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optimizer.cp.model import Model
from optimizer.cp.staged_model import StagedModel
from optimizer.problem.problem import Stage
from optimizer.problem.rounding import harm
from optimizer.problem.rule import Hardness
from optimizer.problem.shapes import LEFT
from optimizer.repair.ejection_chains import EjectionChains
from optimizer.repair.insertion import Insertion

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from optimizer.bounds.bounds import Bounds
    from optimizer.limits import Deadline, Limits
    from optimizer.problem.instance import Instance
    from optimizer.problem.tally import SetTally
    from optimizer.problem.working_placement import Violated, WorkingPlacement

__all__ = ["NeighbourhoodSearch"]

ATTEMPTS = ((1, 6), (1, 14), (2, 6), (2, 14), (3, 10), (1, 28), (5, 14), (8, 20), (1000, 28))
"""(moves that mending one trouble may add, hosts beside those in trouble), attempt by attempt.

Few moves first: they are what is paid for, and they make the search short.
"""

CHAINS = ((0, 1), (1, 1), (2, 1), (4, 1), (1, 2), (2, 2), (4, 2), (2, 3))
"""(VMs that may make way one after the other, VMs that may move that had not), attempt by attempt, before CP-SAT."""

HEALERS = 12
"""VMs of one trouble that are tried."""

JOINERS = 60
"""VMs of one group that wants company that are tried for one move."""

CHAIN_WORK = 0.006
"""What one trouble's chains count as work; measured on fleets of a thousand hosts."""

TRIMS = (6, 14, 28)
"""Hosts beside those of a move that is to be taken back, attempt by attempt."""

WORK = 3.0
"""CP-SAT's deterministic time for one neighbourhood."""

LITERALS = 6_000
"""Size at which a neighbourhood stops growing: above it CP-SAT takes seconds for what a smaller one finds at once."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A violated instance, with a name that lasts from one placement to the next."""

    name: Instance
    violated: Violated
    must: bool


class NeighbourhoodSearch:
    """Mends what reception left, and takes back moves that were not needed.

    Parameters
    ----------
    acceptable
        Has the last word on a placement: whether it can be carried out.
    jitter
        float64 [V]: factors on how hard VMs are to place; with them troubles come in a random order, to try others.
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
        self.problem = work.problem
        self.stages = [s for s in self.problem.stages if s is not Stage.PLACEMENT]
        self._size = bounds.size if jitter is None else bounds.size * jitter
        self._shuffled = jitter is not None
        self._random = np.random.default_rng(limits.seed)

    # -- what is wrong -------------------------------------------------------------------------------------------

    def troubles(self) -> list[Trouble]:
        """Return the violated musts and shoulds of the present placement, musts first."""
        found = [Trouble(v.instance, v, v.atom.asked.hardness is Hardness.MUST) for v in self.work.violated()]
        return sorted(found, key=lambda t: (not t.must, t.name))

    def _members(self, violated: Violated) -> list[int]:
        """Return the VMs whose moves could mend an instance."""
        return [int(v) for v in self.work.movers(violated)]

    # -- mending -------------------------------------------------------------------------------------------------

    def by_chains(self) -> None:
        """Look after each trouble with ejection chains, the shortest first."""
        for links, spend in CHAINS:
            if self._at_floor():
                return
            troubles = self.troubles()
            if self._shuffled:
                self._random.shuffle(troubles)
            for trouble in filter(self._affordable, troubles):
                if self.deadline.over():
                    return
                self.by_chain(trouble, links, spend)

    def by_company(self) -> None:
        """Look after groups that want company (AtLeast, Same, Needs): one VM at a time to where most of it is mended.

        That takes no model, since nobody has to make way; what finds no room is left to chains and search.
        """
        reception = Insertion(self.work, tight=True)
        for trouble in self.troubles():
            if not trouble.violated.atom.shape.leaving_repairs:
                while not self.deadline.over() and self._joined(trouble, reception):
                    pass
        for trouble in self.troubles():
            if trouble.name.atom in self.problem.demands.leaves and not self.deadline.over():
                self._take_along(trouble.name.member)

    def _take_along(self, vm: int) -> bool:
        """Move a VM that still has to leave together with all that belong with it; return whether that worked."""
        if self.work.placement[vm] != self.problem.start[vm]:
            return False
        return any(
            self._moved_as_one(tally)
            for tally, _ in self.work.tally.sets_of.get(vm, ())
            if tally.shape.at_end and tally.atom.asked.hardness is not Hardness.SHOULD
        )

    def _moved_as_one(self, tally: SetTally) -> bool:
        """Move a whole group into the first other domain that has room for it and is better for all."""
        atom, before, measure = tally.atom, self.work.placement.copy(), self.work.measure()
        level = self.problem.domain[atom.level]
        vms = sorted(atom.sides[LEFT][tally.member].tolist(), key=lambda v: (-float(self._size[v]), v))
        if not self.problem.movable[vms].all():
            return False
        reception = Insertion(self.work, tight=True, ignored={tally.number})
        for domain in np.setdiff1d(level, level[before[vms]]).tolist():
            if self.deadline.over():
                return False
            outside = np.flatnonzero(level != domain).tolist()
            for vm in vms:
                host = reception.host_for(vm, outside)
                if host is None:
                    break
                self.work.put(vm, host)
            else:
                if self.work.measure() < measure and self.acceptable(self.work.placement):
                    return True
            self.work.become(before)
        return False

    def _joined(self, trouble: Trouble, reception: Insertion) -> bool:
        """Make the first move that mends some of a group's trouble; return whether more may be mended."""
        current = next((t for t in self.troubles() if t.name == trouble.name), None)
        if current is None:
            return False
        before = self.work.measure()
        for vm in self._joiners(current.violated):
            host = reception.host_for(vm)
            if host is not None and self._put_if_better(vm, host, before):
                return True
        return False

    def _joiners(self, violated: Violated) -> list[int]:
        """Return the VMs of a group that can leave: those that cost nothing more first, then the easiest to place."""
        moved = self.work.placement != self.problem.start
        vms = [v for v in self._members(violated) if self.bounds.departures.can_leave(v)]
        cost = self.problem.moving * ~moved
        purse = self.bounds.purse if self.bounds.purse is not None else cost
        return sorted(set(vms), key=lambda v: (int(cost[v]), int(purse[v]), float(self._size[v]), v))[:JOINERS]

    def _put_if_better(self, vm: int, host: int, before: tuple[int, ...]) -> bool:
        here, home = int(self.work.placement[vm]), int(self.problem.start[vm])
        self.work.put(vm, host)
        if self.work.measure() < before and (here == home or self.acceptable(self.work.placement)):
            return True
        self.work.put(vm, here)
        return False

    def by_search(self) -> None:
        """Look after each trouble with CP-SAT, few more moves and few hosts first."""
        for extra, width in ATTEMPTS:
            for trouble in self.troubles():
                if self.deadline.over() or self._at_floor():
                    return
                if trouble.name in {t.name for t in self.troubles()} and self._affordable(trouble):
                    self.mend_one(trouble, extra, width)

    def _affordable(self, trouble: Trouble) -> bool:
        """Whether what is left of the budgets of all moves can pay for as much as has to leave to end a trouble."""
        vms = np.array([v for v in self._members(trouble.violated) if self.problem.movable[v]], np.int64)
        if (self.work.placement[vms] != self.problem.start[vms]).any():
            return True
        need, total = trouble.violated.excess, self.problem.demands.sums.get(trouble.name.atom)
        amount = total.amount[vms] if total else np.full(vms.size, need)
        for flow, used in zip(self.problem.flows, self.work.tally.flow_used.tolist(), strict=True):
            everywhere = flow.vms is None and flow.sources is None and flow.targets is None
            if everywhere and _cheapest_share(amount, flow.cost[vms], need) > flow.limit - used:
                return False
        return True

    def _at_floor(self) -> bool:
        """Whether no plan can leave less harm."""
        return self.bounds.at_floor(self.work.values())

    def trim(self, rounds: int) -> None:
        """Take back moves beyond the bound: neighbourhoods around moves from hosts that had nothing to give."""
        stale = 0
        while stale < rounds and not self.deadline.over():
            extra = self._extra()
            if not extra or self.bounds.met(self.work.values()):
                return
            vm = extra[int(self._random.integers(len(extra)))]
            stale = 0 if self.take_back(vm, TRIMS[stale % len(TRIMS)]) else stale + 1

    def _extra(self) -> list[int]:
        """VMs moved from hosts that give more than their own least."""
        start, moved = self.problem.start, np.flatnonzero(self.work.placement != self.problem.start)
        gives: dict[int, int] = {}
        for eviction in self.bounds.evictions:
            for vm in eviction.vms if eviction else ():
                gives[int(start[vm])] = gives.get(int(start[vm]), 0) + 1
        counts = np.bincount(start[moved], minlength=self.problem.hosts)
        return [v for v in moved.tolist() if counts[start[v]] > gives.get(int(start[v]), 0)]

    def by_chain(self, trouble: Trouble, links: int, spend: int) -> bool:
        """Move one VM whose leaving ends the trouble, others making way for it; return whether that worked."""
        self.deadline.spend(CHAIN_WORK)
        chains = EjectionChains(self.work, self._size)
        before = self.work.measure()
        for vm in self._healers(trouble.violated):
            if chains.settle(vm, links, spend):
                if self.work.measure() < before and self.acceptable(self.work.placement):
                    return True
                chains.undo()
        return False

    def _healers(self, violated: Violated) -> list[int]:
        """Return the VMs any one of which ends the violation by leaving, the easiest to place first."""
        total = self.problem.demands.sums.get(violated.instance.atom)
        vms = [v for v in self._members(violated) if self.bounds.departures.can_leave(v)]
        if total:
            vms = [v for v in vms if total.amount[v] >= violated.excess]
        elif violated.excess > 1 or not violated.atom.shape.leaving_repairs:
            return []
        return sorted(vms, key=lambda v: (float(self._size[v]), v))[:HEALERS]

    def mend_one(self, trouble: Trouble, extra: int, width: int) -> bool:
        """Look for a better placement around a trouble, `extra` more moves at most; return whether there was one.

        In phases first, since what they find can be carried out; as a mere placement, which may move again what was
        moved already, after that.
        """
        candidates = self._candidates(self._hosts(self._members(trouble.violated), width))
        now, start = self.work.placement, self.problem.start
        unmoved = {v: hosts for v, hosts in candidates.items() if now[v] == start[v]}
        less = self._harm_of(trouble) if extra < ATTEMPTS[-1][0] else min(1, self._harm_of(trouble))
        if unmoved and self._try(StagedModel(self.work, unmoved), extra, less):
            return True
        worth_it = len(unmoved) < len(candidates) and extra > 1
        return worth_it and self._try(Model(self.problem, now, candidates), extra, less)

    @staticmethod
    def _harm_of(trouble: Trouble) -> int:
        """Harm of musts that a trouble accounts for: half a mend would cost a move and still want another."""
        v = trouble.violated
        return harm(v.excess, v.unit, v.atom.asked.weight) if trouble.must else 0

    def take_back(self, vm: int, width: int) -> bool:
        """Look for a placement around a VM that moves less; return whether there was one."""
        return self._try(Model(self.problem, self.work.placement, self._candidates(self._hosts([vm], width))), 0)

    def _try(self, model: Model, extra: int, less: int = 0) -> bool:
        """Solve a neighbourhood: `extra` more moves at most, harm of musts lower by `less`; take it if better."""
        before, values = self.work.placement.copy(), self.work.values()
        offset = self.work.values(but_not=model.covered)
        moved = [v for v in model.literal if before[v] != self.problem.start[v]]
        dearest = int(self.problem.moving[list(model.literal)].max(initial=1))
        model.cap(Stage.MOVING, int(self.problem.moving[moved].sum()) + extra * dearest)
        if less:
            model.cap(Stage.HARM, values[Stage.HARM] - offset[Stage.HARM] - less)
        placement, _ = model.run(self.stages, work=WORK, deadline=self.deadline, seed=self.limits.seed)
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

    def _hosts(self, focus: list[int], width: int) -> NDArray[np.int64]:
        """Return the hosts of the focus, and the `width` others on which its VMs nearly fit."""
        start, now = self.problem.start, self.work.placement
        core = np.unique(np.concatenate([start[focus], now[focus]]))
        if core.size > 2 * width:
            core = self._random.permutation(core)[: 2 * width]
        movable = [v for v in focus if self.problem.movable[v]]
        hardest = sorted(movable, key=lambda v: -float(self.bounds.size[v]))[:3]
        ranked = [self._nearly_fits(vm) for vm in hardest] or [np.zeros(0, np.int64)]
        others = np.concatenate([r[: max(1, width // len(ranked))] for r in ranked])
        others = others[np.sort(np.unique(others, return_index=True)[1])]
        return self._within_reason(core, others)

    def _within_reason(self, core: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return hosts, those of the core first, as long as their VMs over all of them make no more than LITERALS."""
        hosts = np.concatenate([core, others[~np.isin(others, core)]]).astype(np.int64)
        vms = np.cumsum(np.bincount(self.work.placement[self.work.placement >= 0], minlength=self.problem.hosts)[hosts])
        count = int((vms * np.arange(1, hosts.size + 1) <= LITERALS).sum())
        return np.sort(hosts[: max(count, 2)])

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


def _cheapest_share(amount: NDArray[np.int64], cost: NDArray[np.int64], need: int) -> float:
    """Return the least that VMs cost of which so much has to leave, if they could leave in part."""
    order = np.argsort(cost / np.maximum(amount, 1), kind="stable")
    before = np.concatenate([[0], np.cumsum(amount[order])[:-1]])
    share = np.clip((need - before) / np.maximum(amount[order], 1), 0.0, 1.0)
    return float((share * cost[order]).sum())
