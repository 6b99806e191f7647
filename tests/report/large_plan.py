"""Fleets and plans of any size that take no planner: every seventh host is over its limit, and one VM of it leaves."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from optimizer.pipeline import Request, make_plan
from optimizer.plan import Batch, PlannedMove, Reason
from tests import build

if TYPE_CHECKING:
    from optimizer.fleet import Fleet
    from optimizer.plan import Plan

__all__ = ["large_fleet", "large_plan"]

VMS = 10


@cache
def large_fleet(hosts: int) -> Fleet:
    """Return a fleet of about ten VMs a host: 11 where there is one too many, 9 on the host after it."""
    numbers = [VMS + (h % 7 == 0) - (h % 7 == 1) for h in range(hosts)]
    return build.fleet(
        [build.host(f"h{h:05}", memory=100, cpu=120, rack=f"r{h // 20}") for h in range(hosts)],
        [
            build.vm(f"v{h:05}-{i}", f"h{h:05}", memory=10, cpu=3 + (h * 7 + i) % 9)
            for h in range(hosts)
            for i in range(numbers[h])
        ],
    )


def large_plan(hosts: int) -> Plan:
    """Return the plan that makes each of them whole, as a planner would write it."""
    small = make_plan(large_fleet(14), build.policy("capacity"), Request(seconds=1.0, deterministic=True))
    moves = tuple(
        PlannedMove(
            id=f"m{h:05}",
            vm=f"v{h:05}-0",
            source=f"h{h:05}",
            target=f"h{h + 1:05}",
            after=(),
            batch=1 + h // 700,
            staging=False,
            seconds=12.0,
            copied_mib=10,
            reasons=(Reason("capacity", f"h{h:05}", 110, 100, "memory_mib"),),
            why=f"h{h:05}: memory 110 MiB of 100 MiB allocatable (110.0 %): over by 10 MiB; migrate that much away",
        )
        for h in range(0, hosts - 1, 7)
    )
    numbers = sorted({m.batch for m in moves})
    batches = tuple(Batch(n, tuple(m.id for m in moves if m.batch == n), 60.0) for n in numbers)
    return replace(small, moves=moves, batches=batches, remaining=())
