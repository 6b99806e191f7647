"""How many of a set are where, said once for a whole level: the pigeonhole, which CP-SAT does not see host by host.

Each of a set's free VMs is in some domain, and no domain has more of them than it may. Both are said by the model
already, over hosts; added up over domains, what cannot be is found at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer import cp_sat
from optimizer.problem.instance import Instance

if TYPE_CHECKING:
    from optimizer.explain.model import ElementModel

__all__ = ["add_counts"]

DOMAINS = 200
"""Levels of more domains are left to the model itself."""


def add_counts(model: ElementModel) -> None:
    """Add, for each set that may have few in a domain, how many of its free VMs are in each."""
    problem = model.problem
    for number, atom in problem.demands.counts.items():
        if len(problem.domain_ids[atom.level]) <= DOMAINS:
            for i in range(len(atom.sets)):
                vms = [v for v in atom.sets[i].tolist() if v in model.literal]
                if len(vms) > 1:
                    _count(model, number, atom.level, i, vms, int(atom.k[i]))


def _count(model: ElementModel, number: int, level: int, member: int, vms: list[int], k: int) -> None:
    model.check()
    rows = model.by_domain(level, vms)
    settled = model.settled(level, model.problem.demands.counts[number].sets[member].tolist())
    counts = []
    for d in sorted(rows):
        there = model.cp.new_int_var(0, len(vms), "")
        model.cp.add(cp_sat.LinearExpr.sum([lit for _, lit in rows[d]]) == there)
        excess = model.excess_at.get(Instance(number, member, d))
        if excess is not None:
            model.cp.add(there <= k - settled[d] + excess)
        counts.append(there)
    model.cp.add(cp_sat.LinearExpr.sum(counts) >= len(vms))
