"""What a seed begins with: a fleet, a plan that no planner made, caps, and how to go about it."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

from optimizer.concurrency import Concurrency
from optimizer.execute.core.model import Settings
from optimizer.execution import Execution, WindowBudget
from optimizer.policy import Policy
from tests import build
from tests.execute.plans import move, plan_of

if TYPE_CHECKING:
    from datetime import timedelta

    from optimizer.fleet import Fleet
    from optimizer.plan import Plan, PlannedMove

__all__ = ["some_fleet", "some_plan", "some_policy", "some_settings"]


def some_fleet(rng: Random) -> Fleet:
    n = rng.randint(6, 12)
    hosts = [
        build.host(f"h{i}", memory=10**6, rack=f"r{i // 3}", state="draining" if rng.random() < 0.2 else "active")
        for i in range(n)
    ]
    vms = []
    for v in range(rng.randint(3, 9)):
        groups = [f"g{rng.randrange(2)}"] if rng.random() < 0.3 else []
        vms.append(build.vm(f"v{v}", f"h{rng.randrange(n)}", memory=rng.randint(1000, 40_000), groups=groups))
    return build.fleet(hosts, vms)


def some_plan(rng: Random, fleet: Fleet, plan: str, hosts: list[str], expires_in: timedelta) -> Plan:
    """Return a plan that moves most VMs, some of them twice, with arcs to earlier moves."""
    at = {vm: fleet.hosts.ids[h] for vm, h in zip(fleet.vms.ids, fleet.vms.host.tolist(), strict=True) if h >= 0}
    busy = {fleet.vms.ids[m.vm] for m in fleet.in_flight}
    moves: list[PlannedMove] = []
    last: dict[str, int] = {}
    for _ in range(rng.randint(2, 10)):
        free = [vm for vm in at if vm not in busy]
        if not free:
            break
        vm = rng.choice(free)
        target = rng.choice([h for h in hosts if h != at[vm]])
        number = len(moves) + 1
        after = {n for n in range(1, number) if rng.random() < 0.15}
        after |= {last[vm]} if vm in last else set()
        batch = 1 + max((moves[a - 1].batch for a in after), default=0)
        moves.append(move(fleet, number, vm, at[vm], target, after=tuple(sorted(after)), batch=batch))
        at[vm], last[vm] = target, number
    return plan_of(fleet, *moves, id=plan, expires_at=fleet.taken_at + expires_in)


def some_caps(rng: Random) -> Concurrency:
    return Concurrency(
        rng.randint(1, 6), rng.randint(1, 2), rng.randint(1, 2), {"rack": rng.randint(1, 3)}, rng.choice([1, None])
    )


def some_policy(rng: Random, seed: int) -> Policy:
    """Return caps, and in a fifth of the seeds a limit on the moves within a window."""
    windowed = Random(f"windows of {seed}")
    budgets = (WindowBudget(300, moves=windowed.randint(2, 4)),) if windowed.random() < 0.2 else ()
    return Policy("sim", (), concurrency=some_caps(rng), execution=Execution(budgets=budgets))


def some_settings(rng: Random, seed: int) -> Settings:
    """Return how the plan is carried out; with gates in a third of the seeds, and hooks in a fifth.

    Half of those with gates have one canary: then others are in flight when the gates are asked again.
    """
    settings = Settings(
        canary=rng.randint(1, 4),
        attempts=rng.randint(1, 3),
        settles_s=30.0,
        breaker_share=rng.choice([0.4, 1.0]),
        patience_s=300.0,
    )
    guarded = Random(f"guards of {seed}")  # of its own, so that what else a seed draws stays the same
    drawn, every, hooks = guarded.random(), guarded.randint(1, 3), guarded.random() < 0.2
    settings = replace(settings, gates=drawn < 0.35, gate_every=every, gate_hold_s=60.0, hooks=hooks)
    return replace(settings, canary=1, gate_every=1) if drawn < 0.17 else settings
