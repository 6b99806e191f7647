"""Quality: what the solvers come to on generated problems, with work limited instead of time, so always the same."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING

from benchmarks.policy import default_policy
from benchmarks.regression.instances import challenge_problem, digest, fleet, tight_fleet
from benchmarks.regression.noise import Figure, of_instances
from benchmarks.regression.shown import shown_figures
from optimizer.limits import Limits
from optimizer.parameters import Parameters
from optimizer.pipeline import Request, make_plan
from optimizer.reassignment.search import solve_cost
from optimizer.verify.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from optimizer.fleet import Fleet
    from optimizer.reassignment.search import CostOutcome

__all__ = ["LARGER_IS_BETTER", "measure_qualities"]

EASY = ((300, 1, 0.82), (300, 2, 0.94), (300, 3, 0.97))
"""Hosts, seed, share of memory: fleets of which the plan is proven minimal."""

TIGHT = (*((seed, 9, 6) for seed in range(1, 8)), *((seed, 5, 4) for seed in range(1, 4)))
"""Arguments of `tight_fleet`: the first are repaired by chains of moves, the others need CP-SAT as well."""

PROBLEMS, SEEDS = (1, 2, 3), range(16)
"""Seeds of problems, and of the searches of each: with that many, the chance in them is small beside one per cent."""

PLAN_WORK, COST_WORK = 3.0, 0.1

LARGER_IS_BETTER = "bound"
"""What stands after the colon in the names of what had better be large."""


def measure_qualities(tell: Callable[[str], None]) -> dict[str, Figure]:
    """Solve everything; figures by name, all sums or means of what had better be small, bounds apart.

    Work is what counts, so other processes beside change nothing.
    """
    tell("quality")
    found: dict[str, Figure] = {}
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
        for part in [pool.submit(part) for part in (_costs, _all_plans, _shown)]:  # the longest first
            found |= part.result()
    return found


def _all_plans() -> dict[str, Figure]:
    found = dict(_plans("plans, easy", [fleet(*size) for size in EASY]))
    return found | dict(_plans("plans, tight", [tight_fleet(*size) for size in TIGHT]))


def _shown() -> dict[str, Figure]:
    return shown_figures(Parameters())


def _costs() -> dict[str, Figure]:
    problems = [challenge_problem(seed) for seed in PROBLEMS]
    limits = [Limits(seconds=COST_WORK, deterministic=True, seed=seed) for seed in SEEDS]
    costs = [[_over_bound(solve_cost(problem, limit)) for limit in limits] for problem in problems]
    return {"searches: cost over bound": Figure(of_instances(costs), _one([digest(p) for p in problems]))}


def _plans(name: str, fleets: Sequence[Fleet]) -> Iterator[tuple[str, Figure]]:
    """Yield how many plans `verify` refuses, and the mean harm that remains, moves, and bound on moves."""
    policy, request = default_policy(), Request(seconds=PLAN_WORK, deterministic=True)
    asked = _one([f.digest for f in fleets])
    plans = [make_plan(f, policy, request) for f in fleets]
    refused = [int(not verify(f, policy, plan).holds) for f, plan in zip(fleets, plans, strict=True)]
    stages = [{stage.stage: stage for stage in plan.objective} for plan in plans]
    columns: dict[str, list[int]] = {
        "refused": refused,
        "harm": [s["harm"].value for s in stages],
        "moves": [s["moving"].value for s in stages],
        LARGER_IS_BETTER: [s["moving"].bound for s in stages],
    }
    for what, column in columns.items():
        yield f"{name}: {what}", Figure(of_instances([[float(value)] for value in column]), asked)


def _over_bound(outcome: CostOutcome) -> float:
    return outcome.value / outcome.bound


def _one(digests: Sequence[str]) -> str:
    return hashlib.sha256(" ".join(digests).encode()).hexdigest()
