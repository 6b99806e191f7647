"""Plans written by hand for tests of what carries them out; their objective and proof are empty."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from optimizer.execute.drivers import Request
from optimizer.fleet import copied_mib, move_seconds
from optimizer.plan import Batch, Plan, PlannedMove, Status
from tests import build

if TYPE_CHECKING:
    from optimizer.fleet import Fleet

__all__ = ["line_fleet", "move", "plan_of", "request_of"]


def line_fleet(vms: int = 6, hosts: int = 12) -> Fleet:
    """Return VMs v0, v1, ... alone on h0, h1, ..., and empty hosts after them; four hosts a rack."""
    return build.fleet(
        [build.host(f"h{i}", cpu=4000, memory=65536, disk=10**6, rack=f"r{i // 4}") for i in range(hosts)],
        [build.vm(f"v{i}", f"h{i}", cpu=1000, memory=1000 * (i + 1), disk=10_000) for i in range(vms)],
    )


def move(
    fleet: Fleet, number: int, vm: str, source: str, target: str, *, after: tuple[int, ...] = (), batch: int = 1
) -> PlannedMove:
    """Return a move with the id m000N and the figures that the fleet gives it."""
    v, amount = fleet.vm_index[vm], copied_mib(fleet)
    seconds = move_seconds(fleet, v, fleet.host_index[source], fleet.host_index[target], int(amount[v]))
    before = tuple(f"m{a:04}" for a in after)
    return PlannedMove(f"m{number:04}", vm, source, target, before, batch, False, seconds, int(amount[v]))


def request_of(move: PlannedMove, attempt: int = 1, plan: str = "plan-1") -> Request:
    """Return a planned move as a driver is asked for it."""
    return Request(
        plan, move.id, attempt, move.vm, move.source, move.target, copied_mib=move.copied_mib, seconds=move.seconds
    )


def plan_of(of: Fleet, /, *moves: PlannedMove, **more: Any) -> Plan:
    """Return a plan of these moves for this fleet."""
    numbers = sorted({m.batch for m in moves})
    batches = tuple(Batch(n, tuple(m.id for m in moves if m.batch == n), 0.0) for n in numbers)
    plan = Plan(
        id="plan-1",
        fleet=of.id,
        taken_at=of.taken_at,
        fleet_digest=of.digest,
        policy_digest="sha256:0",
        made_at=of.taken_at,
        expires_at=of.taken_at + timedelta(minutes=15),
        status=Status.FEASIBLE,
        objective=(),
        proof=(),
        moves=moves,
        batches=batches,
        remaining=(),
        not_evaluated=(),
    )
    return replace(plan, **more)
