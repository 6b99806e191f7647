"""What if any K hosts are lost at once: every set of K where time allows it, the hardest hosts first.

A set of hosts survives if what was found for each of them alone goes together (`optimizer.whatif.pairs`). Only where
this does not hold is a set packed as a whole. Pairs of hosts are judged so all at once; and where demands are only
sums and counts on hosts, a pair fails if one of the two fails alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import combinations, product
from math import comb
from typing import TYPE_CHECKING

import numpy as np

from optimizer.problem.rule import Hardness
from optimizer.whatif.lose import accepted, share_of, worst_first
from optimizer.whatif.loss import together
from optimizer.whatif.packing import pack
from optimizer.whatif.pairs import Part, clashes, go_together
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
    others
        Of sets that were not packed as a whole: how many VMs have no host after the worst, as found, and at least.
    """

    restarts: Restarts
    sets: int
    tried: int
    survived: int
    failed: int
    parts: int
    outcomes: tuple[Outcome, ...]
    checked: int
    others: tuple[int, int] = (0, 0)

    @property
    def missing(self) -> int:
        """How many VMs have no host after the worst set, as far as found."""
        return max([o.missing for o in self.outcomes] + [self.others[0]])

    @property
    def missing_at_least(self) -> int:
        """How many have none after some set, in any packing."""
        return max([o.missing_at_least for o in self.outcomes] + [self.others[1]])

    @property
    def proven(self) -> bool:
        """Whether all sets were tried, and no packing leaves fewer without a host after the worst."""
        return self.tried == self.sets and self.missing == self.missing_at_least


@dataclass
class _Search:
    restarts: Restarts
    effort: Effort
    alone: dict[int, Part] = field(default_factory=dict)
    second: dict[int, Part] = field(default_factory=dict)
    fails: dict[int, int] = field(default_factory=dict)
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
        groups, wide = self._groups(), self._wide()
        rank: list[tuple[int, float, int]] = []
        moving = {h for m in self.restarts.fleet.in_flight for h in (m.source, m.target)}
        for host in range(problem.hosts):
            outcome = _tried(self.restarts, [host], None)
            size = float(
                (amounts[:, outcome.vms].sum(axis=1) / np.maximum(np.median(limits, axis=1), 1)).max(initial=0.0)
            )
            rank.append((-outcome.missing, -size, host))
            if usable and host not in moving:
                self.alone[host] = _part(outcome, host, amounts, groups)
                self._look_elsewhere(outcome, host, amounts, groups)
                if outcome.fails and wide.isdisjoint(outcome.vms.tolist()):
                    self.fails[host] = outcome.missing_at_least
        return [host for _, _, host in sorted(rank)]

    def _look_elsewhere(
        self, outcome: Outcome, host: int, amounts: NDArray[np.int64], groups: dict[int, list[_Set]]
    ) -> None:
        """Keep a second packing, on other hosts than the first, if there is one as good."""
        open_ = outcome.room.open & ~(outcome.numbers.sum(axis=0) > 0)
        room = replace(outcome.room, open=open_)
        numbers, _ = pack(room, None)
        if numbers.sum() == outcome.restarted:
            self.second[host] = _part(replace(outcome, numbers=numbers), host, amounts, groups)

    def _wide(self) -> set[int]:
        """Return the VMs of demands that are not sums or counts on hosts: for them, losing more may be easier."""
        demands = self.restarts.problem.demands
        tied = [a for n, a in demands.groups.items() if n not in demands.counts or a.level]
        binding = [a for a in tied if a.asked.hardness is not Hardness.SHOULD]
        return {vm for a in binding for side in a.sides for vm in side.members.tolist()}

    def _groups(self) -> dict[int, list[_Set]]:
        """Return the sets of each VM, of any demand; with the domain of each host where a set is only counted."""
        demands = self.restarts.problem.demands
        found: dict[int, list[_Set]] = {}
        for number, atom in demands.groups.items():
            domain = self.restarts.problem.domain[atom.level] if number in demands.counts else None
            for sets in atom.sides:
                which = np.repeat(np.arange(len(sets)), np.diff(sets.indptr))
                for vm, i in zip(sets.members.tolist(), which.tolist(), strict=True):
                    found.setdefault(vm, []).append((number, i, domain))
        return found

    def goes_together(self, hosts: Sequence[int]) -> list[tuple[int, int]] | None:
        """Return what was found for each host alone, if that is right for all of them at once and nobody is missing."""
        for some in product(*([one for one in (self.alone.get(h), self.second.get(h)) if one] for h in hosts)):
            if not any(part.missing for part in some) and go_together(some, self.left):
                return [pair for part in some for pair in part.created]
        return None


