"""CP-SAT AS IT LOADS: the classes of OR-Tools that the program uses, by the shortest way to them.

For all who solve: bounds, search and the judge alike, who share the library and nothing that is said in it.
May not enter: atoms, models, limits, anything else of the program.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optimizer.cp_sat.light import CpModel, CpSolver, CpSolverStatus, IntVar, LinearExpr
else:
    try:
        from optimizer.cp_sat.light import CpModel, CpSolver, CpSolverStatus, IntVar, LinearExpr
    except (ImportError, AttributeError):  # another release of OR-Tools, with other insides: its own classes do as well
        from ortools.sat.python.cp_model import CpModel, CpSolver, CpSolverStatus, IntVar, LinearExpr

__all__ = [
    "FEASIBLE",
    "INFEASIBLE",
    "OPTIMAL",
    "UNKNOWN",
    "CpModel",
    "CpSolver",
    "CpSolverStatus",
    "IntVar",
    "LinearExpr",
]

OPTIMAL, FEASIBLE = CpSolverStatus.OPTIMAL, CpSolverStatus.FEASIBLE
INFEASIBLE, UNKNOWN = CpSolverStatus.INFEASIBLE, CpSolverStatus.UNKNOWN
