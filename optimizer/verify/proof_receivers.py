"""The bound of moving by prices for receiving VMs, recomputed host by host in Python's integers.

Every VM that leaves its host pays its price there, and its new host gets it; so the moves of a plan are no fewer than
the sum of what each host for itself comes to at least (docs/architecture.md has the argument).
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING

import numpy as np

from optimizer.fleet import ABSENT
from optimizer.problem.atoms import UNLIMITED
from optimizer.problem.problem import Stage
from optimizer.problem.rounding import MILLI
from optimizer.problem.rule import Hardness
from optimizer.verify.proof_choices import Choices, Host
from optimizer.verify.proof_component import Component
from optimizer.verify.proof_too_large import least_wherever

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from optimizer.problem.problem import Problem
    from optimizer.verify.proof_rows import Relaxed, Row

__all__ = ["bound_by_receivers"]

WRONG = "not the resources and prices that this problem has"

MOVE = 1_000_000
NEVER = -(2**60)
TOGETHER, SETS = 3, 5_000
"""Sets of VMs that leave together are told apart up to that size, where a host has no more than that many."""

CELLS = 4_000_000
"""Of the tables of rooms of all kinds of hosts together, at most."""

LARGEST = 2**61
"""What prices may add up to, in millionths: tables are of int64, and a sum that leaves it proves anything."""

ARGUMENT = re.compile(r"(.+) (\d{1,18}) (.+) (\d{1,18}) (\d{1,18})", re.ASCII)
"""Resource, step, resource, step, and the price of a thousandth of harm (0: limits that should hold are kept)."""


def bound_by_receivers(
    problem: Problem, relaxed: Relaxed, argument: str, prices: Mapping[int, int], values: Mapping[str, int]
) -> int | str:
    """Return the moves that prices prove, or why they prove nothing.

    Parameters
    ----------
    argument
        As `ARGUMENT`.
    prices
        Of VMs, in millionths of a move, none below 0.
    values
        What the plan reached, stage by stage.
    """
    said = ARGUMENT.fullmatch(argument)
    if said is None or said[1] == said[3] or min(prices.values(), default=0) < 0:
        return WRONG
    of_harm, harm = int(said[5]), values.get(Stage.SHOULD_HARM.value, 0)
    if values.get(Stage.HARM.value, 0) or (problem.moving != 1).any():
        return WRONG
    harmful = _harmful(problem) if harm and not of_harm else {}
    if not of_harm and harm > sum(harmful.values()):
        return WRONG
    sides = [_Side.of(problem, relaxed, said[n], int(said[n + 1]), of_harm, harmful) for n in (1, 3)]
    known = [side for side in sides if side is not None and len(side.limited) == problem.hosts]
    names = {a.resource for a in problem.demands.sums.values() if a.level == 0} - {said[1], said[3]}
    others = [_Side.of(problem, relaxed, name, 1, of_harm, harmful) for name in sorted(names)]
    judge = _Hosts(problem, relaxed, known, prices, harmful, soft=bool(of_harm))
    if len(known) != 2 or not judge.here:
        return WRONG
    judge.others = [] if of_harm else [side for side in others if side is not None]
    total = judge.total()
    return total if isinstance(total, str) else -(-(total - of_harm * harm) // MOVE)


def _harmful(problem: Problem) -> dict[int, int]:
    """Return the VMs that do harm to shoulds wherever they are, and how much each does at least.

    A plan that leaves no more than all of theirs leaves just that, host by host; so no limit that should hold is
    exceeded once each of them counts less by what that much harm is on any host.
    """
    found = ((int(v), least_wherever(problem, int(v))) for v in np.flatnonzero(problem.start != ABSENT))
    return {vm: least for vm, least in found if least}


def _without_harm(problem: Problem, resource: str, harmful: Mapping[int, int]) -> dict[int, int]:
    """Return by how much each of them counts less."""
    out: dict[int, int] = {}
    for atom in problem.demands.sums.values():
        should = atom.asked.hardness is Hardness.SHOULD and atom.asked.price is None
        if atom.level or atom.resource != resource or not should:
            continue
        unit = max((int(u) for u, limit in zip(atom.unit, atom.limit, strict=True) if limit < UNLIMITED), default=1)
        for vm, harm in harmful.items():
            over = -(-harm * unit // (MILLI * int(atom.asked.weight)))
            out[vm] = min(int(atom.amount[vm]), max(out.get(vm, 0), over))
    return out


@dataclass(frozen=True, eq=False)
class _Side:
    """One resource: what VMs take, what is left on each host, and what exceeding a limit that should hold costs.

    `limited`: the hosts that have a limit which has to hold; on others there is more than enough.
    """

    amount: list[int]
    step: int
    limited: list[int]
    hard: list[int]
    soft: list[int | None]
    slope: list[int]

    @classmethod
    def of(
        cls,
        problem: Problem,
        relaxed: Relaxed,
        resource: str,
        step: int,
        of_harm: int,
        harmful: Mapping[int, int],
    ) -> _Side | None:
        """Read a resource; None where it is not one amount, or has no step."""
        atoms = [(n, a) for n, a in problem.demands.sums.items() if a.level == 0 and a.resource == resource]
        if not step or not atoms or any((a.amount != atoms[0][1].amount).any() for _, a in atoms):
            return None
        hard: list[int | None] = [None] * problem.hosts
        soft: list[int | None] = [None] * problem.hosts
        slope, known = [0] * problem.hosts, False
        less, freed = _without_harm(problem, resource, harmful), [0] * problem.hosts
        for vm, amount in less.items():
            freed[int(problem.start[vm])] += amount
        for number, atom in atoms:
            should = atom.asked.hardness is Hardness.SHOULD
            if should and (atom.asked.price is not None or (of_harm and known)):
                continue
            for h in range(problem.hosts):
                limit, load = int(atom.limit[h]), int(relaxed.loads[number][h])
                if limit >= UNLIMITED:
                    continue
                left = max(limit, load) - load if atom.asked.hardness is Hardness.GUARD else limit - load
                left += freed[h]
                if should and of_harm:
                    soft[h] = left
                    slope[h] = of_harm * MILLI * int(atom.asked.weight) // max(1, int(atom.unit[h]))
                else:
                    before = hard[h]
                    hard[h] = left if before is None else min(before, left)
            known |= should
        limited = [h for h, limit in enumerate(hard) if limit is not None]
        limits = [-NEVER if limit is None else limit for limit in hard]
        amounts = [int(a) - less.get(v, 0) for v, a in enumerate(atoms[0][1].amount.tolist())]
        return cls(amounts, step, limited, limits, soft, slope)


class _Hosts:
    """All hosts of a problem at given prices."""

    def __init__(
        self,
        problem: Problem,
        relaxed: Relaxed,
        sides: Sequence[_Side],
        prices: Mapping[int, int],
        harmful: Mapping[int, int],
        *,
        soft: bool,
    ) -> None:
        self.unsaid = {int(problem.start[vm]) for vm in harmful}
        self.problem, self.relaxed, self.sides, self.prices, self.soft = problem, relaxed, sides, prices, soft
        self.here: dict[int, list[int]] = defaultdict(list)
        for vm in np.flatnonzero(problem.movable & (problem.start != ABSENT)).tolist():
            self.here[int(problem.start[vm])].append(vm)
        self.tables: dict[tuple[int, int], list[tuple[int, int, NDArray[np.int64]]]] = {}
        self.others: list[_Side] = []
        self.choices: Choices | None = None

    def total(self) -> int | str:
        """Return the sum over hosts, in millionths, or what is too large to be added up exactly."""
        shape = [1, 1]
        for h in range(self.problem.hosts):
            for s, side in enumerate(self.sides):
                most = side.hard[h] + sum(side.amount[v] for v in self.here[h])
                shape[s] = max(shape[s], most // side.step + 1)
        kinds = {self._slopes(h) for h in range(self.problem.hosts)}
        if shape[0] * shape[1] * len(kinds) > CELLS:
            return f"rooms of {shape[0]:,} x {shape[1]:,} steps, for {len(kinds):,} kinds of hosts, are too many"
        paid = sum(self._paid(v) for vms in self.here.values() for v in vms)
        exceeding = sum(n * side.step * max(side.slope) for n, side in zip(shape, self.sides, strict=True))
        if paid + exceeding > LARGEST:
            return f"prices that add up to more than {LARGEST:,} are not added up exactly"
        self.worth = self._knapsack((shape[0], shape[1]))
        if not self.soft:
            amount = np.array([side.amount for side in (*self.sides, *self.others)], np.int64).T
            pays = np.zeros(self.problem.vms, np.int64)
            for v in (v for vms in self.here.values() for v in vms):
                pays[v] = self._paid(v)
            steps = (self.sides[0].step, self.sides[1].step)
            self.choices = Choices(self.problem, amount, pays, self.worth, steps)
        return sum(self._least(h) for h in range(self.problem.hosts))

    def _paid(self, vm: int) -> int:
        """Return the price of a VM; nothing where its size rounds down to nothing: it would fit anywhere."""
        return self.prices.get(vm, 0) if any(side.amount[vm] >= side.step for side in self.sides) else 0

    def _knapsack(self, shape: tuple[int, int]) -> NDArray[np.int64]:
        worth = np.zeros(shape, np.int64)
        for vm in sorted(v for vms in self.here.values() for v in vms):
            a, b = (side.amount[vm] // side.step for side in self.sides)
            if self._paid(vm) and a < shape[0] and b < shape[1]:
                with_it = worth[: shape[0] - a, : shape[1] - b] + self._paid(vm)
                worth[a:, b:] = np.maximum(worth[a:, b:], with_it)
        return worth

    # -- one host ----------------------------------------------------------------------------------------------------

    def _least(self, host: int) -> int:
        """Return the least that a host comes to."""
        vms, rows = self.here[host], self._rows(host)
        most = self._leaving_at_least(rows, len(vms))
        cost = {v: MOVE + self._paid(v) for v in vms}
        cheapest = sorted(cost.values())
        largest = [sorted((side.amount[v] for v in vms), reverse=True) for side in self.sides]
        best, told = -NEVER, True
        for k in range(most, len(vms) + 1):
            told = told and k <= TOGETHER and all(comb(len(vms), n) <= SETS for n in range(k + 1))
            roughly = sum(cheapest[:k]) - self._coming(host, [sum(sizes[:k]) for sizes in largest])
            if roughly < best and self.choices is not None:
                left = [self._room(side, host) for side in (*self.sides, *self.others)]
                best = self.choices.least(Host(host, vms, cost, left, rows), k, best, roughly)
            elif roughly < best:
                best = min(best, *self._sets(host, k, cost)) if told else roughly
        return best

    def _sets(self, host: int, k: int, cost: Mapping[int, int]) -> Iterator[int]:
        for gone in combinations(self.here[host], k):
            frees = [sum(side.amount[v] for v in gone) for side in self.sides]
            yield sum(cost[v] for v in gone) - self._coming(host, frees)

    def _rows(self, host: int) -> list[Row]:
        """Return what has to leave the host, whatever comes."""
        kept = not self.soft and host not in self.unsaid
        rows = self.relaxed.within(self.here[host])
        return [r for r in rows if r.asked.hardness is Hardness.MUST or (kept and r.asked.price is None)]

    def _leaving_at_least(self, rows: list[Row], vms: int) -> int:
        component, least = Component(rows, self.problem.moving), 0
        while rows and component.costs_at_least(least + 1) and least < vms:
            least += 1
        return least

    def _coming(self, host: int, frees: Sequence[int]) -> int:
        """Return what is paid at most for VMs that come, given what is freed."""
        room = [self._room(side, host) + free for side, free in zip(self.sides, frees, strict=True)]
        slopes = self._slopes(host)
        best = NEVER
        for beyond_a, beyond_b, table in self._tables(slopes):
            at, paid, fits = [], 0, True
            for left, beyond, side, slope, size in zip(
                room, (beyond_a, beyond_b), self.sides, slopes, table.shape, strict=True
            ):
                cell = left // side.step + beyond
                fits = fits and (cell < size if beyond else cell >= 0)
                paid += left * slope if beyond else 0
                at.append(max(0, min(cell, size - 1)))
            if fits:
                best = max(best, int(table[at[0], at[1]]) + paid)
        return best

    def _slopes(self, host: int) -> tuple[int, int]:
        """Return what exceeding costs on either side; -1 where it is not allowed."""
        one, other = (side.slope[host] if side.soft[host] is not None else -1 for side in self.sides)
        return one, other

    @staticmethod
    def _room(side: _Side, host: int) -> int:
        soft = side.soft[host]
        return side.hard[host] if soft is None else min(soft, side.hard[host])

    def _tables(self, slopes: tuple[int, int]) -> list[tuple[int, int, NDArray[np.int64]]]:
        """Return tables of rooms, kept to (0) or exceeded (1) on either side, less what all of such a room costs."""
        if slopes not in self.tables:
            out = [(0, 0, self.worth)]
            if slopes[0] >= 0:
                cost = np.arange(self.worth.shape[0], dtype=np.int64)[:, None] * (self.sides[0].step * slopes[0])
                out.append((1, 0, _largest_beyond(self.worth - cost)))
            if slopes[1] >= 0:
                cost = np.arange(self.worth.shape[1], dtype=np.int64)[None, :] * (self.sides[1].step * slopes[1])
                out += [(a, 1, _largest_beyond((table - cost).T).T) for a, _, table in list(out)]
            self.tables[slopes] = out
        return self.tables[slopes]


def _largest_beyond(table: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return, row by row, the largest of this row and all after it."""
    return np.maximum.accumulate(table[::-1], axis=0)[::-1]
