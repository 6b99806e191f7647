"""Speed: parts of the program, each measured in turn with reference work that is like it; CPU time, as ratios."""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from benchmarks.policy import default_policy
from benchmarks.regression.instances import challenge_problem, digest, fleet, fleet_file, tight_fleet
from benchmarks.regression.noise import of_ratios, settled
from benchmarks.regression.reference import compiled_reference, python_reference
from optimizer.parameters import HARD, SOFT, Annealing
from optimizer.pipeline import Request, make_plan
from optimizer.reassignment.annealing import Search
from optimizer.reassignment.cost_arrays import lowered
from optimizer.sources.files import parse_json
from optimizer.sources.fleet_json import fleet_from_document

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from benchmarks.regression.noise import Estimate
    from optimizer.fleet import Fleet
    from optimizer.parameters import Manner

__all__ = ["SPEEDS", "TOLERANCE", "Speed", "Workload", "measure_speeds", "prepared"]

LEAST_ROUNDS, MOST_ROUNDS = 16, 64
"""Rounds in which everything is measured, and up to which that goes on which looks slower."""

TOLERANCE = {"plan, tight": 1.5, "reading": 1.5}
"""How many times as much as of others is let pass: neighbours slow these down otherwise than their references."""

WARM_STEPS, TEMPERATURE = 1_500_000, 300.0


@dataclass(frozen=True, slots=True)
class Workload:
    """Two calls that always do the same; each returns the seconds of CPU that it took.

    Attributes
    ----------
    digest
        Of its input.
    tolerance
        How many times as much as of others is let pass: more where neighbours slow it down more than the reference.
    """

    subject: Callable[[], float]
    reference: Callable[[], float]
    digest: str
    tolerance: float = 1.0


@dataclass(frozen=True, slots=True)
class Speed:
    """A named part of the program; `prepare` makes what should be measured."""

    name: str
    prepare: Callable[[], Workload]


def timed(work: Callable[[], object]) -> Callable[[], float]:
    """Return a call that does the work and returns the seconds of CPU that all threads of this process took."""

    def run() -> float:
        begin = time.process_time()
        work()
        return time.process_time() - begin

    return run


def _kernel(manner: Manner, steps: int, beside: int) -> Workload:
    """Return proposals of one compiled search, at a steady temperature, always from the same warm placement."""
    problem = challenge_problem(1)
    fixed, start = lowered(problem)
    search = Search(fixed, start, start.place[:, 0].copy(), 1, manner, Annealing())
    search.run(WARM_STEPS, TEMPERATURE, TEMPERATURE)
    arrays: tuple[NDArray[Any], ...] = search.state
    kept = [array.copy() for array in arrays]
    proposals = timed(lambda: search.run(steps, TEMPERATURE, TEMPERATURE))

    def again() -> float:
        for array, values in zip(arrays, kept, strict=True):
            array[...] = values
        return proposals()

    return Workload(again, timed(compiled_reference(beside)), digest(problem))


def _plan(subject: Fleet, vms: int, rounds: int) -> Workload:
    """Return planning, from a fleet in memory."""
    policy, request = default_policy(), Request(seconds=1.0, deterministic=True)
    return Workload(
        timed(lambda: make_plan(subject, policy, request)),
        timed(python_reference(vms, rounds)),
        subject.digest.removeprefix("sha256:"),
    )


def _reading() -> Workload:
    """Return reading, from JSON in memory: thrice a fleet that meets the same caches as the reference does."""
    document = fleet_file(200, 1)

    def read() -> Fleet:
        return fleet_from_document(parse_json(document, "generated"), "generated")

    return Workload(
        timed(lambda: [read() for _ in range(3)]),
        timed(python_reference(2_000, 8)),
        read().digest.removeprefix("sha256:"),
    )


SPEEDS = (
    Speed("kernel, hard", lambda: _kernel(HARD, 300_000, 900_000)),
    Speed("kernel, soft", lambda: _kernel(SOFT, 300_000, 1_350_000)),
    Speed("plan, easy", lambda: _plan(fleet(300, 1, 0.94), 200, 100)),
    Speed("plan, tight", lambda: _plan(tight_fleet(2), 200, 200)),
    Speed("reading", _reading),
)


def prepared(speeds: tuple[Speed, ...] = SPEEDS) -> dict[str, Workload]:
    """Make all workloads, and run each once, so that what is compiled or made at first use is there."""
    workloads = {speed.name: replace(speed.prepare(), tolerance=TOLERANCE.get(speed.name, 1.0)) for speed in speeds}
    for workload in workloads.values():
        workload.subject(), workload.reference()
    return workloads


def measure_speeds(
    workloads: Mapping[str, Workload], before: Mapping[str, Estimate], allowed: float
) -> dict[str, Estimate]:
    """Return for each workload the CPU time of the subject over that of the reference.

    All are measured in turn, round by round, so that each meets what the machine is about over the whole time. What
    then seems slower than `before` is measured on, up to `MOST_ROUNDS`: a passing burden passes.
    """
    ratios: dict[str, list[float]] = {name: [] for name in workloads}

    def passes(name: str) -> bool:
        return settled(of_ratios(ratios[name]), before[name], allowed * workloads[name].tolerance)

    gc.collect()
    gc.freeze()
    try:
        left = list(workloads)
        for n in range(MOST_ROUNDS):
            for name in left:
                ratios[name].append(_ratio(workloads[name]))
            if n + 1 >= LEAST_ROUNDS:
                left = [n for n in left if n in before and not passes(n)]
    finally:
        gc.unfreeze()
    return {name: of_ratios(found) for name, found in ratios.items()}


def _ratio(workload: Workload) -> float:
    """Measure the subject between two measurements of the reference, which cancels what grows or fades meanwhile."""
    gc.collect()
    first = workload.reference()
    subject = workload.subject()
    return 2 * subject / (first + workload.reference())
