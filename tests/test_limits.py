"""Time, work, memory and interrupts: what is left of them, and what is said to have ended a search."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from math import inf

import numpy as np
import pytest

from optimizer import limits
from optimizer.clock import SimulatedClock
from optimizer.limits import Deadline, Limits, WorkClock, peak_rss_mib, rss_mib


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock(datetime(2026, 11, 21, 12, tzinfo=UTC))


def test_time_runs_out(clock: SimulatedClock) -> None:
    clock.sleep(100.0)
    deadline = Deadline(clock, 10.0)
    clock.sleep(4.0)
    assert deadline.left() == pytest.approx(6.0)
    assert deadline.wall() == pytest.approx(6.0)
    assert not deadline.over()
    assert deadline.stopped_by == "work"
    clock.sleep(7.0)
    assert deadline.left() == 0.0
    assert deadline.over()
    assert deadline.stopped_by == "time"


def test_work_counts_for_nothing_where_time_does(clock: SimulatedClock) -> None:
    deadline = Deadline(clock, 10.0)
    deadline.spend(100.0)
    assert deadline.left() == 10.0


def test_work_runs_out_and_time_does_not_matter(clock: SimulatedClock) -> None:
    deadline = Deadline.of(Limits(seconds=10.0, deterministic=True), clock)
    clock.sleep(1000.0)
    assert deadline.left() == 10.0
    assert deadline.wall() == inf
    deadline.spend(9.0)
    assert deadline.left() == pytest.approx(1.0)
    deadline.spend(1.5)
    assert deadline.over()
    assert deadline.wall() == 0.0
    assert deadline.stopped_by == "work_limit"


def test_a_part_is_a_share_of_what_is_left(clock: SimulatedClock) -> None:
    deadline = Deadline(clock, 10.0)
    clock.sleep(2.0)
    part = deadline.part(0.25)
    assert part.left() == pytest.approx(2.0)
    clock.sleep(3.0)
    assert part.over()
    assert not deadline.over()
    assert deadline.part(2.0).left() == pytest.approx(10.0)


def test_what_is_kept_free_at_the_end_holds_for_parts_and_grows(clock: SimulatedClock) -> None:
    deadline, kept = Deadline(clock, 10.0), [0.0]
    deadline.keep(lambda: kept[0])
    most, half = deadline.part(1.0), deadline.part(0.5)
    assert (most.left(), half.left()) == pytest.approx((10.0, 5.0))
    kept[0] = 3.0
    assert (deadline.left(), most.left(), half.left()) == pytest.approx((7.0, 7.0, 5.0))
    kept[0] = 100.0
    assert deadline.left() == pytest.approx(4.0)


def test_nothing_is_kept_of_work() -> None:
    deadline = Deadline(WorkClock(), 10.0)
    deadline.keep(lambda: 3.0)
    assert deadline.left() == 10.0


def test_what_ended_a_part_ended_the_search(clock: SimulatedClock) -> None:
    deadline = Deadline(clock, 10.0)
    inner = deadline.part(0.5).part(0.5)
    clock.sleep(3.0)
    assert deadline.stopped_by == "work"
    assert inner.over()
    assert not deadline.over()
    assert deadline.stopped_by == inner.stopped_by == "time"


def test_a_part_shares_the_work_of_the_whole() -> None:
    deadline = Deadline(WorkClock(), 8.0)
    part = deadline.part(0.5)
    part.spend(3.0)
    assert (part.left(), deadline.left()) == (1.0, 5.0)


@pytest.mark.parametrize("deterministic", [False, True])
def test_an_interrupt_ends_everything_at_once(clock: SimulatedClock, deterministic: bool) -> None:
    event = threading.Event()
    deadline = Deadline.of(Limits(deterministic=deterministic), clock, event)
    part = deadline.part(0.5)
    assert not deadline.interrupted
    event.set()
    for one in (deadline, part):
        assert one.interrupted
        assert one.left() == one.wall() == 0.0
        assert one.over()
        assert one.stopped_by == "interrupt"


def test_memory_runs_out(clock: SimulatedClock) -> None:
    assert peak_rss_mib() > 1
    deadline = Deadline.of(Limits(memory_mib=1), clock)
    assert deadline.out_of_memory
    assert deadline.over()
    assert deadline.part(0.5).stopped_by == deadline.stopped_by == "memory"
    roomy = Deadline.of(Limits(memory_mib=peak_rss_mib() + 100_000), clock)
    assert not roomy.out_of_memory
    assert not roomy.over()


def test_what_a_process_took_before_a_search_began_does_not_end_it(clock: SimulatedClock) -> None:
    """A peak never falls: after one plan of a large fleet a service would have made no other."""
    much = np.ones(400 << 17)  # 400 MiB
    del much
    assert peak_rss_mib() >= rss_mib() + 200
    deadline = Deadline.of(Limits(memory_mib=rss_mib() + 100), clock)
    assert not deadline.over()


def test_a_part_that_ran_out_of_memory_is_remembered_by_the_whole(
    clock: SimulatedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    deadline = Deadline.of(Limits(memory_mib=100), clock)
    monkeypatch.setattr(limits, "rss_mib", lambda: 101)
    assert deadline.part(0.5).over()
    monkeypatch.setattr(limits, "rss_mib", lambda: 99)
    assert deadline.stopped_by == "memory"


def test_an_interrupt_is_named_before_memory_and_memory_before_time(clock: SimulatedClock) -> None:
    event = threading.Event()
    deadline = Deadline(clock, 0.0, event, 1)
    assert deadline.stopped_by == "memory"
    event.set()
    assert deadline.stopped_by == "interrupt"
