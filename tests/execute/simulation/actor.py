"""The world around the executor: starts it, lets it die, presses buttons, sets clocks, and writes all down."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar

from optimizer.clock import pieces
from optimizer.errors import AlreadyApplied, SafetyStop
from optimizer.execute.apply import apply
from optimizer.execute.core import step
from optimizer.execute.core.events import Observed
from optimizer.execute.drivers.faults import Fault, Faults, SkewedClock
from optimizer.execute.drivers.world import World
from optimizer.execute.guards.gates import PolicyGates
from optimizer.execute.guards.guards import Guards
from optimizer.execute.ledger.ledger import Ledger
from optimizer.execute.states import MoveState, RunState
from optimizer.execution import Gate
from tests.execute.simulation.agents import AGENTS_LAG_S, LEASE_S, SAID, Agents
from tests.execute.simulation.database import DATABASE_DOWN, DISK_FULL, MemoryDatabase
from tests.execute.simulation.guards import SimulatedHooks, some_gate
from tests.execute.simulation.load import Loads
from tests.execute.simulation.meddling import ORDER, Mayhem, Meddler
from tests.execute.simulation.network import Line, Network, Office
from tests.execute.simulation.plans import facts_of, some_plan
from tests.execute.simulation.recorded import Hypervisors, Noting, OfAgent, OverAgents, Recorded

if TYPE_CHECKING:
    from optimizer.execute.core.events import Event
    from optimizer.execute.core.model import Settings, State
    from optimizer.execute.drivers import Driver
    from optimizer.fleet import Fleet
    from optimizer.plan import Plan
    from optimizer.policy import Policy
    from tests.execute.simulation.plans import Shape

__all__ = ["Actor", "Crash", "Endless"]

H = TypeVar("H", bound=Hypervisors)
D = TypeVar("D", bound=Noting)

TRIES = 400
MOST_PLANS = 300
MEDDLES_S = 2.0
REST_S = 900
GIVEN = 0.2
"""How likely others act, the button among them, just when an order was given that no agent has taken yet."""

STATES = {state.value for state in MoveState}
MEMORY = 1
"""Number of the resource that is copied."""

GATE = Gate("errors", 3.0, query="errors", at_most=0.0)


class Endless(AssertionError):
    """The run does not end."""


class Crash(BaseException):
    """The process dies here."""


class Actor:
    """The world around the executor: starts it, lets it die, presses buttons, sets clocks."""

    def __init__(
        self,
        rng: Random,
        fleet: Fleet,
        policy: Policy,
        settings: Settings,
        faults: Faults,
        kinds: frozenset[Fault | Mayhem],
        shape: Shape,
    ) -> None:
        self.rng, self.fleet, self.policy, self.settings, self.faults = rng, fleet, policy, settings, faults
        self.kinds, self.shape = kinds, shape
        self.history: list[dict[str, Any]] = []
        self.reached: set[str] = set()
        self.broken: list[str] = []
        self.moves = self.steps = self.happened = self.plans = self.heard = 0
        self.guard = ""
        self.meddled = 0.0
        self.database = MemoryDatabase()
        self.database.fails = self._ledger_fails
        self.quiet = False
        self.ledger = Ledger(self.database)
        self.ledger.probe = self._probe
        self.clock = SkewedClock(fleet.taken_at)
        self.clock.on_sleep = self._while_time_passes
        self.world = World(fleet)
        self.world.note = self._note
        self.hosts = list(fleet.hosts.ids)
        others = frozenset(k for k in kinds if isinstance(k, Mayhem))
        self.meddler = Meddler(rng, others, self.ledger, self.clock, self.world, self.hosts, self._note)
        self.snapshot_at, self.read_at = 0.0, dict[str, float]()
        self.lives = timedelta(seconds=Random(f"life of {faults.seed}").choice([3600 * 24 * 9] * 2 + [300]))
        self.guarded = Random(f"answers of guards to {faults.seed}")
        self.facts = facts_of(fleet, policy, settings)
        amounts = zip(fleet.vms.ids, fleet.vms.demand[:, MEMORY].tolist(), strict=True)
        self.loads = Loads(dict(amounts), dict(self.world.place))
        self.facts.known_s = self.lives.total_seconds()
        self.apart = Random(f"phases of {faults.seed}").random() < 0.2
        self.facts.apart = self.apart and not shape.agents
        self.agents = self._agents() if shape.agents else None
        self._know(some_plan(rng, fleet, self._name(), self.hosts, self.lives, shape))
        self.mayhem = rng.choice(shape.mayhem)
        self.crashes = rng.choice(shape.crashes)

    @property
    def faults_seen(self) -> int:
        """How much went wrong."""
        return self.faults.drawn + self.happened

    def counted(self, state: State, event: Event) -> tuple[State, Any]:
        """Take one event in, and count it and its effects."""
        state, effects = step(state, event)
        self.steps += 1 + len(effects)
        if isinstance(event, Observed) and event.aside:
            self.reached.add(f"looked aside: {self.guard}")
        return state, effects

    def _name(self) -> str:
        self.plans += 1
        return f"plan-{self.plans}"

    def _know(self, plan: Plan) -> None:
        self.plan = plan
        self.facts.after |= {(plan.id, m.id): list(m.after) for m in plan.moves}
        self.loads.plans[plan.id] = {m.id: (m.vm, m.source, m.target, list(m.after)) for m in plan.moves}

    def _note(self, what: str, **facts: Any) -> None:
        if what == "copy":
            self.reached.add("told to copy")
        self.moves += what == "start"
        self.history.append({"what": what, "s": self.clock.seconds, **facts})

    def run(self) -> None:
        """Carry plans out until enough has happened, then one more without faults."""
        if self.rng.random() < 0.3:
            self.quiet = True
            self.meddler.limit(self.clock.now())
            self.quiet = False
        while self._until_over():
            shape = self.shape
            over = not self.kinds or self.clock.seconds >= shape.until_s or self.faults_seen >= shape.least_faults
            enough = self.steps >= shape.least_steps and self.moves >= shape.least_moves
            if (over and enough) or self.plans >= MOST_PLANS:
                return self._finish()
            self._resume()
            self._take_over(self._name())
        return None

    def _until_over(self) -> bool:
        """Start the plan again and again until it is over; whether it ever was."""
        for _ in range(TRIES):
            try:
                applied = self._apply(self.settings, self._guards())
            except Crash:
                self._note("crash")
                self.reached.add("crash")
                self._recover()
            except AlreadyApplied:
                return True  # it died behind its end
            except SafetyStop as stop:
                if "expired at" in str(stop):  # it died before it began
                    return True
                if not self._refused(str(stop)):
                    return False
            else:
                self.reached.update(
                    f"ended {k}" for k in ("done", "failed", "skipped", "unknown") if getattr(applied, k)
                )
                if applied.stopped:
                    self.reached.add("breaker" if "breaker" in applied.stopped else "run stopped")
                return True
        self.broken.append(f"it is not over after {TRIES} starts")
        return False

    def _apply(self, settings: Settings, guards: Guards) -> Any:
        asked = (self.fleet, self.policy, self.plan, self._driver(), self.ledger)
        return apply(*asked, act=True, order=ORDER, settings=settings, guards=guards)

    def _recover(self) -> None:
        """After a while somebody starts it again, or another plan."""
        self._note("restart")
        self._sleep(self.rng.uniform(0, 40))
        if self.rng.random() < 0.15:
            self._take_over(self._name())

    def _refused(self, why: str) -> bool:
        """Say whether it is to be started again after a safety stopped it."""
        self.reached.add("refused")
        if "cannot be written" in why or "no longer leads" in why:
            self._recover()
            return True
        if "stopped by" not in why:
            self.broken.append(f"refused: {why}")
            return False
        self._resume()
        return True

    def _finish(self) -> None:
        """When faults have ended, one more plan: what was open is known in the end, and nothing is left open."""
        self._sleep(max(0.0, self.shape.until_s + 1.0 - self.clock.seconds))  # by rounding it may be a little before
        self.mayhem = self.crashes = 0.0
        self._resume()
        self.meddler.repair(all_of_it=True)
        if self.ledger.in_flight("tiny"):
            self.reached.add("left open")
        for job in self.world.running():
            if job.frozen_mib is not None or (
                job.held and job.forgotten_after is not None
            ):  # somebody gives up what would never end
                self.world.end(job.id, self.clock.truth, fails="given up")
        if self.agents is not None:
            self._let_agents_rest(self.agents)
        self.facts.without_gates = "last"
        self._take_over("last")
        last = self._apply(
            replace(self.settings, breaker_share=1.1, breaker_hosts=99, gates=False, hooks=False), Guards()
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

    def _let_agents_rest(self, agents: Agents) -> None:
        """Wait until nothing is in their hands any more, and each has looked since."""
        for _ in range(REST_S):
            self._sleep(1.0)
            if agents.is_quiet():
                self._sleep(AGENTS_LAG_S)
                return
        self.broken.append(f"agents have orders in hand {REST_S} s after the faults have ended")

    def _take_over(self, plan: str) -> None:
        """Go on with another plan, from a snapshot of now."""
        self._note("takeover", plan=plan)
        self.reached.add("takeover")
        self.meddler.resized.clear()
        self.fleet = replace(self._hypervisors(Hypervisors).snapshot(), history=(), digest=plan)
        self.snapshot_at, self.read_at = self.clock.seconds, {}
        self._know(some_plan(self.rng, self.fleet, plan, self.hosts, self.lives, self.shape))

    def _guards(self) -> Guards:
        """Return gates that close, hang and say nothing clear, and hooks that object, in a fifth of the seeds each."""

        def note(what: str, **facts: Any) -> None:
            self._note(what, **{"plan": self.plan.id, **facts})
            self.reached.add(what)
            self.guard = what

        rng, asked = self.guarded, self.settings
        gates = PolicyGates([GATE], {}, {}, self.clock, lambda _: some_gate(rng, self.clock, note))
        return Guards(
            gates if asked.gates else None,
            SimulatedHooks(rng, self.clock, note, self.shape.lingers) if asked.hooks else None,
        )

    def _agents(self) -> Agents:
        """Return the gateway and its agents, which report for the first time."""
        self.facts.blind_s = AGENTS_LAG_S
        rng = Random(f"network of {self.faults.seed}")
        self.wires = frozenset(kind for kind in Network if self.kinds and rng.random() < 0.5)

        def strikes(kind: Network, probability: float) -> bool:
            there = kind in self.wires and not self.quiet and self.mayhem and self.clock.seconds < self.shape.until_s
            struck = bool(there) and rng.random() < probability
            self.happened += struck
            self.reached |= {kind.name} if struck else set()
            return struck

        def stopped(fleet: str) -> str:
            return "stopped" if "stop" in self.ledger.controls.of(fleet) else ""

        def of_agent() -> OfAgent:
            driver = self._hypervisors(OfAgent)
            driver.note = self._note
            return driver

        office = Office(self.clock, rng, strikes, stopped, self._note, self.reached, LEASE_S)
        agents = Agents(of_agent, office, self.world, self.hosts, self._note)
        self.quiet, self.faults.until_s = True, 0.0  # each reports once, before anything goes wrong
        agents.advance()
        self.quiet, self.faults.until_s = False, self.shape.until_s
        return agents

    def _driver(self) -> Driver:
        """Return the driver of a process that starts now."""
        if self.agents is None:
            return self._noting(self._hypervisors(Recorded))
        self.quiet = True
        driver = self._noting(OverAgents(self.fleet, Line(self.agents.office, self._dies), SAID, self.clock))
        self.quiet = False
        return driver

    def _dies(self) -> None:
        raise Crash("as it submits")

    def _hypervisors(self, kind: type[H]) -> H:
        driver = kind(self.fleet, self.faults, self.clock, self.world, holds_back=self.apart)
        driver.settles_s = 30.0
        driver.resized = self.meddler.resized
        return driver

    def _noting(self, driver: D) -> D:
        driver.note, driver.history, driver.real = self._note, self.history, self.clock
        driver.snapshot_at, driver.read_at, driver.of_hosts = self.snapshot_at, self.read_at, self.hosts
        return driver

    def _listen(self) -> None:
        """Note every state of a move that was committed since."""
        for event in self.ledger.events("tiny", self.heard):
            self.heard = event.number
            if event.move is not None and event.state in STATES:
                self._note("state", plan=event.plan, move=event.move, state=event.state)
                self.reached.add(event.state)

    def _strikes(self, kind: Mayhem, probability: float) -> bool:
        """Whether one of these happens now."""
        if self.quiet or kind not in self.kinds or not self.mayhem or self.clock.seconds >= self.shape.until_s:
            return False
        strikes = self.rng.random() < probability
        if strikes:
            self.happened += 1
            self.reached.add(kind.name)
        return strikes

    def _ledger_fails(self) -> str:
        if self._strikes(Mayhem.DATABASE_DOWN, self.shape.ledger):
            return DATABASE_DOWN
        return DISK_FULL if self._strikes(Mayhem.DISK_FULL, self.shape.ledger) else ""

    def _probe(self, at: str) -> None:
        if at.startswith("after") and at != "after keep":
            self._listen()
        if at.endswith("keep") and self.rng.random() < 0.9:
            return  # of these there are many
        if at.startswith("before") and self._strikes(Mayhem.PAUSED_LEADER, self.shape.leader):
            self._note("lead", epoch=self.database.usurp("tiny"))
        if self._strikes(Mayhem.CRASH, self.crashes):
            self.reached.add(f"crash {at}")
            raise Crash(at)

    def _while_time_passes(self) -> None:
        """Migrations go on; somebody presses the button, lowers a limit, moves a VM, sets the clock."""
        self.world.advance(self.clock.truth)  # so that what happens is noted when it does
        if self.clock.seconds > self.shape.too_long_s:
            raise Endless(f"after {self.clock.seconds:,.0f} s it is not over")
        self._others_act()
        if self.agents is not None:
            self.agents.advance()

    def _others_act(self) -> None:
        if self.clock.seconds < self.meddled + MEDDLES_S:
            return  # the loop sleeps in short pieces
        self.meddled = self.clock.seconds
        self.meddler.repair()
        given = self.agents is not None and self.agents.office.takes_given()
        likely = max(self.mayhem, GIVEN) if given and self.mayhem else self.mayhem
        if self.rng.random() >= likely or self.clock.seconds >= self.shape.until_s:
            return
        self.quiet = True
        what = self.meddler.meddle()
        self.quiet = False
        if what:
            self.happened += 1
            self.reached.add(what)

    def _sleep(self, seconds: float) -> None:
        for piece in pieces(self.clock, seconds, 1.0):
            self.clock.sleep(piece)

    def _resume(self) -> None:
        self.quiet = True
        self.meddler.resume()
        self.quiet = False
