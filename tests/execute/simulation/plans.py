"""What a seed begins with: a fleet, a plan that no planner made, caps, and how to go about it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING

from optimizer.concurrency import Concurrency
from optimizer.execute.core.model import Settings
from optimizer.execution import Execution, WindowBudget
from optimizer.policy import Policy
from tests import build
from tests.execute.plans import move, plan_of
from tests.execute.simulation.history import Facts

if TYPE_CHECKING:
    from datetime import timedelta

    from optimizer.fleet import Fleet
    from optimizer.plan import Plan, PlannedMove

__all__ = ["AGENTS", "LARGE", "SMALL", "Shape", "facts_of", "some_fleet", "some_plan", "some_policy", "some_settings"]


Range = tuple[int, int]


@dataclass(frozen=True)
class Shape:
    """How large what a seed begins with is, and how much happens to it; ranges are drawn from, both ends included.

    Attributes
    ----------
    hosts, vms, moves, mib
        Of the fleet, of each plan, and of each VM.
    at_once, per_end, per_rack
        The limits on moves at once.
    groups
        Groups of VMs of which one is on its way at once, in half of the seeds.
    arcs
        How many earlier moves a move follows on the average, at most; 0.15 of them in a short plan.
    windows, gate_every
        Moves within five minutes, and between two questions to the gates, where there are such limits.
    rate, mayhem, crashes, ledger, leader, lingers, blinds, flickers
        Faults for each request; what others do, for each two seconds; how often the process dies, the ledger fails in
        either way, and another takes the lead, for each instant; how often a hook takes its time, and a reading
        fails, for a while or once.
    until_s, too_long_s
        Seconds until which there are faults, and after which it is endless.
    least_steps, least_faults, least_moves
        Events and effects of the core, faults, and migrations, before a seed may end: until then another plan follows.
    agents
        The executor gives its orders to a gateway, and agents on the hosts carry them out.
    """

    hosts: Range = (6, 12)
    vms: Range = (3, 9)
    mib: Range = (1000, 40_000)
    moves: Range = (2, 10)
    at_once: Range = (1, 6)
    per_end: Range = (1, 2)
    per_rack: Range = (1, 3)
    groups: int = 2
    arcs: float = float("inf")
    windows: Range = (2, 4)
    gate_every: Range = (1, 3)
    canary: Range = (1, 4)
    breaker_hosts: int = 10
    rate: tuple[float, float] = (0.2, 0.6)
    mayhem: tuple[float, ...] = (0.01, 0.02, 0.04)
    crashes: tuple[float, ...] = (0.01, 0.05, 0.1)
    ledger: float = 0.004
    leader: float = 0.01
    lingers: float = 0.2
    blinds: float = 0.003
    flickers: float = 0.1
    until_s: float = 1800.0
    too_long_s: float = 40_000.0
    least_steps: int = 500
    least_faults: int = 10
    least_moves: int = 0
    agents: bool = False


SMALL = Shape()
LARGE = Shape(
    hosts=(20, 40),
    vms=(60, 160),
    mib=(500, 8000),
    moves=(60, 200),
    at_once=(8, 60),
    per_end=(1, 4),
    per_rack=(3, 12),
    groups=20,
    arcs=0.5,
    windows=(20, 60),
    gate_every=(20, 60),
    canary=(1, 10),
    breaker_hosts=60,
    rate=(0.005, 0.08),
    mayhem=(0.001, 0.002, 0.005),
    crashes=(0.0002, 0.0005, 0.002),
    ledger=0.0004,
    leader=0.001,
    lingers=0.02,
    blinds=0.0001,
    flickers=0.02,
    until_s=3600.0,
    least_moves=400,
)
"""Long plans: most of the moves of a night's run are in these, at a rate of faults that lets plans get on."""


AGENTS = Shape(
    hosts=(4, 8),
    vms=(6, 14),
    mib=(1000, 20_000),
    moves=(6, 16),
    at_once=(2, 6),
    rate=(0.05, 0.3),
    mayhem=(0.01, 0.03),
    crashes=(0.003, 0.01, 0.03),
    until_s=900.0,
    agents=True,
)
"""Through a gateway and agents, with the faults of these besides all others."""


