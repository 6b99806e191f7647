"""The running sums of a placement: what every search asks all the time, kept up to date move by move.

A fast view of the atoms for those who search or order; `evaluate` is its oracle. Presence is counted, not placement:
a VM may be present on no host (lifted out), on one, or on two (in flight, or the union of start and end).
"""

from __future__ import annotations

from collections import defaultdict
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from optimizer.fleet import ABSENT
from optimizer.problem.atoms import UNLIMITED
from optimizer.problem.flow_index import in_flow
from optimizer.problem.linear_tally import LinearTally
from optimizer.problem.problem import stage_of
from optimizer.problem.rounding import harm
from optimizer.problem.rule import Hardness
from optimizer.problem.set_tally import LEFT, RIGHT, SetTally, excess_by_domain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from optimizer.problem.atoms import Asked, Group, Leave, Linear
    from optimizer.problem.problem import Problem, Stage

__all__ = ["LEFT", "RIGHT", "WHOLE", "LinearTally", "SetTally", "Tally"]

WHOLE = slice(None)
"""Every host."""


class _ForbiddenHosts(NamedTuple):
    """A binding `Leave`: VMs (bool [V]) that may not arrive at `hosts` (bool [H]), since none of them was there."""

    vms: NDArray[np.bool_]
    hosts: NDArray[np.bool_]


