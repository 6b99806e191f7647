"""The loop by the commands: what the ledger knows binds the next plan, and `journey` says what holds a VM."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from optimizer.execute.ledger import open_ledger
from optimizer.execute.ledger.records import Change, FlyingMove, Order
from optimizer.execute.states import Failure, MoveState, RunState
from tests import build
from tests.command_line import refused, run
from tests.execute.plans import plan_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOW = datetime.now(UTC).replace(microsecond=0)
HOSTS = [build.host(f"h{i}", memory=16384, disk=100_000) for i in range(3)]
VMS = [build.vm(name, "h0", memory=6144, disk=1000) for name in ("a", "b", "c")]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fleet of which one VM has to leave; `a` and `b` failed three times within six hours."""
    monkeypatch.chdir(tmp_path)
    document = build.document(HOSTS, VMS, taken_at=NOW.isoformat())
    (tmp_path / "fleet.json").write_text(json.dumps(document))
    fleet = build.fleet(HOSTS, VMS)
    with open_ledger("book.sqlite") as ledger:
        lead = ledger.lead("tiny", "test", NOW - timedelta(hours=3))
        ledger.begin(lead, plan_of(fleet, id="old"), Order("ann", "why"), NOW - timedelta(hours=3), driver="libvirt")
        for number, vm in enumerate(("a", "b")):
            for attempt in (1, 2, 3):
                at = NOW - timedelta(hours=2) + timedelta(minutes=attempt)
                move = FlyingMove("old", f"m{number}", vm, "h0", "h1", MoveState.INTENDED, 1000, attempt)
                assert ledger.intend(lead, move, at, lambda _: None) is None
                ledger.submit(lead, move.key, at, accepted(move))
                failed = Change(move.key, MoveState.FAILED, "no route", Failure.TEMPORARY)
                ledger.record(lead, [failed], at + timedelta(seconds=30))
        ledger.end(lead, "old", RunState.FAILED, NOW - timedelta(hours=1))
    return tmp_path


def accepted(move: FlyingMove) -> Callable[[], tuple[Change, str]]:
    return lambda: (Change(move.key, MoveState.ACCEPTED), "job")


LEDGER = ("--ledger", "book.sqlite")


def moved(plan: Path) -> list[str]:
    return [move["vm"] for move in json.loads(plan.read_text())["moves"]]


def test_a_plan_leaves_what_failed_too_often_where_it_is(here: Path) -> None:
    planned = run("plan", "fleet.json", *LEDGER, "-o", "plan.json")
    assert planned.code == 0
    assert "history: 6 moves more by the ledger book.sqlite" in planned.err
    assert moved(here / "plan.json") == ["c"]


def test_it_is_verified_and_applied_with_the_same_ledger(here: Path) -> None:
    run("plan", "fleet.json", *LEDGER, "-o", "plan.json")
    assert run("verify", "fleet.json", "plan.json", *LEDGER).code == 0
    without = run("verify", "fleet.json", "plan.json")
    assert without.code == 1
    assert "another snapshot" in without.out
    applied = run("apply", "fleet.json", "plan.json", *LEDGER, "--act", "--json")
    assert (applied.code, applied.json["done"]) == (0, 1)
    assert run("ledger", "verify", *LEDGER).code == 0


def test_without_a_ledger_nothing_changes(here: Path) -> None:
    run("plan", "fleet.json", "-o", "plan.json")
    assert moved(here / "plan.json") != []
    assert run("verify", "fleet.json", "plan.json").code == 0
    assert run("apply", "fleet.json", "plan.json").code == 0
    assert "no file" in refused("plan", "fleet.json", "--ledger", "none.sqlite")


def test_the_journey_of_a_vm_and_what_holds_it(here: Path) -> None:
    alone = run("journey", "a", *LEDGER)
    assert alone.code == 0
    assert "3 travels, 0 done" in alone.out
    assert "attempt 3; no route" in alone.out
    held = run("journey", "a", *LEDGER, "--snapshot", "fleet.json", "--json")
    assert held.code == 1
    (why,) = held.json["held"]
    assert (why["filter"], why["reason"], why["rule"]) == ("failed too often", "unmovable", "journey")
    until = NOW - timedelta(hours=2) + timedelta(minutes=1, seconds=30) + timedelta(hours=6)
    assert why["until"] == held.json["free_at"] == until.isoformat().replace("+00:00", "Z")
    free = run("journey", "c", *LEDGER, "--snapshot", "fleet.json")
    assert free.code == 0
    assert "nothing holds it" in free.out


def test_a_vm_that_nobody_knows_is_refused_with_a_hint(here: Path) -> None:
    assert "a VM of which the ledger knows a move" in refused("journey", "c", *LEDGER)
    assert "a VM of fleet tiny" in refused("journey", "zz", *LEDGER, "--snapshot", "fleet.json")
    assert "no file" in refused("journey", "a", "--ledger", "none.sqlite")
    assert "the fleet of the snapshot" in refused("journey", "a", *LEDGER, "--snapshot", "fleet.json", "--fleet", "x")
