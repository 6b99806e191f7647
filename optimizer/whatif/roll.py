"""Maintenance of all hosts in waves, the fewest: the VMs of a wave find room elsewhere while all others stay.

What leaves a host stays where it went, on hosts that are serviced already if there is room. All moves of a wave are
arrivals at hosts that nobody leaves, so that any order is safe; each wave is held against every rule's own `check`,
with all its moves in flight at once and with all of them done.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from optimizer.fleet import ABSENT, Move, State, copied_mib, move_seconds
from optimizer.problem.atoms import UNLIMITED
from optimizer.problem.presence import load_of
from optimizer.problem.problem import build
from optimizer.problem.rule import Hardness
from optimizer.whatif.evacuation import Evacuation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet
    from optimizer.policy import Policy
    from optimizer.problem.problem import Problem
    from optimizer.whatif.effort import Effort

__all__ = ["Rolled", "Wave", "least_waves", "roll"]


@dataclass(frozen=True, eq=False)
class Wave:
    """Units (numbers) that are serviced at once, the moves that empty their hosts, and how long these take."""

    units: tuple[int, ...]
    moves: tuple[Move, ...]
    seconds: float


@dataclass(frozen=True, eq=False)
class Rolled:
    """The waves.

    Attributes
    ----------
    stuck
        Units that cannot be emptied by themselves, as far as found, with a VM for which no host was found.
    bound
        No way to service the others has fewer waves.
    twice
        How many VMs move more than once.
    """

    waves: tuple[Wave, ...]
    stuck: tuple[tuple[int, int], ...]
    bound: int
    twice: int

    @property
    def proven(self) -> bool:
        """Whether no fewer waves are possible."""
        return len(self.waves) <= self.bound


def roll(fleet: Fleet, policy: Policy, unit: NDArray[np.int64], effort: Effort) -> Rolled:
    """Find waves in which all units can be serviced.

    Parameters
    ----------
    unit
        int64 [H]: the unit of each host; hosts of a unit are serviced together.
    """
    problem = build(fleet, policy.judges)
    best: Rolled | None = None
    for order in _orders(problem, unit):
        found = _Roll(fleet, policy, problem, unit, effort).run(order)
        if best is None or _key(found) < _key(best):
            best = found
        if best.proven and not best.twice:
            break
        if effort.over():
            break
    assert best is not None
    return best


def _key(rolled: Rolled) -> tuple[int, int, int, int]:
    return len(rolled.stuck), len(rolled.waves), rolled.twice, sum(len(w.moves) for w in rolled.waves)


def _orders(problem: Problem, unit: NDArray[np.int64]) -> list[list[int]]:
    """Return orders in which units are taken into waves: the emptiest first, the fullest first, as they come."""
    used = np.zeros(problem.hosts)
    for atom in problem.demands.sums.values():
        if atom.level == 0 and atom.asked.hardness is not Hardness.SHOULD:
            load = load_of(atom, problem.domain[0], problem.start, problem.also_at)
            used = np.maximum(used, load / np.maximum(atom.limit, 1))
    units = np.unique(unit)
    share = {u: float(used[unit == u].mean()) for u in units.tolist()}
    ascending = sorted(share, key=lambda u: (share[u], u))
    return [ascending, ascending[::-1], units.tolist()]


class _Roll:
    def __init__(self, fleet: Fleet, policy: Policy, problem: Problem, unit: NDArray[np.int64], effort: Effort) -> None:
        self.fleet, self.policy, self.problem, self.unit, self.effort = fleet, policy, problem, unit, effort
        self.at = problem.start.copy()
        self.serviced = np.zeros(problem.hosts, np.bool_)
        self.moved: dict[int, int] = {}

    def run(self, order: Sequence[int]) -> Rolled:
        waiting, waves, stuck = list(order), [], []
        while waiting:
            wave = self._wave(waiting)
            if wave is None:
                stuck.append((waiting[0], self._homeless(waiting.pop(0))))
                continue
            waves.append(wave)
            waiting = [u for u in waiting if u not in wave.units]
            if len(waves) == 1 or stuck:
                waiting += [u for u, _ in stuck]
                stuck = []
        kept = np.isin(self.unit, [u for u, _ in stuck])
        bound = least_waves(self.problem, ~kept) if waves else 0
        return Rolled(tuple(waves), tuple(stuck), bound, sum(n > 1 for n in self.moved.values()))

    def _wave(self, waiting: Sequence[int]) -> Wave | None:
        """Take as many units as can be emptied together, in their order; None if not even the first can."""
        chosen, moves = self._filled(waiting)
        while chosen and not self._holds(moves):
            chosen, moves = self._filled(chosen[: len(chosen) // 2])
        if not chosen:
            return None
        inside = np.isin(self.unit, chosen)
        for move in moves:
            self.at[move.vm] = move.target
            self.moved[move.vm] = self.moved.get(move.vm, 0) + 1
        self.serviced |= inside
        return Wave(tuple(chosen), tuple(moves), _seconds(self.fleet, moves))

    def _filled(self, waiting: Sequence[int]) -> tuple[list[int], list[Move]]:
        filling = Evacuation(self.problem, self.at, self.serviced.astype(np.float64))
        closed = np.zeros(self.problem.hosts, np.bool_)
        received = np.zeros(self.problem.hosts, np.bool_)
        chosen: list[int] = []
        moves: list[Move] = []
        for u in waiting:
            hosts = self.unit == u
            if (received & hosts).any():
                continue
            vms = self._on(hosts)
            if not self.problem.movable[vms].all() or np.isin(self.problem.also_at[vms], np.flatnonzero(hosts)).any():
                continue
            made = filling.evacuate(vms.tolist(), ~(closed | hosts))
            if made is not None:
                closed |= hosts
                chosen.append(u)
                moves += [Move(vm, int(self.at[vm]), host) for vm, host in made]
                received[[host for _, host in made]] = True
        return chosen, moves

    def _on(self, hosts: NDArray[np.bool_]) -> NDArray[np.int64]:
        also = self.problem.also_at
        return np.flatnonzero(((self.at != ABSENT) & hosts[self.at]) | ((also != ABSENT) & hosts[also]))

    def _homeless(self, u: int) -> int:
        """Return a VM of a unit that keeps it from being emptied."""
        hosts = self.unit == u
        vms = self._on(hosts)
        fixed = vms[~self.problem.movable[vms]]
        if fixed.size:
            return int(fixed[0])
        filling = Evacuation(self.problem, self.at, self.serviced.astype(np.float64))
        return next(
            (v for v in vms.tolist() if filling.evacuate([v], ~hosts) is None), int(vms[0]) if vms.size else ABSENT
        )

    def _holds(self, moves: Sequence[Move]) -> bool:
        """Whether every rule accepts the moves, in flight all at once and done."""
        start = State.start(_standing(self.fleet, self.at))
        for rule in self.policy.judges:
            had = {v.instance: v.excess for v in rule.check(start)}
            for after in (start.begin(moves), start.finish(moves)):
                if any(
                    v.excess > had.get(v.instance, 0) for v in rule.check(after) if v.hardness is not Hardness.SHOULD
                ):
                    return False
        return True


def _standing(fleet: Fleet, at: NDArray[np.int32]) -> Fleet:
    """Return the fleet with its VMs elsewhere; what hosts report beyond their VMs stays with them."""
    known = fleet.hosts.measured != ABSENT
    measured = np.where(known, fleet.explained_by(at, fleet.also_at) + fleet.unexplained, ABSENT)
    return replace(fleet, hosts=replace(fleet.hosts, measured=measured), vms=replace(fleet.vms, host=at))


def _seconds(fleet: Fleet, moves: Sequence[Move]) -> float:
    """Return how long moves take with one at a time off and onto each host, the longest first."""
    copied = copied_mib(fleet)
    takes = sorted(((move_seconds(fleet, m.vm, m.source, m.target, int(copied[m.vm])), m) for m in moves), key=_longest)
    free: dict[int, float] = {}
    for seconds, move in takes:
        begin = max(free.get(move.source, 0.0), free.get(move.target, 0.0))
        free[move.source] = free[move.target] = begin + seconds
    return max(free.values(), default=0.0)


def _longest(one: tuple[float, Move]) -> tuple[float, int]:
    return -one[0], one[1].vm


def least_waves(problem: Problem, rolled: NDArray[np.bool_]) -> int:
    """Return how many waves there are at least: in each, the hosts that stay have room for all VMs.

    What a host may hold is its limit, or what it holds already. Of every resource, the waves' shares of the room add up
    to all of it, and none may take more than is free; and no wave leaves fewer hosts than a group needs.
    """
    least = 1 if rolled.any() else 0
    for atom in problem.demands.sums.values():
        if atom.level or atom.asked.hardness is Hardness.SHOULD or (atom.limit >= UNLIMITED).any():
            continue
        load = load_of(atom, problem.domain[0], problem.start, problem.also_at)
        room = np.maximum(atom.limit, load) - atom.base
        used = int(atom.amount[problem.start != ABSENT].sum())
        free = int(room.sum()) - used
        wanted = int(room[rolled].sum())
        if used > 0 and wanted > 0 and free > 0:
            least = max(least, -(-wanted // free))
    for count in problem.demands.counts.values():
        if count.level or count.asked.hardness is Hardness.SHOULD:
            continue
        for i in range(len(count.sets)):
            members = int((problem.start[count.sets[i]] != ABSENT).sum())
            spare = problem.hosts - -(-members // max(1, int(count.k[i])))
            if members and spare > 0 and _kept(problem, count.sets[i], int(count.k[i])):
                least = max(least, -(-int(rolled.sum()) // spare))
    return least


def _kept(problem: Problem, members: NDArray[np.int32], most: int) -> bool:
    """Whether no host holds more of a set than allowed: one that does may go on holding that many."""
    at = problem.start[members]
    at = at[at != ABSENT]
    return bool(at.size) and int(np.bincount(at).max()) <= most
