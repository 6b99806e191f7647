"""The running sums of a placement: what every search asks all the time, kept up to date move by move.

A fast view of the atoms for those who search or order; `evaluate` is its oracle. Presence is counted, not placement:
a VM may be present on no host (lifted out), on one, or on two (in flight, or the union of start and end).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from optimizer.fleet import ABSENT
from optimizer.problem.atoms import UNLIMITED, Apart, AtLeast, AtMost, Linear, Needs, Same
from optimizer.problem.evaluate import in_flow
from optimizer.problem.rule import Hardness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from optimizer.problem.problem import Problem

__all__ = ["LinearTally", "SetTally", "Tally"]

SetAtom = AtMost | Apart | AtLeast | Same | Needs
LEFT, RIGHT = 0, 1


@dataclass(slots=True, eq=False)
class LinearTally:
    """Load of one `Linear` in each domain, and the ceiling that arrivals may not pass (never worse than the start)."""

    atom: Linear
    load: NDArray[np.int64]
    ceiling: NDArray[np.int64]


@dataclass(slots=True, eq=False)
class SetTally:
    """Counts of one set (or pair of sets) of an atom: how many distinct VMs of each side are in each domain."""

    atom: SetAtom
    member: int
    count: tuple[Counter[int], Counter[int]] = field(default_factory=lambda: (Counter(), Counter()))
    start: dict[int, int] = field(default_factory=dict)

    def excess(self) -> dict[int, int]:
        """Excess by domain (key 0 where the instance is the whole set) at the present counts; 0 is left out."""
        return {d: e for d, e in _EXCESS[type(self.atom)](self).items() if e > 0}

    def allowed(self, key: int) -> int:
        """Excess that may not be passed: what it was at the start."""
        return self.start.get(key, 0)


def _at_most(s: SetTally) -> dict[int, int]:
    assert isinstance(s.atom, AtMost)
    k = int(s.atom.k[s.member])
    return {d: n - k for d, n in s.count[LEFT].items()}


def _apart(s: SetTally) -> dict[int, int]:
    return {d: min(n, s.count[RIGHT][d]) for d, n in s.count[LEFT].items() if d in s.count[RIGHT]}


def _at_least(s: SetTally) -> dict[int, int]:
    assert isinstance(s.atom, AtLeast)
    occupied = sum(n > 0 for n in s.count[LEFT].values())
    return {0: int(s.atom.k[s.member]) - occupied} if occupied else {}


def _same(s: SetTally) -> dict[int, int]:
    return {0: s.count[LEFT].total() - max(s.count[LEFT].values(), default=0)}


def _needs(s: SetTally) -> dict[int, int]:
    return {0: sum(n for d, n in s.count[LEFT].items() if s.count[RIGHT][d] == 0)}


_EXCESS: dict[type, Callable[[SetTally], dict[int, int]]] = {
    AtMost: _at_most,
    Apart: _apart,
    AtLeast: _at_least,
    Same: _same,
    Needs: _needs,
}


class Tally:
    """Presence of every VM and the sums that follow from it.

    Starts at the problem's start. `add` and `remove` change presence; `room` says where a VM could arrive now with
    every must and guard no worse than at the start, and every flow within its limit.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.ends: list[tuple[int, ...]] = [() if h == ABSENT else (h,) for h in problem.start.tolist()]
        for vm in np.flatnonzero(problem.also_at != ABSENT).tolist():
            self.ends[vm] += (int(problem.also_at[vm]),)
        self.linears = [self._linear(a) for a in problem.atoms if isinstance(a, Linear)]
        self.flow_used: list[int] = [0] * len(problem.flows)
        self.sets: list[SetTally] = []
        self.sets_of: dict[int, list[tuple[SetTally, int]]] = defaultdict(list)
        for atom in problem.atoms:
            if isinstance(atom, SetAtom):
                self._index(atom)
        for s in self.sets:
            s.start = s.excess()

    # -- building ------------------------------------------------------------------------------------------------

    def _linear(self, atom: Linear) -> LinearTally:
        load = atom.base.astype(np.int64).copy()
        domain = self.problem.domain[atom.level]
        start, also = self.problem.start, self.problem.also_at
        placed = np.flatnonzero(start != ABSENT)
        np.add.at(load, domain[start[placed]], atom.amount[placed])
        twice = np.flatnonzero(also != ABSENT)
        twice = twice[domain[also[twice]] != domain[start[twice]]]
        np.add.at(load, domain[also[twice]], atom.amount[twice])
        free = atom.asked.hardness is Hardness.SHOULD
        ceiling = np.full_like(load, UNLIMITED) if free else np.maximum(atom.limit, load)
        return LinearTally(atom, load, ceiling)

    def _index(self, atom: SetAtom) -> None:
        sides = (atom.left, atom.right) if isinstance(atom, Apart | Needs) else (atom.sets,)
        for i in range(len(sides[0])):
            tally = SetTally(atom, i)
            for side, sets in enumerate(sides):
                for vm in sets[i].tolist():
                    self.sets_of[vm].append((tally, side))
                    tally.count[side].update({int(self.problem.domain[atom.level, h]) for h in self.ends[vm]})
            self.sets.append(tally)

    # -- changing ------------------------------------------------------------------------------------------------

    def add(self, vm: int, host: int) -> None:
        """Make the VM present on `host` as well."""
        self._change(vm, host, self.ends[vm], +1)
        self.ends[vm] += (host,)

    def remove(self, vm: int, host: int) -> None:
        """Make the VM no longer present on `host`."""
        rest = list(self.ends[vm])
        rest.remove(host)
        self.ends[vm] = tuple(rest)
        self._change(vm, host, self.ends[vm], -1)

    def move(self, vm: int, source: int, target: int) -> None:
        """Take the VM from one host to the other, and spend its flows."""
        self.remove(vm, source)
        self.add(vm, target)
        self.spend(vm, source, target)

    def spend(self, vm: int, source: int, target: int, times: int = 1) -> None:
        """Count a move in the flows."""
        for i, flow in enumerate(self.problem.flows):
            if in_flow(flow, vm, source, target):
                self.flow_used[i] += times * int(flow.cost[vm])

    def _change(self, vm: int, host: int, others: Iterable[int], sign: int) -> None:
        others = tuple(others)
        for linear in self.linears:
            domain = self.problem.domain[linear.atom.level]
            if domain[host] not in domain[list(others)]:
                linear.load[domain[host]] += sign * linear.atom.amount[vm]
        for tally, side in self.sets_of.get(vm, ()):
            domain = self.problem.domain[tally.atom.level]
            if domain[host] not in domain[list(others)]:
                d = int(domain[host])
                tally.count[side][d] += sign
                if not tally.count[side][d]:
                    del tally.count[side][d]

    # -- asking --------------------------------------------------------------------------------------------------

    def room(self, vm: int) -> NDArray[np.bool_]:
        """Return bool [H]: where the VM could arrive now, with the VM still present where it is.

        Present at both ends for Linear, AtMost and Apart; for AtLeast and Needs the state after its (one) present
        end is left counts too. Hosts where it is present are not among them.
        """
        mask = self.problem.may_enter(vm).copy()
        for linear in self.linears:
            amount = linear.atom.amount[vm]
            if amount:
                self._narrow_linear(mask, linear, vm, int(amount))
        for tally, side in self.sets_of.get(vm, ()):
            if tally.atom.asked.hardness is not Hardness.SHOULD:
                blocked = self._blocked(tally, side, vm)
                if blocked is not None:
                    mask &= ~blocked[self.problem.domain[tally.atom.level]]
        self._narrow_flows(mask, vm)
        mask[list(self.ends[vm])] = False
        return mask

    def fits(self, vm: int, host: int) -> bool:
        """Whether the VM could arrive at `host` now (one host of `room`)."""
        return bool(self.room(vm)[host])

    def _narrow_linear(self, mask: NDArray[np.bool_], linear: LinearTally, vm: int, amount: int) -> None:
        fits = linear.load <= linear.ceiling - amount
        if linear.atom.level == 0:
            mask &= fits
            return
        domain = self.problem.domain[linear.atom.level]
        fits[domain[list(self.ends[vm])]] = True
        mask &= fits[domain]

    def _narrow_flows(self, mask: NDArray[np.bool_], vm: int) -> None:
        for i, flow in enumerate(self.problem.flows):
            if self.flow_used[i] + int(flow.cost[vm]) <= flow.limit or not flow.cost[vm]:
                continue
            source = self.ends[vm][0] if self.ends[vm] else int(self.problem.start[vm])
            if not (flow.vms is None or flow.vms[vm]) or not (flow.sources is None or flow.sources[source]):
                continue
            mask &= False if flow.targets is None else ~flow.targets

    def _blocked(self, tally: SetTally, side: int, vm: int) -> NDArray[np.bool_] | None:
        """Return bool [domains]: where this VM's arrival makes the set worse than at the start (None: nowhere)."""
        atom = tally.atom
        if isinstance(atom, Same):
            return None
        here = {int(self.problem.domain[atom.level, h]) for h in self.ends[vm]}
        blocked = np.zeros(len(self.problem.domain_ids[atom.level]), np.bool_)
        if isinstance(atom, AtMost | Apart):
            for d in _crowded(tally, side):
                blocked[d] = d not in here
            return blocked
        if len(here) > 1:
            return None
        self._block_by_trial(tally, side, here, blocked)
        return blocked

    def _block_by_trial(self, tally: SetTally, side: int, here: set[int], blocked: NDArray[np.bool_]) -> None:
        """AtLeast and Needs: try each kind of domain, occupied ones one by one and one that stands for all empty."""
        count = tally.count[side]
        for d in here:
            _step(count, d, -1)
        occupied = set(tally.count[LEFT]) | set(tally.count[RIGHT]) | here
        empty = next((d for d in range(len(blocked)) if d not in occupied), None)
        for d in occupied | ({empty} if empty is not None else set()):
            _step(count, d, +1)
            worse = tally.excess().get(0, 0) > tally.allowed(0)
            _step(count, d, -1)
            if d == empty:
                free = np.ones(len(blocked), np.bool_)
                free[list(occupied)] = False
                blocked[free] = worse
            else:
                blocked[d] = worse
        for d in here:
            _step(count, d, +1)

    def excesses(self) -> Iterator[tuple[LinearTally | SetTally, int, int]]:
        """Yield (tally, domain, excess) for every instance above its limit now."""
        for linear in self.linears:
            over = linear.load - linear.atom.limit
            for d in np.flatnonzero(over > 0).tolist():
                yield linear, d, int(over[d])
        for tally in self.sets:
            for d, e in tally.excess().items():
                yield tally, d, e


def _crowded(tally: SetTally, side: int) -> Iterator[int]:
    """Yield the domains where one more VM of this side is worse than at the start."""
    if isinstance(tally.atom, AtMost):
        k = int(tally.atom.k[tally.member])
        for d, n in tally.count[LEFT].items():
            if n + 1 - k > tally.allowed(d):
                yield d
    else:
        mine, theirs = tally.count[side], tally.count[1 - side]
        for d, n in theirs.items():
            if min(mine[d] + 1, n) > tally.allowed(d):
                yield d


def _step(count: Counter[int], domain: int, by: int) -> None:
    count[domain] += by
    if not count[domain]:
        del count[domain]
