"""The benchmark of balance: the fleets that it makes, and the judge of rivals."""

from __future__ import annotations

import json
import runpy
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from benchmarks.case import Settings
from benchmarks.cases.peers import DRIVERS
from benchmarks.peers.judge_balance import balance_of, main
from benchmarks.skewed import LOAD, skewed_fleet
from constraints.scope import scoped
from optimizer.fleet import State
from optimizer.pipeline import Request, make_plan
from optimizer.scope import Scope
from optimizer.sources.fleet_json import read_fleet
from tests.build import policy

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
def test_some_hosts_are_busy_and_nothing_else_is_wrong(tmp_path: Path) -> None:
    fleet = read_fleet(skewed_fleet(Settings(work=tmp_path), 40))
    r = fleet.resource_index[LOAD]
    load = np.zeros(len(fleet.hosts))
    np.add.at(load, fleet.vms.host, fleet.vms.demand[:, r])
    use = load / fleet.hosts.capacity[:, r]
    assert use.max() > 2 * use.mean()
    assert not [v for rule in policy().rules for v in rule.check(State.start(fleet))]


balance = runpy.run_path(str(DRIVERS / "proxlb_greedy.py"))["balance"]
"""It runs as a program of its own, as a rival does."""


def said(**more: Any) -> dict[str, Any]:
    """Return two busy VMs on a, a smaller one on b, nothing on c, all of 100."""
    total = {"name": "cpu", "resource": LOAD, "amount": [40, 30, 20], "limit": [100, 100, 100]}
    return {
        "hosts": ["a", "b", "c"],
        "vms": ["x", "y", "z"],
        "start": [0, 0, 1],
        "sums": [total],
        "groups": [],
        "closed": [],
        "fixed": [],
        **more,
    }


def test_proxlb_sends_the_largest_to_the_node_with_most_free_until_nodes_are_even() -> None:
    assert balance(said(), LOAD, 1) == [2, 0, 1]
    assert balance(said(), LOAD, 0) == [2, 1, 0], "y goes to b, which has less than a; z then to a, which has least"
    assert balance(said(start=[0, 1, 2], fixed=[0, 1, 2]), LOAD, 0) == [0, 1, 2]


def test_proxlb_keeps_what_it_is_told_to_keep() -> None:
    apart = {"level": "host", "members": [[0, 1]], "most": [1]}
    assert balance(said(fixed=[0]), LOAD, 1) == [0, 2, 1]
    assert balance(said(closed=[{"vms": [0], "hosts": [2]}]), LOAD, 1) == [1, 0, 1]
    assert balance(said(start=[0, 2, 1], groups=[apart]), LOAD, 0)[0] != 2
    full = {"name": "memory", "resource": "memory_mib", "amount": [9, 1, 1], "limit": [9, 9, 5]}
    assert balance(said(sums=[said()["sums"][0], full]), LOAD, 1) == [0, 2, 1]


@pytest.mark.slow
def test_the_judge_counts_what_a_plan_claims(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = skewed_fleet(Settings(work=tmp_path), 20)
    fleet = read_fleet(path)
    asked = scoped(policy(), fleet, Scope(balance=(LOAD,), max_moves=4))
    plan = make_plan(fleet, asked, Request(seconds=5, deterministic=True))
    end = {m.vm: m.target for m in plan.moves}
    cost = next(s.value for s in plan.objective if s.stage == "cost")
    assert balance_of(fleet, end, LOAD) == {"moves": len(end), "musts broken": 0, "worse": 0, "cost": cost}
    (tmp_path / "end.json").write_text(json.dumps(end))
    assert main(str(path), str(tmp_path / "end.json"), LOAD, "4") == 0
    assert main(str(path), str(tmp_path / "end.json"), LOAD, "1") == 1
    assert "instead of 1" in capsys.readouterr().err