class Tally:
    """Presence of every VM and the sums that follow from it.

    Starts at the problem's start. `add` and `remove` change presence; `room` says where a VM could arrive now with
    every must and guard no worse than at the start, and every flow within its limit.

    Parameters
    ----------
    rough
        Whether `room` may overlook sets judged at the worse end while some of their VMs are present twice: that takes
        all combinations, which is too much where a preference is all that comes of it.
    """

    def __init__(self, problem: Problem, *, rough: bool = False) -> None:
        self.problem, self.rough = problem, rough
        self._domain: list[list[int]] = [row.tolist() for row in problem.domain]
        self.ends: list[tuple[int, ...]] = [() if h == ABSENT else (h,) for h in problem.start.tolist()]
        for vm in np.flatnonzero(problem.also_at != ABSENT).tolist():
            self.ends[vm] += (int(problem.also_at[vm]),)
        self.linears = [self._linear(number, atom) for number, atom in problem.demands.sums.items()]
        self.flow_used = np.zeros(len(problem.flows), np.int64)
        self.sets: list[SetTally] = []
        self._broken: dict[int, dict[int, int]] = {}
        self._worse: set[int] = set()
        self._changed: set[int] = set()
        self._harms: dict[Stage, int] = {}
        self.sets_of: dict[int, list[tuple[SetTally, int]]] = defaultdict(list)
        for number, atom in problem.demands.groups.items():
            self._index(number, atom)
        for i, s in enumerate(self.sets):
            s.start = s.excess()
            if s.start:
                self._changed.add(i)
        self._forbidden = [
            self._forbidden_hosts(a) for a in problem.demands.leaves.values() if _binds(a.asked.hardness)
        ]

    # -- building ------------------------------------------------------------------------------------------------

    def _linear(self, number: int, atom: Linear) -> LinearTally:
        load = self.problem.start_loads[number].copy()
        free = atom.asked.hardness is Hardness.SHOULD
        ceiling = np.full_like(load, UNLIMITED) if free else np.maximum(atom.limit, load)
        return LinearTally(atom, number, load, ceiling, changed=set(np.flatnonzero(load > atom.limit).tolist()))

    def _index(self, number: int, atom: Group) -> None:
        sides, shape = atom.sides, atom.shape
        domain = self._domain[atom.level]
        for i in range(len(sides[0])):
            tally = SetTally(atom, number, i, len(self.sets), shape, atom.limit_of(i))
            for side, sets in enumerate(sides):
                count = tally.count[side]
                for vm in sets[i].tolist():
                    self.sets_of[vm].append((tally, side))
                    ends = self.ends[vm]
                    if len(ends) == 1:  # nearly all of them: what `place` does, without its questions
                        at = domain[ends[0]]
                        count[at] = count.get(at, 0) + 1  # `+=` asks a Counter for what it lacks, which is slow
                    else:
                        tally.place(side, vm, tuple([domain[h] for h in ends]), +1)
            self.sets.append(tally)

    def _forbidden_hosts(self, atom: Leave) -> _ForbiddenHosts:
        vms = np.zeros(self.problem.vms, np.bool_)
        start, also = self.problem.start[atom.vms], self.problem.also_at[atom.vms]
        there = ((start != ABSENT) & atom.hosts[start]) | ((also != ABSENT) & atom.hosts[also])
        vms[atom.vms[~there]] = True
        return _ForbiddenHosts(vms, atom.hosts)

    # -- changing ------------------------------------------------------------------------------------------------

    def add(self, vm: int, host: int) -> None:
        """Make the VM present on `host` as well; where it stands comes before where others are moving it."""
        ends = self.ends[vm]
        only_the_other = ends == (int(self.problem.also_at[vm]),)
        self._change(vm, host, ends, (host, *ends) if only_the_other else (*ends, host), +1)

    def remove(self, vm: int, host: int) -> None:
        """Make the VM no longer present on `host`."""
        rest = list(self.ends[vm])
        rest.remove(host)
        self._change(vm, host, tuple(rest), tuple(rest), -1)

    def move(self, vm: int, source: int, target: int) -> None:
        """Take the VM from one host to the other, and spend its flows."""
        self.remove(vm, source)
        self.add(vm, target)
        self.spend(vm, source, target)

    def spend(self, vm: int, source: int, target: int, times: int = 1) -> None:
        """Count a move in the flows."""
        for i in self.problem.flow_index.moving(vm, source, target):
            flow = self.problem.flows[i]
            if in_flow(flow, vm, source, target):
                self.flow_used[i] += times * int(flow.cost[vm])

    def _change(self, vm: int, host: int, others: tuple[int, ...], ends: tuple[int, ...], sign: int) -> None:
        for linear in self.linears:
            atom = linear.atom
            d = self._domain[atom.level][host]
            if not (others or atom.union) or d not in self._held(atom, vm, others):
                linear.load[d] += sign * atom.amount[vm]
                linear.changed.add(d)
        for tally, side in self.sets_of.get(vm, ()):
            domain = self._domain[tally.atom.level]
            tally.place(side, vm, tuple([domain[h] for h in self.ends[vm]]), -1)
            tally.place(side, vm, tuple([domain[h] for h in ends]), +1)
            self._changed.add(tally.number)
        self.ends[vm] = ends

    def _held(self, atom: Linear, vm: int, ends: Iterable[int]) -> set[int]:
        """Domains in which the VM counts anyway: those of its ends, and for a union that of its start."""
        domain = self._domain[atom.level]
        held = {domain[h] for h in ends}
        if atom.union and self.problem.start[vm] != ABSENT:
            held.add(domain[self.problem.start[vm]])
        return held

    # -- asking --------------------------------------------------------------------------------------------------

    def room(self, vm: int, among: slice = WHOLE) -> NDArray[np.bool_]:
        """Return bool [H]: where the VM could arrive now, with the VM still present where it is.

        Present at both ends for Linear, AtMost and Apart; for AtLeast and Needs the state after its (one) present
        end is left counts too. Hosts where it is present are not among them.

        Parameters
        ----------
        among
            Neighbouring hosts that alone are asked; the answer is bool [their number].
        """
        mask = self.admits(vm, among)
        for linear in self.linears:
            amount = int(linear.atom.amount[vm])
            if amount and linear.atom.asked.hardness is not Hardness.SHOULD:
                self._narrow_linear(mask, linear, vm, amount, among)
        mask[self._inside(self.ends[vm], among)] = False
        return mask

    def _inside(self, hosts: Iterable[int], among: slice) -> list[int]:
        """Return where those of the hosts stand that are `among` them."""
        first, beyond, _ = among.indices(self.problem.hosts)
        return [h - first for h in hosts if first <= h < beyond]

    def admits(self, vm: int, among: slice = WHOLE) -> NDArray[np.bool_]:
        """Return bool [H]: `room`, were there room: what Enter, Leave, sets and flows alone allow."""
        mask = self.problem.may_enter(vm)[among].copy()
        for tally, side in self.sets_of.get(vm, ()):
            if _binds(tally.atom.asked.hardness):
                blocked = self._blocked(tally, side, vm)
                if blocked is not None:
                    mask &= ~blocked[self.problem.domain[tally.atom.level][among]]
        for forbidden in self._forbidden:
            if forbidden.vms[vm]:
                mask &= ~forbidden.hosts[among]
        self._narrow_flows(mask, vm, among)
        return mask

    def fits(self, vm: int, host: int) -> bool:
        """Whether the VM could arrive at `host` now (one host of `room`, in the time of the VM's own atoms)."""
        return (
            host not in self.ends[vm]
            and bool(self.problem.may_enter(vm)[host])
            and not any(e.vms[vm] and e.hosts[host] for e in self._forbidden)
            and all(self._fits_linear(linear, vm, host) for linear in self.linears)
            and all(self._fits_set(tally, side, vm, host) for tally, side in self.sets_of.get(vm, ()))
            and self._fits_flows(vm, host)
        )

    def _fits_linear(self, linear: LinearTally, vm: int, host: int) -> bool:
        atom = linear.atom
        amount = int(atom.amount[vm])
        d = self._domain[atom.level][host]
        if not amount or linear.load[d] <= linear.ceiling[d] - amount:
            return True
        return atom.asked.hardness is Hardness.SHOULD or d in self._held(atom, vm, self.ends[vm])

    def _fits_set(self, tally: SetTally, side: int, vm: int, host: int) -> bool:
        atom, shape = tally.atom, tally.shape
        if shape.at_end or not _binds(atom.asked.hardness):
            return True
        domain = self._domain[atom.level]
        d, here = domain[host], {domain[h] for h in self.ends[vm]}
        if shape.by_domain:
            return d in here or not self._is_crowded(tally, side, vm, d)
        return len(here) > 1 or self._excess_at(tally, vm, d) <= tally.allowed(0)

    def _fits_flows(self, vm: int, host: int) -> bool:
        source = self._source(vm)
        return not any(
            self._is_full(i, vm) and in_flow(self.problem.flows[i], vm, source, host)
            for i in self.problem.flow_index.moving(vm, source, host)
        )

    def _is_full(self, flow: int, vm: int) -> bool:
        cost = int(self.problem.flows[flow].cost[vm])
        return cost > 0 and int(self.flow_used[flow]) + cost > self.problem.flows[flow].limit

    def _source(self, vm: int) -> int:
        return self.ends[vm][0] if self.ends[vm] else int(self.problem.start[vm])

    def _narrow_linear(self, mask: NDArray[np.bool_], linear: LinearTally, vm: int, amount: int, among: slice) -> None:
        held = self._held(linear.atom, vm, self.ends[vm])
        if linear.atom.level == 0:
            fits = linear.load[among] <= linear.ceiling[among] - amount
            fits[self._inside(held, among)] = True
            mask &= fits
        else:
            fits = linear.load <= linear.ceiling - amount
            fits[list(held)] = True
            mask &= fits[self.problem.domain[linear.atom.level][among]]

    def _narrow_flows(self, mask: NDArray[np.bool_], vm: int, among: slice) -> None:
        source = self._source(vm)
        index = self.problem.flow_index
        for i in chain(index.full(vm, self.flow_used), index.leaving(vm, source)):
            flow = self.problem.flows[i]
            counts = (flow.vms is None or flow.vms[vm]) and (flow.sources is None or flow.sources[source])
            if counts and self._is_full(i, vm):
                mask &= False if flow.targets is None else ~flow.targets[among]

    def _blocked(self, tally: SetTally, side: int, vm: int) -> NDArray[np.bool_] | None:
        """Return bool [domains]: where this VM's arrival makes the set worse than at the start (None: nowhere)."""
        atom = tally.atom
        if tally.shape.at_end:
            return None
        domain = self._domain[atom.level]
        here = {domain[h] for h in self.ends[vm]}
        if tally.shape.by_domain:
            blocked = np.zeros(len(self.problem.domain_ids[atom.level]), np.bool_)
            others = tally.other(side)
            alone = others != side and (tally, others) in self.sets_of[vm]
            for d in range(len(blocked)) if alone else tally.count[others]:
                blocked[d] = d not in here and self._is_crowded(tally, side, vm, d)
            return blocked
        if len(here) > 1 or (self.rough and any(tally.floating)):
            return None
        return self.excess_in(tally, vm) > tally.allowed(0)

    def excess_in(self, tally: SetTally, vm: int) -> NDArray[np.int64]:
        """Return int64 [domains]: the excess of an AtLeast, Same or Needs were the VM, present once, in each of them.

        Special domains are tried one by one; one other stands for all the rest.
        """
        here = {self._domain[tally.atom.level][h] for h in self.ends[vm]}
        domains = len(self.problem.domain_ids[tally.atom.level])
        if len(here) == 1 and not any(tally.floating):
            sides = {side for other, side in self.sets_of[vm] if other is tally}
            return excess_by_domain(tally, sides, next(iter(here)), domains)
        out = np.zeros(domains, np.int64)
        special = {*tally.count[LEFT], *tally.count[RIGHT], *here}
        for side in tally.floating:
            special.update(*side.values())
        plain = next((d for d in range(len(out)) if d not in special), None)
        if plain is not None:
            out[:] = self._excess_at(tally, vm, plain)
        for d in special:
            out[d] = self._excess_at(tally, vm, d)
        return out

    def _excess_at(self, tally: SetTally, vm: int, domain: int) -> int:
        """Return the excess of the set with the VM in `domain` and no longer where it is."""
        sides = [side for other, side in self.sets_of[vm] if other is tally]
        before = tuple([self._domain[tally.atom.level][h] for h in self.ends[vm]])
        for side in sides:
            tally.place(side, vm, before, -1)
            tally.place(side, vm, (domain,), +1)
        excess = tally.excess().get(0, 0)
        for side in sides:
            tally.place(side, vm, (domain,), -1)
            tally.place(side, vm, before, +1)
        return excess

    def _is_crowded(self, tally: SetTally, side: int, vm: int, d: int) -> bool:
        """By domain: whether the VM as one more of this side in the domain is worse than at the start."""
        others = tally.other(side)
        both = others != side and (tally, others) in self.sets_of[vm]
        return tally.with_one_more(side, d, of_both=both) > tally.allowed(d)

    def excesses(self) -> Iterator[tuple[LinearTally | SetTally, int, int]]:
        """Yield (tally, domain, excess) for every instance above its limit now."""
        self._refresh()
        for linear in self.linears:
            for d in sorted(linear.over):
                yield linear, d, linear.over[d]
        for i in sorted(self._broken):
            for d, e in self._broken[i].items():
                yield self.sets[i], d, e

    @property
    def broken(self) -> int:
        """How many instances were above their limit when that was last asked about."""
        return sum(len(linear.over) for linear in self.linears) + len(self._broken)

    def is_no_worse(self) -> bool:
        """Whether no instance of a must or a guard is above its limit by more than at the start (without `Leave`)."""
        self._refresh()
        return not self._worse and not any(linear.worse for linear in self.linears)

    def harms(self) -> dict[Stage, int]:
        """Return the harm of all instances above their limit now, stage by stage (without `Leave`)."""
        self._refresh()
        return self._harms

    def _refresh(self) -> None:
        """Look again at what changed since the last time: all that a question about excess has to cost."""
        for linear in self.linears:
            if linear.changed:
                unit = linear.atom.unit
                for d, before, now in linear.refresh():
                    self._count_harm(linear.atom.asked, before, now, int(unit[d]))
        for i in self._changed:
            known, found = self._broken.get(i, {}), self.sets[i].excess()
            if found:
                self._broken[i] = found
            else:
                self._broken.pop(i, None)
            (self._worse.add if self._is_worse(self.sets[i], found) else self._worse.discard)(i)
            self._count_harm(self.sets[i].atom.asked, sum(known.values()), sum(found.values()), 1)
        self._changed.clear()

    @staticmethod
    def _is_worse(tally: SetTally, found: Mapping[int, int]) -> bool:
        binds = _binds(tally.atom.asked.hardness)
        return binds and any(excess > tally.allowed(d) for d, excess in found.items())

    def _count_harm(self, asked: Asked, before: int, now: int, unit: int) -> None:
        if before != now and asked.hardness in (Hardness.MUST, Hardness.SHOULD):
            stage, weight = stage_of(asked)
            self._harms[stage] = self._harms.get(stage, 0) + harm(now, unit, weight) - harm(before, unit, weight)


def _binds(hardness: Hardness) -> bool:
    """Whether a demand of this hardness is never made worse."""
    return hardness is not Hardness.SHOULD
