"""CP-SAT without what loads with OR-Tools' own `cp_model`: pandas, half a second of it, which nothing here uses.

`CpModel` and `CpSolver` are thin, over the same compiled classes as those of `cp_model`, and have the methods that are
used here. What they build is the same, byte for byte: the tests compare it.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from ortools.sat.python import cp_model_helper as helper
from ortools.sat.python.cp_model_helper import CpSolverResponse, CpSolverStatus, IntVar, LinearExpr
from ortools.util.python.sorted_interval_list import Domain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["CpModel", "CpSolver", "CpSolverStatus", "IntVar", "LinearExpr"]

BOOLEAN = Domain(0, 1)

_KINDS = helper.BoolArgumentConstraint
_BASE: Any = helper.CpBaseModel
_ADD_LINEAR: Callable[..., helper.Constraint] = _BASE._add_bounded_linear_expression
_ADD_LITERALS: Callable[..., helper.Constraint] = _BASE._add_bool_argument_constraint
"""Looked up while this loads: a release of OR-Tools that lacks them is noticed then, and not in a search."""


class CpModel(helper.CpBaseModel):
    """The part of `cp_model.CpModel` that is used here."""

    def __init__(self) -> None:
        helper.CpBaseModel.__init__(self, None)

    @property
    def proto(self) -> helper.CpModelProto:
        """The model as OR-Tools keeps it."""
        kept: helper.CpModelProto = self.model_proto
        return kept

    def new_int_var(self, lb: int, ub: int, name: str) -> IntVar:
        """Return a new variable from `lb` to `ub`."""
        return IntVar(self.model_proto).with_name(name).with_domain(Domain(lb, ub))

    def new_bool_var(self, name: str) -> IntVar:
        """Return a new variable of 0 and 1."""
        return IntVar(self.model_proto).with_name(name).with_domain(BOOLEAN)

    def add(self, ct: helper.BoundedLinearExpression | bool) -> helper.Constraint:
        """Demand an inequality; one of numbers alone is a bool by now."""
        if isinstance(ct, helper.BoundedLinearExpression):
            return _ADD_LINEAR(self, ct)
        return _ADD_LITERALS(self, _KINDS.bool_or, [True] if ct else [])

    def add_bool_or(self, literals: Iterable[helper.Literal]) -> helper.Constraint:
        """Demand one of the literals at least."""
        return _ADD_LITERALS(self, _KINDS.bool_or, literals)

    def add_exactly_one(self, literals: Iterable[helper.Literal]) -> helper.Constraint:
        """Demand exactly one of the literals."""
        return _ADD_LITERALS(self, _KINDS.exactly_one, literals)

    def add_hint(self, variable: IntVar, value: int) -> None:
        """Let the search begin with a value of a variable."""
        hint = self.model_proto.solution_hint
        hint.vars.append(variable.index)
        hint.values.append(int(value))

    def add_bool_and(self, literals: Iterable[helper.Literal]) -> helper.Constraint:
        """Demand all of the literals."""
        return _ADD_LITERALS(self, _KINDS.bool_and, literals)

    def add_implication(self, a: helper.Literal, b: helper.Literal) -> helper.Constraint:
        """Demand `b` wherever `a` is true."""
        return _ADD_LITERALS(self, _KINDS.bool_and, [b]).only_enforce_if(a)

    def minimize(self, terms: LinearExpr | int) -> None:
        """Make this the objective, in place of another."""
        self._seek(terms, 1)

    def maximize(self, terms: LinearExpr | int) -> None:
        """Make the largest of this the objective, in place of another."""
        self._seek(terms, -1)

    def _seek(self, terms: LinearExpr | int, sign: int) -> None:
        self.model_proto.clear_objective()
        objective = self.model_proto.objective
        if isinstance(terms, int):
            objective.offset, objective.scaling_factor = terms, 1.0
            return
        flat = helper.FlatIntExpr(terms)
        for variable in flat.vars:
            objective.vars.append(variable.index)
        objective.scaling_factor, objective.offset = float(sign), sign * flat.offset
        objective.coeffs.extend([sign * c for c in flat.coeffs])


class CpSolver:
    """The part of `cp_model.CpSolver` that is used here."""

    def __init__(self) -> None:
        self.parameters = helper.SatParameters()
        self._response: CpSolverResponse | None = None
        self._call: helper.SolveWrapper | None = None
        self._lock = threading.Lock()
        self.failure = ""
        """What OR-Tools raised instead of ending, where it did."""

    def solve(self, model: CpModel) -> CpSolverStatus:
        """Search; return how that ended. What OR-Tools raises is raised, and there is no response then."""
        call = helper.SolveWrapper()
        with self._lock:
            self._call, self._response = call, None
        try:
            call.set_parameters(self.parameters)
            response: CpSolverResponse = call.solve(model.proto)  # type: ignore[no-untyped-call]
        finally:
            with self._lock:
                self._call = None
        self._response = response
        status: CpSolverStatus = response.status
        return status

    def stop_search(self) -> None:
        """End a search that runs in another thread."""
        with self._lock:
            if self._call is not None:
                self._call.stop_search()

    @property
    def response_proto(self) -> CpSolverResponse:
        """What the search came to."""
        if self._response is None:
            raise RuntimeError("nothing was solved yet")
        return self._response

    @property
    def best_objective_bound(self) -> float:
        """The proven bound of the objective, with its constant."""
        return float(self.response_proto.best_objective_bound)

    def value(self, expression: LinearExpr) -> int:
        """Return an expression's value in the solution."""
        return int(helper.ResponseHelper.value(self.response_proto, expression))

    def boolean_value(self, literal: helper.Literal) -> bool:
        """Return a literal's value in the solution."""
        return bool(helper.ResponseHelper.boolean_value(self.response_proto, literal))
