"""Whole cycles on a ledger in PostgreSQL: the commands, one after the other, and an hour with faults and crashes."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.execute.ledger import open_ledger
from optimizer.execution import WindowBudget
from tests.command_line import run
from tests.service.days import simulate
from tests.service.test_run_command import FOUR, config

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def address(new_schema: Callable[[], str]) -> str:
    return str(new_schema())


def test_cycles_of_the_command(address: str, tmp_path: Path) -> None:
    shutil.copy(FOUR, tmp_path / "four.json")

    def cycle(level: str) -> Any:
        path = config(tmp_path, ledger=address, automation={"level": level})
        return run("run", "--once", "--json", "--config", path)

    waits = cycle("approve")
    assert (waits.code, waits.json["outcome"], waits.json["number"]) == (1, "waiting", 1)
    plan = tmp_path / "remora-state" / "plans" / f"{waits.json['plan']}.json"
    assert run("stop", "--reason", "no", "--ledger", address).code == 0
    assert cycle("act").json["outcome"] == "stopped"
    assert run("resume", "--reason", "yes", "--ledger", address).code == 0
    assert run("approve", plan, "--reason", "fine", "--ledger", address).code == 0
    done = cycle("approve")
    assert (done.code, done.json["outcome"]) == (0, "done")
    cycles = run("cycles", "--ledger", address, "--json").json
    assert [(c["number"], c["outcome"]) for c in cycles] == [(3, "done"), (2, "stopped"), (1, "waiting")]
    assert [r["state"] for r in run("ledger", "runs", "--ledger", address, "--json").json] == ["done"]
    assert "2 imbalances open" in run("imbalances", "--ledger", address).out
    assert run("evidence", "--ledger", address).code == 0
    assert run("ledger", "verify", "--ledger", address).code == 0
    now, fleet = datetime.now(UTC), json.loads(FOUR.read_text())["fleet"]
    asked = [WindowBudget(10**9, moves=9, gib=90, per=per) for per in ("fleet", "source", "target")]
    with open_ledger(address) as ledger:
        left = ledger.budgets_left(fleet, asked, now)
        moves = [m.flying for r in ledger.runs(fleet) for m in ledger.moves(fleet, r.plan)]
    assert moves
    for per in ("source", "target"):
        hosts = [getattr(m, per) for m in moves]
        assert left[per, 10**9, "moves"] == 9 - max(hosts.count(h) for h in hosts)
    assert left["fleet", 10**9, "moves"] == 9 - len(moves)
    assert left["fleet", 10**9, "gib"] == pytest.approx(90 - sum(m.copied_mib for m in moves) / 1024)


@pytest.mark.slow
def test_an_hour_of_a_living_fleet(address: str, tmp_path: Path) -> None:
    seen = simulate(0.04, 3, directory=tmp_path, crashes=0.004, place=address)
    assert seen.broken == []
    assert seen.cycles > 4
    assert seen.ends["done"] > 0
    assert seen.crashes > 0
