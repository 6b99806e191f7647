"""One cycle after the other: when, why, by which replica, and what happens where the ledger cannot be written."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.clock import SimulatedClock
from optimizer.errors import InputError, SafetyStop
from optimizer.pipeline import Request, make_plan
from optimizer.service.automation import Level
from optimizer.service.ending import Ending
from optimizer.service.events import CycleEnded, Event, LeadChanged, Trouble
from optimizer.service.keep import MemoryKeep
from optimizer.service.parts import Parts
from optimizer.service.periodic import Periodic, Triggers
from optimizer.service.record import Cycle, Outcome
from optimizer.service.roles import Reading, Watched
from optimizer.service.schedule import Schedule
from tests import build
from tests.service.test_cycle import FakeHands, at_ease, pair_on_one_host

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass
class Book:
    """Cycles in memory; `fails` says how many of the next writes fail."""

    rows: dict[int, Cycle] = field(default_factory=dict)
    fails: int = 0

    def _try(self) -> None:
        if self.fails:
            self.fails -= 1
            raise SafetyStop("the ledger cannot be written: disk full")

    def begin(self, cycle: Cycle) -> int:
        self._try()
        number = len(self.rows) + 1
        self.rows[number] = replace(cycle, number=number, outcome=Outcome.RUNNING)
        return number

    def end(self, cycle: Cycle) -> None:
        self._try()
        assert self.rows[cycle.number].outcome is Outcome.RUNNING
        self.rows[cycle.number] = cycle

    def cycles(self, fleet: str, last: int | None = None) -> Sequence[Cycle]:
        return tuple(reversed(self.rows.values()))


@dataclass
class Lease:
    other: str = ""
    kept: bool = True
    epoch: int = 1
    released: int = 0

    def take(self, fleet: str) -> str:
        return self.other

    def keep(self) -> bool:
        return self.kept

    def release(self) -> None:
        self.released += 1


class Clock(SimulatedClock):
    """Lets something happen at chosen seconds, and ends the service after a time."""

    eventful = True

    def __init__(self, at: Any, ending_at: float) -> None:
        super().__init__(at)
        self.happens: list[tuple[float, Callable[[], Any]]] = []
        self.ending_at, self.ending = ending_at, Ending(self)

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        for when, what in [h for h in self.happens if h[0] <= self.monotonic()]:
            self.happens.remove((when, what))
            what()
        if self.monotonic() >= self.ending_at and not self.ending.asked:
            self.ending.ask("enough")


@dataclass
class Bench:
    ends_at: float = 3600.0
    reads: Callable[[], Reading] | None = None
    every_s: float = 600.0
    jitter: float = 0.0
    watch_every_s: float | None = None
    level: Level = Level.OBSERVE
    again_s: float | None = None
    named: str = ""
    plan_when_open: bool = False
    lease: Lease = field(default_factory=Lease)
    book: Book = field(default_factory=Book)
    hands: FakeHands = field(default_factory=FakeHands)

    def __post_init__(self) -> None:
        fleet = at_ease()
        self.fleet, self.clock = fleet, Clock(fleet.taken_at, self.ends_at)
        self.heard: list[Event] = []
        self.triggers = Triggers()
        self.keep = MemoryKeep()
        self.plans: list[float] = []

        def read() -> Reading:
            return self.reads() if self.reads else Reading(fleet)

        def plan(fleet: Any, policy: Any, ending: Any) -> Any:
            raise AssertionError("no plan is wanted")

        parts = Parts(
            policy=build.policy(),
            level=self.level,
            clock=self.clock,
            read=read,
            watch=lambda reading, _: Watched(reading.fleet, again_s=self.again_s),
            plan=plan,
            hands=self.hands,
            keep=self.keep,
            book=self.book,
            told=self,
            plan_when_open=self.plan_when_open,
        )
        schedule = Schedule(self.every_s, self.jitter, self.watch_every_s, 60.0, 900.0, Random(1))
        ending, triggers = self.clock.ending, self.triggers
        self.periodic = Periodic(parts, schedule, ending, self.lease, "me", fleet=self.named, triggers=triggers)

    def tell(self, event: Event) -> None:
        self.heard.append(event)

    def began(self) -> list[float]:
        """Return when the cycles of the ledger began, in seconds."""
        return [round((c.started_at - self.fleet.taken_at).total_seconds(), 1) for c in self.book.rows.values()]

    def began_by(self) -> list[str]:
        return [c.trigger for c in self.book.rows.values()]

    def ended(self) -> list[Outcome]:
        return [e.cycle.outcome for e in self.heard if isinstance(e, CycleEnded)]


def test_a_cycle_every_few_minutes() -> None:
    bench = Bench()
    bench.periodic.run()
    assert bench.began() == [0.0, 600.0, 1200.0, 1800.0, 2400.0, 3000.0]
    assert bench.began_by() == ["start"] + ["time"] * 5
    assert all(c.outcome is Outcome.CLEAN and c.ended_at for c in bench.book.rows.values())
    assert bench.lease.released == 1


def test_jitter_keeps_within_its_share() -> None:
    bench = Bench(ends_at=600 * 50, jitter=0.1)
    bench.periodic.run()
    began = bench.began()
    gaps = [b - a for a, b in pairwise(began)]
    assert len(gaps) > 40
    assert all(540 <= gap <= 661 for gap in gaps)
    assert max(gaps) - min(gaps) > 60


def test_triggers_start_a_cycle_at_once_and_several_start_one() -> None:
    bench = Bench()
    bench.clock.happens = [(100.0, partial(bench.triggers.pull, c)) for c in ("SIGHUP", "http", "SIGHUP")]
    bench.periodic.run()
    assert bench.began()[:3] == [0.0, 100.0, 700.0]
    assert bench.began_by()[1] == "SIGHUP+http"


def test_bad_cycles_end_nothing_and_are_tried_later_and_later() -> None:
    def fail() -> Reading:
        raise OSError("no route to host")

    bench = Bench(ends_at=3600.0)
    bench.clock.happens = [
        (1.0, lambda: setattr(bench, "reads", fail)),
        (2500.0, lambda: setattr(bench, "reads", None)),
    ]
    bench.periodic.run()
    assert bench.began() == [0.0, 600.0, 660.0, 780.0, 1020.0, 1500.0, 2400.0, 3300.0]
    assert bench.ended() == [Outcome.CLEAN] + [Outcome.ERROR] * 6 + [Outcome.CLEAN]
    assert bench.began_by()[2:] == ["retry"] * 6
    assert bench.book.rows[2].detail == "OSError: no route to host"


def test_a_fleet_that_cannot_be_read_at_first_is_accounted_for_later() -> None:
    bench = Bench(ends_at=1000.0)
    fleet = bench.fleet

    def fail() -> Reading:
        raise OSError("not yet")

    bench.reads = fail
    bench.clock.happens = [(200.0, lambda: setattr(bench, "reads", lambda: Reading(fleet)))]
    bench.periodic.run()
    assert bench.began() == [0.0, 60.0, 180.0, 420.0]
    assert [c.outcome for c in bench.book.rows.values()] == [Outcome.ERROR] * 3 + [Outcome.CLEAN]
    assert bench.ended()[-1] is Outcome.CLEAN
    assert len(bench.book.rows) == len(bench.ended()) >= 3
    assert {c.fleet for c in bench.book.rows.values()} == {"tiny"}


@pytest.mark.parametrize("fails", range(1, 12))
def test_a_ledger_that_cannot_be_written_loses_no_cycle(fails: int) -> None:
    bench = Bench(ends_at=7200.0)
    bench.clock.happens = [(300.0, lambda: setattr(bench.book, "fails", fails))]
    bench.periodic.run()
    assert bench.book.fails == 0
    assert [c.outcome for c in bench.book.rows.values()] == bench.ended()
    assert all(c.ended_at is not None for c in bench.book.rows.values())
    assert any(isinstance(e, Trouble) for e in bench.heard) or Outcome.ERROR in bench.ended()


def test_a_replica_that_does_not_lead_makes_no_cycle_until_it_does() -> None:
    bench = Bench(ends_at=1000.0, lease=Lease(other="another"))
    bench.clock.happens = [(500.0, lambda: setattr(bench.lease, "other", ""))]
    bench.periodic.run()
    assert bench.began() == [500.5]
    leads = [e.leads for e in bench.heard if isinstance(e, LeadChanged)]
    assert leads[0] is False and True in leads


def test_a_replica_that_stands_by_promises_no_cycle() -> None:
    bench = Bench(ends_at=100.0, lease=Lease(other="host b"))
    said: list[str] = [bench.periodic.want("http")]
    bench.clock.happens = [
        (5.0, lambda: said.append(bench.periodic.want("http"))),
        (30.0, lambda: setattr(bench.lease, "other", "")),
        (60.0, lambda: said.append(bench.periodic.want("http"))),
    ]
    bench.periodic.run()
    assert said == ["", "cycles of fleet tiny are made by another: host b", ""]
    assert bench.began_by()[1:] == ["http"]


@pytest.mark.parametrize("error", [InputError("postgresql://x", "", "no route", "a server"), SafetyStop("away")])
def test_a_ledger_that_is_away_for_long_ends_no_service(error: Exception) -> None:
    """A PostgreSQL that was away for a minute and a half did: the lease was lost, and to take it again was an error."""

    class Away(Lease):
        def take(self, fleet: str) -> str:
            if 20 < bench.clock.monotonic() < 200:
                raise error
            return self.other

    bench = Bench(ends_at=700.0, lease=Away())
    bench.clock.happens = [(25.0, lambda: setattr(bench.lease, "kept", False))]
    bench.periodic.run()
    assert bench.ended() == [Outcome.CLEAN, Outcome.CLEAN]
    troubles = [e for e in bench.heard if isinstance(e, Trouble)]
    assert len(troubles) > 5 and all(trouble.detail == str(error) for trouble in troubles)


def test_a_lease_that_is_lost_is_noticed() -> None:
    bench = Bench(ends_at=2000.0)

    def lose() -> None:
        bench.lease.kept, bench.lease.other = False, "another"

    bench.clock.happens = [(700.0, lose)]
    bench.periodic.run()
    assert bench.began() == [0.0, 600.0]
    assert any(isinstance(e, LeadChanged) and "another has taken" in e.detail for e in bench.heard)


def test_an_approval_starts_one_cycle_and_what_fails_is_tried_later_and_later() -> None:
    """It started one every two seconds for as long as the inventory was away."""
    bench = Bench(ends_at=320.0, level=Level.APPROVE, plan_when_open=True, hands=FakeHands(approval=True))
    plan = make_plan(pair_on_one_host(), build.policy(), Request(seconds=5, deterministic=True))

    def fail() -> Reading:
        raise OSError("away")

    bench.clock.happens = [(20.0, lambda: setattr(bench, "reads", fail)), (20.0, lambda: bench.keep.wait(plan))]
    bench.periodic.run()
    assert bench.began_by() == ["start", "approval", "retry", "retry"]
    assert [b - a for a, b in pairwise(bench.began()[1:])] == [60.0, 120.0]


def test_watching_in_between() -> None:
    bench = Bench(ends_at=700.0, watch_every_s=120.0)
    bench.periodic.run()
    assert bench.began_by() == ["start"] + ["watch"] * 4 + ["time"]


def test_what_is_pending_is_looked_at_again_as_soon_as_it_may_open() -> None:
    bench = Bench(ends_at=1300.0, watch_every_s=300.0)
    bench.clock.happens = [
        (1.0, lambda: setattr(bench, "again_s", 70.0)),
        (310.0, lambda: setattr(bench, "again_s", 900.0)),
    ]
    bench.periodic.run()
    assert bench.began() == [0.0, 300.0, 370.0, 600.0, 900.0, 1200.0]
    never = Bench(ends_at=700.0, again_s=70.0)
    never.periodic.run()
    assert never.began() == [0.0, 600.0]


def test_once_makes_one_cycle() -> None:
    bench = Bench()
    assert bench.periodic.once().outcome is Outcome.CLEAN
    assert (bench.began_by(), bench.lease.released) == (["once"], 1)


def test_once_is_refused_where_another_leads() -> None:
    bench = Bench(lease=Lease(other="host b"))
    with pytest.raises(SafetyStop, match="host b"):
        bench.periodic.once()


def test_a_fleet_that_the_configuration_names_in_vain_is_never_known_to_the_ledger() -> None:
    bench = Bench(ends_at=200.0, named="tyni")
    bench.periodic.run()
    assert bench.ended() == [Outcome.ERROR] * 3
    assert (bench.periodic.fleet, bench.book.rows) == ("", {})
    assert not any(isinstance(e, LeadChanged) for e in bench.heard)
    assert "expected tyni, as cycle.fleet says" in bench.periodic.last.detail
    right = Bench(ends_at=50.0, named="tiny")
    right.periodic.run()
    assert [row.fleet for row in right.book.rows.values()] == ["tiny"]


def test_a_fleet_that_has_cycles_is_known_without_a_reading() -> None:
    """So a cycle is accounted for at once where the inventory is away from the start."""

    def fail() -> Reading:
        raise OSError("not yet")

    bench = Bench(ends_at=50.0, named="tiny", reads=fail)
    before = Cycle("tiny", 0, "start", "me", bench.fleet.taken_at, ended_at=bench.fleet.taken_at)
    bench.book.end(replace(before, number=bench.book.begin(before), outcome=Outcome.CLEAN))
    bench.periodic.run()
    assert [row.outcome for row in bench.book.rows.values()] == [Outcome.CLEAN, Outcome.ERROR]
