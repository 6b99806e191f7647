"""Evidence of interference in the periodic run: found, acted on, confirmed or refuted; and no cycle ends for it."""

from __future__ import annotations

import time
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from optimizer.clock import SimulatedClock, SystemClock
from optimizer.errors import InputError, SafetyStop
from optimizer.execute.button import StopFile
from optimizer.execute.ledger import open_ledger
from optimizer.execute.ledger.records import Order
from optimizer.pipeline import Request
from optimizer.service.automation import Level
from optimizer.service.book import LedgerBook
from optimizer.service.ending import Ending
from optimizer.service.events import Everybody, PairChanged, Seen, Trouble
from optimizer.service.evidence import Attributed, EvidenceWatcher, PrometheusAttributing, evidence_part
from optimizer.service.hands import LedgerHands
from optimizer.service.keep import MemoryKeep
from optimizer.service.parts import Limits, Parts
from optimizer.service.periodic import Periodic
from optimizer.service.planner import PipelinePlanner
from optimizer.service.roles import Reading, Watched
from optimizer.service.schedule import Schedule
from optimizer.service.watching import MonitorsWatcher
from optimizer.signals.interference import Record, State
from optimizer.signals.series_reading import InterferencePart
from optimizer.sources.config_yaml import config_from_document
from tests import build
from tests.service.days import OneLease
from tests.service.noisy_fleet import NoisyFleet
from tests.service.test_cycle import Ear, at_ease

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from optimizer.execute.ledger import Ledger
    from optimizer.policy import Policy

POLICY = build.policy("capacity", {"rule": "noisy_neighbor", "score_from": 0.05})
HOUR_S = 3600.0
PART = InterferencePart(step_s=60, every_s=600.0)


class _Over(Exception):
    """The hours are over."""


def lived(tmp_path: Path, fleet: NoisyFleet, hours: float) -> tuple[Ear, Ledger, list[Seen]]:
    """Let a service live with a noisy fleet for some hours."""
    ear, clock = Ear(), fleet.clock
    ledger = open_ledger(str(tmp_path / "ledger.sqlite"))
    told = Everybody([ear])

    def on_sleep() -> None:
        fleet.pass_time()
        if clock.seconds >= hours * HOUR_S:
            raise _Over

    clock.on_sleep = on_sleep
    ending = Ending(clock)
    monitors = MonitorsWatcher(
        ledger, config_from_document({"journeys": {"simulated": True}}, "test"), clock, {}, "test"
    )
    parts = Parts(
        policy=POLICY,
        level=Level.ACT,
        clock=clock,
        read=fleet.read,
        watch=EvidenceWatcher(monitors, ledger, PART, fleet.attribute, clock, ending, told, "test"),
        plan=PipelinePlanner(Request(seconds=5, deterministic=True)),
        hands=LedgerHands(ledger, fleet.driver, "living", StopFile(None), Level.ACT, Order("test", "test"), told),
        keep=MemoryKeep(),
        book=LedgerBook(ledger),
        told=told,
        limits=Limits(execute_s=1800.0),
    )
    with suppress(_Over):
        Periodic(parts, Schedule(every_s=600.0, rng=Random(1)), ending, OneLease(), "test").run()
    return ear, ledger, [event for event in ear.heard if isinstance(event, Seen)]


def steps(ear: Ear, fleet: NoisyFleet) -> list[tuple[str, str]]:
    """Return what became of the pair."""
    return [
        (e.before, e.after)
        for e in ear.heard
        if isinstance(e, PairChanged) and (e.noisy, e.suffers) == (fleet.noisy, fleet.victim)
    ]


@pytest.mark.slow
def test_a_noisy_pair_is_found_separated_and_confirmed(tmp_path: Path) -> None:
    fleet = NoisyFleet(1, PART, by_host=True)
    together = fleet.world.place[fleet.noisy]
    ear, ledger, seen = lived(tmp_path, fleet, 7.0)
    with ledger:
        assert steps(ear, fleet) == [("", "evident"), ("evident", "separated"), ("separated", "confirmed")]
        assert fleet.world.place[fleet.noisy] != fleet.world.place[fleet.victim]
        assert together in (fleet.world.place[fleet.noisy], fleet.world.place[fleet.victim])
        (row,) = ledger.evidence("living")
        assert (row.noisy, row.suffers, row.kind, row.state) == (fleet.noisy, fleet.victim, "cpu", "confirmed")
        assert ledger.audit().faults == ()
        opened = [found.monitor for event in seen for found in event.watched.opened]
        assert opened == ["noisy_neighbor"]
        assert [one.state for one in ledger.imbalances("living", every=True) if one.opened_at] == ["closed"]
    last = seen[-1].watched
    assert dict(last.evidence) == {"evident": 0, "separated": 0, "confirmed": 1, "refuted": 0}
    (entry,) = last.fleet.interference
    assert last.fleet.vms.ids[entry.noisy] == fleet.noisy
    assert not [event for event in ear.heard if isinstance(event, Trouble)]
    assert np.isfinite(last.fleet.vms.pressure[:, 1]).all()


