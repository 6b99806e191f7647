"""Each host for itself: what VMs would be on it if they were paid for coming, exactly, and what that proves.

Give each VM v a wage pi_v, a whole number. Every placement puts each VM on one host, so that its cost is

    sum of pi_v + sum over hosts of (its hinges + sum over the VMs there of (their moving there - pi_v))

and a host's part is at least the cheapest that any set of VMs can make it, within its capacities and conflicts. That is
a small problem in whole numbers of its own for each host (Dantzig and Wolfe's decomposition, "Decomposition principle
for linear programs", Operations Research 8, 1960, with whole columns). Wages come from prices (`cost_prices`), which
also give a host's part a first bound; CP-SAT raises it as far as its share of the work goes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from optimizer import cp_sat
from optimizer.parameters import ColumnBounds
from optimizer.reassignment.lagrangian_bound import FAR, total

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optimizer.limits import Deadline
    from optimizer.reassignment.cost_arrays import CostArrays, SearchState
    from optimizer.reassignment.lagrangian_bound import Priced, Rows

    Ints = NDArray[np.int64]

__all__ = ["ColumnBound"]

BUILD_WORK = 1e-6
"""Seconds of one core for a term of a model."""

LARGEST = 2**50
"""CP-SAT tells its bound in float64; up to here that is exact to well below 1."""

SLACK = 1e-3
"""What a bound in float64 may be off by."""


class ColumnBound:
    """The hosts' own problems at given wages.

    Parameters
    ----------
    rows, fixed, start
        The problem; see `cost_arrays` and `cost_prices`.
    priced
        What gives the wages: a VM is paid what its cheapest other host would cost it.
    seed
        Of CP-SAT.
    given
        For what a search is started; the default where it is not given.
    """

    def __init__(
        self,
        rows: Rows,
        fixed: CostArrays,
        start: SearchState,
        priced: Priced,
        seed: int = 0,
        given: ColumnBounds | None = None,
    ) -> None:
        self.rows, self.seed, self.least_search = rows, seed, (given or ColumnBounds()).least_search
        self.most, self.service = _conflicts(fixed, start)
        self.wage = np.where(priced.leaves < FAR, priced.leaves, priced.stays)
        saved = np.minimum(priced.stays - self.wage, 0)
        self.part = priced.hosts.copy()
        np.add.at(self.part, rows.home, saved)
        self.positive = bool((rows.amount >= 0).all())

    def value(self) -> int:
        """Return the bound."""
        return total(self.wage) + total(self.part)

    def raise_parts(self, deadline: Deadline) -> None:
        """Let CP-SAT raise the hosts' parts until the time is over, the smallest problems first."""
        candidates = [self._candidates(host) for host in range(len(self.part))]
        order = sorted(range(len(candidates)), key=lambda h: (len(candidates[h]), h))
        for done, host in enumerate(order):
            build = BUILD_WORK * len(candidates[host]) * (len(self.rows.weight) + 1)
            search = deadline.left() / (len(order) - done) - build
            if search < self.least_search:
                continue
            deadline.spend(build)
            least = self._least(host, candidates[host], search, deadline)
            if least is not None:
                self.part[host] = max(int(self.part[host]), least)

    def _candidates(self, host: int) -> Ints:
        """Return the VMs that could be there and would not merely make it dearer."""
        rows = self.rows
        able = rows.move[:, host] < FAR
        if self.positive:
            able &= rows.move[:, host] < self.wage
        return np.flatnonzero(able)

    def _least(self, host: int, vms: Ints, search: float, deadline: Deadline) -> int | None:
        """Return a bound on what the host's part costs, if one was found."""
        rows = self.rows
        amount = np.where((rows.home[vms] == host)[:, None], rows.at_home[vms], rows.amount[vms])
        paid = rows.move[vms, host] - self.wage[vms]
        reach = np.abs(amount).sum(axis=0) + np.abs(rows.offset[host])
        if float(np.abs(paid).astype(np.float64).sum()) + float((reach * np.maximum(rows.weight, 1.0)).sum()) > LARGEST:
            return None
        model = cp_sat.CpModel()
        there = [model.new_bool_var("") for _ in vms]
        costs, weights = list(there), paid.tolist()
        for r, weight in enumerate(rows.weight.tolist()):
            used = [i for i, a in enumerate(amount[:, r].tolist()) if a]
            level = cp_sat.LinearExpr.weighted_sum([there[i] for i in used], amount[used, r].tolist())
            level = level + int(rows.offset[host, r])
            if r < rows.capacities:
                model.add(level <= 0)
            else:
                costs.append(model.new_int_var(0, int(reach[r]), ""))
                weights.append(weight)
                model.add(costs[-1] >= level)
        for service, members in _by(self.service[vms]).items():
            if len(members) > self.most[service, host]:
                model.add(sum(there[i] for i in members) <= int(self.most[service, host]))
        model.minimize(cp_sat.LinearExpr.weighted_sum(costs, weights))
        return self._solved(model, search, deadline)

    def _solved(self, model: cp_sat.CpModel, search: float, deadline: Deadline) -> int | None:
        solver = cp_sat.CpSolver()
        solver.parameters.num_workers = 1
        solver.parameters.random_seed = self.seed
        solver.parameters.linearization_level = 2
        solver.parameters.catch_sigint_signal = False  # Ctrl-C is for the deadline to hear
        solver.parameters.max_deterministic_time = search
        solver.parameters.max_time_in_seconds = min(deadline.wall(), 1e6)
        status = solver.solve(model)
        deadline.spend(solver.response_proto.deterministic_time + self.least_search)
        if status in (cp_sat.OPTIMAL, cp_sat.FEASIBLE):
            return math.ceil(solver.best_objective_bound - SLACK)
        return None


def _conflicts(fixed: CostArrays, start: SearchState) -> tuple[Ints, Ints]:
    """Return how many VMs of each service may be on each host, int64 [S, H], and the service of each VM."""
    home, service = fixed.vm[:, 0], fixed.vm[:, 1]
    at_first = np.zeros((len(fixed.service), len(start.head)), np.int64)
    np.add.at(at_first, (service, home), 1)
    return np.maximum(fixed.service[:, :1], at_first), service


def _by(groups: Ints) -> dict[int, list[int]]:
    """Return which positions hold each value."""
    out: dict[int, list[int]] = {}
    for position, group in enumerate(groups.tolist()):
        out.setdefault(group, []).append(position)
    return out
