"""`apply` interrupted at many instants, by real signals in real processes: what it says is what the ledger knows."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.execute.ledger import open_ledger
from optimizer.execute.states import MoveState
from optimizer.pipeline import Request, make_plan
from optimizer.sources.fleet_json import fleet_from_document
from optimizer.sources.plan_json import plan_document
from tests import build
from tests.execute.interrupted import INSTANTS

if TYPE_CHECKING:
    from optimizer.plan import Plan

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGKILL", "SIGTERM+SIGHUP")
NAMED = re.compile(r"(m\d+) \((\S+): \S+ to \S+\)")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("interrupts")


@pytest.fixture(scope="module")
def plan(directory: Path) -> Plan:
    """Return a plan of moves side by side and one after the other."""
    hosts = [build.host(f"h{i}", memory=100, state="draining" if i < 6 else "active") for i in range(12)]
    vms = [build.vm(f"v{i}", f"h{i % 6}", memory=30) for i in range(12)]
    document = build.document(hosts, vms)
    made = make_plan(fleet_from_document(document, "test"), build.policy(), Request(seconds=5, deterministic=True))
    assert len(made.moves) == 12
    (directory / "fleet.json").write_text(json.dumps(document))
    (directory / "plan.json").write_text(json.dumps(plan_document(made)))
    return made


@pytest.fixture(scope="module")
def runs(plan: Plan, directory: Path) -> list[dict[str, Any]]:
    """Run all of them, once for all tests."""
    assert plan.moves
    (directory / "work").mkdir()
    places = [str(directory / name) for name in ("fleet.json", "plan.json", "work")]
    done = subprocess.run(
        [sys.executable, "-m", "tests.execute.interrupted", *places, *SIGNALS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_without_a_signal_all_is_done(plan: Plan, runs: list[dict[str, Any]]) -> None:
    assert runs[0]["exit"] == 0, runs[0]["said"]
    assert (runs[0]["done"], runs[0]["under_way"]) == (len(plan.moves), [])
    assert len(runs) == 1 + len(SIGNALS) * INSTANTS
    assert runs[0]["events"] > 20 * INSTANTS


@pytest.mark.parametrize("signals", SIGNALS)
def test_the_ledger_knows_of_every_move_that_may_be_under_way(runs: list[dict[str, Any]], signals: str) -> None:
    """The hypervisors' own record against the ledger."""
    open_ones = 0
    for run in (r for r in runs if r["signals"] == signals):
        assert set(run["under_way"]) <= {vm for _, vm in run["flying"]}, run
        open_ones += bool(run["flying"])
    assert open_ones >= INSTANTS // 3


@pytest.mark.parametrize("signals", SIGNALS)
def test_the_same_command_goes_on_and_repeats_nothing(plan: Plan, runs: list[dict[str, Any]], signals: str) -> None:
    gone_on = 0
    for run in (r for r in runs if r["signals"] == signals and r["exit"]):
        if run["done_again"] == run["done"] == len(plan.moves) and "already applied" in run["said_again"]:
            continue  # it was cut off behind its end
        assert run["exit_again"] == 0, run
        assert run["started_again"] == sorted(m.vm for m in plan.moves), run
        assert (run["done_again"], run["flying_again"]) == (len(plan.moves), [])
        with open_ledger(f"{run['work']}/ledger.sqlite") as ledger:
            assert ledger.audit().faults == ()
            assert {m.flying.state for m in ledger.moves(plan.fleet, plan.id)} == {MoveState.DONE}
        gone_on += 0 < run["done"] < len(plan.moves)
    assert gone_on >= INSTANTS // 3


@pytest.mark.parametrize("signals", [s for s in SIGNALS if s != "SIGKILL"])
def test_what_is_said_is_what_the_ledger_knows(plan: Plan, runs: list[dict[str, Any]], signals: str) -> None:
    said_open = 0
    for run in (r for r in runs if r["signals"] == signals):
        *_, last = run["said"].strip().split("\n")
        assert "Traceback" not in run["said"]
        assert "internal error" not in run["said"]
        if run["exit"] == 0:
            assert run["done"] == len(plan.moves)
            continue
        assert run["exit"] == 130, run
        assert last.startswith("remora: interrupted"), run["said"]
        assert sorted(NAMED.findall(last)) == sorted((move, vm) for move, vm in run["flying"])
        said_open += bool(run["flying"])
    assert said_open >= INSTANTS // 3