@pytest.mark.slow
def test_where_the_stall_does_not_fall_the_pair_is_refuted_and_rests(tmp_path: Path) -> None:
    fleet = NoisyFleet(2, PART, by_host=False)
    ear, ledger, seen = lived(tmp_path, fleet, 8.0)
    with ledger:
        assert steps(ear, fleet) == [("", "evident"), ("evident", "separated"), ("separated", "refuted")]
        (row,) = ledger.evidence("living")
        assert row.state == "refuted"
    last = seen[-1].watched
    assert last.evidence["refuted"] == 1
    assert (last.fleet.interference, last.violations, last.imbalances) == ((), (), ())  # it is not acted upon again


# -- what goes wrong ---------------------------------------------------------------------------------------------------


def record(noisy: str = "v0", suffers: str = "v1", state: State = State.EVIDENT, **more: Any) -> Record:
    at = at_ease().taken_at
    facts: dict[str, Any] = {"host": "h0", "score": 0.2, "p": 0.001, "lasted": 4, "windows": 5, "stall_before": 0.2}
    return Record(
        noisy=noisy, suffers=suffers, kind="cpu", state=state, **(facts | {"since": at, "seen_at": at} | more)
    )


def pair(**more: Any) -> Any:
    vms = [build.vm(f"v{i}", "h0", memory=1) for i in range(2)]
    return build.fleet([build.host(f"h{i}", memory=100) for i in range(2)], vms, **more)


class Bench:
    """A watcher that attributes by a function, with a ledger."""

    def __init__(self, tmp_path: Path, attribute: Callable[..., Attributed], **part: Any) -> None:
        self.ear, self.clock = Ear(), SimulatedClock(at_ease().taken_at)
        self.ledger = open_ledger(str(tmp_path / "ledger.sqlite"))
        self.ending = Ending(self.clock)
        settings = InterferencePart(**({"every_s": 900.0, "within_s": 0.5} | part))
        self.seen: list[Reading] = []

        def inner(reading: Reading, policy: Policy) -> Watched:
            assert policy.rules
            self.seen.append(reading)
            return Watched(reading.fleet)

        self.watch = EvidenceWatcher(inner, self.ledger, settings, attribute, self.clock, self.ending, self.ear, "test")

    def look(self, fleet: Any = None) -> Watched:
        return self.watch(Reading(fleet or pair()), POLICY)

    def troubles(self) -> list[str]:
        return [f"{e.where}: {e.detail}" for e in self.ear.heard if isinstance(e, Trouble)]


def fails(error: Exception) -> Callable[..., Attributed]:
    def attribute(*_: object) -> Attributed:
        raise error

    return attribute


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (InputError("remora.yaml", "signals.prometheus", "no answer", "an answer within 60 s"), "no answer"),
        (OSError("no route to host"), "OSError: no route to host"),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero"),
    ],
)
def test_a_failure_is_one_line_and_what_the_ledger_has_still_counts(
    tmp_path: Path, error: Exception, said: str
) -> None:
    bench = Bench(tmp_path, fails(error))
    from optimizer.service.evidence import _row

    bench.ledger.write_evidence([_row("tiny", record(), at_ease().taken_at)], at_ease().taken_at, by="before")
    watched = bench.look()
    (line,) = bench.troubles()
    assert line.startswith("interference: ")
    assert said in line
    assert len(watched.fleet.interference) == 1
    assert watched.evidence["evident"] == 1


def test_evidence_that_nobody_could_see_again_for_long_is_not_acted_upon(tmp_path: Path) -> None:
    bench = Bench(tmp_path, fails(OSError("away")))
    from optimizer.service.evidence import _row

    rows = [record(), record("v1", "v0", State.CONFIRMED)]
    bench.ledger.write_evidence([_row("tiny", one, one.since) for one in rows], at_ease().taken_at, by="before")
    late = bench.look(pair(taken_at="2026-11-21T14:31:00Z"))
    assert [(e.noisy, e.suffers) for e in late.fleet.interference] == [(1, 0)]  # what was found apart stays apart
    assert (late.evidence["evident"], late.evidence["confirmed"]) == (1, 1)
    assert any("not acted upon" in line and line.endswith(": 1") for line in bench.troubles())


def test_one_that_hangs_is_left_behind_and_no_other_is_begun(tmp_path: Path) -> None:
    held = SimulatedClock(at_ease().taken_at)
    begun: list[float] = []

    def hang(*_: object) -> Attributed:
        begun.append(held.monotonic())
        time.sleep(3.0)
        raise AssertionError

    bench = Bench(tmp_path, hang, every_s=0.0, within_s=0.3)
    began = time.monotonic()
    bench.look()
    bench.look()
    assert time.monotonic() - began < 2.0
    assert len(begun) == 1
    first, second = bench.troubles()
    assert "not attributed within 0.3 s (interference.within_s)" in first
    assert "has not ended yet" in second


