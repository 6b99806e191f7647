"""Reading a snapshot: every field lands in its column, absent ones have their published default."""

from __future__ import annotations

import gzip
import json
import lzma
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pytest

from optimizer.errors import InputError
from optimizer.fleet import ABSENT, Busy, GroupRule, HostState, Mobility, MoveOutcome, Pressure, VmState
from optimizer.sources.files import canonical_digest
from optimizer.sources.fleet_json import fleet_from_document, read_fleet, read_fleet_document
from tests.sources.samples import FLEET_TEXT, full_fleet

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def fleet():
    return fleet_from_document(full_fleet(), "full.json")


def test_top_level(fleet) -> None:
    assert (fleet.id, fleet.taken_at) == ("nyc3", datetime(2026, 11, 21, 12, tzinfo=UTC))
    assert [(r.name, r.copied) for r in fleet.resources] == [
        ("cpu_millicores", False), ("memory_mib", True), ("disk_mib", True)
    ]  # fmt: skip
    assert fleet.levels == ("host", "rack", "zone")
    assert fleet.move_within == 2
    assert fleet.domain_ids == (("h0", "h1", "h2"), ("r0", "r1"), ("z0", "z1"))
    assert fleet.hosts.domain.tolist() == [[0, 1, 2], [0, 1, 1], [0, 0, 1]]
    assert fleet.history_since == datetime(2026, 11, 19, 12, tzinfo=UTC).timestamp()


def test_host_columns(fleet) -> None:
    hosts = fleet.hosts
    assert hosts.ids == ("h0", "h1", "h2")
    assert hosts.capacity.tolist() == [[64000, 131072, 1966080], [-1, 131072, -1], [-1, -1, -1]]
    assert hosts.overcommit_millionths.tolist() == [[1_600_000, 1_000_000, -1], [-1] * 3, [-1] * 3]
    assert hosts.reserved.tolist() == [[0, 4096, 0], [0] * 3, [0] * 3]
    assert hosts.measured.tolist() == [[-1, -1, 1_800_000], [-1] * 3, [-1] * 3]
    assert hosts.state.tolist() == [HostState.ACTIVE, HostState.DRAINING, HostState.DOWN]
    assert hosts.error_count.tolist() == [0, ABSENT, ABSENT]
    assert hosts.max_vms.tolist() == [135, ABSENT, ABSENT]
    assert hosts.busy == {0: (Busy.CREATE, Busy.IPMI_REBOOT)}
    assert hosts.pressure[0].tolist() == [0.01, 0.05, 0.02, 0.0]
    assert np.isnan(hosts.pressure[1:]).all()
    assert hosts.pressure_window_s[0] == 600
    assert hosts.migration_mib_per_s[0] == 1200
    assert np.isnan(hosts.migration_mib_per_s[1:]).all()
    assert fleet.now - hosts.observed_at[0] == 60
    assert fleet.now - hosts.signals_at[0] == 120
    (window,) = hosts.maintenance[0]
    assert (window.start - fleet.now, window.end - window.start, window.reason) == (43200, 14400, "new <b>fan</b>")
    assert list(hosts.labels) == [{"cpu": "epyc-7003", "pool": ""}, {}, {}]


def test_vm_columns(fleet) -> None:
    vms = fleet.vms
    assert vms.ids == ("v0", "v1", "v2", "<img src=x>")
    assert vms.host.tolist() == [0, 1, ABSENT, 0]
    assert vms.demand.tolist() == [[2000, 4096, 51200], [0, 1, 0], [0, 0, 0], [0, 0, 7]]
    assert [vms.owner_ids[o] if o >= 0 else None for o in vms.owner] == ["u17", "u18", "u17", None]
    assert vms.created_at[0] == datetime(2025, 12, 31, 22, tzinfo=UTC).timestamp()
    assert vms.state.tolist() == [VmState.PAUSED, VmState.RUNNING, VmState.RUNNING, VmState.RUNNING]
    assert vms.mobility.tolist() == [Mobility.COLD, Mobility.LIVE, Mobility.LIVE, Mobility.LIVE]
    assert vms.mobility_reason == {0: "passthrough"}
    assert vms.requires == {0: {"cpu": ("epyc-7003", "epyc-9004")}}
    assert vms.forbidden_hosts == {0: (1, 2)}
    assert vms.no_move_until[0] - fleet.now == 36 * 3600
    assert np.isnan(vms.no_move_until[1:]).all()
    assert vms.sensitive.tolist() == [True, False, False, False]
    assert (vms.noise[0, Pressure.CPU], vms.noise[0, Pressure.IO]) == (0.4, 0.1)
    assert np.isnan(vms.noise[0, [Pressure.CPU_STEAL, Pressure.MEMORY]]).all()
    assert vms.pressure[0, Pressure.IO] == 0.31
    assert vms.dirty_mib_per_s[0] == 12
    assert vms.move_cost_milli.tolist() == [1500, ABSENT, ABSENT, ABSENT]
    assert vms.labels[0] == {"tier": "gold"}
    assert vms.labels[1] is vms.labels[2]  # one empty object for all


