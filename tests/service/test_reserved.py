"""Room kept for VMs to come counts in the periodic run: plans leave it, and whoever comes there has not travelled."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.check import check
from optimizer.clock import SystemClock
from optimizer.errors import InputError
from optimizer.execute.drivers.simulated import SimulatedDriver
from optimizer.execute.ledger import open_ledger
from optimizer.execute.ledger.reservations import Reservation
from optimizer.execute.readings import standing
from optimizer.execute.recheck import Expected
from optimizer.pipeline import Request, make_plan
from optimizer.service import reserved
from optimizer.service.keep import DirectoryKeep
from optimizer.service.reserved import fleet_with_reservations
from optimizer.sources.fleet_json import fleet_from_document
from optimizer.sources.kinds import time_text
from tests import build
from tests.command_line import run
from tests.execute.plans import move

if TYPE_CHECKING:
    from pathlib import Path

    from optimizer.fleet import Fleet

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def inventory(at: datetime = NOW) -> build.Document:
    """One host with too much, another with room for one VM more."""
    hosts = [build.host("h0", memory=4096), build.host("h1", memory=4200, measured={"memory_mib": 2100})]
    vms = [build.vm(name, host, memory=2048) for name, host in (("a", "h0"), ("b", "h0"), ("c", "h0"), ("d", "h1"))]
    return build.document(hosts, vms, taken_at=time_text(at))


def kept(until: datetime, *vms: tuple[str, str], **more: Any) -> Reservation:
    asked = [{"id": vm, "count": 1, "demand": {"memory_mib": 2048}, **more} for vm, _ in vms]
    room = {"request": {"format": "remora-request/1", "vms": asked}, "placements": [list(pair) for pair in vms]}
    return Reservation("tiny", "r", room, until - timedelta(hours=1), until, "me")


def with_new(document: build.Document) -> Fleet:
    return fleet_with_reservations(document, [kept(NOW, ("new", "h1"))], "here")[0]


def test_they_stand_where_they_will_be_and_stay() -> None:
    fleet = with_new(inventory())
    assert fleet.awaited == {"new"}
    assert standing(fleet) == [{"a", "b", "c"}, {"d"}]
    vm = fleet.vm_index["new"]
    assert fleet.vms.mobility_reason == {vm: "room is kept for it here, and it is not there yet"}
    assert int(fleet.unexplained[1, fleet.resource_index["memory_mib"]]) == 52, (
        "what its host reports in use is not taken for what the VM will use"
    )


def test_what_is_there_by_now_is_not_awaited_and_may_move() -> None:
    there = inventory()
    there["vms"].append(build.vm("new", "h1", memory=2048))
    fleet = with_new(there)
    assert fleet.awaited == frozenset()
    assert fleet.vms.mobility_reason == {}


def test_who_is_not_there_stands_in_for_nobody() -> None:
    """A VM to come satisfies no `needs`, but is kept apart."""
    document = inventory()
    rules = {"g": [{"rule": "needs", "with": "cache"}], "apart": [{"rule": "anti_affinity"}]}
    document["groups"] = [{"id": name, "rules": asked} for name, asked in rules.items()]
    document["vms"][3]["groups"] = ["g", "apart"]
    held = [kept(NOW, ("new", "h1"), groups=["cache", "apart"])]
    fleet, _ = fleet_with_reservations(document, held, "here")
    asked = build.policy({"rule": "needs"}, "anti_affinity")
    assert sorted(v.rule for v in check(fleet, asked)) == ["anti_affinity", "needs"]


@pytest.mark.parametrize("state", ["draining", "disabled", "down"])
def test_room_on_a_host_that_receives_nothing_is_not_kept(state: str) -> None:
    document = inventory()
    document["hosts"][1]["state"] = state
    assert with_new(document).awaited == frozenset()


def test_a_reservation_that_no_longer_fits_is_left_out_and_named(tmp_path: Path) -> None:
    """A host that it forbids is gone, which is nothing; one whose resource is gone ends no cycle."""
    now = SystemClock().now()
    wrong = kept(now + timedelta(minutes=5), ("other", "h0"))
    wrong.room["request"]["vms"][0]["demand"] = {"gpus": 1}
    with open_ledger(str(tmp_path / "l.sqlite")) as ledger:
        assert ledger.reservations.keep(replace(wrong, id="wrong"), ())
        right = kept(now + timedelta(minutes=5), ("new", "h1"), forbidden_hosts=["gone"])
        assert ledger.reservations.keep(right, {"wrong"})
    came = cycle(tmp_path, None)
    assert came["outcome"] == "remains"
    assert (came["counts"]["awaited"], came["counts"]["notes"]) == (1, 1)
    assert "reservation wrong is not counted" in came["detail"]


def test_few_wrong_reservations_among_many_are_found_by_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    held = [replace(kept(NOW, (f"n{i}", "h1")), id=f"r{i}") for i in range(64)]
    held[40].room["request"]["vms"][0]["demand"] = {"gpus": 1}
    held[41] = replace(held[41], room={})
    calls: list[int] = []

    def counting(document: build.Document, some: Any, where: str) -> Any:
        calls.append(len(some))
        return fleet_with_reservations(document, some, where)

    monkeypatch.setattr(reserved, "fleet_with_reservations", counting)
    fleet, document, left_out = reserved.counted(inventory(), held, "here")
    assert len(fleet.awaited) == 62
    assert fleet.digest == fleet_from_document(document, "here").digest
    assert [line.split()[1] for line in left_out] == ["r40", "r41"]
    assert len(calls) < 20


def test_a_snapshot_that_is_wrong_itself_is_told_as_such() -> None:
    wrong = inventory()
    wrong["vms"][0]["host"] = "nowhere"
    with pytest.raises(InputError, match="nowhere"):
        reserved.counted(wrong, [kept(NOW, ("new", "h1"))] * 2, "here")


def test_the_latest_snapshots_stay(tmp_path: Path) -> None:
    keep = DirectoryKeep(tmp_path, most=20)
    made = make_plan(fleet_from_document(inventory(), "f"), build.policy(), Request(seconds=1, deterministic=True))
    for n in range(24):
        keep.put(replace(made, id=f"plan-{n:016x}"), {"n": n})
        os.utime(keep.path(replace(made, id=f"plan-{n:016x}")), (n, n))
        if n == 1:
            keep.wait(replace(made, id=f"plan-{n:016x}"))
    assert len(list((tmp_path / "plans").iterdir())) == 21
    left = {int(p.name[5:21], 16) for p in (tmp_path / "fleets").iterdir()}
    assert left == {1, *range(14, 24)}


@pytest.mark.parametrize(
    ("comes", "said"),
    [
        (None, ""),
        (("new", "h1", 2048), ""),
        (("new", "h1", 1024), ""),
        (("new", "h1", 2049), "others have changed 'h1': 'new' came"),
        (("else", "h1", 16), "others have changed 'h1': 'else' came"),
    ],
)
def test_an_awaited_vm_may_come_to_its_room_and_take_no_more(comes: tuple[str, str, int] | None, said: str) -> None:
    fleet, real = with_new(inventory()), inventory()
    if comes:
        real["vms"].append(build.vm(comes[0], comes[1], memory=comes[2]))
    there = fleet_from_document(real, "there")
    assert Expected(fleet).change(move(fleet, 1, "a", "h0", "h1"), SimulatedDriver(there)) == said


def test_elsewhere_it_is_a_stranger() -> None:
    fleet, real = with_new(inventory()), inventory()
    real["vms"].append(build.vm("new", "h0", memory=16))
    there = fleet_from_document(real, "there")
    said = Expected(fleet).change(move(fleet, 1, "d", "h1", "h0"), SimulatedDriver(there))
    assert said == "others have changed 'h0': 'new' came"


def cycle(
    place: Path,
    hold: timedelta | None,
    *more: build.Document,
    level: str = "act",
    hosts: list[build.Document] | None = None,
) -> Any:
    """Make one cycle, while room is kept until then."""
    now = SystemClock().now()
    document = inventory(now)
    document["vms"] += more
    document["hosts"] += hosts or []
    (place / "fleet.json").write_text(json.dumps(document))
    sections = {"inventory": {"file": "fleet.json"}, "ledger": "l.sqlite", "policy": "p.yaml"}
    (place / "remora.yaml").write_text(json.dumps({**sections, "automation": {"level": level}}))
    (place / "p.yaml").write_text("format: remora-policy/1\nrules: [{rule: capacity}]\n")
    if hold is not None:
        with open_ledger(str(place / "l.sqlite")) as ledger:
            assert ledger.reservations.keep(kept(now + hold, ("new", "h1")), ())
    return run("run", "--once", "--json", "--config", place / "remora.yaml").json


def test_a_cycle_leaves_the_room_alone(tmp_path: Path) -> None:
    came = cycle(tmp_path, timedelta(minutes=5))
    assert (came["outcome"], came["plan"]) == ("remains", "")


def test_a_plan_made_while_room_is_kept_can_be_verified(tmp_path: Path) -> None:
    """The room on h1 stays; h2 is as good."""
    cycle(tmp_path, timedelta(minutes=5), level="propose", hosts=[build.host("h2", memory=4096)])
    (plan,) = (tmp_path / "remora-state" / "plans").glob("*.json")
    fleet = tmp_path / "remora-state" / "fleets" / f"{plan.name}.gz"
    assert [m["to"] for m in json.loads(plan.read_text())["moves"]] == ["h2"]
    words = ("--policy", tmp_path / "p.yaml", "--ledger", tmp_path / "l.sqlite")
    came = run("verify", fleet, plan, *words)
    assert came.code == 0, came.out
    assert run("verify", tmp_path / "fleet.json", plan, *words).code == 0
    assert run("verify", tmp_path / "fleet.json", plan, *words[:2]).code == 1


def test_without_a_reservation_or_after_it_the_room_is_used(tmp_path: Path) -> None:
    for name, hold in (("none", None), ("over", timedelta(0))):
        (tmp_path / name).mkdir()
        assert cycle(tmp_path / name, hold)["outcome"] == "done"


def test_what_is_made_elsewhere_has_not_travelled(tmp_path: Path) -> None:
    cycle(tmp_path, timedelta(minutes=5))
    cycle(tmp_path, None, build.vm("new", "h0", memory=2048))
    with open_ledger(str(tmp_path / "l.sqlite")) as ledger:
        assert ledger.travels("tiny", NOW, vm="new") == ()
