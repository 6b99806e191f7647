"""`plan --place`: room that is made is there, as every rule's `check` sees it, and the plan is one that holds."""

from __future__ import annotations

import pytest

from constraints.scope import scoped
from optimizer.clock import SystemClock
from optimizer.fleet import Move
from optimizer.pipeline import Request, make_plan
from optimizer.scope import EVERYTHING, Scope
from optimizer.sources.fleet_json import fleet_from_document
from optimizer.sources.plan_json import plan_document, plan_from_document
from optimizer.verify.verify import verify
from optimizer.whatif.effort import Effort
from optimizer.whatif.place import place
from optimizer.whatif.plan_place import plan_with_room
from tests.shares import first_and_rotating
from tests.whatif.brute_force import holds
from tests.whatif.requests import asked


def effort() -> Effort:
    clock = SystemClock()
    return Effort(clock, clock.monotonic() + 60, workers=1)


def makes_room(number: int) -> tuple[int, int]:
    """Return for how many of two VMs a plan has room, and how many have without one."""
    case = asked(number, entries=2)
    fleet = fleet_from_document(case.snapshot, "snapshot")

    def make(scope: Scope):
        return make_plan(fleet, scoped(case.policy, fleet, scope), Request(path="exact"))

    plan, coming = plan_with_room(case.fleet, list(case.vms), case.policy, EVERYTHING, make, effort())
    policy = scoped(case.policy, fleet, plan.scope)
    assert verify(fleet, policy, plan).findings == (), f"request {number}"
    assert plan_from_document(plan_document(plan), "plan").scope == plan.scope
    index = case.fleet.vm_index, case.fleet.host_index
    created = [(index[0][vm], index[1][host]) for vm, host in coming.room]
    moves = [Move(index[0][m.vm], index[1][m.source], index[1][m.target]) for m in plan.moves]
    if created:
        assert holds(case.fleet, case.policy.judges, created, after=moves), f"request {number}"
    return len(created), len(place(case.fleet, case.policy, [(vm, 1) for vm in case.vms], effort()).created)


@pytest.mark.slow
@pytest.mark.parametrize("chunk", first_and_rotating(range(17), 0))
def test_room_is_made_and_no_less_than_there_was(chunk: int) -> None:
    better = 0
    for number in range(chunk * 20, (chunk + 1) * 20):
        with_plan, without = makes_room(number)
        better += with_plan > without
    assert chunk or better
