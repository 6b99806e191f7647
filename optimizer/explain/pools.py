"""Room of whole pools, in the smaller model of a large fleet: what leaves its host has to be somewhere.

A pool is the set of hosts that may receive VMs of one kind. Whoever leaves its host and may arrive only in the pool is
in it at the end; so are those of the pool that stay. Together they need room there: summed over the pool that follows
from the limits of its hosts, so the whole fleet asks it too.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from optimizer import cp_sat
from optimizer.explain.model import Part
from optimizer.problem.atoms import UNLIMITED
from optimizer.problem.instance import Instance
from optimizer.problem.presence import load_of
from optimizer.problem.rule import Hardness

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from optimizer.explain.model import ElementModel
    from optimizer.problem.atoms import Enter, Linear
    from optimizer.problem.problem import Problem

__all__ = ["add_pools"]

POOLS = 4
"""Pools that are looked at, those of the VMs that the goal is about first."""


def add_pools(model: ElementModel, whole: Problem, few: list[int]) -> None:
    """Demand room in pools.

    Parameters
    ----------
    whole
        The fleet's own problem, of which the model's is the smaller one.
    few
        The VMs that are free over every host.
    """
    pools = _Pools(model, whole, few)
    for row in pools.rows():
        pools.add(row)


class _Pools:
    """The pools of one model."""

    def __init__(self, model: ElementModel, whole: Problem, few: list[int]) -> None:
        self.model, self.whole, self.few = model, whole, few
        self.others = [v for v in model.literal if v not in set(few)]
        self.which, self.enters = whole.enter_class
        self._extra: dict[tuple[int, int], cp_sat.IntVar] = {}
        self._arrives: dict[int, cp_sat.IntVar] = {}
        self._sets: dict[int, set[int]] = {}
        self._empty = np.zeros(whole.hosts, np.bool_)
        self._empty[list(model.goal.empty)] = True
        self.settled = np.ones(whole.vms, np.bool_)
        self.settled[list(model.literal)] = False

    def rows(self) -> Iterator[NDArray[np.bool_]]:
        """Yield the hosts of each pool (bool [H]); hosts that are to be empty are in none."""
        first = list(dict.fromkeys(int(self.which[v]) for v in self.few))
        common = [c for c, _ in Counter(self.which[self.others].tolist()).most_common(POOLS)]
        seen: set[bytes] = set()
        for c in dict.fromkeys([*first[:POOLS], *common]):
            row = self.enters[c].copy()
            row[list(self.model.goal.empty)] = False
            if row.any() and row.tobytes() not in seen and len(seen) < POOLS:
                seen.add(row.tobytes())
                yield row

    def add(self, row: NDArray[np.bool_]) -> None:
        """Demand room in one pool, as long as what closes all other hosts is held."""
        closed = self._closed_outside(row)
        inside = [v for v in self.others if self._stays_inside(v, row)]
        within = self._within(row)
        atoms = self.whole.demands.sums.items()
        bound = [(n, a) for n, a in atoms if a.level == 0 and a.asked.hardness is not Hardness.SHOULD]
        enforced = self._all_held(closed)
        for number, atom in bound:
            if (atom.limit[row] < UNLIMITED).all():
                self.model.check()
                self._room(number, atom, row, inside, within, enforced)

    def _closed_outside(self, row: NDArray[np.bool_]) -> dict[int, cp_sat.IntVar]:
        """Return, for each host outside that receives nobody, the literal of one element that says so.

        A host that is to be empty needs none: there nobody is at the end.
        """
        out: dict[int, cp_sat.IntVar] = {}
        for number, atom in self.whole.demands.enters.items():
            if atom.vms is None:
                for host in np.flatnonzero(~atom.hosts & ~row & ~self._empty).tolist():
                    if host not in out:
                        element = self.model.first(self.model.names.closed_host(number, atom, host))
                        out[host] = self.model.literal_of(element)
        return out

    def _stays_inside(self, vm: int, row: NDArray[np.bool_]) -> bool:
        """Whether a VM that leaves its host can only arrive in the pool; its own demands are counted with it."""
        return bool(not (self.enters[self.which[vm]] & ~row & ~self._empty).any())

    def _arrival(self, vm: int) -> cp_sat.IntVar:
        """Return a literal that is true where the VM has left its host and its own demands on hosts are held."""
        if vm not in self._arrives:
            elsewhere = self.model.literal[vm][self.whole.hosts]
            own = [
                self.model.literal_of(self.model.first(self.model.names.bound_vm(n, a, vm)))
                for n, a in self._binding(vm)
            ]
            if own:
                there = self.model.cp.new_bool_var("")
                self.model.cp.add_bool_or([there, elsewhere.negated(), *(held.negated() for held in own)])
                elsewhere = there
            self._arrives[vm] = elsewhere
        return self._arrives[vm]

    def _binding(self, vm: int) -> list[tuple[int, Enter]]:
        return [(n, a) for n, a in self.whole.demands.enters.items() if a.vms is not None and vm in self._named(n)]

    def _named(self, number: int) -> set[int]:
        if number not in self._sets:
            vms = self.whole.demands.enters[number].vms
            self._sets[number] = set() if vms is None else set(vms.tolist())
        return self._sets[number]

    def _within(self, row: NDArray[np.bool_]) -> dict[int, cp_sat.IntVar]:
        """Return for each of the few a literal that is true where it is in the pool."""
        out = {}
        for vm in self.few:
            inside = [lit for h, lit in self.model.literal[vm].items() if row[h]]
            out[vm] = self.model.cp.new_bool_var("")
            self.model.cp.add(cp_sat.LinearExpr.sum(inside) <= out[vm])
        return out

    def _all_held(self, closed: dict[int, cp_sat.IntVar]) -> cp_sat.IntVar:
        """Return a literal that is true where all of these are."""
        both = self.model.cp.new_bool_var("")
        self.model.cp.add_bool_or([both, *(lit.negated() for lit in closed.values())])
        return both

    def _room(
        self,
        number: int,
        atom: Linear,
        row: NDArray[np.bool_],
        inside: list[int],
        within: dict[int, cp_sat.IntVar],
        enforced: cp_sat.IntVar,
    ) -> None:
        start, model = self.whole.start, self.model
        terms: list[tuple[cp_sat.IntVar, int]] = [(within[v], int(atom.amount[v])) for v in self.few]
        terms += [(model.literal[v][int(start[v])], int(atom.amount[v])) for v in self.others if row[start[v]]]
        terms += [(self._arrival(v), int(atom.amount[v])) for v in inside if atom.amount[v]]
        terms = [(lit, a) for lit, a in terms if a]
        base = load_of(atom, self.whole.domain[0], start, self.whole.also_at, self.settled)
        room = int(atom.limit[row].sum()) - int(base[row].sum())
        if sum(a for _, a in terms) <= room:
            return
        extra = [self._above(number, atom, h) for h in np.flatnonzero(row).tolist()]
        total = cp_sat.LinearExpr.weighted_sum(
            [lit for lit, _ in terms] + extra, [a for _, a in terms] + [-1] * len(extra)
        )
        model.cp.add(total <= room).only_enforce_if(enforced)

    def _above(self, number: int, atom: Linear, host: int) -> cp_sat.IntVar:
        """Return by how much a host may be above its limit: as at the start, while its element is held."""
        key = (number, host)
        if key not in self._extra:
            instance, most = Instance(number, 0, host), int(atom.amount.sum())  # enough for every pool that it is in
            allowed = min(most, self.model.goal.kept.get(instance, self.model.allowed.get(instance, 0)))
            extra = self.model.cp.new_int_var(0, most, "")
            self.model.can_be_lifted(self.model.names.of_instance(instance), Part(extra, most, allowed, instance))
            self._extra[key] = extra
        return self._extra[key]
