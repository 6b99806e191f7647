"""Reading what CP-SAT found in whole numbers: its own `objective_value` and bound are floats, exact up to 2^53 only."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optimizer import cp_sat

__all__ = ["proven_bound"]


def proven_bound(solver: cp_sat.CpSolver) -> int:
    """Return the proven lower bound of the objective's terms; a constant beside them is not in it.

    Minimize terms alone, therefore, and add the constant to what this returns.
    """
    return int(solver.response_proto.inner_objective_lower_bound)