_Set = tuple[int, int, "NDArray[np.int32] | None"]


def _part(outcome: Outcome, host: int, amounts: NDArray[np.int64], groups: dict[int, list[_Set]]) -> Part:
    gets: dict[int, NDArray[np.int64]] = {}
    meets: set[tuple[int, ...]] = set()
    for vm, to in outcome.created:
        gets[to] = gets.get(to, 0) + amounts[:, vm]
        for number, i, domain in groups.get(vm, ()):
            meets.add((number, i) if domain is None else (number, i, int(domain[to])))
    for _, vm in outcome.homeless:
        meets |= {(number, i) for number, i, domain in groups.get(vm, ()) if domain is None}
    return Part(host, tuple(outcome.created), gets, frozenset(meets), outcome.missing)


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
    if k == 2:
        return _any_two(search, order, effort, whole)
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


def _any_two(search: _Search, order: Sequence[int], effort: Effort, whole: Effort) -> AnyLost:
    """Judge all pairs by their parts at once, then pack those that do not go together, the hardest first."""
    rank = np.array(order)
    clash = np.ones((len(order), len(order)), np.bool_)
    for one in (search.alone, search.second):
        for other in (search.alone, search.second):
            clash &= clashes(one, other, search.left)
    clash = (clash & clash.T)[np.ix_(rank, rank)]
    missing = np.array([search.alone[h].missing if h in search.alone else 0 for h in order])
    least = np.array([search.fails.get(h, 0) for h in order])
    a, b = np.triu_indices(len(order), 1)
    open_, either = clash[a, b], missing[a] + missing[b] > 0
    fails = (least[a] > 0) | (least[b] > 0)
    parts = int((~open_ & ~either).sum())
    several = np.flatnonzero(~open_ & either)
    several = several[np.argsort(-(missing[a] + missing[b])[several], kind="stable")]
    bad: list[Outcome] = []
    good: list[Outcome] = []
    known = ~open_ & (~either | fails)
    packed = np.zeros(len(a), np.bool_)
    survived, failed = parts, 0
    for pair in [*np.flatnonzero(open_).tolist(), *several[:KEPT].tolist()]:
        if effort.over():
            break
        outcome = _tried(search.restarts, sorted((order[a[pair]], order[b[pair]])), None)
        if not outcome.proven:
            outcome = _tried(search.restarts, sorted((order[a[pair]], order[b[pair]])), share_of(effort, 0.05))
        packed[pair] = known[pair] = True
        survived, failed = survived + outcome.survives, failed + outcome.fails
        (good if outcome.survives else bad).append(outcome)
        bad = bad if len(bad) <= 2 * KEPT else worst_first(bad)[:KEPT]
        del good[KEPT:]
    rest = ~packed & fails
    failed += int(rest.sum())
    known |= rest
    composed = ~packed & ~open_
    others = (
        int((missing[a] + missing[b])[composed].max(initial=0)),
        int(np.maximum(least[a], least[b])[rest].max(initial=0)),
    )
    if (rest & open_).any():
        others = max(others[0], others[1] + 1), others[1]  # of these it is not known how many are missing
    checked = _checked(search, order, 2, good, whole)
    return AnyLost(
        search.restarts,
        len(a),
        int(known.sum()),
        survived,
        failed,
        parts,
        (*worst_first(bad)[:KEPT], *good),
        checked,
        others,
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
