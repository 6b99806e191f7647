"""The whole way on real hosts, by the command: read them, plan, migrate, look again; and a client that is killed."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab.hosts import until

if TYPE_CHECKING:
    from tests.lab.hosts import Lab

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
DEMAND = {"cpu_millicores": 1000, "memory_mib": 256}
CAPACITY = {"cpu_millicores": 8000, "memory_mib": 4096}
REPLICAS = {"db": "h0", "mq": "h1", "web": "h2"}
"""Three replicas of each, all on one host; h3 and h4 are empty."""


class Desk:
    """A directory with the documents of a run, and the command."""

    def __init__(self, lab: Lab, home: Path, **hosts: Any) -> None:
        self.lab, self.home = lab, home
        self.vms = [f"{group}-{n}" for group in REPLICAS for n in range(3)]
        for vm in self.vms:
            lab.guest(vm, REPLICAS[vm.partition("-")[0]], DEMAND)
        until(lambda: all(len(lab.counted(vm)) > 1 for vm in self.vms), 90)
        lab.hosts_file(home / "hosts.yaml", CAPACITY, **hosts)
        groups = [
            {"id": g, "rules": [{"rule": "anti_affinity"}], "vms": [vm for vm in self.vms if vm.startswith(g)]}
            for g in REPLICAS
        ]
        (home / "groups.yaml").write_text(json.dumps({"format": "remora-overlay/1", "groups": groups}))
        # disks are on shared storage and not in the demand, so that only memory is copied

    def remora(self, *words: str, code: int = 0) -> str:
        done = subprocess.run(self._words(words), cwd=self.home, env=_environment(), capture_output=True, text=True)
        assert done.returncode == code, (words, done.stdout, done.stderr)
        return done.stdout

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        with (self.home / "killed").open("wb") as out:
            return subprocess.Popen(self._words(words), cwd=self.home, env=_environment(), stdout=out, stderr=out)

    def read(self, name: str) -> None:
        self.remora("import", "--source", "libvirt", "--location", "hosts.yaml", "--fleet", "lab", "-o", name)

    def plan(self) -> list[dict[str, Any]]:
        self.read("before.json")
        self.remora("check", "before.json", "--overlay", "groups.yaml", code=1)
        self.remora("plan", "before.json", "--overlay", "groups.yaml", "-o", "plan.json")
        moves: list[dict[str, Any]] = json.loads((self.home / "plan.json").read_text())["moves"]
        return moves

    @property
    def apply(self) -> tuple[str, ...]:
        files = ("apply", "before.json", "plan.json", "--overlay", "groups.yaml")
        return (*files, "--act", "--driver", "libvirt", "--location", "hosts.yaml", "--reason", "replicas apart")

    def is_as_planned(self, moves: list[dict[str, Any]]) -> None:
        """Each guest is on one host, where the plan wants it, moved as often as planned, and counts on."""
        to = {m["vm"]: m["to"] for m in moves}
        wanted = {vm: [to.get(vm, REPLICAS[vm.partition("-")[0]])] for vm in self.vms}
        assert self.lab.places() == wanted
        assert {vm: self.lab.starts(vm) for vm in self.vms} == {vm: 1 + (vm in to) for vm in self.vms}
        self.lab.goes_on(*self.vms)
        self.read("after.json")
        self.remora("check", "after.json", "--overlay", "groups.yaml")
        self.remora("ledger", "verify")

    def _words(self, words: tuple[str, ...]) -> list[str]:
        return [sys.executable, str(ROOT / "cli.py"), *words]


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def rows(home: Path) -> dict[str, str]:
    """Return the state of each move, by the ledger's file."""
    path = home / "remora-ledger.sqlite"
    if not path.exists():
        return {}
    ledger = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)
    try:
        return dict(ledger.execute("SELECT move, state FROM moves"))
    finally:
        ledger.close()


def test_replicas_of_one_host_are_found_and_moved_apart(lab: Lab, tmp_path: Path) -> None:
    desk = Desk(lab, tmp_path)
    moves = desk.plan()
    assert len(moves) == 6
    dry = desk.remora(*(word for word in desk.apply if word != "--act"))
    assert "6 moves" in dry
    assert "SIMULATED" not in dry
    assert lab.places() == {vm: [REPLICAS[vm.partition("-")[0]]] for vm in desk.vms}
    desk.remora(*desk.apply)
    desk.is_as_planned(moves)
    desk.remora(*desk.apply, code=4)  # a plan is carried out once


def test_the_client_is_killed_in_the_middle_and_started_again(lab: Lab, tmp_path: Path) -> None:
    """Every migration that had begun is found or seen to be over; none is done twice."""
    desk = Desk(lab, tmp_path, bandwidth_mib_per_s=4)
    moves = desk.plan()
    client = desk.start(*desk.apply)
    until(lambda: "copying" in rows(tmp_path).values() or client.poll() is not None, 120)
    assert client.poll() is None, (tmp_path / "killed").read_text()
    os.kill(client.pid, signal.SIGKILL)
    client.wait(30)
    assert set(rows(tmp_path).values()) - {"done"}, "killed too late"
    desk.remora(*desk.apply)
    assert set(rows(tmp_path).values()) == {"done"}
    desk.is_as_planned(moves)
