"""The small plan that tests of `apply` carry out, and how to ask what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.concurrency import Concurrency
from optimizer.policy import Policy
from tests.execute.plans import line_fleet, move, plan_of

if TYPE_CHECKING:
    from optimizer.execute.ledger import Ledger
    from optimizer.execute.states import RunState
    from optimizer.fleet import Fleet
    from optimizer.plan import Plan

__all__ = ["FLEET", "POLICY", "chain", "hosts_of", "state_of"]

FLEET = line_fleet()
POLICY = Policy("test", (), concurrency=Concurrency(per_domain={}))


def chain() -> Plan:
    """m1 and m2 free, m3 after m1, m4 after m3, m5 after m2."""
    return plan_of(
        FLEET,
        move(FLEET, 1, "v0", "h0", "h8"),
        move(FLEET, 2, "v1", "h1", "h9"),
        move(FLEET, 3, "v2", "h2", "h0", after=(1,), batch=2),
        move(FLEET, 4, "v3", "h3", "h2", after=(3,), batch=3),
        move(FLEET, 5, "v4", "h4", "h1", after=(2,), batch=3),
    )


def state_of(ledger: Ledger, plan: str = "plan-1") -> RunState:
    run = ledger.run("tiny", plan)
    assert run is not None
    return run.state


def hosts_of(fleet: Fleet) -> dict[str, str]:
    return {name: fleet.hosts.ids[h] for name, h in zip(fleet.vms.ids, fleet.vms.host.tolist(), strict=True)}
