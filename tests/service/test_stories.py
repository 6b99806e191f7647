"""The four stories by the periodic run itself, on a real Prometheus: series, monitors, a plan, moves, and all well.

Disks fill, vCPUs wait, disks stall, replicas share a host. Nothing is done while these are pending; once they are open
a plan is made and carried out; the exporters then say what follows from where the VMs are, and the imbalances close.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("prometheus_api_client", reason="the extra prometheus is not installed")

from tests.command_line import run
from tests.signals.real_prometheus import need_prometheus, running
from tests.signals.test_real_prometheus import POLICY, inventory, measured

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

LASTS_S = 2
"""How long a reading is bad, or well, before it counts; days, in a real fleet, are minutes here."""

HOLDS = {"open_after_s": LASTS_S, "close_after_s": LASTS_S}
MONITORS = {
    "anti_affinity": {"monitor": "rule", "rule": "anti_affinity", **HOLDS},
    "full_disk": {"monitor": "full_disk", **HOLDS},
    "vcpu_wait": {"monitor": "vcpu_wait", **HOLDS},
    "psi_io": {"monitor": "psi", "resource": "io", **HOLDS},
}


class Fleet:
    """An inventory, its exporters' history, and a service that is started for each cycle."""

    def __init__(self, place: Path) -> None:
        self.place, self.document = place, inventory()
        (place / "policy.yaml").write_text(POLICY)

    def cycle(self, url: str) -> dict[str, Any]:
        """Make one cycle, of an inventory that is taken now."""
        self.document["taken_at"] = inventory()["taken_at"]
        (self.place / "fleet.json").write_text(json.dumps(self.document))
        sections = {
            "inventory": {"file": "fleet.json"},
            "signals": {"prometheus": {"url": url}, "deadline_s": 20},
            "monitors": {"watch": list(MONITORS.values())},
            "journeys": {"simulated": True},
            "policy": "policy.yaml",
            "ledger": "ledger.sqlite",
            "cycle": {"plan_when": "open", "read_s": 120},
            "automation": {"level": "act"},
        }
        (self.place / "remora.yaml").write_text(json.dumps(sections))
        came = run("run", "--once", "--json", "--config", self.place / "remora.yaml")
        assert came.code in (0, 1), came.err
        cycle: dict[str, Any] = came.json
        return cycle

    def imbalances(self) -> dict[str, set[str]]:
        """Return the states in which the ledger has those of each monitor."""
        found: dict[str, set[str]] = {}
        for one in run("imbalances", "--all", "--ledger", self.place / "ledger.sqlite", "--json").json:
            found.setdefault(one["monitor"], set()).add(one["state"])
        return found

    def moved(self) -> int:
        """Let the inventory know where the VMs are now, by the ledger."""
        book = ("--ledger", self.place / "ledger.sqlite", "--json")
        (done,) = run("ledger", "runs", *book).json
        where = {m["flying"]["vm"]: m["flying"] for m in run("ledger", "moves", done["plan"], *book).json["moves"]}
        assert {one["state"] for one in where.values()} == {"done"}
        for vm in self.document["vms"]:
            vm["host"] = where[vm["id"]]["target"] if vm["id"] in where else vm["host"]
        return len(where)


def test_from_series_to_monitors_to_moves_and_well_afterwards(tmp_path: Path) -> None:
    need_prometheus()
    fleet = Fleet(tmp_path)
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    after.mkdir()
    with running(before, measured(before, fleet.document)) as url:
        first = fleet.cycle(url)
        assert (first["outcome"], first["plan"]) == ("watched", ""), "what is pending moves nothing"
        assert fleet.imbalances() == {name: {"pending"} for name in MONITORS}
        time.sleep(LASTS_S)
        second = fleet.cycle(url)
    assert second["outcome"] == "done", second
    assert second["counts"]["imbalances_opened"] >= len(MONITORS)
    assert fleet.imbalances() == {name: {"open"} for name in MONITORS}
    plan = json.loads((tmp_path / "remora-state" / "plans" / f"{second['plan']}.json").read_text())
    reasons = {reason["rule"] for move in plan["moves"] for reason in move["reasons"]}
    assert reasons == {"anti_affinity", "full_disk", "steal", "psi"}
    assert fleet.moved() == len(plan["moves"]) <= len(fleet.document["vms"]) / 2

    with running(after, measured(after, fleet.document)) as url:
        assert fleet.cycle(url)["outcome"] in ("watched", "clean")
        assert fleet.imbalances() == {name: {"closing"} for name in MONITORS}
        time.sleep(LASTS_S)
        last = fleet.cycle(url)
    assert fleet.imbalances() == {name: {"closed"} for name in MONITORS}
    assert (last["outcome"], last["counts"]["violations"]) == ("clean", 0)
    assert [c["outcome"] for c in run("cycles", "--ledger", tmp_path / "ledger.sqlite", "--json").json][-2:] == [
        "done",
        "watched",
    ]
