"""Big VMs, high overcommit, full fleets: cases in which arithmetic or eagerness goes wrong elsewhere."""

from __future__ import annotations

import pytest

from optimizer.plan import Status
from tests.build import document, host, policy, vm
from tests.scenarios.outcome import solve

GIB, TIB = 1024, 1024 * 1024


def test_a_tebibyte_of_local_disk_leaves_a_full_host() -> None:
    """Moving one 1 TiB VM is less than moving forty small ones, and only one host can take it."""
    hosts = [
        host("full", memory=256 * GIB, disk=2 * TIB),
        host("small", memory=256 * GIB, disk=TIB // 2),
        host("busy", memory=256 * GIB, disk=2 * TIB),
        host("roomy", memory=256 * GIB, disk=2 * TIB),
    ]
    vms = [
        vm("giant", "full", memory=64 * GIB, disk=TIB),
        *(vm(f"s{i}", "full", memory=GIB, disk=48 * GIB) for i in range(40)),  # 2.875 TiB in all
        vm("b", "busy", memory=GIB, disk=TIB + 1),
        vm("r", "roomy", memory=GIB, disk=TIB),
    ]
    found = solve(document(hosts, vms)).proven().clean()
    assert found.moves == {("giant", "full", "roomy")}
    assert found.plan.moves[0].copied_mib == TIB + 64 * GIB
    assert found.value("moving") == 1


def test_768_gib_of_memory_leaves_a_host_in_maintenance() -> None:
    """The one host that is large enough must be made room on first; the plan waits for that."""
    hosts = [
        host(
            "m",
            memory=1024 * GIB,
            maintenance=[{"from": "2026-11-21T11:00:00Z", "to": "2026-11-21T15:00:00Z", "reason": "new fans"}],
        ),
        host("large", memory=1024 * GIB),
        *(host(f"h{i}", memory=512 * GIB) for i in range(8)),
    ]
    vms = [
        vm("giant", "m", memory=768 * GIB),
        vm("in_the_way", "large", memory=300 * GIB),
        *(vm(f"v{i}", f"h{i}", memory=200 * GIB) for i in range(8)),
    ]
    found = solve(document(hosts, vms)).proven().clean()
    assert found.value("moving") == 2
    by_vm = {m.vm: m for m in found.plan.moves}
    assert by_vm["giant"].target == "large"
    assert by_vm["giant"].after == (by_vm["in_the_way"].id,)


def test_eightfold_overcommit_is_counted_to_the_millicore() -> None:
    """8 x 64 cores are 512,000 millicores; one more is too many, and exactly as many are not."""
    hosts = [host(f"h{i}", cpu=64_000, memory=TIB, overcommit={"cpu_millicores": "8"}) for i in range(3)]
    vms = [
        *(vm(f"a{i}", "h0", cpu=32_000, memory=GIB) for i in range(16)),
        vm("one", "h0", cpu=1, memory=GIB),
        *(vm(f"b{i}", "h1", cpu=32_000, memory=GIB) for i in range(16)),
        *(vm(f"c{i}", "h2", cpu=32_000, memory=GIB) for i in range(15)),
        vm("c15", "h2", cpu=31_999, memory=GIB),
    ]
    found = solve(document(hosts, vms)).proven().clean()
    assert found.moves == {("one", "h0", "h2")}


def test_a_satisfied_fleet_with_nearly_full_disks_is_left_alone() -> None:
    hosts = [host(f"h{i}", memory=64 * GIB, disk=TIB, measured={"disk_mib": TIB - i}) for i in range(20)]
    vms = [vm(f"v{i}", f"h{i % 20}", memory=4 * GIB, disk=(TIB - 40) // 10) for i in range(200)]
    found = solve(document(hosts, vms))
    assert found.status is Status.NOTHING_TO_DO
    assert found.plan.moves == ()
    assert found.plan.remaining == ()


def test_a_fleet_over_capacity_everywhere_gets_the_best_there_is() -> None:
    """Only the last host has room, for one unit; everything else stays, and is named."""
    loads = {"h0": (5, 5, 3, 1), "h1": (6, 6), "h2": (4, 4, 4), "h3": (5, 4)}
    hosts = [host(h, memory=10) for h in loads]
    vms = [vm(f"{h}v{i}", h, memory=n) for h, sizes in loads.items() for i, n in enumerate(sizes)]
    found = solve(document(hosts, vms)).proven()
    assert found.moves == {("h0v3", "h0", "h3")}
    assert found.value("harm") == (3 + 2 + 2) * 100
    assert found.remaining == {("capacity", "h0", 3), ("capacity", "h1", 2), ("capacity", "h2", 2)}
    assert all(r.why and r.would_help for r in found.plan.remaining)


def test_where_every_host_is_over_nothing_moves_and_everything_is_named() -> None:
    hosts = [host(f"h{i}", memory=10) for i in range(5)]
    vms = [vm(f"v{i}{n}", f"h{i}", memory=4) for i in range(5) for n in range(3)]
    found = solve(document(hosts, vms)).proven()
    assert found.plan.moves == ()
    assert found.value("harm") == found.bound("harm") == 5 * 200
    assert found.remaining == {("capacity", f"h{i}", 2) for i in range(5)}


@pytest.mark.parametrize("weight", [1, 7])
def test_105_groups_of_three_on_two_hosts_must_break_once_each(weight: int) -> None:
    """One of three has to share; a third of the groups share twice at the start."""
    hosts = [host(f"h{i}", memory=TIB) for i in range(2)]
    vms, groups = [], []
    for g in range(105):
        on = (0, 0, 0) if g % 3 == 0 else (g % 2, g % 2, 1 - g % 2)
        vms += [vm(f"g{g}v{i}", f"h{h}", memory=GIB, groups=[f"g{g}"]) for i, h in enumerate(on)]
        rule = {"rule": "anti_affinity", "level": "host", "at_most": 1, "hardness": "should", "weight": weight}
        groups.append({"id": f"g{g}", "rules": [rule]})
    found = solve(document(hosts, vms, groups=groups), policy("capacity", "anti_affinity")).proven()
    assert found.value("harm") == 0
    assert found.value("should_harm") == 105 * 1000 * weight
    assert found.value("moving") == 35
    assert {(r.rule, r.excess) for r in found.plan.remaining} == {("anti_affinity", 1)}
    assert len(found.plan.remaining) == 105
