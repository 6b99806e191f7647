"""A plan under the switches of one run: where limits do not pay for emptying all hosts, these wait or one is begun.

Under a limit, a host that is to be emptied counts as a whole. Of those that the first plan does not empty, most wait:
the limits do not pay for them. Where no limit is in the way (there is no room for all VMs, say), as many leave as can;
and if every host is larger than the limits, the smallest is begun, so that runs that follow come to an end.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from optimizer.check import check
from optimizer.clock import SystemClock
from optimizer.pipeline import make_plan
from optimizer.plan import Status
from optimizer.planning.ending import telling_s
from optimizer.scope import WAITING

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from optimizer.clock import Clock
    from optimizer.engine import Engine
    from optimizer.fleet import Fleet
    from optimizer.pipeline import Request
    from optimizer.plan import Plan
    from optimizer.policy import Policy
    from optimizer.scope import Scope

__all__ = ["make_scoped_plan"]

BUILDS = 3.0
"""How many times as long as it takes to state a problem it takes to state and to solve one at the least."""


def make_scoped_plan(
    fleet: Fleet,
    scope: Scope,
    lay: Callable[[Scope], Policy],
    request: Request,
    *,
    clock: Clock | None = None,
    progress: Callable[[str], None] | None = None,
    interrupt: threading.Event | None = None,
    engine: Engine | None = None,
    judged: Callable[[int, float], None] | None = None,
) -> Plan:
    """Return a plan under a scope.

    Parameters
    ----------
    lay
        Returns the policy under a scope.
    clock, progress, interrupt, engine, judged
        As `make_plan` takes them.
    """
    clock = clock or SystemClock()

    def make(policy: Policy, seconds: float, resume: Plan | None = None) -> Plan:
        return make_plan(
            fleet,
            policy,
            replace(request, seconds=seconds),
            clock=clock,
            progress=progress,
            interrupt=interrupt,
            engine=engine,
            resume=resume,
            judged=judged,
        )

    policy = lay(scope)
    if not scope.whole:
        return make(policy, request.seconds)
    began = clock.monotonic()
    share = request.parameters.scoped.first_share
    first = make(policy, request.seconds * share)
    if interrupt is not None and interrupt.is_set():
        return first
    begun = _begun(first, {v.subject for v in check(fleet, policy) if v.resource == WAITING})
    spent = request.seconds * share if request.deterministic else clock.monotonic() - began
    left = request.seconds - spent
    if (
        not begun
        or left <= (0.0 if request.deterministic else _again_s(first, request))
        or (interrupt is not None and interrupt.is_set())
    ):
        return first
    second = make(lay(replace(scope, begun=begun)), left, first)
    return second if _waiting(second) <= _waiting(first) - set(begun) else first


def _again_s(plan: Plan, request: Request) -> float:
    """Return about how many seconds it takes at the least to plan once more and to say what comes of it."""
    laps = plan.stats["seconds"]
    assert isinstance(laps, dict)
    telling = telling_s(request.parameters.describing, len(plan.moves), len(plan.remaining))
    return BUILDS * float(laps["build"]) + telling


def _waiting(plan: Plan) -> set[str]:
    return {r.subject for r in plan.remaining if r.resource == WAITING}


def _begun(plan: Plan, to_empty: set[str]) -> tuple[str, ...]:
    """Return the hosts of which as many VMs leave as can, although not all do."""
    waiting = [r for r in plan.remaining if r.resource == WAITING]
    if plan.status in (Status.IMPOSSIBLE, Status.NO_PLAN_IN_TIME) or not waiting:
        return ()
    free = tuple(sorted({r.subject for r in waiting if not r.deferred}))
    if free or len({r.subject for r in waiting}) < len(to_empty):
        return free
    return (min(waiting, key=lambda r: (r.excess, r.subject)).subject,)
