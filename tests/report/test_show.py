import json

from optimizer.report.document import to_json
from optimizer.report.render import plain_lines
from optimizer.report.show import describe_fleet
from optimizer.report.show_page import show_page
from tests import build

HOSTS = [
    build.host("h0", cpu=8000, memory=1000, disk=5000, labels={"kind": "a"}, measured={"disk_mib": 4000}),
    build.host("h1", cpu=8000, memory=1000, disk=5000, labels={"kind": "a"}, overcommit={"cpu_millicores": "2"}),
    build.host("h2", cpu=16000, memory=4000, reserved={"memory_mib": 1000}, state="draining", rack="r1"),
]
VMS = [
    build.vm("v0", "h0", cpu=4000, memory=900, disk=3000, groups=["db"], owner="u1"),
    build.vm("v1", "h1", cpu=12000, memory=500, groups=["db", "web"]),
    build.vm("v2", None, cpu=1000, memory=100, sensitive=True),
]
MORE = {
    "groups": [{"id": "web", "rules": [{"rule": "anti_affinity", "level": "rack", "at_most": 1}]}],
    "in_flight": [
        {"id": "x1", "vm": "v1", "from": "h1", "to": "h2", "started_at": "2026-11-21T11:59:00Z", "by": "other"}
    ],
    "history_since": "2026-11-19T12:00:00Z",
    "history": [
        {
            "vm": "v0",
            "from": "h2",
            "to": "h0",
            "started_at": "2026-11-20T12:00:00Z",
            "ended_at": "2026-11-20T12:01:00Z",
            "outcome": "done",
            "by": "remora",
        }
    ],
}


def facts():
    return describe_fleet(build.fleet(HOSTS, VMS, **MORE))


def test_totals():
    found = facts()
    assert (found.hosts, found.vms, found.not_placed, found.owners) == (3, 3, 1, 1)
    assert found.host_states == {"active": 2, "draining": 1}
    assert found.levels == {"host": 3, "rack": 2, "zone": 1}
    assert found.in_flight_by == {"other": 1}
    assert found.history_outcomes == {"done": 1}


def test_hosts_of_one_capacity_and_label_are_one_kind():
    kinds = facts().kinds
    assert [(k.hosts, k.example, k.vms) for k in kinds] == [(2, "h0", 2), (1, "h2", 0)]
    assert kinds[0].labels == {"kind": "a"}
    assert "disk_mib" not in kinds[1].capacity  # h2 does not name it


def test_use_counts_overcommit_reserve_and_what_no_vm_explains():
    cpu, memory, disk = facts().resources
    assert (cpu.physical, cpu.sellable, cpu.demand) == (32000, 40000, 17000)
    assert (memory.physical, memory.sellable) == (6000, 5000)
    assert (disk.hosts, disk.measured, disk.measured_hosts) == (2, 4000, 1)
    assert (disk.unexplained, disk.unexplained_hosts) == (1000, 1)
    assert [(h.host, h.load, h.sellable) for h in disk.highest] == [("h0", 4000, 5000), ("h1", 0, 5000)]
    assert next(h.host for h in memory.highest) == "h0"


def test_groups_that_only_vms_name_are_listed():
    found = facts()
    assert found.declared_groups == 1
    assert [(g.group, g.vms) for g in found.undeclared_groups] == [("db", 2)]
    assert found.group_rules == {"anti_affinity": 1}


def test_coverage_counts_what_is_given():
    given = {(c.of_what, c.fact): (c.given, c.of) for c in facts().coverage}
    assert given["hosts", "overcommit"] == (1, 3)
    assert given["hosts", "reserved"] == (1, 3)
    assert given["hosts", "state"] == (1, 3)
    assert given["hosts", "measured"] == (1, 3)
    assert given["VMs", "owner"] == (1, 3)
    assert given["VMs", "groups"] == (2, 3)
    assert given["VMs", "sensitive"] == (1, 3)
    assert given["VMs", "created_at"] == (0, 3)


def test_the_page_says_all_of_it_and_json_parses():
    text = "\n".join(plain_lines(show_page(facts())))
    for words in (
        "3 hosts (2 active, 1 draining), 3 VMs, 1 owner",
        "1 VM not placed yet",
        "moves in flight: 1 (1 by other)",
        "since 2026-11-19T12:00:00Z, 2 d 0 h",
        "not attributed to any VM (host overhead): 1,000 MiB on 1 host of disk_mib",
        "implicit groups, anti-affinity assumed (at most 1 on a host, must): db (2)",
    ):
        assert words in text
    assert json.loads(to_json(facts()))["fleet"] == "tiny"
    assert json.loads(to_json(describe_fleet(build.fleet(HOSTS, VMS))))["history_since"] is None


def test_an_empty_fleet_is_shown():
    empty = describe_fleet(build.fleet([build.host("h0")], []))
    assert any("0 VMs" in line for line in plain_lines(show_page(empty)))
