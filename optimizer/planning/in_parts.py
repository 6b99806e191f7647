"""Repair in parts: cut the problem, have an engine solve the subproblems, join what they found, repair across them.

How the problem is cut follows from the problem alone, and a subproblem's answer from the subproblem alone: so in
deterministic mode the answer is the same for every engine and every number of workers.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass, replace
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from optimizer.clock import SystemClock
from optimizer.cp.solving import telling_failures
from optimizer.decompose.partition import partition, parts_for
from optimizer.decompose.subproblem import Cut
from optimizer.fleet import ABSENT
from optimizer.limits import Deadline, WorkClock, peak_rss_mib, rss_mib
from optimizer.planning.solve_and_order import can_be_ordered
from optimizer.problem.working_placement import WorkingPlacement
from optimizer.repair.solver import Solver

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from optimizer.decompose.subproblem import Subproblem
    from optimizer.engine import Done, Engine, Stop
    from optimizer.limits import Limits
    from optimizer.problem.problem import Problem

__all__ = ["Found", "InParts", "solve_piece"]


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What came of a subproblem: its placement, its work (0 where time counts), seconds and peak memory.

    `uncompiled`: whether a search was left out for which there was no time to compile it. `failed`: for which stages a
    solver raised something, and what.
    """

    placement: NDArray[np.int32]
    work: float
    seconds: float
    peak_rss_mib: int
    uncompiled: bool = False
    failed: tuple[tuple[str, str], ...] = ()


def solve_piece(task: bytes, stop: Stop) -> Found:
    """Repair one subproblem: a pickled (problem, limits); an engine's workers call it."""
    problem, limits = pickle.loads(task)
    clock = SystemClock()
    began = clock.monotonic()
    counted = WorkClock() if limits.deterministic else clock
    solver = Solver(problem, limits, Deadline(counted, limits.seconds, stop, limits.memory_mib))
    with telling_failures(solver.deadline.note_failed):
        placement = solver.repair(can_be_ordered(solver))
    work = counted.monotonic() if isinstance(counted, WorkClock) else 0.0
    seconds, failed = round(clock.monotonic() - began, 3), solver.deadline.failed
    return Found(placement, work, seconds, peak_rss_mib(), solver.uncompiled, failed)


class InParts:
    """A repair in parts: call it as `Solver.repair` is called.

    Parameters
    ----------
    engine
        Who solves the subproblems.
    wanted
        Number of parts; None: as many as the fleet's size asks for, which is 1 for most.
    stop
        The user's interrupt.

    Attributes
    ----------
    report
        What was done, for the plan's `stats`; empty before.
    """

    def __init__(self, engine: Engine, wanted: int | None, stop: Stop) -> None:
        self.engine, self.wanted, self.stop = engine, wanted, stop
        self.report: dict[str, Any] = {}

    def limits(self, problem: Problem, limits: Limits) -> Limits:
        """Return the limits of the whole: where there are parts, workers are the engine's and each has one thread."""
        return limits if parts_for(problem, self.wanted, limits.parameters.parts) == 1 else replace(limits, workers=1)

    def __call__(self, solver: Solver, acceptable: Callable[[NDArray[np.int32]], bool]) -> NDArray[np.int32]:
        """Return a placement; `acceptable` says whether one can be carried out."""
        parts = parts_for(solver.problem, self.wanted, solver.parameters.parts)
        self.report = {"engine": self.engine.name, "parts": 1}
        subproblems = _pieces(solver, parts) if parts > 1 else []
        if solver.deadline.over():
            return solver.problem.start.copy()
        if not subproblems:
            return solver.repair(acceptable)
        tasks = _tasks(solver, subproblems, self.engine)
        done = self.engine.map(solve_piece, tasks, _Either(self.stop, solver.deadline))
        joined = solver.problem.start.copy()
        for subproblem, one in zip(subproblems, done, strict=True):
            if one is not None:
                subproblem.join(joined, one.result.placement)
                solver.deadline.spend(one.result.work)
                solver.uncompiled |= one.result.uncompiled
                for stage, error in one.result.failed:
                    solver.deadline.note_failed(stage, error)
        self.report |= {
            "parts": len(subproblems),
            "workers": len({d.worker for d in done if d}),
            "sent_mib": round(sum(len(t) for t in tasks) / 2**20, 1),
            "done": [_said(subproblem, one) for subproblem, one in zip(subproblems, done, strict=True)],
        }
        if solver.deadline.over():  # nothing is left to do but to put in order what was found
            return joined
        work = WorkingPlacement(solver.problem)
        work.become(joined)
        self.report["joined"] = {stage.value: value for stage, value in work.values().items()}
        return solver.repair_boundaries(work, acceptable)


class _Either:
    """Stops with the user, and when the time of the whole search is over."""

    def __init__(self, stop: Stop, deadline: Deadline) -> None:
        self._stop, self._deadline = stop, deadline

    def is_set(self) -> bool:
        return self._stop.is_set() or self._deadline.over()


def _pieces(solver: Solver, parts: int) -> list[Subproblem]:
    """Cut by what has to leave: parts get about as much of it each, and budgets accordingly."""
    problem = solver.problem
    leaving = np.zeros(problem.vms, np.bool_)
    if solver.deadline.over():
        return []
    for eviction in solver.bounds.thrifty:
        leaving[list(eviction.vms) if eviction else []] = True
    homes = problem.start[leaving]
    trouble = np.bincount(homes[homes != ABSENT], minlength=problem.hosts)
    if solver.deadline.over():
        return []
    cut = Cut(problem, partition(problem, parts, trouble), leaving)
    return [cut.subproblem(p) for p in range(cut.parts)]


def _tasks(solver: Solver, subproblems: Sequence[Subproblem], engine: Engine) -> list[bytes]:
    """Pack subproblems with their limits: each has an equal share of the work, or of the time of those done at once."""
    limits = solver.limits
    rounds = len(subproblems) if limits.deterministic else ceil(len(subproblems) / max(1, engine.workers))
    each = replace(limits, seconds=solver.deadline.left() * limits.parameters.parts.share / rounds, workers=1)
    if engine.shares_memory:
        each = replace(each, memory_mib=_memory_each(limits, min(engine.workers, len(subproblems))))
    return [pickle.dumps((subproblem.problem, each), pickle.HIGHEST_PROTOCOL) for subproblem in subproblems]


def _memory_each(limits: Limits, workers: int) -> int:
    """Return what each process on this machine may take of the memory that is left."""
    return max(1, (limits.memory_mib - rss_mib()) // workers)


def _said(subproblem: Subproblem, one: Done[Found] | None) -> dict[str, Any]:
    """Say what was done of one part; without a worker, if it was given up."""
    about: dict[str, Any] = {"hosts": int(subproblem.hosts.size), "vms": int(subproblem.vms.size)}
    if one is None:
        return about | {"worker": None}
    found = one.result
    moved = int((found.placement != subproblem.problem.start).sum())
    return about | {
        "moved": moved,
        "worker": one.worker,
        "tries": one.tries,
        "seconds": found.seconds,
        "peak_rss_mib": found.peak_rss_mib,
    }
