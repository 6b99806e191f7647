"""What if any K hosts are lost at once: every set of K where time allows it, the hardest hosts first.

A set of hosts survives if what was found for each of them alone goes together: nobody restarts on a lost host, hosts
that receive VMs of several have room for all, and the VMs of one are in no group with those of another. Only where this
does not hold is a set packed as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING

import numpy as np

from optimizer.problem.rule import Hardness
from optimizer.whatif.lose import accepted, share_of, worst_first
from optimizer.whatif.loss import together
from optimizer.whatif.packing import pack
from optimizer.whatif.restart import Outcome, Restarts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from optimizer.whatif.effort import Effort

__all__ = ["AnyLost", "lose_any"]

KEPT = 200
"""Sets that do not survive and are kept, at most: the worst."""

TRYING = 0.85
"""Share of the time for sets; the rest is for the rules' judgement."""


@dataclass(frozen=True, eq=False)
class AnyLost:
    """Sets of K hosts that were tried.

    Attributes
    ----------
    sets, tried
        How many sets there are, and how many were tried.
    survived, failed
        How many of these survive, and how many are proven not to.
    parts
        How many survive by what was found for each host alone.
    outcomes
        Sets that do not survive, the worst first, `KEPT` at most; then some that do.
    checked
        How many packings every rule's `check` has accepted.
    """

    restarts: Restarts
    sets: int
    tried: int
    survived: int
    failed: int
    parts: int
    outcomes: tuple[Outcome, ...]
    checked: int

    @property
    def proven(self) -> bool:
        """Whether all sets were tried, and no packing leaves fewer without a host after the worst."""
        worst = max((o.missing for o in self.outcomes), default=0)
        return self.tried == self.sets and worst == max((o.missing_at_least for o in self.outcomes), default=0)


@dataclass(frozen=True, eq=False)
class _Alone:
    """What was found for the loss of one host: amounts that each host receives, and the groups of the VMs."""

    host: int
    created: tuple[tuple[int, int], ...]
    gets: dict[int, NDArray[np.int64]]
    groups: frozenset[tuple[int, int]]


@dataclass
class _Search:
    restarts: Restarts
    effort: Effort
    alone: dict[int, _Alone] = field(default_factory=dict)
    left: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 0), np.int64))

    def learn(self) -> list[int]:
        """Try each host alone; return the hosts, the hardest first."""
        problem = self.restarts.problem
        hard = {n: a for n, a in problem.demands.sums.items() if a.asked.hardness is not Hardness.SHOULD}
        usable = all(a.level == 0 for a in hard.values())
        hard = {n: a for n, a in hard.items() if a.level == 0}
        sums = list(hard.values())
        amounts = np.array([a.amount for a in sums], np.int64).reshape(len(sums), problem.vms)
        loads = [problem.start_loads[n] for n in hard]
        limits = np.array([a.limit for a in sums], np.int64).reshape(len(sums), problem.hosts)
        self.left = limits - np.array(loads, np.int64).reshape(limits.shape)
        groups = self._groups()
        rank: list[tuple[int, float, int]] = []
        moving = {h for m in self.restarts.fleet.in_flight for h in (m.source, m.target)}
        for host in range(problem.hosts):
            outcome = _tried(self.restarts, [host], None)
            size = float(
                (amounts[:, outcome.vms].sum(axis=1) / np.maximum(np.median(limits, axis=1), 1)).max(initial=0.0)
            )
            rank.append((-outcome.missing, -size, host))
            if usable and outcome.survives and host not in moving:
                gets: dict[int, NDArray[np.int64]] = {}
                for vm, to in outcome.created:
                    gets[to] = gets.get(to, 0) + amounts[:, vm]
                mine = frozenset(g for vm in outcome.vms.tolist() for g in groups.get(vm, ()))
                self.alone[host] = _Alone(host, tuple(outcome.created), gets, mine)
        return [host for _, _, host in sorted(rank)]

    def _groups(self) -> dict[int, list[tuple[int, int]]]:
        """Return the sets of each VM, of any demand."""
        demands = self.restarts.problem.demands
        found: dict[int, list[tuple[int, int]]] = {}
        groups = (demands.counts, demands.pairs, demands.occupancies, demands.companies, demands.togethers)
        for number, atom in ((n, a) for group in groups for n, a in group.items()):
            for sets in atom.sides:
                which = np.repeat(np.arange(len(sets)), np.diff(sets.indptr))
                for vm, i in zip(sets.members.tolist(), which.tolist(), strict=True):
                    found.setdefault(vm, []).append((number, i))
        return found

    def goes_together(self, hosts: Sequence[int]) -> list[tuple[int, int]] | None:
        """Return what was found for each host alone, if that is right for all of them at once."""
        parts = [self.alone.get(h) for h in hosts]
        seen: set[tuple[int, int]] = set()
        gets: dict[int, NDArray[np.int64]] = {}
        for part in parts:
            if part is None or not seen.isdisjoint(part.groups) or not part.gets.keys().isdisjoint(hosts):
                return None
            seen |= part.groups
            for to, amount in part.gets.items():
                if to in gets:
                    amount = gets[to] + amount
                    if (amount > np.maximum(self.left[:, to], 0))[amount > 0].any():
                        return None
                gets[to] = amount
        return [pair for part in parts if part is not None for pair in part.created]


