"""Real processes of `remora run`: signals, a restart, two replicas; the hypervisors outlive all of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.execute.ledger import open_ledger, peek_ledger
from optimizer.execute.states import MoveState, RunState
from tests import build
from tests.documents import ROOT
from tests.service.filed import jobs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

LONG_S = 60.0
VMS = 8


class Place:
    """Hypervisors, a configuration, and the processes that are started there."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        hosts = [build.host(f"h{i}", memory=100, state="draining" if i < 4 else "active") for i in range(8)]
        vms = [build.vm(f"v{i}", f"h{i % 4}", memory=30) for i in range(VMS)]
        (directory / "fleet.json").write_text(json.dumps(build.document(hosts, vms)))
        self.ledger = directory / "ledger.sqlite"
        self.processes: list[subprocess.Popen[bytes]] = []
        self.configure()

    def configure(self, **cycle: Any) -> None:
        snapshot = [sys.executable, "-m", "tests.service.filed", "snapshot", str(self.directory)]
        sections = {
            "inventory": {"command": snapshot, "environment": ["PYTHONPATH"]},
            "ledger": str(self.ledger),
            "driver": "filed",
            "cycle": {"every_s": 2, "jitter": 0, "lease_again_s": 0.5, "stop_s": 30, "plan_s": 10, **cycle},
            "automation": {"level": "act", "by": "svc"},
            "log": {"format": "json"},
        }
        (self.directory / "remora.yaml").write_text(json.dumps(sections))

    def start(self, name: str = "log") -> subprocess.Popen[bytes]:
        words = [sys.executable, "-m", "tests.service.filed", "run", str(self.directory)]
        with (self.directory / name).open("ab") as log:
            process = subprocess.Popen(
                [*words, "run", "--config", str(self.directory / "remora.yaml")],
                cwd=ROOT,
                stderr=log,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
        self.processes.append(process)
        return process

    def log(self, name: str = "log") -> list[dict[str, Any]]:
        path = self.directory / name
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line) for line in lines if line.startswith("{")]

    def until(self, what: Callable[[], bool]) -> None:
        began = time.monotonic()
        while not what():
            assert time.monotonic() - began < LONG_S, (self.directory / "log").read_text()[-2000:]
            time.sleep(0.05)

    def agree(self) -> None:
        """Every VM began to move once, is done by the ledger, and every cycle has an end."""
        began = Counter(job["vm"] for job in jobs(self.directory))
        assert set(began.values()) == {1}
        with open_ledger(str(self.ledger)) as ledger:
            assert ledger.audit().faults == ()
            assert ledger.in_flight("tiny") == ()
            moves = [m for run in ledger.runs("tiny") for m in ledger.moves("tiny", run.plan)]
            assert {m.flying.vm for m in moves if m.flying.state is MoveState.DONE} == set(began)
            assert all(run.state is not RunState.RUNNING for run in ledger.runs("tiny"))
            cycles = ledger.cycles("tiny")
            assert [c.number for c in cycles] == list(range(len(cycles), 0, -1))
            assert all(c.ended_at is not None for c in cycles)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    for process in made.processes:
        if process.poll() is None:
            process.kill()
        process.wait()


def flying(place: Place) -> int:
    ledger = peek_ledger(str(place.ledger)) if place.ledger.exists() else None
    if ledger is None:
        return 0
    with ledger:
        return len(ledger.in_flight("tiny"))


def all_moved(place: Place) -> bool:
    return len({job["vm"] for job in jobs(place.directory)}) == VMS and flying(place) == 0


def test_sigterm_waits_for_what_is_in_flight_and_submits_nothing_more(place: Place) -> None:
    process = place.start()
    place.until(lambda: len(jobs(place.directory)) > 0)
    before = len(jobs(place.directory))
    process.send_signal(signal.SIGTERM)
    assert process.wait(LONG_S) == 0
    assert len(jobs(place.directory)) <= before + 1  # one may have been between two lines
    assert len(jobs(place.directory)) < VMS
    place.agree()
    last = [line for line in place.log() if line["event"] == "cycle ended"][-1]
    assert (last["outcome"], last["detail"]) == ("stopped", "the service ends: SIGTERM")
    process = place.start()
    place.until(lambda: all_moved(place))
    place.until(lambda: place.log()[-1].get("outcome") in ("done", "clean"))
    process.send_signal(signal.SIGTERM)
    assert process.wait(LONG_S) == 0
    place.agree()


def test_sigkill_and_a_restart_repeat_nothing(place: Place) -> None:
    process = place.start()
    place.until(lambda: len(jobs(place.directory)) >= 2)
    process.kill()
    process.wait()
    assert flying(place) > 0
    process = place.start()
    place.until(lambda: all_moved(place))
    place.until(lambda: place.log()[-1].get("outcome") in ("done", "clean"))
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(LONG_S) == 0
    place.agree()
    with open_ledger(str(place.ledger)) as ledger:
        assert [c.outcome for c in ledger.cycles("tiny")].count("lost") == 1


@pytest.mark.rotating
def test_of_two_replicas_one_makes_cycles_and_the_other_takes_over(place: Place) -> None:
    first, second = place.start("log"), place.start("second")

    def events(name: str) -> list[str]:
        return [line["event"] for line in place.log(name)]

    place.until(lambda: len(jobs(place.directory)) > 0)
    place.until(lambda: "stands by" in events("log") or "stands by" in events("second"))
    leader, other = (first, "second") if "stands by" in events("second") else (second, "log")
    assert "cycle begun" not in events(other)
    leader.kill()
    leader.wait()
    place.until(lambda: "leads" in events(other))
    place.until(lambda: all_moved(place))
    place.until(lambda: place.log(other)[-1].get("outcome") in ("done", "clean"))
    (second if leader is first else first).send_signal(signal.SIGTERM)
    assert (second if leader is first else first).wait(LONG_S) == 0
    place.agree()


@pytest.mark.rotating
def test_sighup_starts_a_cycle(place: Place) -> None:
    place.configure(every_s=3600)
    process = place.start()
    place.until(
        lambda: (
            any(line["event"] == "cycle ended" for line in place.log()) if (place.directory / "log").exists() else False
        )
    )
    process.send_signal(signal.SIGHUP)
    place.until(lambda: any(line.get("trigger") == "SIGHUP" for line in place.log()))
    process.send_signal(signal.SIGTERM)
    assert process.wait(LONG_S) == 0
    place.agree()
