"""One fleet whose moves meet everything for which the executor has a step, and the record of what really happened.

=====  ====  =========================================================================
move   VM    what comes of it
=====  ====  =========================================================================
m0001  v0    done
m0002  v1    done; follows m0001
m0003  v2    too many requests at first, then done
m0004  v3    fails for good
m0005  v4    follows m0004: skipped
m0006  v5    stalls at first, is aborted, then done
m0007  v6    the reply to its submit is lost; done
m0008  v7    follows the others; somebody presses the button when it is intended, once
=====  ====  =========================================================================
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any

from optimizer.clock import SimulatedClock
from optimizer.concurrency import Concurrency
from optimizer.execute.core.model import Settings
from optimizer.execute.drivers import MoveRefused, ReplyLost
from optimizer.execute.drivers.simulated import SimulatedDriver
from optimizer.execute.drivers.world import World
from optimizer.execute.ledger.records import Order
from optimizer.execute.states import Failure
from optimizer.execution import Execution, WindowBudget
from optimizer.policy import Policy
from tests import build
from tests.execute.plans import move, plan_of
from tests.execute.simulation.history import Facts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optimizer.execute.drivers import Request
    from optimizer.fleet import Fleet
    from optimizer.plan import Plan

__all__ = ["BUDGET", "LAST", "ORDER", "STARTS", "Hypervisors"]

ORDER = Order("ann", "tried")
AFTER: Mapping[int, tuple[int, ...]] = {2: (1,), 5: (4,), 8: (1, 2, 3, 6, 7)}
BATCH = {2: 2, 5: 2, 8: 3}
LAST = "m0008"
STARTS = {"m0001": 1, "m0002": 1, "m0003": 1, "m0004": 1, "m0005": 0, "m0006": 2, "m0007": 1}
"""How often each VM really begins to migrate, whatever the executor goes through."""

BUDGET = WindowBudget(40, moves=4)
VMS, HOSTS = 8, 16


class Hypervisors(SimulatedDriver):
    """They keep the truth and a record of it, for one seed: how long moves take, and the limits, are drawn from it."""

    def __init__(self, seed: int, fleet_id: str = "tiny") -> None:
        rng = Random(seed)
        hosts = [build.host(f"h{i}", memory=10**6, rack=f"r{i // 4}") for i in range(HOSTS)]
        vms = [build.vm(f"v{i}", f"h{i}", memory=rng.randint(500, 4000)) for i in range(VMS)]
        vms[4]["demand"]["memory_mib"] = 50_000  # never moved, and what it waits for comes first
        self.first = build.fleet(hosts, vms, fleet=fleet_id)
        super().__init__(self.first, clock=SimulatedClock(self.first.taken_at), world=World(self.first))
        self.settles_s = 4.0
        self.world.note = self.note
        self.history: list[dict[str, Any]] = []
        self.seen: set[tuple[str, ...]] = set()
        self.policy = Policy(
            "tried",
            (),
            concurrency=Concurrency(rng.randint(2, 4), 1, 1, {"rack": rng.randint(2, 3)}),
            execution=Execution(budgets=(BUDGET,)),
        )
        self.settings = Settings(
            canary=rng.randint(1, 4),
            attempts=4,
            backoff_s=4.0,
            stall_s=6.0,
            settles_s=self.settles_s,
            breaker_share=1.1,
            breaker_hosts=99,
        )
        caps = self.policy.concurrency
        racks = {f"h{i}": f"r{i // 4}" for i in range(HOSTS)}
        self.facts = Facts(caps.fleet_cap(HOSTS), 1, 1, caps.per_domain["rack"], racks, {})
        self.facts.most_submits_per_move = self.settings.attempts
        self.plan = self.new_plan(self.first, "plan-1")

    def new_plan(self, fleet: Fleet, name: str) -> Plan:
        """Return the plan that takes every VM to the other of its two hosts."""
        moves = []
        for number in range(1, VMS + 1):
            v = number - 1
            source = self.world.place[f"v{v}"] or ""
            target = f"h{v + VMS}" if source == f"h{v}" else f"h{v}"
            after, batch = AFTER.get(number, ()), BATCH.get(number, 1)
            moves.append(move(fleet, number, f"v{v}", source, target, after=after, batch=batch))
        plan = plan_of(fleet, *moves, id=name, expires_at=fleet.taken_at + timedelta(days=9))
        self.facts.after |= {(name, m.id): list(m.after) for m in plan.moves}
        return plan

    def take_over(self, name: str) -> None:
        """Let the next plan be one from a snapshot of now."""
        self.note("takeover")
        self._fleet = replace(self.snapshot(), history=(), digest=name)
        self.plan = self.new_plan(self._fleet, name)

    @property
    def snapshot_of_plan(self) -> Fleet:
        """The fleet for which the plan was made."""
        return self._fleet

    def note(self, what: str, **facts: Any) -> None:
        """Write down what really happened."""
        self.history.append({"what": what, "seconds": self.clock.monotonic(), **facts})

    def submit(self, request: Request) -> str:
        """Begin a move, or what else becomes of it."""
        names = ("plan", "move", "attempt", "vm", "source", "target", "epoch")
        self.note("submit", token=request.token, **{name: getattr(request, name) for name in names})
        self._advance()
        if request.move == "m0003" and self._first(request):
            self.note("refused", token=request.token)
            raise MoveRefused("too many requests", temporary=True)
        traits: dict[str, object] = {}
        if request.move == "m0004":
            traits = {"fails": "the disk is full", "failure": Failure.PERMANENT}
        if request.move == "m0006" and self._first(request):
            traits = {"frozen_mib": request.copied_mib / 2}
        job = self.world.start(request, self.time(), **traits)
        if isinstance(job, str):
            self.note("refused", token=request.token)
            raise MoveRefused(job)
        if request.move == "m0007":
            raise ReplyLost("connection reset")
        return job.id

    def abort(self, request: Request) -> None:
        """Give a move up."""
        self.note("abort", token=request.token, epoch=request.epoch)
        super().abort(request)

    def _first(self, request: Request) -> bool:
        key = request.plan, request.move
        new = key not in self.seen
        self.seen.add(key)
        return new