def _tried(restarts: Restarts, hosts: Sequence[int], effort: Effort | None) -> Outcome:
    loss = together(restarts.fleet, hosts)
    room, vms = restarts.room(loss)
    numbers, bound = pack(room, effort)
    return Outcome(loss, vms, room, numbers, bound)


def lose_any(restarts: Restarts, k: int, effort: Effort) -> AnyLost:
    """Try sets of `k` hosts, those of the hardest hosts first, as many as time allows."""
    whole, effort = effort, share_of(effort, TRYING)
    search = _Search(restarts, effort)
    order = search.learn()
    k = min(k, len(order))
    tried = survived = failed = parts = 0
    bad: list[Outcome] = []
    good: list[Outcome] = []
    for hosts in combinations(order, k):
        if effort.over():
            break
        tried += 1
        if search.goes_together(hosts) is not None:
            parts, survived = parts + 1, survived + 1
            continue
        outcome = _tried(restarts, hosts, None)
        if not outcome.proven:
            outcome = _tried(restarts, hosts, share_of(effort, 0.05))
        survived, failed = survived + outcome.survives, failed + outcome.fails
        (good if outcome.survives else bad).append(outcome)
        if len(bad) > 2 * KEPT:
            bad = worst_first(bad)[:KEPT]
        del good[KEPT:]
    checked = _checked(search, order, k, good, whole)
    return AnyLost(
        restarts, comb(len(order), k), tried, survived, failed, parts, (*worst_first(bad)[:KEPT], *good), checked
    )


def _checked(search: _Search, order: Sequence[int], k: int, good: Sequence[Outcome], effort: Effort) -> int:
    """Hold packings against every rule's own `check`: of sets packed as a whole, then of sets whose parts fit."""
    done = 0
    restarts = search.restarts
    for outcome in good:
        if effort.over():
            return done
        if not accepted(restarts, outcome.loss, outcome.created):
            raise RuntimeError(f"what-if found a packing after the loss of {outcome.loss.name} that a rule refuses")
        done += 1
    for hosts in combinations(order, k):
        if effort.over() or done >= 2 * KEPT:
            return done
        pairs = search.goes_together(hosts)
        if pairs is not None:
            loss = together(restarts.fleet, hosts)
            if not accepted(restarts, loss, pairs):
                raise RuntimeError(f"what-if found a packing after the loss of {loss.name} that a rule refuses")
            done += 1
    return done
