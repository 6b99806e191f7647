"""One call of CP-SAT that ends when it is told to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.left_behind import start_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from optimizer import cp_sat

__all__ = ["solve_within"]

FIRST, LATER = 0.005, 0.05
"""Seconds between two looks at the clock: nearly all models are tiny, and done before the first."""

GRACE = 0.5
"""Seconds that the solver has to end after it was told to; then its thread is left behind, and what it knew with it."""


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
    How it ended; None where the solver did not obey in time: it must not be asked for anything then.
    """
    status: list[cp_sat.CpSolverStatus] = []
    thread = start_thread(lambda: status.append(solver.solve(model)))
    wait, told = FIRST, 0.0
    while told < GRACE:
        thread.join(wait)
        if not thread.is_alive():
            break
        if over():
            solver.stop_search()
            told += wait
        wait = LATER
    return status[0] if status else None
