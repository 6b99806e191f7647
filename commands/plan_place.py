"""`remora plan --place`: a plan that also makes room for VMs to come."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from commands.common import warn_of_groups

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from pathlib import Path

    from optimizer.pipeline import Request
    from optimizer.plan import Plan
    from optimizer.policy import Policy
    from optimizer.scope import Scope
    from optimizer.whatif.plan_place import Coming

__all__ = ["make_room"]


def make_room(
    document: dict[str, Any],
    asked: Path,
    policy: Policy,
    scope: Scope,
    request: Request,
    make: Callable[[Scope, float], Plan],
    interrupt: threading.Event,
) -> tuple[Plan, Coming]:
    """Return a plan that makes room for the VMs of a request, and what it comes to for them.

    Parameters
    ----------
    document
        The snapshot, with all that is laid over it.
    asked
        The request.
    make
        Makes a plan under a scope, within a number of seconds.

    Raises
    ------
    InputError
        The request is wrong.
    """
    from optimizer.clock import SystemClock
    from optimizer.sources.fleet_json import fleet_from_document
    from optimizer.sources.request import laid_over, read_request
    from optimizer.whatif.effort import Effort
    from optimizer.whatif.plan_place import plan_with_room

    document, ids = laid_over(document, read_request(asked, document), str(asked))
    larger = fleet_from_document(document, str(asked))
    warn_of_groups(larger)
    clock = SystemClock()
    effort = Effort(
        clock, clock.monotonic() + request.seconds, request.workers, request.seed, request.memory_mib, interrupt
    )

    def timed(wanted: Scope) -> Plan:
        return make(wanted, request.seconds if request.deterministic else max(0.1, effort.left()))

    plan, coming = plan_with_room(larger, [larger.vm_index[name] for name in ids], policy, scope, timed, effort)
    without = [{"vm": vm, "why": why} for vm, why in coming.without]
    return replace(plan, stats={**plan.stats, "without_room": without}), coming
