"""Snapshots that are legal and yet doubtful are questioned; ordinary ones never are."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from optimizer.fleet.plausible import implausible
from optimizer.sources.fleet_json import fleet_from_document
from optimizer.sources.synthetic import Spec, generate
from tests import build
from tests.command_line import run, write

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def document(memory=262_144, vm_memory=8192, cores=64, disk=8_000_000, hosts=6, taken_at="2026-11-28T11:55:00Z"):
    return {
        "format": "remora-fleet/1",
        "fleet": "f",
        "taken_at": taken_at,
        "resources": [
            {"name": "memory_mib", "copied": True},
            {"name": "cpu_millicores", "copied": False},
            {"name": "disk_mib", "copied": True},
        ],
        "levels": ["host"],
        "hosts": [
            {"id": f"h{n}", "capacity": {"memory_mib": memory, "cpu_millicores": cores * 1000, "disk_mib": disk}}
            for n in range(hosts)
        ],
        "vms": [
            {
                "id": f"v{n}",
                "host": f"h{n % hosts}",
                "demand": {"memory_mib": vm_memory, "cpu_millicores": 2000, "disk_mib": 40000},
            }
            for n in range(3 * hosts)
        ],
    }


def doubts(made):
    return [(d.code, d.field) for d in implausible(fleet_from_document(made, "x"), NOW)]


@pytest.mark.parametrize("memory", [16_384, 65_536, 262_144, 1_048_576])
@pytest.mark.parametrize("times", [1000, 1024, 1024**2])
def test_memory_in_a_wrong_unit_is_questioned_on_all_hosts_or_one(memory, times):
    assert doubts(document(memory)) == []
    times = min(times, 10**12 // memory)  # no amount is larger in the format
    everywhere = document(memory * times, vm_memory=8192 * times, cores=8 if memory < 60_000 else 64)
    assert ("unusual_amount", "hosts[0].capacity.memory_mib") in doubts(everywhere)
    one = document(memory)
    one["hosts"][4]["capacity"]["memory_mib"] *= times
    assert doubts(one) == [("unusual_amount", "hosts[4].capacity.memory_mib")]


@pytest.mark.parametrize("seed", range(20))
def test_one_amount_a_thousand_times_the_usual(seed):
    rng = random.Random(seed)
    made = document(memory=rng.choice([131_072, 524_288]), cores=rng.choice([16, 128]), hosts=rng.randint(5, 12))
    side, field = rng.choice([("hosts", "capacity"), ("vms", "demand")])
    at = rng.randrange(len(made[side]))
    resource = rng.choice(["memory_mib", "cpu_millicores", "disk_mib"])
    made[side][at][field][resource] *= rng.choice([1000, 1024])
    assert doubts(made) == [("unusual_amount", f"{side}[{at}].{field}.{resource}")]


@pytest.mark.parametrize("memory", [16_384, 65_536, 262_144, 1_048_576])
@pytest.mark.parametrize("times", [1000, 1024])
def test_memory_far_too_small_is_questioned_on_all_hosts_or_one(memory, times):
    """GiB where MiB belong: on the hosts and VMs, on one host, and on the VMs alone."""
    vm_memory = max(2048, memory // 32)
    everywhere = document(memory // times, vm_memory=max(1, vm_memory // times))
    assert ("unusual_amount", "hosts[0].capacity.memory_mib") in doubts(everywhere)
    one = document(memory, vm_memory)
    one["hosts"][4]["capacity"]["memory_mib"] //= times
    assert doubts(one) == [("unusual_amount", "hosts[4].capacity.memory_mib")]
    vms = document(memory, max(1, min(vm_memory, 16_384) // times))
    assert doubts(vms) == [("unusual_amount", "vms[0].demand.memory_mib")]
    said = [d.text for d in implausible(fleet_from_document(one, "x"), NOW)]
    assert said == [
        f"1 host with far less memory_mib than is usual, h4 with {memory // times}: is it in MiB, not in GiB?"
    ]


@pytest.mark.parametrize("seed", range(20))
def test_one_amount_a_thousandth_of_the_usual(seed):
    rng = random.Random(f"small {seed}")
    made = document(memory=rng.choice([131_072, 524_288]), cores=rng.choice([16, 128]), hosts=rng.randint(5, 12))
    side, field = rng.choice([("hosts", "capacity"), ("vms", "demand")])
    at = rng.randrange(len(made[side]))
    resource = rng.choice(["memory_mib", "cpu_millicores", "disk_mib"])
    made[side][at][field][resource] //= rng.choice([1000, 1024])
    assert ("unusual_amount", f"{side}[{at}].{field}.{resource}") in doubts(made)


@pytest.mark.parametrize("seed", range(20))
def test_ordinary_fleets_are_not_questioned(seed):
    made = generate(Spec(hosts=30, vms=300, seed=seed))
    fleet = fleet_from_document(made, "x")
    assert list(implausible(fleet, fleet.taken_at + timedelta(minutes=1))) == []


@pytest.mark.parametrize(
    ("taken_at", "questioned"),
    [
        ("2026-11-28T11:00:00Z", False),
        ("2026-11-28T12:00:30Z", False),
        ("2026-11-28T12:02:00Z", True),
        ("2026-11-28T13:00:00Z", True),
        ("2026-11-28T13:00:00+01:00", False),
        ("2027-11-28T12:00:00Z", True),
    ],
)
def test_a_snapshot_from_the_future(taken_at, questioned):
    assert doubts(document(taken_at=taken_at)) == [("future_snapshot", "taken_at")] * questioned


def test_the_command_says_it_and_the_plan_keeps_it(tmp_path):
    fleet, plan = write(tmp_path / "f.json", document(taken_at="2999-01-01T00:00:00Z")), tmp_path / "p.json"
    outcome = run("plan", fleet, "-o", plan, "--json", "--time-limit", 5)
    assert outcome.code == 0
    assert outcome.err.startswith("remora: warning: taken_at: the snapshot was taken ")
    assert [w["code"] for w in outcome.json["warnings"]] == ["future_snapshot"]
    assert run("verify", fleet, plan).code == 0


@pytest.mark.parametrize(
    ("capacities", "demands", "expected"),
    [
        ([8, 8], [1, 1], []),
        ([8, None], [1, 1], [("no_capacity", "hosts[1].capacity.memory_mib")]),
        ([8, None], [0, 0], []),
        ([None, None], [1, 1], [("no_capacity", "hosts[].capacity")]),
        ([8, 8], [0] * 5, [("no_demand", "vms[].demand")]),
    ],
)
def test_a_resource_that_only_some_speak_of(capacities, demands, expected):
    hosts = [build.host(f"h{i}", memory=n) for i, n in enumerate(capacities)]
    vms = [build.vm(f"v{i}", "h0", memory=n) for i, n in enumerate(demands)]
    assert doubts(build.document(hosts, vms)) == expected


def test_a_vm_that_takes_no_memory_among_others_is_named():
    """An empty cell of a table says nothing, and nothing is what the VM would be planned with."""

    def said(*vms):
        fleet = fleet_from_document(build.document([build.host("h0", memory=64)], vms), "x")
        return [(d.code, d.field, d.text) for d in implausible(fleet, NOW)]

    three = [build.vm(f"v{i}", "h0", memory=8) for i in range(3)]
    where, rest = "vms[3].demand.memory_mib", "it is planned as if that were so"
    assert said(*three, build.vm("x", "h0")) == [("no_demand", where, f"x runs and takes no memory_mib: {rest}")]
    two = [build.vm("x", "h0"), build.vm("y", None)]
    assert said(*three, *two) == [("no_demand", where, f"2 VMs run and take no memory_mib, such as x: {rest}")]
    assert said(*three, build.vm("x", "h0", state="stopped")) == []
    assert said(*three[:1], *two) == []


def test_one_host_that_does_not_say_is_named_in_a_sentence():
    fleet = fleet_from_document(
        build.document([build.host("h0", memory=8), build.host("h1")], [build.vm("v", "h0", memory=1)]), "x"
    )
    (doubt,) = implausible(fleet, NOW)
    assert doubt.text == "h1 does not say how much memory_mib there is: nothing limits what is placed there"


def test_a_fleet_that_a_simulation_left_is_called_so():
    ahead = document(taken_at="2026-11-28T12:05:00Z")
    assert doubts(ahead) == [("future_snapshot", "taken_at")]
    assert doubts({**ahead, "simulated": True}) == [("simulated_snapshot", "taken_at")]
    assert doubts({**document(), "simulated": True}) == []
