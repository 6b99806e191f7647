"""Monitors that may find an event too late by the settings are named at the start."""

from __future__ import annotations

import re
from typing import Any

import pytest

from optimizer.monitors.pressure import Psi
from optimizer.service.config import service_config
from optimizer.service.found_late import found_after_s, found_late
from optimizer.service.record import Outcome
from optimizer.service.schedule import Schedule
from optimizer.signals.config import SignalsPart
from optimizer.sources.config_yaml import config_from_document


def late(*, once: bool = False, **sections: Any) -> list[str]:
    document = {"inventory": {"file": "fleet.json"}, "signals": {}, **sections}
    return list(found_late(service_config(config_from_document(document, "remora.yaml")), once=once))


def test_the_defaults_find_within_two_windows() -> None:
    assert late() == []


@pytest.mark.parametrize("cycle", [{"watch_every_s": 600}, {"watch_every_s": None}, {"watch_every_s": 397}])
def test_looks_that_are_too_rare_are_named_with_what_would_do(cycle: dict[str, Any]) -> None:
    lines = late(cycle=cycle)
    assert [line.split()[0] for line in lines] == ["vcpu_wait", "psi_cpu", "psi_io", "psi_memory"]
    assert all("later than 2 windows (20 min 0 s): set cycle.watch_every_s to at most 396" in line for line in lines)
    assert late(cycle={"watch_every_s": 396}) == []


def test_single_cycles_have_no_looks_in_between() -> None:
    lines = late(once=True)
    assert lines and all("make a cycle at least every 198 s" in line for line in lines)
    assert late(once=True, cycle={"every_s": 198, "jitter": 0}) == []


def test_a_longer_window_gives_more_time() -> None:
    assert late(cycle={"watch_every_s": 600}, signals={"window_s": 1200}) == []


def test_a_monitor_that_waits_too_long_itself_is_named() -> None:
    watch = [{"monitor": "psi", "resource": "io", "open_after_s": 3600}, {"monitor": "full_disk"}]
    (line,) = late(monitors={"watch": watch})
    assert "psi_io may open only 1 h" in line and "its open_after_s, 3600" in line


@pytest.mark.parametrize("quantile", [0.66, 0.7, 0.9])
@pytest.mark.parametrize("left_s", [0, 1, 2, 3, 10])
@pytest.mark.parametrize("once", [False, True])
def test_what_it_advises_is_what_trying_intervals_finds(once: bool, left_s: int, quantile: float) -> None:
    """Two windows are that many seconds longer than a window takes to cross, and the monitor waits."""
    waits = round(1200 - (1 - quantile) * 600) - left_s
    watch = [{"monitor": "psi", "resource": "io", "open_after_s": waits}]

    def lines(seconds: int) -> list[str]:
        cycle = {"every_s": seconds, "jitter": 0} if once else {"watch_every_s": seconds}
        return late(once=once, cycle=cycle, signals={"quantile": quantile}, monitors={"watch": watch})

    do = [seconds for seconds in range(1, 20) if not lines(seconds)]
    (line,) = lines(300)
    if not do:
        assert line.endswith("no interval of a second or more is short enough")
        assert left_s == 0
        return
    advised = int(re.findall(r"at (?:most|least every) (\d+)", line)[0])
    assert do[:advised] == list(range(1, advised + 1))
    assert once or len(do) == advised


def test_without_signals_nothing_is_foreseen() -> None:
    document = {"inventory": {"file": "fleet.json"}, "cycle": {"watch_every_s": None}}
    assert list(found_late(service_config(config_from_document(document, "remora.yaml")))) == []


@pytest.mark.parametrize("every_s", [600, 900])
@pytest.mark.parametrize("watch_every_s", [60, 300, 600, None])
@pytest.mark.parametrize("open_after_s", [0, 600, 1500])
def test_it_is_the_worst_that_the_schedule_does(every_s: int, watch_every_s: int | None, open_after_s: int) -> None:
    """Second by second: an event begins at any time, is seen at looks, and opens when it was bad for long enough."""
    document = {
        "inventory": {"file": "f.json"},
        "cycle": {"every_s": every_s, "jitter": 0, "watch_every_s": watch_every_s},
    }
    cycle = service_config(config_from_document(document, "remora.yaml")).cycle
    monitor, signals = Psi(resource="io", open_after_s=open_after_s), SignalsPart()
    crosses = round((1 - signals.quantile) * signals.window_s)
    worst = max(_opens(begins, crosses, monitor, cycle) - begins for begins in range(0, every_s, 7))
    foreseen = found_after_s(monitor, signals, cycle)
    assert foreseen - 30 <= worst <= foreseen


def _opens(begins: int, crosses: int, monitor: Psi, cycle: Any) -> float:
    schedule = Schedule(every_s=cycle.every_s, jitter=0, watch_every_s=cycle.watch_every_s)
    now, pending_at = 0.0, None
    while True:
        again_s = None
        if now >= begins + crosses:
            pending_at = now if pending_at is None else pending_at
            again_s = pending_at + monitor.open_after_s - now
            if again_s <= 0:
                return now
        planned = now >= schedule.next_at
        schedule.after(now, now, Outcome.CLEAN, planned=planned, again_s=again_s)
        now = min(schedule.next_at, schedule.watch_at)
