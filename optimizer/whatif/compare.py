"""One scenario, measured: what is wrong in it, what repairs it, whether all have a host, how many more fit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from optimizer.check import check
from optimizer.fleet import ABSENT
from optimizer.pipeline import make_plan
from optimizer.problem.problem import build
from optimizer.whatif.fit import Fit, fit
from optimizer.whatif.judge import refuse_wrong
from optimizer.whatif.packing import pack
from optimizer.whatif.room import Kind, room_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.fleet import Fleet
    from optimizer.pipeline import Request
    from optimizer.plan import Plan
    from optimizer.policy import Policy
    from optimizer.problem.rule import Hardness, Violation
    from optimizer.whatif.effort import Effort

__all__ = ["Outcome", "Waiting", "measure", "place_waiting"]


@dataclass(frozen=True, slots=True)
class Waiting:
    """VMs without a host: pairs (VM, host) of those for which there is one now, and how many could have one at most."""

    vms: int = 0
    created: tuple[tuple[int, int], ...] = ()
    bound: int = 0


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a scenario comes to.

    Attributes
    ----------
    violations
        What `check` finds, before anything is moved.
    plan
        The plan that repairs it.
    waiting
        What became of VMs without a host.
    fit
        How many VMs more fit, where that was asked.
    """

    fleet: Fleet
    violations: tuple[Violation, ...]
    plan: Plan
    waiting: Waiting
    fit: Fit | None

    def broken(self, hardness: Hardness) -> int:
        """Return how many violations of a hardness there are."""
        return sum(v.hardness is hardness for v in self.violations)


def place_waiting(fleet: Fleet, policy: Policy, effort: Effort, among: set[int] | None = None) -> Waiting:
    """Find hosts for the VMs (`among`; None: all) of a fleet that have none."""
    vms = [v for v in np.flatnonzero(fleet.vms.host == ABSENT).tolist() if among is None or v in among]
    if not vms:
        return Waiting()
    kinds = [Kind(fleet.vms.ids[vm], np.array([vm], np.int32), 1) for vm in vms]
    numbers, bound = pack(room_of(build(fleet, policy.rules), kinds), effort)
    created = tuple((vms[k], int(h)) for k, h in zip(*np.nonzero(numbers), strict=True))
    refuse_wrong(fleet, policy, created)
    return Waiting(len(vms), created, bound)


def measure(
    fleet: Fleet,
    policy: Policy,
    request: Request,
    effort: Effort,
    waiting: Waiting,
    asked: tuple[Fleet, Sequence[tuple[int, int]]] | None = None,
) -> Outcome:
    """Measure one scenario within its share of the time.

    Parameters
    ----------
    request
        How the plan is made.
    waiting
        As `place_waiting` found it.
    asked
        The fleet, in which all that waited have a host, with VMs that are to be counted, and pairs (VM, how many in
        a unit).
    """
    violations = tuple(check(fleet, policy))
    counted = None if asked is None else fit(asked[0], policy, asked[1], effort)
    plan = make_plan(
        fleet, policy, replace(request, seconds=max(0.5, effort.left())), clock=effort.clock, interrupt=effort.interrupt
    )
    return Outcome(fleet, violations, plan, waiting, counted)
