"""What the source proxmox makes of what a cluster answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from optimizer.errors import InputError
from optimizer.sources.fleet_json import fleet_from_document
from optimizer.sources.proxmox.inventory import read_inventory
from tests.sources.fake_proxmox import GIB, FakeProxmox, place_of, serving, small_cluster
from tests.sources.source_contract import settings

if TYPE_CHECKING:
    from pathlib import Path

LOCAL = {"scsi0": "local-lvm:vm-100-disk-0,discard=on,size=32G", "ide2": "none,media=cdrom"}


@pytest.fixture
def pve() -> FakeProxmox:
    return small_cluster()


def read(pve: FakeProxmox, directory: Path, **more: Any) -> dict[str, Any]:
    with serving(pve) as url:
        document = read_inventory(settings(place_of(directory, url, **more)))
    fleet_from_document(document, "proxmox.yaml")
    return document


def vms(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {vm["id"]: vm for vm in document["vms"]}


def test_hosts_have_what_nodes_have_and_what_the_file_says(pve: FakeProxmox, tmp_path: Path) -> None:
    pve.guest(100, "pve1", LOCAL)
    document = read(
        pve,
        tmp_path,
        storages={"local-lvm": "disk_mib"},
        every_host={"overcommit": {"cpu_millicores": 4}, "labels": {"site": "fra"}},
        hosts={
            "pve1": {"domains": {"rack": "r1"}, "overcommit": {"disk_mib": 2}, "capacity": {"disk_mib": 9}},
            "pve2": {"domains": {"rack": "r2"}},
            "pve3": {"domains": {"rack": "r2"}},
        },
    )
    assert (document["fleet"], document["levels"]) == ("attic", ["host", "rack"])
    assert [(r["name"], r["copied"]) for r in document["resources"]] == [
        ("cpu_millicores", False),
        ("memory_mib", True),
        ("disk_mib", True),
    ]
    first, second, _ = document["hosts"]
    assert first["capacity"] == {"cpu_millicores": 16_000, "memory_mib": 65_536, "disk_mib": 9}
    assert second["capacity"] == {"cpu_millicores": 16_000, "memory_mib": 65_536, "disk_mib": 512_000}
    assert (first["overcommit"], second["overcommit"]) == ({"cpu_millicores": 4, "disk_mib": 2}, {"cpu_millicores": 4})
    assert (first["domains"], second["domains"]) == ({"rack": "r1"}, {"rack": "r2"})
    assert second["labels"] == {"cpu_model": "EPYC 7502", "site": "fra"}
    assert second["measured"] == {"disk_mib": 102_400}


def test_demand_is_what_a_guest_may_use_and_disks_on_storage_of_its_node(pve: FakeProxmox, tmp_path: Path) -> None:
    disks = {
        "scsi0": "local-lvm:vm-100-disk-0,size=32G",
        "scsi1": "ceph:vm-100-disk-1,size=1T",
        "efidisk0": "local-lvm:vm-100-disk-2,efitype=4m,size=528K",
        "ide2": "ceph:iso/debian.iso,media=cdrom,size=600M",
        "ide3": "local-lvm:vm-100-cloudinit,media=cdrom,size=4M",
        "net0": "virtio=BC:24:11:00:00:01,bridge=vmbr0",
        "meta": "creation-qemu=9.0.2,ctime=1782000000",
    }
    pve.guest(100, "pve1", disks, maxmem=4 * GIB + 1, name="db-1", tags="prod;tier-1", pool="shop")
    pve.guest(101, "pve1", disks, status="stopped")
    found = vms(read(pve, tmp_path))
    assert found["100"] == {
        "id": "100",
        "host": "pve1",
        "demand": {"cpu_millicores": 2000, "memory_mib": 4097, "local-lvm_mib": 32 * 1024 + 1 + 4},
        "state": "running",
        "name": "db-1",
        "created_at": "2026-06-21T00:00:00Z",
        "labels": {"tag:prod": "yes", "tag:tier-1": "yes", "pool": "shop"},
    }
    assert found["101"]["demand"] == {"local-lvm_mib": 32 * 1024 + 5}
    assert found["101"]["state"] == "stopped"


@pytest.mark.parametrize(
    ("config", "row", "said"),
    [
        ({"hostpci0": "0000:01:00.0,pcie=1"}, {}, "hostpci0 is a device of its node"),
        ({"hostpci1": "mapping=gpu"}, {}, "hostpci1 is a device"),
        ({"usb0": "host=1234:5678"}, {}, "usb0 is a device"),
        ({"usb0": "spice", "serial0": "socket"}, {}, ""),
        ({"serial1": "/dev/ttyS0"}, {}, "serial1 is a device"),
        ({"virtiofs0": "dirid=share"}, {}, "virtiofs0 is a device"),
        ({"amd-sev": "type=snp"}, {}, "amd-sev"),
        ({"ide2": "local-lvm:iso/x.iso,media=cdrom,size=1G"}, {}, "ide2 is a medium that its node alone has"),
        ({"ide2": "cdrom,media=cdrom"}, {}, "ide2 is a medium"),
        ({"scsi1": "/dev/disk/by-id/ata-X,size=1G"}, {}, "scsi1 is a device or a file of its node"),
        ({"scsi1": "/dev/disk/by-id/ata-X,shared=1,size=1G"}, {}, ""),
        ({"scsi1": "gone:vm-100-disk-3,size=1G"}, {}, "the storage gone, which is in no list"),
        ({"unused0": "local-lvm:vm-100-disk-7"}, {}, "unused0 is on the local storage local-lvm, and its size"),
        ({"unused0": "ceph:vm-100-disk-7"}, {}, ""),
        ({**LOCAL, "parent": "before"}, {}, "a snapshot (before), and scsi0 is on the local storage local-lvm"),
        ({**LOCAL, "parent": "before"}, {"status": "stopped"}, ""),
        ({"scsi0": "ceph:vm-100-disk-0,size=1G", "parent": "before"}, {}, ""),
        (LOCAL, {}, ""),
        ({}, {"lock": "backup"}, "locked: backup"),
        ({"lock": "snapshot"}, {}, "locked: snapshot"),
        ({}, {"lock": "migrate"}, "locked: migrate, and its target is not known"),
        ({}, {"hastate": "error"}, "its HA state is error"),
        ({}, {"template": 1, "status": "stopped"}, "a template"),
        ({"rootfs": "ceph:vm-100-disk-0,size=8G"}, {"type": "lxc"}, "a container"),
        ({}, {"tags": "plb_ignore_backup"}, "tag plb_ignore_backup"),
    ],
)
def test_what_binds_a_guest_to_its_node(
    config: dict[str, Any], row: dict[str, Any], said: str, pve: FakeProxmox, tmp_path: Path
) -> None:
    pve.guest(100, "pve1", config, **row)
    (vm,) = read(pve, tmp_path)["vms"]
    assert vm.get("mobility", "live") == ("none" if said else "live")
    assert said in vm.get("mobility_reason", "") and bool(said) == ("mobility_reason" in vm)


def test_cpus_as_they_are_and_storages_close_nodes(pve: FakeProxmox, tmp_path: Path) -> None:
    pve.node("pve4", model="Xeon 6430")
    pve.storage("fast", "pve1", "pve2")
    pve.storage("fast", "pve3", status="unknown", maxdisk=0)
    pve.storage("local-lvm", "pve4")
    pve.guest(100, "pve1", {"cpu": "host,flags=+aes", "scsi0": "fast:vm-100-disk-0,size=1G"})
    pve.guest(101, "pve1", {"cpu": "x86-64-v2-AES"})
    document = read(pve, tmp_path)
    assert [h["capacity"].get("fast_mib") for h in document["hosts"]] == [512_000, 512_000, None, 0]
    found = vms(document)
    assert found["100"]["requires"] == {"cpu_model": ["EPYC 7502"]}
    assert found["100"]["forbidden_hosts"] == ["pve3", "pve4"]
    assert "requires" not in found["101"] and "forbidden_hosts" not in found["101"]


def test_ha_rules_and_tags_are_groups_and_closed_nodes(pve: FakeProxmox, tmp_path: Path) -> None:
    for vmid in range(100, 108):
        pve.guest(vmid, "pve1", tags="plb_anti_affinity_web;plb_pin_pve1;plb_pin_pve2" if vmid > 105 else "")
    pve.ha("vm:100", "vm:101", "vm:102")
    pve.ha("vm:103", "vm:104", failback=0)
    pve.rule("db-apart", "resource-affinity", "vm:100,vm:101", affinity="negative")
    pve.rule("app", "resource-affinity", "vm:102 vm:103", affinity="positive")
    pve.rule("off", "resource-affinity", "vm:104,vm:105", affinity="negative", disable=1)
    pve.rule("of-none", "resource-affinity", "vm:900,vm:901", affinity="negative")
    document = read(pve, tmp_path)
    assert document["groups"] == [
        {"id": "ha:app", "rules": [{"rule": "together", "level": "host"}]},
        {"id": "ha:db-apart", "rules": [{"rule": "anti_affinity", "level": "host", "at_most": 1}]},
        {"id": "plb_anti_affinity_web", "rules": [{"rule": "anti_affinity", "level": "host", "at_most": 1}]},
    ]
    found = vms(document)
    assert [found[str(i)].get("groups", []) for i in (100, 102, 104, 106)] == [
        ["ha:db-apart"],
        ["ha:app"],
        [],
        ["plb_anti_affinity_web"],
    ]
    assert found["107"]["forbidden_hosts"] == ["pve3"]


@pytest.mark.parametrize(
    ("rule", "failback", "closed", "label"),
    [
        ({"nodes": "pve1:2,pve2:1", "strict": 1}, 1, ["pve2", "pve3"], ""),
        ({"nodes": "pve1:2,pve2:1", "strict": 1}, 0, ["pve3"], ""),
        ({"nodes": "pve1,pve2", "strict": 0}, 1, ["pve3"], ""),
        ({"nodes": "pve1,pve2"}, 0, [], "rule-1"),
        ({"nodes": "pve4:9,pve2:1"}, 1, ["pve1", "pve3", "pve4"], ""),
        ({"nodes": "pve4"}, 1, [], ""),
        ({"nodes": "pve4", "strict": 1}, 1, ["pve1", "pve2", "pve3"], ""),
        ({"nodes": "pve3", "affinity": "negative", "strict": 1}, 1, ["pve3"], ""),
        ({"nodes": "pve3", "strict": 1, "disable": 1}, 1, [], ""),
    ],
)
def test_node_affinity(
    rule: dict[str, Any], failback: int, closed: list[str], label: str, pve: FakeProxmox, tmp_path: Path
) -> None:
    """pve4 is down: what prefers it is not closed to the rest."""
    pve.node("pve4", status="offline")
    pve.guest(100, "pve1")
    pve.ha("vm:100", failback=failback)
    pve.rule("rule-1", "node-affinity", "vm:100", **rule)
    (vm,) = read(pve, tmp_path)["vms"]
    assert [name for name in vm.get("forbidden_hosts", []) if name != "pve4" or "pve4" in closed] == closed
    assert vm.get("labels", {}).get("ha-node-affinity", "") == label


def test_replicated_guests_go_only_where_they_are_replicated(pve: FakeProxmox, tmp_path: Path) -> None:
    pve.guest(100, "pve1", LOCAL)
    pve.answers["/cluster/replication"] = [
        {"id": "100-0", "guest": 100, "target": "pve2", "type": "local"},
        {"id": "100-1", "guest": 100, "target": "pve3", "type": "local", "disable": 1},
    ]
    assert vms(read(pve, tmp_path))["100"]["forbidden_hosts"] == ["pve3"]


@pytest.mark.parametrize(
    ("crs", "resource", "is_ours"),
    [
        ({"ha": "dynamic", "ha-auto-rebalance": 1}, {}, False),
        ("ha=dynamic,ha-auto-rebalance=1", {"auto-rebalance": 1}, False),
        ({"ha": "dynamic", "ha-auto-rebalance": 1}, {"auto-rebalance": 0}, True),
        ({"ha": "dynamic", "ha-auto-rebalance": 1}, {"state": "ignored"}, True),
        ({"ha": "dynamic", "ha-auto-rebalance": 0}, {}, True),
        (None, {}, True),
    ],
)
def test_guests_that_the_cluster_balances_are_left_to_it(
    crs: Any, resource: dict[str, Any], is_ours: bool, pve: FakeProxmox, tmp_path: Path
) -> None:
    pve.guest(100, "pve1")
    pve.guest(101, "pve1")
    pve.ha("vm:100", **resource)
    pve.answers["/cluster/options"] = {"crs": crs} if crs else {}
    found = vms(read(pve, tmp_path))
    assert ("mobility" not in found["100"], "mobility" in found["101"]) == (is_ours, False)


def test_nodes_that_are_down_unknown_or_in_maintenance(pve: FakeProxmox, tmp_path: Path) -> None:
    pve.node("pve4", status="offline")
    pve.node("pve5", status="unknown")
    pve.guest(100, "pve4", status="unknown")
    pve.errors["/nodes/pve2/status"] = (595, "No route to host")
    pve.answers["/cluster/ha/status/manager_status"] = {"manager_status": {"node_status": {"pve3": "maintenance"}}}
    document = read(pve, tmp_path, hosts={"pve1": {"state": "disabled"}, "pve3": {"state": "active"}})
    hosts = {host["id"]: host for host in document["hosts"]}
    assert {name: host["state"] for name, host in hosts.items()} == {
        "pve1": "disabled",
        "pve2": "active",
        "pve3": "draining",
        "pve4": "down",
        "pve5": "active",
    }
    assert {name: host["unobserved"] for name, host in hosts.items() if "unobserved" in host} == {
        "pve2": "/nodes/pve2/status: 595 No route to host",
        "pve5": "its status is unknown",
    }
    (vm,) = document["vms"]
    assert (vm["state"], vm["unobserved"]) == ("unknown", "its node pve4 is offline")


def test_a_guest_whose_configuration_cannot_be_read_stays(pve: FakeProxmox, tmp_path: Path) -> None:
    pve.guest(100, "pve1", LOCAL)
    pve.guest(101, "pve1", LOCAL)
    pve.errors["/nodes/pve1/qemu/101/config"] = (500, "Configuration file 'nodes/pve1/qemu-server/101.conf' not found")
    found = vms(read(pve, tmp_path))
    assert "unobserved" not in found["100"]
    assert found["101"]["unobserved"].startswith("its configuration cannot be read: /nodes/pve1/qemu/101/config: 500")
    assert found["101"]["demand"]["memory_mib"] == 4096


def test_what_migrates_counts_at_both_ends(pve: FakeProxmox, tmp_path: Path) -> None:
    """Of a task the log has the target, and of an HA guest the manager: before the guest is locked."""
    pve.guest(100, "pve1", lock="migrate")
    pve.guest(101, "pve1")
    pve.guest(102, "pve2", lock="migrate")
    pve.guest(103, "pve3", type="lxc", lock="migrate")
    task = "UPID:pve1:0001:0002:66F00000:qmigrate:100:root@pam:"
    old = {"upid": "UPID:old", "type": "qmigrate", "id": "102", "node": "pve2", "starttime": 1, "endtime": 2}
    pve.answers["/cluster/tasks"] = [
        {"upid": task, "type": "qmigrate", "id": "100", "node": "pve1", "starttime": 1780000000},
        {**old, "status": "OK"},
        {"upid": "UPID:ct", "type": "vzmigrate", "id": "103", "node": "pve3", "starttime": 1780000000},
        {"upid": "UPID:gone", "type": "qmigrate", "id": "102", "node": "pve2", "starttime": 1780000000},
    ]
    pve.answers["/nodes/pve3/tasks/UPID:ct/log"] = [{"n": 1, "t": "starting migration of CT 103 to node 'pve1' (::1)"}]
    pve.answers[f"/nodes/pve1/tasks/{task}/log"] = [
        {"n": 1, "t": "2026-11-21 12:00:00 starting migration of VM 100 to node 'pve2' (10.0.0.2)"},
        {"n": 2, "t": "2026-11-21 12:00:01 starting VM 100 on remote node 'pve2'"},
    ]
    pve.answers["/cluster/ha/status/manager_status"] = {
        "manager_status": {"service_status": {"vm:101": {"state": "migrate", "node": "pve1", "target": "pve3"}}}
    }
    document = read(pve, tmp_path)
    assert [(one["vm"], one["from"], one["to"], one["by"]) for one in document["in_flight"]] == [
        ("100", "pve1", "pve2", "other"),
        ("101", "pve1", "pve3", "other"),
        ("103", "pve3", "pve1", "other"),
    ]
    found = vms(document)
    assert "mobility" not in found["100"] and found["102"]["mobility"] == "none"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            {"hosts": {"pv1": {"state": "disabled"}}},
            "hosts.pv1: 'pv1': expected a node of the cluster (did you mean pve1?)",
        ),
        ({"hosts": {"pve1": {"domains": {"rack": "r1"}}}}, "hosts.pve2.domains: {}: expected a rack"),
        ({"storages": {"local-lmv": "disk_mib"}}, "a local storage with disks (did you mean local-lvm?)"),
        ({"storages": {"ceph": "disk_mib"}}, "storages.ceph"),
        (
            {"storages": {"local-lvm": "disk_mib", "ssd": "disk_mib"}},
            "another resource than that of local-lvm, which pve1",
        ),
        (
            {"storages": {"ssd": "memory_mib"}},
            "storages.ssd: 'memory_mib': expected another resource than that of its memory",
        ),
        ({"every_host": {"state": "active"}}, "every_host.state"),
        ({"deadline": 3}, "deadline"),
        ({"url": "http://pve1.example:8006"}, "the token would travel in the clear"),
        ({"url": "https://root@pve1:8006"}, "an address without user"),
        ({"url": "https://pve1:99999"}, "https://HOST:PORT"),
        ({"token_file": "none"}, "token_file: "),
        ({"ca_file": "token", "url": "https://127.0.0.1:1"}, "ca_file: "),
    ],
)
def test_what_is_wrong_in_the_file_is_named(more: dict[str, Any], said: str, pve: FakeProxmox, tmp_path: Path) -> None:
    pve.storage("ssd", "pve1")
    with pytest.raises(InputError) as error, serving(pve) as url:
        read_inventory(settings(place_of(tmp_path, **{"url": url, **more})))
    assert said in str(error.value)


def test_a_token_that_is_none_is_refused_and_not_shown(pve: FakeProxmox, tmp_path: Path) -> None:
    place = place_of(tmp_path, "https://127.0.0.1:1")
    (tmp_path / "token").write_text("root@pam:hunter2")
    with pytest.raises(InputError, match="USER@REALM!TOKENID=UUID") as error:
        read_inventory(settings(place))
    assert "hunter2" not in str(error.value)
