"""Room kept for VMs to come counts in the periodic run: plans leave it, and whoever comes there has not travelled."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.clock import SystemClock
from optimizer.execute.drivers.simulated import SimulatedDriver
from optimizer.execute.ledger import open_ledger
from optimizer.execute.ledger.reservations import Reservation
from optimizer.execute.readings import standing
from optimizer.execute.recheck import Expected
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
    return fleet_with_reservations(document, [kept(NOW, ("new", "h1"))], "here")


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


def cycle(place: Path, hold: timedelta | None, *more: build.Document) -> Any:
    """Make one cycle that acts, while room is kept until then."""
    now = SystemClock().now()
    document = inventory(now)
    document["vms"] += more
    (place / "fleet.json").write_text(json.dumps(document))
    sections = {"inventory": {"file": "fleet.json"}, "ledger": "l.sqlite", "policy": "p.yaml"}
    (place / "remora.yaml").write_text(json.dumps({**sections, "automation": {"level": "act"}}))
    (place / "p.yaml").write_text("format: remora-policy/1\nrules: [{rule: capacity}]\n")
    if hold is not None:
        with open_ledger(str(place / "l.sqlite")) as ledger:
            assert ledger.reservations.keep(kept(now + hold, ("new", "h1")), ())
    return run("run", "--once", "--json", "--config", place / "remora.yaml").json


def test_a_cycle_leaves_the_room_alone(tmp_path: Path) -> None:
    came = cycle(tmp_path, timedelta(minutes=5))
    assert (came["outcome"], came["plan"]) == ("remains", "")


def test_without_a_reservation_or_after_it_the_room_is_used(tmp_path: Path) -> None:
    for name, hold in (("none", None), ("over", timedelta(0))):
        (tmp_path / name).mkdir()
        assert cycle(tmp_path / name, hold)["outcome"] == "done"


def test_what_is_made_elsewhere_has_not_travelled(tmp_path: Path) -> None:
    cycle(tmp_path, timedelta(minutes=5))
    cycle(tmp_path, None, build.vm("new", "h0", memory=2048))
    with open_ledger(str(tmp_path / "l.sqlite")) as ledger:
        assert ledger.travels("tiny", NOW, vm="new") == ()