def test_groups(fleet) -> None:
    by_id = {g.id: g for g in fleet.groups}
    assert list(by_id) == ["es-leaders", "cache", "named-only", "loose"]
    assert by_id["es-leaders"].rules == (
        GroupRule("anti_affinity", "host", True, 1, at_most=1),
        GroupRule("spread", "rack", False, 5, at_least=3),
        GroupRule("apart", "host", True, 1, other="loose"),
        GroupRule("together", "zone"),
        GroupRule("needs", "rack", other="cache"),
    )
    assert by_id["loose"].rules == (GroupRule("anti_affinity", "host", True, 1, at_most=1),)
    assert (by_id["loose"].declared, by_id["loose"].members.tolist()) == (False, [0, 3])
    assert (by_id["cache"].declared, by_id["cache"].rules) == (True, ())
    assert (by_id["named-only"].rules, by_id["named-only"].members.tolist()) == ((), [])


def test_moves(fleet) -> None:
    (move,) = fleet.in_flight
    assert (move.id, move.vm, move.source, move.target, move.by) == ("x1", 1, 1, 0, "operator")
    assert fleet.now - move.started_at == 30
    assert [(m.vm, m.outcome, m.by) for m in fleet.history] == [
        ("gone", MoveOutcome.DONE, "remora"), ("v0", MoveOutcome.FAILED, "other")
    ]  # fmt: skip
    (evidence,) = fleet.interference
    assert (evidence.noisy, evidence.suffers, evidence.kind, evidence.score) == (1, 0, "io", 0.8)


def test_defaults_of_optional_lists() -> None:
    document = {name: value for name, value in full_fleet().items() if name not in (
        "move_within", "groups", "interference", "in_flight", "history_since", "history")}  # fmt: skip
    fleet = fleet_from_document(document, "x")
    assert (fleet.move_within, fleet.interference, fleet.in_flight, fleet.history) == (None, (), (), ())
    assert np.isnan(fleet.history_since)
    assert {g.id for g in fleet.groups} == {"es-leaders", "loose", "cache"}
    assert not any(g.declared for g in fleet.groups)


def test_no_vms_is_a_fleet() -> None:
    document = full_fleet() | {"vms": [], "interference": [], "in_flight": [], "groups": []}
    fleet = fleet_from_document(document, "x")
    assert fleet.vms.demand.shape == (0, 3)
    assert fleet.vms.noise.shape == (0, 4)


@pytest.mark.parametrize(
    ("cost", "milli"),
    [(0, 0), (1, 1000), (0.001, 1), (1.0001, 1001), (0.1 + 0.2, 301), (1e-9, 1), (123456.789, 123456789)],
)
def test_move_cost_is_rounded_up(cost: float, milli: int) -> None:
    document = full_fleet()
    document["vms"][1]["move_cost"] = cost
    assert fleet_from_document(document, "x").vms.move_cost_milli[1] == milli


@pytest.mark.parametrize(("ratio", "millionths"), [("0.5", 500_000), ("8", 8_000_000), ("999.999999", 999_999_999)])
def test_overcommit_is_exact(ratio: str, millionths: int) -> None:
    document = full_fleet()
    document["hosts"][1]["overcommit"] = {"disk_mib": ratio}
    assert fleet_from_document(document, "x").hosts.overcommit_millionths[1, 2] == millionths


def test_the_digest_is_of_the_content_not_of_its_layout(tmp_path) -> None:
    plain, packed = tmp_path / "a.json", tmp_path / "b.json.gz"
    plain.write_text(FLEET_TEXT)
    packed.write_bytes(gzip.compress(json.dumps(dict(reversed(full_fleet().items()))).encode()))
    assert read_fleet(plain).digest == read_fleet(packed).digest == canonical_digest(full_fleet())
    assert fleet_from_document(full_fleet() | {"x_more": 1}, "x").digest != read_fleet(plain).digest


def test_reading_changes_nothing(tmp_path) -> None:
    path = tmp_path / "fleet.json.xz"
    path.write_bytes(lzma.compress(FLEET_TEXT.encode()))
    fleet, document = read_fleet_document(path)
    assert document == full_fleet()
    assert fleet.digest == canonical_digest(document)


def test_messages_say_file_path_value_expectation_and_hint() -> None:
    document = full_fleet()
    document["hosts"][0]["capacity"]["memory_mb"] = 5
    with pytest.raises(InputError) as caught:
        fleet_from_document(document, "nyc3.json")
    assert str(caught.value) == (
        "nyc3.json: hosts[0].capacity.memory_mb: 5: expected a resource that the fleet names "
        "(cpu_millicores, memory_mib, disk_mib) (did you mean memory_mib?)"
    )


@pytest.mark.parametrize("name", ["fleet-100", "fleet-100-tight", "fleet-1000", "fleet-1000-full", "fleet-1000-tight"])
def test_the_given_fleets_are_read(name: str, data_dir: Path) -> None:
    fleet = read_fleet(data_dir / "fleets" / f"{name}.json.xz")
    hosts = int(name.split("-")[1])
    assert (len(fleet.hosts), len(fleet.vms)) == (hosts, 10 * hosts)
    assert (fleet.vms.host != ABSENT).all()
