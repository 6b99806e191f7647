"""Makes the plan of a cycle, as `remora plan` does: the same solver, within the time of its stage."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from optimizer.pipeline import Request, make_plan
from optimizer.planning.compile_ahead import compile_ahead
from optimizer.service.ending import Stopper
from optimizer.sources.fleet_json import fleet_from_document
from optimizer.sources.synthetic import Spec, generate

if TYPE_CHECKING:
    from optimizer.clock import Clock
    from optimizer.fleet import Fleet
    from optimizer.plan import Plan
    from optimizer.planning.compile_ahead import Compiled
    from optimizer.policy import Policy
    from optimizer.service.ending import Ending

__all__ = ["PipelinePlanner", "warm_up"]

SHARE = 0.9
"""Share of the stage's time that the search is given: saying what was found takes the rest."""

WARM_S = 10.0
"""Work of the plan for a small fleet."""

COMPILING_S = 300.0
"""Seconds that compiling has before the first cycle: many times what it takes."""


@dataclass(slots=True)
class PipelinePlanner:
    """Asks the pipeline, with the last plan as a hint.

    Parameters
    ----------
    clock
        Measures its time, which is the machine's even where days are simulated.
    last
        The last plan that had moves: what of it was not carried out is what the next begins with.
    """

    request: Request
    clock: Clock | None = None
    last: Plan | None = None

    def __call__(self, fleet: Fleet, policy: Policy, ending: Ending) -> Plan:
        """Return the plan; the cycle has held the policy against the fleet."""
        stopper = Stopper(lambda: ending.reason)
        plan = make_plan(fleet, policy, self.request, clock=self.clock, interrupt=stopper, hint=self.last)
        self.last = plan if plan.moves else None
        return plan


def warm_up(policy: Policy, ending: Ending, clock: Clock, *, compiling: bool) -> list[Compiled]:
    """Compile what plans use, and plan once for a small fleet: before the first cycle, so that it waits for neither.

    Parameters
    ----------
    ending
        Ends it, too.
    compiling
        Whether plans will be made at all.

    Returns
    -------
    What became of each search that has to be compiled.
    """
    until = clock.monotonic() + COMPILING_S
    found = compile_ahead(lambda: ending.asked or clock.monotonic() >= until) if compiling else []
    spec = Spec(hosts=12, vms=60, fleet="warm-up")
    fleet = fleet_from_document(generate(spec), "warm-up")
    request = Request(seconds=WARM_S, deterministic=True)
    make_plan(fleet, replace(policy, named=()), request, interrupt=Stopper(lambda: ending.reason))
    return found
