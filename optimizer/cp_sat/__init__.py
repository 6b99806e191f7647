"""CP-SAT AS IT LOADS: the classes of OR-Tools that the program uses, by the shortest way to them.

For all who solve: bounds, search and the judge alike, who share the library and nothing that is said in it. It loads
when it is first used: many questions need no solver, and it is a tenth of what a short command takes.
May not enter: atoms, models, limits, anything else of the program.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optimizer.cp_sat.light import CpModel, CpSolver, CpSolverStatus, IntVar, LinearExpr

    OPTIMAL, FEASIBLE = CpSolverStatus.OPTIMAL, CpSolverStatus.FEASIBLE
    INFEASIBLE, UNKNOWN = CpSolverStatus.INFEASIBLE, CpSolverStatus.UNKNOWN

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

_ENDS = ("FEASIBLE", "INFEASIBLE", "OPTIMAL", "UNKNOWN")


def __getattr__(name: str) -> Any:
    """Load OR-Tools, for the first that is asked of it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        loaded = import_module("optimizer.cp_sat.light")
    except (ImportError, AttributeError):  # another release of OR-Tools, with other insides: its own classes do as well
        loaded = import_module("ortools.sat.python.cp_model")
    for known in __all__:
        globals()[known] = getattr(loaded.CpSolverStatus if known in _ENDS else loaded, known)
    return globals()[name]
