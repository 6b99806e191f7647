"""One cycle: each level, each outcome, each thing that can go wrong in it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.cautions import NOT_COMPILED
from optimizer.check import check
from optimizer.clock import SimulatedClock
from optimizer.errors import InputError, Interrupted, SafetyStop
from optimizer.execute.apply import Applied
from optimizer.pipeline import Request
from optimizer.plan import Status
from optimizer.service.automation import Level
from optimizer.service.cycle import CycleRun
from optimizer.service.ending import Ending
from optimizer.service.events import Event, FleetRead, PlanMade, PlanWaits, PlanWarned, RunEnded, Seen, Stopped, Trouble
from optimizer.service.keep import DirectoryKeep, MemoryKeep
from optimizer.service.parts import Limits, Parts
from optimizer.service.planner import PipelinePlanner
from optimizer.service.readers import StageLate
from optimizer.service.record import Cycle, Outcome
from optimizer.service.roles import Found, Reading, Watched
from tests import build

if TYPE_CHECKING:
    from collections.abc import Callable

    from optimizer.fleet import Fleet
    from optimizer.plan import Plan
    from optimizer.policy import Policy


def pair_on_one_host(**more: Any) -> Fleet:
    """Return a fleet that one move repairs."""
    hosts = [build.host(f"h{i}", memory=1000) for i in range(3)]
    vms = [build.vm(f"v{i}", "h0", memory=10, groups=["g"]) for i in range(2)]
    return build.fleet(hosts, vms, **more)


def at_ease() -> Fleet:
    return build.fleet([build.host("h0", memory=1000)], [build.vm("v0", "h0", memory=10)])


def stuck() -> Fleet:
    """Return a fleet in which something is violated and nothing helps."""
    return build.fleet([build.host("h0", memory=5)], [build.vm("v0", "h0", memory=10)])


class Ear:
    def __init__(self) -> None:
        self.heard: list[Event] = []

    def tell(self, event: Event) -> None:
        self.heard.append(event)

    def kinds(self) -> list[type]:
        return [type(event) for event in self.heard]


@dataclass
class FakeHands:
    """Carries nothing out, and says what it was asked for."""

    open_: int = 0
    approval: bool = False
    asked: list[str] = field(default_factory=list)
    came: Callable[[Plan], Applied] | Exception | None = None

    def left_open(self, fleet: str) -> bool:
        self.open_ -= 1
        return self.open_ >= 0

    def settle(self, fleet: Fleet, policy: Policy, ending: Ending) -> None:
        self.asked.append("settle")

    def approved(self, plan: Plan) -> bool:
        return self.approval

    def carry_out(self, fleet: Fleet, policy: Policy, plan: Plan, ending: Ending) -> Applied:
        self.asked.append(plan.id)
        if isinstance(self.came, Exception):
            raise self.came
        if self.came is not None:
            return self.came(plan)
        return applied(plan, done=tuple(m.id for m in plan.moves))


def applied(plan: Plan, **how: Any) -> Applied:
    return Applied(plan.id, plan.fleet, True, plan.taken_at, plan.taken_at, **how)


@dataclass
class Bench:
    """A cycle with everything around it faked, but the planner and the rules."""

    fleet: Fleet
    level: Level = Level.ACT
    hands: FakeHands = field(default_factory=FakeHands)
    read: Callable[[], Reading] | None = None
    imbalances: tuple[Found, ...] = ()
    opened: tuple[Found, ...] = ()
    plan_when_open: bool = False
    approval: bool = False
    plan: Any = None

    def __post_init__(self) -> None:
        self.clock, self.ear, self.keep = SimulatedClock(self.fleet.taken_at), Ear(), MemoryKeep()
        self.ending = Ending(self.clock)
        self.reads = 0

    def _read(self) -> Reading:
        self.reads += 1
        return self.read() if self.read else Reading(self.fleet)

    def _watch(self, reading: Reading, policy: Policy) -> Watched:
        found = tuple(check(reading.fleet, policy))
        return Watched(reading.fleet, found, imbalances=self.imbalances, opened=self.opened)

    def run(self, *, planning: bool = True, fleet: str = "tiny") -> Cycle:
        policy = build.policy()
        if self.approval:
            policy = replace(policy, execution=replace(policy.execution, approval=True))
        book: Any = None
        self.parts = Parts(
            policy=policy,
            level=self.level,
            clock=self.clock,
            read=self._read,
            watch=self._watch,
            plan=self.plan or PipelinePlanner(Request(seconds=5, deterministic=True)),
            hands=self.hands,
            keep=self.keep,
            book=book,
            told=self.ear,
            limits=Limits(),
            plan_when_open=self.plan_when_open,
        )
        self.cycle_run = CycleRun(
            self.parts, Cycle(fleet, 1, "time", "me", self.clock.now()), self.ending, planning=planning
        )
        return self.cycle_run.go()


OPEN = Found("i1", "anti_affinity", "g", pair_on_one_host().taken_at, "two on one host")


@pytest.mark.parametrize(
    ("level", "outcome", "carried_out"),
    [
        (Level.OBSERVE, Outcome.WATCHED, False),
        (Level.PROPOSE, Outcome.PROPOSED, False),
        (Level.APPROVE, Outcome.WAITING, False),
        (Level.ACT, Outcome.DONE, True),
    ],
)
def test_each_level_does_one_thing_more(level: Level, outcome: Outcome, carried_out: bool) -> None:
    bench = Bench(pair_on_one_host(), level)
    cycle = bench.run()
    assert cycle.outcome is outcome
    assert bool(bench.hands.asked) is carried_out
    assert cycle.counts["violations"] == 1
    assert cycle.ended_at is not None
    assert (PlanMade in bench.ear.kinds()) is (level is not Level.OBSERVE)
    assert (cycle.detail == "automation.level is observe: no plan is made") is (level is Level.OBSERVE)
    assert Seen in bench.ear.kinds()


@pytest.mark.parametrize("level", list(Level))
def test_where_nothing_is_wrong_nothing_is_done(level: Level) -> None:
    bench = Bench(at_ease(), level)
    assert bench.run().outcome is Outcome.CLEAN
    assert bench.hands.asked == []


def test_what_no_move_repairs_remains() -> None:
    bench = Bench(stuck())
    cycle = bench.run()
    assert (cycle.outcome, cycle.counts["moves"], cycle.counts["remaining"]) == (Outcome.REMAINS, 0, 1)


def test_a_plan_waits_until_somebody_approves_it() -> None:
    bench = Bench(pair_on_one_host(), Level.APPROVE)
    first = bench.run()
    waiting = bench.keep.waiting()
    assert waiting is not None and first.plan == waiting.id
    again = bench.run()
    assert (again.outcome, again.plan) == (Outcome.WAITING, first.plan)
    assert bench.ear.kinds().count(PlanWaits) == 2
    bench.hands.approval = True
    done = bench.run()
    assert (done.outcome, bench.hands.asked) == (Outcome.DONE, [first.plan])
    assert [cycle.counts["moves"] for cycle in (first, again, done)] == [1, 1, 1]
    assert bench.keep.waiting() is None


def test_a_plan_that_waits_and_cannot_be_read_is_said_and_made_anew(tmp_path: Path) -> None:
    bench = Bench(pair_on_one_host(), Level.APPROVE)
    bench.keep = DirectoryKeep(tmp_path)  # type: ignore[assignment]
    first = bench.run()
    Path(bench.keep.path(bench.keep.waiting())).write_text("{")  # type: ignore[arg-type]
    bench.keep = DirectoryKeep(tmp_path)  # type: ignore[assignment] # another process
    again = bench.run()
    assert (again.outcome, again.plan) == (Outcome.WAITING, first.plan)
    (told,) = [e for e in bench.ear.heard if isinstance(e, Trouble)]
    assert "cannot be read" in told.detail
    assert bench.keep.waiting() is not None


def test_a_policy_that_wants_approval_has_it_also_where_the_level_is_act() -> None:
    assert Bench(pair_on_one_host(), Level.ACT, approval=True).run().outcome is Outcome.WAITING


def test_a_plan_that_has_expired_is_made_again_and_must_be_approved_again() -> None:
    bench = Bench(pair_on_one_host(), Level.APPROVE)
    first = bench.run()
    bench.clock.sleep(901)
    later = pair_on_one_host(taken_at=bench.clock.now().isoformat())
    bench.read = lambda: Reading(later)
    second = bench.run()
    assert second.outcome is Outcome.WAITING
    assert second.plan != first.plan
    assert "is given up" in second.detail and "expired" in second.detail
    assert bench.hands.asked == []


def test_a_plan_that_no_longer_fits_is_given_up() -> None:
    bench = Bench(pair_on_one_host(), Level.APPROVE)
    bench.run()
    moved = build.fleet(
        [build.host(f"h{i}", memory=1000) for i in range(3)],
        [build.vm("v0", "h1", memory=10, groups=["g"]), build.vm("v1", "h2", memory=10, groups=["g"])],
    )
    bench.read = lambda: Reading(moved)
    assert bench.run().outcome is Outcome.CLEAN
    assert bench.keep.waiting() is None


def test_what_was_left_open_is_looked_after_first_and_the_fleet_read_again() -> None:
    bench = Bench(pair_on_one_host(), hands=FakeHands(open_=1))
    cycle = bench.run()
    assert bench.hands.asked[0] == "settle"
    assert (bench.reads, cycle.outcome) == (2, Outcome.DONE)
    for level in (Level.OBSERVE, Level.PROPOSE):
        quiet = Bench(pair_on_one_host(), level, hands=FakeHands(open_=1))
        quiet.run()
        assert quiet.hands.asked == []


@pytest.mark.parametrize(
    ("how", "outcome"),
    [
        ({"done": ("m0001",)}, Outcome.DONE),
        ({"failed": ("m0001",)}, Outcome.PARTLY),
        ({"skipped": (("m0001", "why"),)}, Outcome.PARTLY),
        ({"unknown": ("m0001",)}, Outcome.PARTLY),
        ({"stopped": "the breaker"}, Outcome.STOPPED),
    ],
)
def test_what_became_of_the_moves(how: dict[str, Any], outcome: Outcome) -> None:
    bench = Bench(pair_on_one_host(), hands=FakeHands(came=lambda plan: applied(plan, **how)))
    cycle = bench.run()
    assert cycle.outcome is outcome
    assert RunEnded in bench.ear.kinds()
    assert (Stopped in bench.ear.kinds()) is (outcome is Outcome.STOPPED)
    assert sum(cycle.counts[name] for name in ("done", "failed", "skipped", "unknown")) == (
        1 if "stopped" not in how else 0
    )


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (SafetyStop("stopped by ann"), Outcome.STOPPED),
        (Interrupted("interrupted; no move is in flight"), Outcome.STOPPED),
        (RuntimeError("no such thing"), Outcome.ERROR),
        (InputError("fleet.json", "", "x", "y"), Outcome.ERROR),
        (MemoryError(), Outcome.ERROR),
        (StageLate("not read within 60 s"), Outcome.ERROR),
    ],
)
@pytest.mark.parametrize("stage", ["read", "plan", "execute"])
def test_no_error_leaves_a_cycle(error: Exception, outcome: Outcome, stage: str) -> None:
    def fail(*_: Any) -> Any:
        raise error

    bench = Bench(pair_on_one_host())
    if stage == "read":
        bench.read = fail
    elif stage == "plan":
        bench.plan = fail
    else:
        bench.hands.came = error
    cycle = bench.run()
    assert cycle.outcome is outcome
    assert str(error) in cycle.detail
    assert f"seconds_{stage}" in cycle.counts


@pytest.mark.parametrize("planned", [True, False])
def test_what_is_doubtful_about_a_reading_is_told_and_stays_in_the_record(planned: bool) -> None:
    bench = Bench(pair_on_one_host())
    bench.read = lambda: Reading(bench.fleet, ("h2 is \x1b[31mblind", "two names are of no host"))
    if not planned:
        bench.plan = lambda *_: 1 / 0
    cycle = bench.run()
    (read,) = [e for e in bench.ear.heard if isinstance(e, FleetRead)]
    assert read.notes == ("h2 is \x1b[31mblind", "two names are of no host")
    assert cycle.counts["notes"] == 2
    assert "blind; two names are of no host" in cycle.detail and "\x1b" not in cycle.detail
    assert cycle.outcome is (Outcome.DONE if planned else Outcome.ERROR)
    assert cycle.detail.startswith("h2 is" if planned else "ZeroDivisionError")


def test_the_fleet_stays_the_same() -> None:
    cycle = Bench(at_ease()).run(fleet="another")
    assert cycle.outcome is Outcome.ERROR
    assert "tiny" in cycle.detail


def test_a_service_that_ends_begins_no_stage() -> None:
    bench = Bench(pair_on_one_host())
    bench.ending.ask("SIGTERM")
    cycle = bench.run()
    assert (cycle.outcome, cycle.detail, bench.reads) == (Outcome.STOPPED, "the service ends: SIGTERM", 0)


def test_plans_only_where_an_imbalance_is_open_if_that_is_wanted() -> None:
    bench = Bench(pair_on_one_host(), plan_when_open=True)
    assert bench.run().outcome is Outcome.WATCHED
    bench.imbalances = (OPEN,)
    assert bench.run().outcome is Outcome.DONE


def test_watching_plans_only_where_an_imbalance_has_opened() -> None:
    bench = Bench(pair_on_one_host(), imbalances=(OPEN,))
    assert bench.run(planning=False).outcome is Outcome.WATCHED
    bench.opened = (OPEN,)
    assert bench.run(planning=False).outcome is Outcome.DONE


def test_seconds_of_the_stages_are_kept() -> None:
    bench = Bench(pair_on_one_host())

    def slow() -> Reading:
        bench.clock.sleep(7)
        return Reading(bench.fleet)

    bench.read = slow
    assert bench.run().counts["seconds_read"] == 7.0


def test_a_stage_that_lasts_too_long_submits_nothing_more() -> None:
    clock = SimulatedClock(at_ease().taken_at)
    ending = Ending(clock, wait_s=100)
    ending.begin("execute", 60)
    assert (ending.reason, ending.at_once) == ("", False)
    clock.sleep(60)
    assert (ending.reason, ending.at_once) == ("stage execute has lasted too long", False)
    clock.sleep(100)
    assert ending.at_once
    ending.begin("")
    assert (ending.reason, ending.at_once) == ("", False)
    ending.ask("SIGTERM")
    assert (ending.reason, ending.at_once) == ("the service ends: SIGTERM", False)
    ending.ask("SIGTERM")
    assert ending.at_once


def test_a_plan_of_a_later_time_is_another_plan() -> None:
    fleet = pair_on_one_host()
    later = replace(fleet, taken_at=fleet.taken_at + timedelta(seconds=5))
    planner = PipelinePlanner(Request(seconds=5, deterministic=True))
    ending = Ending(SimulatedClock(fleet.taken_at))
    assert planner(fleet, build.policy(), ending).id != planner(later, build.policy(), ending).id


@pytest.mark.parametrize("moves", [True, False])
def test_what_makes_a_plan_doubtful_is_told_counted_and_kept(moves: bool) -> None:
    def hurried(fleet: Fleet, policy: Policy, ending: Ending) -> Plan:
        plan = PipelinePlanner(Request(seconds=5, deterministic=True))(fleet, policy, ending)
        plan = plan if moves else replace(plan, moves=(), status=Status.NO_PLAN_IN_TIME)
        return replace(plan, stats={**plan.stats, "warnings": [asdict(NOT_COMPILED)]})

    bench = Bench(pair_on_one_host(), plan=hurried)
    cycle = bench.run()
    assert cycle.counts["plan_warnings"] == 1
    assert NOT_COMPILED.text in cycle.detail
    assert [event.warnings for event in bench.ear.heard if isinstance(event, PlanWarned)] == [(NOT_COMPILED,)]


def test_of_a_plan_that_is_not_doubtful_nothing_is_told() -> None:
    bench = Bench(pair_on_one_host())
    assert "plan_warnings" not in bench.run().counts
    assert PlanWarned not in bench.ear.kinds()
