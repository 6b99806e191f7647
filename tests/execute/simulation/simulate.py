"""One seed: a random plan, carried out under random faults and crashes until it is over; all of it is written down."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.errors import AlreadyApplied, SafetyStop
from optimizer.execute import admission
from optimizer.execute.apply import apply
from optimizer.execute.core.model import Settings
from optimizer.execute.drivers.faults import Fault, Faults, FaultyDriver, SkewedClock
from optimizer.execute.drivers.world import World
from optimizer.execute.guards.gates import PolicyGates
from optimizer.execute.guards.guards import Guards
from optimizer.execute.ledger.ledger import Ledger
from optimizer.execute.ledger.records import Order
from optimizer.execute.ledger.schema import SCHEMA
from optimizer.execute.ledger.sqlite import SqliteDatabase
from optimizer.execute.states import MoveState, RunState
from optimizer.execution import Gate
from optimizer.policy import Concurrency, Policy
from optimizer.verify.verdict import Verdict
from tests import build
from tests.execute.plans import move, plan_of
from tests.execute.simulation.checker import Facts, violations
from tests.execute.simulation.guards import SimulatedHooks, some_gate

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import datetime

    from optimizer.execute.drivers import Request
    from optimizer.fleet import Fleet
    from optimizer.plan import Plan, PlannedMove

__all__ = ["Simulation", "simulate", "without_admission"]

FAULTS_UNTIL_S = 900.0
TOO_LONG_S = 20_000.0
TRIES = 400
MEDDLES_S = 2.0
ORDER = Order("sim", "simulated")
STATES = {state.value for state in MoveState}
GATE = Gate("errors", 3.0, query="errors", at_most=0.0)


class Endless(AssertionError):
    """The run does not end."""


class Crash(BaseException):
    """The process dies here."""


class MemoryDatabase(SqliteDatabase):
    """A ledger that outlives the processes that use it, and costs no disk."""

    def __init__(self) -> None:
        self.where, self._copy, self._locks = "memory", None, {}
        self._db = sqlite3.connect(":memory:", isolation_level=None)
        for statement in SCHEMA:
            self._db.execute(statement)

    def close(self) -> None:
        pass

    def claim(self, connection: Any, fleet: str, holder: str) -> str | None:
        connection.execute("UPDATE leaders SET epoch = epoch + 1, holder = ? WHERE fleet = ?", (holder, fleet))
        return None


class Recorded(FaultyDriver):
    """Writes down each call of `submit`, before and after."""

    history: list[dict[str, Any]]
    snapshot_at: float
    read_at: dict[str, float]

    def read_host(self, host: str) -> Any:
        reading = super().read_host(host)
        self.read_at[host] = self._skewed.seconds
        return reading

    def submit(self, request: Request) -> str:
        asked = {
            name: getattr(request, name) for name in ("plan", "move", "attempt", "vm", "source", "target", "epoch")
        }
        known_s = self._skewed.seconds - min(self.read_at.get(h, self.snapshot_at) for h in self._fleet.hosts.ids)
        self.history.append({"what": "submit", "token": request.token, "known_s": known_s, **asked})
        started = len(self.history)
        try:
            return super().submit(request)
        except Exception as error:
            if type(error).__name__ == "MoveRefused" and len(self.history) == started:
                self.history.append({"what": "refused", "token": request.token})
            raise


@dataclass
class Simulation:
    """What came of a seed; `reached` are the interesting things that happened, `broken` what may not."""

    seed: int
    history: list[dict[str, Any]] = field(default_factory=list)
    reached: set[str] = field(default_factory=set)
    broken: list[str] = field(default_factory=list)
    steps: int = 0


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


def simulate(seed: int, kinds: Collection[Fault] | None = None) -> Simulation:
    """Carry a random plan out until it is over; `kinds` of faults, or a random half of them."""
    rng = Random(seed)
    chosen = frozenset(kinds if kinds is not None else (f for f in sorted(Fault, key=str) if rng.random() < 0.5))
    fleet = some_fleet(rng)
    policy = Policy("sim", (), concurrency=some_caps(rng))
    settings = Settings(
        canary=rng.randint(1, 4),
        attempts=rng.randint(1, 3),
        settles_s=30.0,
        breaker_share=rng.choice([0.4, 1.0]),
        patience_s=300.0,
    )
    guarded = Random(f"guards of {seed}")  # of its own, so that what else a seed draws stays the same
    settings = replace(
        settings,
        gates=guarded.random() < 0.2,
        gate_every=guarded.randint(1, 3),
        gate_hold_s=60.0,
        hooks=guarded.random() < 0.2,
    )
    actor = _Actor(rng, fleet, policy, settings, Faults(seed, chosen, rng.uniform(0.1, 0.6), FAULTS_UNTIL_S))
    out = Simulation(seed, actor.history, actor.reached)
    try:
        actor.run()
    except Endless as error:
        actor.broken.append(str(error))
    out.steps = actor.steps
    out.broken = violations(actor.history, actor.facts)
    out.broken += [f"the ledger: {where}: {what}" for where, what in actor.ledger.audit().faults] + actor.broken
    out.reached |= {fault.name for fault in actor.faults.reached}
    return out


def some_caps(rng: Random) -> Concurrency:
    return Concurrency(
        rng.randint(1, 6), rng.randint(1, 2), rng.randint(1, 2), {"rack": rng.randint(1, 3)}, rng.choice([1, None])
    )


class _Actor:
    """The world around the executor: starts it, lets it die, presses buttons, sets clocks."""

    def __init__(self, rng: Random, fleet: Fleet, policy: Policy, settings: Settings, faults: Faults) -> None:
        self.rng, self.fleet, self.policy, self.settings, self.faults = rng, fleet, policy, settings, faults
        self.history: list[dict[str, Any]] = []
        self.reached: set[str] = set()
        self.broken: list[str] = []
        self.steps = 0
        self.meddled = 0.0
        self.ledger = Ledger(MemoryDatabase())
        self.heard = 0
        self.ledger.probe = self._probe
        self.clock = SkewedClock(fleet.taken_at)
        self.clock.on_sleep = self._meddle
        self.world = World(fleet)
        self.world.note = self._note
        self.hosts = list(fleet.hosts.ids)
        self.snapshot_at, self.read_at = 0.0, dict[str, float]()
        self.lives = timedelta(seconds=Random(f"life of {faults.seed}").choice([3600 * 24 * 9] * 2 + [300]))
        self.plan = some_plan(rng, fleet, "plan-1", self.hosts, self.lives)
        caps = policy.concurrency
        racks = {h: f"r{i // 3}" for i, h in enumerate(fleet.hosts.ids)}
        groups = {fleet.vms.ids[v]: g.id for g in fleet.groups for v in g.members.tolist()}
        per = (caps.per_source, caps.per_target, caps.per_domain["rack"])
        self.facts = Facts(caps.fleet_cap(len(self.hosts)), *per, racks, groups if caps.per_group else {})
        self.facts.most_submits_per_move = settings.attempts
        self._know(self.plan)
        self.facts.known_s = self.lives.total_seconds()
        self.facts.canary = settings.canary
        self.facts.apart = Random(f"phases of {faults.seed}").random() < 0.2
        self.facts.gate_every = settings.gate_every if settings.gates else 0
        self.guarded = Random(f"answers of guards to {faults.seed}")
        self.mayhem = rng.choice([0.0, 0.01, 0.03])
        self.crashes = rng.choice([0.0, 0.01, 0.05, 0.1])

    def _know(self, plan: Plan) -> None:
        self.facts.after |= {(plan.id, m.id): list(m.after) for m in plan.moves}

    def _note(self, what: str, **facts: Any) -> None:
        if what == "copy":
            self.reached.add("told to copy")
        self.history.append({"what": what, **facts})

    def run(self) -> None:
        """Start it again and again until its plan is over."""
        if self.rng.random() < 0.3:
            self._limit(self.clock.now())
        for attempt in range(TRIES):
            try:
                applied = apply(
                    self.fleet,
                    self.policy,
                    self.plan,
                    self._driver(),
                    self.ledger,
                    act=True,
                    order=ORDER,
                    settings=self.settings,
                    guards=self._guards(),
                )
            except Crash:
                self._note("crash")
                self.reached.add("crash")
                self.clock.sleep(self.rng.uniform(0, 40))
                if self.rng.random() < 0.15:
                    self._take_over(f"plan-{attempt + 2}")
            except AlreadyApplied:
                return self._finish()  # it died behind its end
            except SafetyStop as stop:
                if not self._refused(str(stop)):
                    return None
            else:
                self.reached.update(
                    f"ended {k}" for k in ("done", "failed", "skipped", "unknown") if getattr(applied, k)
                )
                if applied.stopped:
                    self.reached.add("breaker" if "breaker" in applied.stopped else "run stopped")
                return self._finish()
        self.broken.append(f"it is not over after {TRIES} starts")
        return None

    def _refused(self, why: str) -> bool:
        """Say whether it is to be started again after it was refused."""
        self.reached.add("refused")
        if "expired at" in why:  # it died before it began
            self._finish()
            return False
        if "stopped by" not in why:
            self.broken.append(f"refused: {why}")
            return False
        self._resume()
        return True

    def _finish(self) -> None:
        """When faults have ended, one more plan: what was open is known in the end, and nothing is left open."""
        if self.clock.seconds < FAULTS_UNTIL_S:
            self.clock.sleep(FAULTS_UNTIL_S - self.clock.seconds)
        self._resume()
        self.mayhem = self.crashes = 0.0
        if self.ledger.in_flight("tiny"):
            self.reached.add("left open")
        for job in self.world.running():
            if job.frozen_mib is not None or (
                job.held and job.forgotten_after is not None
            ):  # somebody gives up what would never end
                self.world.end(job.id, self.clock.truth, fails="given up")
        self.facts.without_gates = "last"
        self._take_over("last")
        last = apply(
            self.fleet,
            self.policy,
            self.plan,
            self._driver(),
            self.ledger,
            act=True,
            settings=replace(self.settings, breaker_share=1.1, breaker_hosts=99, gates=False, hooks=False),
        )
        self.world.advance(self.clock.truth)
        open_ = self.ledger.in_flight("tiny")
        if open_:
            self.broken.append(f"still open at the end: {open_}")
        if last.failed or last.stopped or last.unknown:
            self.broken.append(f"without faults: {last}")
        if self.world.running():
            self.broken.append(f"still running at the end: {self.world.running()}")
        for run in self.ledger.runs("tiny"):
            if run.state is RunState.RUNNING:
                self.broken.append(f"run {run.plan} is still running")

    def _take_over(self, plan: str) -> None:
        """Go on with another plan, from a snapshot of now."""
        self._note("takeover")
        self.reached.add("takeover")
        self.fleet = replace(self._driver().snapshot(), history=(), digest=plan)
        self.snapshot_at, self.read_at = self.clock.seconds, {}
        self.plan = some_plan(self.rng, self.fleet, plan, self.hosts, self.lives)
        self._know(self.plan)

    def _guards(self) -> Guards:
        """Return gates that close, hang and say nothing clear, and hooks that object, in a fifth of the seeds each."""

        def note(what: str, **facts: Any) -> None:
            self._note(what, **{"plan": self.plan.id, **facts})
            self.reached.add(what)

        rng, asked = self.guarded, self.settings
        gates = PolicyGates([GATE], {}, {}, self.clock, lambda _: some_gate(rng, self.clock, note))
        return Guards(gates if asked.gates else None, SimulatedHooks(rng, note) if asked.hooks else None)

    def _driver(self) -> Recorded:
        driver = Recorded(self.fleet, self.faults, self.clock, self.world, holds_back=self.facts.apart)
        driver.settles_s = 30.0
        driver.history, driver.snapshot_at, driver.read_at = self.history, self.snapshot_at, self.read_at
        return driver

    def _listen(self) -> None:
        """Note every state of a move that was committed since."""
        for event in self.ledger.events("tiny", self.heard):
            self.heard = event.number
            if event.move is not None and event.state in STATES:
                self._note("state", plan=event.plan, move=event.move, state=event.state)
                self.reached.add(event.state)

    def _probe(self, at: str) -> None:
        self.steps += 1
        if at.startswith("after"):
            self._listen()
        if at.endswith("keep") and self.rng.random() < 0.9:
            return  # of these there are many
        if self.rng.random() < self.crashes and self.clock.seconds < FAULTS_UNTIL_S:
            self.reached.add(f"crash {at}")
            raise Crash(at)

    def _meddle(self) -> None:
        """While time passes: somebody presses the button, lowers a limit, moves a VM, sets the clock."""
        self.steps += 1
        if self.clock.seconds > TOO_LONG_S:
            raise Endless(f"after {self.clock.seconds:,.0f} s it is not over")
        if self.clock.seconds < self.meddled + MEDDLES_S:
            return  # the loop sleeps in short pieces
        self.meddled = self.clock.seconds
        if self.rng.random() >= self.mayhem or self.clock.seconds >= FAULTS_UNTIL_S:
            return
        what = self.rng.choice(["stop", "abort", "limit", "limit", "no limit", "stranger", "clock"])
        self.reached.add(what)
        at = self.clock.now()
        match what:
            case "stop" | "abort":
                self.ledger.controls.set("tiny", "stop", what if what == "abort" else "", ORDER, at)
                self._note("stop")
            case "limit":
                self._limit(at)
            case "no limit":
                self.ledger.controls.lift("tiny", "limit", ORDER, at)
                self._note("limit", most=None)
            case "stranger":
                self._stranger()
            case "clock":
                self._note("clock")
                self.clock.jump(self.rng.choice([-3600, -60, 60, 3600]))

    def _limit(self, at: datetime) -> None:
        most = self.rng.randint(1, 3)
        self.ledger.controls.set("tiny", "limit", str(most), ORDER, at)
        self._note("limit", most=most)

    def _stranger(self) -> None:
        """Somebody else moves a VM that is not on its way."""
        busy = {job.request.vm for job in self.world.running()} | {f.vm for f in self.ledger.in_flight("tiny")}
        free = sorted(vm for vm in self.world.place if vm not in busy)
        if free:
            vm, host = self.rng.choice(free), self.rng.choice(self.hosts)
            self.world.place[vm] = host
            self._note("moved", vm=vm, at=host)

    def _resume(self) -> None:
        if self.ledger.controls.lift("tiny", "stop", ORDER, self.clock.now()):
            self._note("resume")
        self.ledger.controls.lift("tiny", "limit", ORDER, self.clock.now())
        self._note("limit", most=None)


@contextmanager
def without_admission() -> Iterator[None]:
    """Let plans in that no planner made: the executor is tried here, not the plan."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(admission, "verify", lambda *_, **__: Verdict(()))
        patch.setattr(admission, "_refuse_changed", lambda *_: None)
        yield