def test_the_ledger_that_is_away_ends_no_cycle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path, fails(AssertionError()))

    def away(_: str) -> Any:
        raise SafetyStop("the ledger cannot be read: disk full")

    monkeypatch.setattr(bench.ledger, "evidence", away)
    assert bench.look().fleet.interference == ()
    assert bench.troubles() == ["interference: the ledger cannot be read: disk full"]


def test_it_is_attributed_as_often_as_the_section_says(tmp_path: Path) -> None:
    fleet = NoisyFleet(3, PART, by_host=True)
    bench = Bench(tmp_path, fleet.attribute, every_s=900.0, within_s=600.0)
    living = fleet.read().fleet
    fleet.clock.sleep(HOUR_S)
    for seconds in (0.0, 600.0, 600.0, 600.0, 600.0, 600.0):
        bench.clock.sleep(seconds)
        bench.look(living)
    assert fleet.asked == 3
    assert bench.troubles() == []


def test_the_end_of_the_service_is_not_swallowed(tmp_path: Path) -> None:
    from optimizer.service.ending import Ended

    def hang(*_: object) -> Attributed:
        time.sleep(3.0)
        raise AssertionError

    bench = Bench(tmp_path, hang, within_s=5.0)
    bench.ending.ask("SIGTERM")
    with pytest.raises(Ended, match="SIGTERM"):
        bench.look()


@pytest.mark.parametrize(
    ("sections", "wanted"),
    [
        ({}, False),
        ({"signals": {}}, False),
        ({"interference": {}}, False),
        ({"interference": None, "signals": {}}, True),
        ({"interference": {"every_s": None}, "signals": {}}, False),
    ],
)
def test_it_is_attributed_where_both_sections_are(sections: dict[str, Any], wanted: bool) -> None:
    part = evidence_part(config_from_document(sections, "remora.yaml"))
    assert (part is not None) is wanted


def test_a_section_that_is_wrong_is_refused() -> None:
    with pytest.raises(InputError, match=r"interference\.every_s"):
        evidence_part(config_from_document({"interference": {"every_s": "often"}, "signals": {}}, "remora.yaml"))


def test_by_a_prometheus_of_its_own() -> None:
    pytest.importorskip("prometheus_api_client", reason="the extra prometheus is not installed")
    from tests.prometheus.fake_server import serving
    from tests.signals.interference.series import hog
    from tests.signals.test_series_reading import Now, config, fleet, world

    queries = {
        "cpu": {"stall": "avg by ({vm}) (rate(vcpu_delay[{rate}]))", "use": "sum by ({vm}) (rate(cpu_time[{rate}]))"},
        "cpu_steal": None,
        "io": None,
    }
    with serving(world(hog(1, victims=(1,)))) as (url, _):
        said = config(url, queries=queries)
        part = evidence_part(said)
        assert part is not None
        found = PrometheusAttributing(said, part, Now(), SystemClock(), {})(fleet(), ())
    assert [(r.noisy, r.suffers, r.state.value) for r in found.outcome.records] == [("v0", "v1", "evident")]


def test_people_see_it_by_command_and_on_the_page(tmp_path: Path) -> None:
    pytest.importorskip("starlette", reason="the extra service is not installed")
    from urllib.request import urlopen

    from optimizer.service.evidence import _row
    from tests.command_line import run
    from tests.service.pages import served

    at, nasty = at_ease().taken_at, "<img src=x onerror=alert(1)>"
    apart = record("v2", nasty, State.REFUTED, stall_after=0.19)
    place = tmp_path / "ledger.sqlite"
    with open_ledger(str(place)) as ledger:
        ledger.write_evidence([_row("tiny", one, at) for one in (record(), apart)], at, by="test")
    listed = run("evidence", "--ledger", place)
    assert listed.code == 1
    assert "1 pair on one host with evidence of interference" in listed.out
    assert "v0 costs v1 20.0 % of its time, p 0.001, 4 of 5 windows" in listed.out
    assert "stalled 20.0 % before, 19.0 % apart" in listed.out
    as_json = run("evidence", "--ledger", place, "--json").json
    assert [(one["noisy"], one["state"]) for one in as_json] == [("v0", "evident"), ("v2", "refuted")]
    with served(tmp_path) as url, urlopen(url) as answer:
        page = answer.read().decode()
    assert "Evidence of interference" in page
    assert "v0 costs v1 20.0 % of its time" in page
    assert "&lt;img src=x" in page and nasty not in page
    empty = tmp_path / "empty.sqlite"
    open_ledger(str(empty)).close()
    assert run("evidence", "--ledger", empty).code == 0