def some_fleet(rng: Random, shape: Shape) -> Fleet:
    n = rng.randint(*shape.hosts)
    hosts = [
        build.host(f"h{i}", memory=10**6, rack=f"r{i // 3}", state="draining" if rng.random() < 0.2 else "active")
        for i in range(n)
    ]
    vms = []
    for v in range(rng.randint(*shape.vms)):
        groups = [f"g{rng.randrange(shape.groups)}"] if rng.random() < 0.3 else []
        vms.append(build.vm(f"v{v}", f"h{rng.randrange(n)}", memory=rng.randint(*shape.mib), groups=groups))
    return build.fleet(hosts, vms)


def some_plan(rng: Random, fleet: Fleet, plan: str, hosts: list[str], expires_in: timedelta, shape: Shape) -> Plan:
    """Return a plan that moves most VMs, some of them twice, with arcs to earlier moves."""
    at = {vm: fleet.hosts.ids[h] for vm, h in zip(fleet.vms.ids, fleet.vms.host.tolist(), strict=True) if h >= 0}
    busy = {fleet.vms.ids[m.vm] for m in fleet.in_flight}
    moves: list[PlannedMove] = []
    last: dict[str, int] = {}
    for _ in range(rng.randint(*shape.moves)):
        free = [vm for vm in at if vm not in busy]
        if not free:
            break
        vm = rng.choice(free)
        target = rng.choice([h for h in hosts if h != at[vm]])
        number = len(moves) + 1
        share = min(0.15, shape.arcs / number)
        after = {n for n in range(1, number) if rng.random() < share}
        after |= {last[vm]} if vm in last else set()
        batch = 1 + max((moves[a - 1].batch for a in after), default=0)
        moves.append(move(fleet, number, vm, at[vm], target, after=tuple(sorted(after)), batch=batch))
        at[vm], last[vm] = target, number
    return plan_of(fleet, *moves, id=plan, expires_at=fleet.taken_at + expires_in)


def some_caps(rng: Random, shape: Shape) -> Concurrency:
    fleet, source, target = rng.randint(*shape.at_once), rng.randint(*shape.per_end), rng.randint(*shape.per_end)
    return Concurrency(fleet, source, target, {"rack": rng.randint(*shape.per_rack)}, rng.choice([1, None]))


def some_policy(rng: Random, seed: int, shape: Shape) -> Policy:
    """Return caps, and in a fifth of the seeds a limit on the moves within a window."""
    windowed = Random(f"windows of {seed}")
    budgets = (WindowBudget(300, moves=windowed.randint(*shape.windows)),) if windowed.random() < 0.2 else ()
    return Policy("sim", (), concurrency=some_caps(rng, shape), execution=Execution(budgets=budgets))


def some_settings(rng: Random, seed: int, shape: Shape) -> Settings:
    """Return how the plan is carried out; with gates in a third of the seeds, and hooks in a fifth.

    Half of those with gates have one canary: then others are in flight when the gates are asked again.
    """
    settings = Settings(
        canary=rng.randint(*shape.canary),
        attempts=rng.randint(1, 3),
        settles_s=30.0,
        breaker_hosts=shape.breaker_hosts,
        breaker_share=rng.choice([0.4, 1.0]),
        patience_s=300.0,
    )
    guarded = Random(f"guards of {seed}")  # of its own, so that what else a seed draws stays the same
    drawn, every, hooks = guarded.random(), guarded.randint(*shape.gate_every), guarded.random() < 0.2
    settings = replace(settings, gates=drawn < 0.35, gate_every=every, gate_hold_s=60.0, hooks=hooks)
    return replace(settings, canary=1, gate_every=1) if drawn < 0.17 else settings


def facts_of(fleet: Fleet, policy: Policy, settings: Settings) -> Facts:
    """Return what the history has to keep to."""
    caps = policy.concurrency
    racks = {h: f"r{i // 3}" for i, h in enumerate(fleet.hosts.ids)}
    groups = {fleet.vms.ids[v]: g.id for g in fleet.groups for v in g.members.tolist()}
    per = (caps.per_source, caps.per_target, caps.per_domain["rack"])
    facts = Facts(caps.fleet_cap(len(fleet.hosts.ids)), *per, racks, groups if caps.per_group else {})
    facts.most_submits_per_move, facts.canary = settings.attempts, settings.canary
    facts.backoff_s = settings.backoff_s
    facts.gate_every = settings.gate_every if settings.gates else 0
    for window in policy.execution.budgets:
        facts.window_s, facts.window_moves = float(window.window_s), window.moves or 0
    return facts
