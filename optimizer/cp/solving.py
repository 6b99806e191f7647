"""One call of CP-SAT that ends when it is told to."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from optimizer import cp_sat
from optimizer.debug_log import Event
from optimizer.left_behind import ends_within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from optimizer.limits import Deadline

__all__ = ["LEAST", "make_solver", "solve_by", "solve_within", "telling_failures"]

LOG = logging.getLogger("remora.cp")

GRACE = 0.5
"""Seconds that the solver has to end after it was told to; then its thread is left behind, and what it knew with it."""

LEAST = 1e-3
"""Least time or work that a solver is given, and that a call counts as."""

_TELL: ContextVar[Callable[[str, str], object]] = ContextVar("tell", default=lambda _what, _error: None)


def make_solver(work: float, deadline: Deadline, seed: int, workers: int) -> cp_sat.CpSolver:
    """Return a solver with at most that much deterministic time, and with the deadline's time and memory."""
    solver = cp_sat.CpSolver()
    p = solver.parameters
    p.max_deterministic_time, p.max_time_in_seconds = max(work, LEAST), max(deadline.wall(), LEAST)
    if deadline.memory_mib is not None:
        p.max_memory_in_mb = deadline.memory_mib
    p.random_seed, p.num_workers = seed, workers
    p.interleave_search = workers > 1
    p.catch_sigint_signal = False
    return solver


def solve_by(deadline: Deadline, solver: cp_sat.CpSolver, model: cp_sat.CpModel, what: str) -> cp_sat.CpSolverStatus:
    """Solve until the deadline, count the work, and take note if it was time that ended it, or an error.

    Parameters
    ----------
    what
        Names the model, for what is said of an error.
    """
    status = _solve(solver, model, deadline.over)
    if solver.failure:
        deadline.note_failed(what, solver.failure)
    unproven = status in (cp_sat.FEASIBLE, cp_sat.UNKNOWN)
    if unproven and solver.response_proto.deterministic_time < solver.parameters.max_deterministic_time:
        deadline.note_cut()
    deadline.spend(solver.response_proto.deterministic_time + LEAST if status is not None else LEAST)
    return cp_sat.UNKNOWN if status is None else status


def solve_within(
    solver: cp_sat.CpSolver, model: cp_sat.CpModel, over: Callable[[], bool]
) -> cp_sat.CpSolverStatus | None:
    """Solve in a thread of its own, since a signal only reaches Python code between two calls.

    Parameters
    ----------
    over
        Whether to stop; asked all the time.

    Returns
    -------
    How it ended; None where the solver did not obey in time, or raised something (`solver.failure`): it must not be
    asked for anything then.
    """
    status = _solve(solver, model, over)
    if solver.failure:
        _TELL.get()("bounds", solver.failure)
    return status


@contextmanager
def telling_failures(tell: Callable[[str, str], object]) -> Iterator[None]:
    """Have `tell` hear of solvers that fail in the meantime for who has no deadline to note it: bounds."""
    token = _TELL.set(tell)
    try:
        yield
    finally:
        _TELL.reset(token)


def _solve(solver: cp_sat.CpSolver, model: cp_sat.CpModel, over: Callable[[], bool]) -> cp_sat.CpSolverStatus | None:
    status: list[cp_sat.CpSolverStatus] = []
    try:
        ended = ends_within(lambda: status.append(_solved(solver, model)), over, solver.stop_search, GRACE)
    except Exception as error:  # whatever OR-Tools raises: nothing is known of the model then, and nothing is claimed
        solver.failure = f"{type(error).__name__}: {error}"
        LOG.debug(Event("solver_failed", error=solver.failure))
        return None
    return status[0] if ended else None


def _solved(solver: cp_sat.CpSolver, model: cp_sat.CpModel) -> cp_sat.CpSolverStatus:
    """Solve; without its hint where that is what the solver fails on.

    Presolve of OR-Tools 9.15 looks up the value of a variable that a hint of others does not settle, and does not find
    it (``absl::btree_map::at``): https://github.com/google/or-tools/issues/5288. Our hints say where VMs are, and leave
    what follows from that to the solver.
    """
    try:
        return solver.solve(model)
    except IndexError:
        if not model.proto.solution_hint.vars:
            raise
        LOG.debug(Event("solved_without_hint"))
        model.proto.clear_solution_hint()
        return solver.solve(model)
