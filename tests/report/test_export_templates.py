"""The scripts of each template, run against stand-ins for virsh, ssh and openstack that write down every call."""

from __future__ import annotations

import json
import os
import re
import subprocess
import uuid
from dataclasses import dataclass
from itertools import product
from random import Random
from typing import TYPE_CHECKING

import pytest

from optimizer.fleet import Carrying, Fleet, How, Mobility, VmState, carrying
from optimizer.report.export import Template, plan_shell
from optimizer.sources.fleet_json import fleet_from_document
from tests import build
from tests.execute.plans import move, plan_of
from tests.report.test_export import NEVER

if TYPE_CHECKING:
    from pathlib import Path

STAND_IN = r'''#!/usr/bin/env python3
"""Stands in for virsh, ssh and openstack: keeps the place and state of one VM, and writes down every call."""
import json, os, re, sys
from pathlib import Path
home = Path(os.environ["HOME"])
name, args = Path(sys.argv[0]).name, sys.argv[1:]
with open(home / "calls", "a") as calls:
    calls.write(json.dumps([name, *args]) + "\n")
world = json.loads((home / "world").read_text())
def save():
    (home / "world").write_text(json.dumps(world))
def arg(option):
    return args[args.index(option) + 1]
if name == "virsh":
    host = re.fullmatch(r"qemu\+ssh://(.*)/system", args[1])[1]
    verb, vms = args[2], [v for v in world["vms"] if v["host"] == host]
    if verb == "list":
        for v in vms:
            print("%-36s %-30s" % (v["uuid"], v["name"]) if "--name" in args else v["uuid"])
        print()
    elif verb == "domstate":
        print(next(v["state"] for v in vms if v["uuid"] == arg("--domain")))
    else:
        (vm,) = [v for v in vms if v["uuid"] == arg("--domain")]
        if verb == "shutdown":
            vm["state"] = "shut off"
        elif verb == "start":
            assert vm["state"] == "shut off"
            vm["state"] = "running"
        elif verb == "migrate":
            if world["broken"]:
                sys.exit(1)
            assert ("--offline" in args) == (vm["state"] == "shut off"), args
            vm["host"] = re.fullmatch(r"qemu\+ssh://(.*)/system", arg("--desturi"))[1]
        save()
elif name == "ssh":
    host = args[args.index("--") + 1].removeprefix("root@")
    words = args[args.index("--") + 2:]
    vms = [v for v in world["vms"] if v["host"] == host]
    if words[:2] == ["qm", "list"]:
        print("      VMID NAME                 STATUS     MEM(MB)    BOOTDISK(GB) PID")
        for v in vms:
            print("%10s %-20s %-10s 2048 32.00 0" % (v["uuid"], v["name"], v["state"]))
    elif words[0] == "test":
        node, vmid = re.fullmatch(r"/etc/pve/nodes/(.*)/qemu-server/(\d+)\.conf", words[2]).groups()
        sys.exit(not any(v["host"] == node and v["uuid"] == vmid for v in world["vms"]))
    else:
        (vm,) = [v for v in vms if v["uuid"] == words[2]]
        if words[1] == "config":
            print("cores: 2")
        elif words[1] == "shutdown":
            vm["state"] = "stopped"
        elif words[1] == "start":
            assert vm["state"] == "stopped"
            vm["state"] = "running"
        elif words[1] == "migrate":
            if world["broken"]:
                sys.exit(1)
            assert ("--online" in words) == (vm["state"] != "stopped"), words
            vm["host"] = words[3]
        save()
else:
    words = args[2:] if args[0] == "--os-compute-api-version" else args
    if words[:2] == ["server", "list"]:
        for v in world["vms"]:
            print(v["uuid"], v["name"])
    else:
        (vm,) = [v for v in world["vms"] if v["uuid"] == words[-1]]
        if words[:2] == ["server", "show"]:
            print({"OS-EXT-SRV-ATTR:host": vm["host"], "OS-EXT-STS:task_state": "None"}[arg("-c")])
        elif words[:2] == ["server", "migrate"]:
            if world["broken"]:
                sys.exit(1)
            vm["host"] = arg("--host")
        save()
'''

RUNNING = {Template.VIRSH: "running", Template.QM: "running", Template.OPENSTACK: "ACTIVE"}
OFF = {Template.VIRSH: "shut off", Template.QM: "stopped", Template.OPENSTACK: "SHUTOFF"}


@dataclass(frozen=True)
class Ran:
    code: int
    said: str
    calls: list[list[str]]
    host: str
    state: str

    @property
    def migrations(self) -> list[list[str]]:
        return [c for c in self.calls if "migrate" in c]


def run(
    tmp_path: Path, template: Template, how: Carrying, vm: str = "db-1", *, target: str = "h2", broken: bool = False
) -> Ran:
    """Run the script of one move of one VM, beside a second VM that no call may mean."""
    ids = ["101", "102"] if template is Template.QM else [str(uuid.UUID(int=i)) for i in (1, 2)]
    state = OFF[template] if how.state is VmState.STOPPED else RUNNING[template]
    vms = [
        {"name": vm, "uuid": ids[0], "host": "h1", "state": state},
        {"name": "another", "uuid": ids[1], "host": "h1", "state": state},
    ]
    (tmp_path / "world").write_text(json.dumps({"vms": vms, "broken": broken}))
    for name in ("virsh", "ssh", "openstack"):
        (tmp_path / name).write_text(STAND_IN)
        (tmp_path / name).chmod(0o755)
    fleet = build.fleet(
        [build.host(h, memory=10, disk=10) for h in dict.fromkeys(("h1", target))],
        [build.vm(vm, "h1", memory=1, disk=1)],
    )
    plan = plan_of(fleet, move(fleet, 1, vm, "h1", target), expires_at=NEVER)
    (tmp_path / "plan.sh").write_text(plan_shell(plan, lambda _: how, template))
    done = subprocess.run(
        ["bash", str(tmp_path / "plan.sh")],
        env={"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path), "YES": "1", "POLL_S": "0"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    calls = tmp_path / "calls"
    (first, second) = json.loads((tmp_path / "world").read_text())["vms"]
    assert (second["host"], second["state"]) == ("h1", state)
    lines = [json.loads(line) for line in calls.read_text().splitlines()] if calls.exists() else []
    return Ran(done.returncode, done.stderr, lines, first["host"], first["state"])


def how(state: VmState = VmState.RUNNING, mobility: Mobility = Mobility.LIVE, *, copied: bool = False) -> Carrying:
    return Carrying(state, mobility, copied)


FLAGS = {
    (Template.VIRSH, How.LIVE): {"--live", "--auto-converge"},
    (Template.VIRSH, How.PAUSED): set(),
    (Template.VIRSH, How.COLD): {"--offline"},
    (Template.VIRSH, How.STOPPED): {"--offline"},
    (Template.QM, How.LIVE): {"--online"},
    (Template.QM, How.PAUSED): {"--online"},
    (Template.QM, How.COLD): set(),
    (Template.QM, How.STOPPED): set(),
    (Template.OPENSTACK, How.LIVE): {"--live-migration"},
    (Template.OPENSTACK, How.PAUSED): {"--live-migration"},
    (Template.OPENSTACK, How.COLD): set(),
    (Template.OPENSTACK, How.STOPPED): set(),
}
"""What each says about how a VM is migrated; flags that do not depend on it are left out."""

ALWAYS = {
    Template.VIRSH: {"--connect", "--persistent", "--undefinesource", "--domain", "--desturi"},
    Template.QM: {"--"},
    Template.OPENSTACK: {"--os-compute-api-version", "--host", "--wait"},
}


def storage_flags(template: Template, carried: Carrying) -> set[str]:
    running = carried.how in (How.LIVE, How.PAUSED)
    if template is Template.OPENSTACK and running:
        return {"--block-migration" if carried.copied else "--shared-migration"}
    flag = {Template.VIRSH: "--copy-storage-all", Template.QM: "--with-local-disks"}.get(template)
    return {flag} if flag and running and carried.copied else set()


STATES = (VmState.RUNNING, VmState.PAUSED, VmState.STOPPED)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("template", "state", "mobility", "copied"),
    list(product(Template, STATES, (Mobility.LIVE, Mobility.COLD), (False, True))),
)
def test_each_vm_is_migrated_with_the_flags_that_are_its_own(
    tmp_path: Path, template: Template, state: VmState, mobility: Mobility, copied: bool
) -> None:
    carried = how(state, mobility, copied=copied)
    ran = run(tmp_path, template, carried)
    if template is Template.VIRSH and copied and carried.how in (How.COLD, How.STOPPED):
        assert (ran.code, ran.host, ran.migrations) == (1, "h1", [])
        assert "virsh copies no disks of a VM that is shut off" in ran.said
        return
    assert (ran.code, ran.host) == (0, "h2"), ran.said
    assert ran.state == (OFF if state is VmState.STOPPED else RUNNING)[template]
    (call,) = ran.migrations
    flags = {word for word in call if re.match("--", word)}
    assert flags - ALWAYS[template] == FLAGS[template, carried.how] | storage_flags(template, carried)
    assert ("confirm" in {w for c in ran.calls for w in c}) == (
        template is Template.OPENSTACK and carried.how in (How.COLD, How.STOPPED)
    )


NAMES = [
    "5",
    "101",
    "-x",
    "--help",
    "--domain",
    "-",
    "0",
    "1e3",
    "a b",
    "$(id)",
    "'; id; '",
    "x=y",
    "*",
    "db-1 ",
    "éü",
    "5;",
]


@pytest.mark.slow
@pytest.mark.parametrize(("template", "name"), list(product((Template.VIRSH, Template.OPENSTACK), NAMES)))
def test_a_name_never_reaches_a_command_as_a_number_or_an_option(tmp_path: Path, template: Template, name: str) -> None:
    ran = run(tmp_path, template, how(), name)
    if name.endswith(" ") and template is Template.VIRSH:  # virsh pads names: nobody can see where this one ends
        assert (ran.code, ran.migrations) == (1, [])
        return
    assert (ran.code, ran.host) == (0, "h2"), ran.said
    assert name == "--domain" or not [c for c in ran.calls if name in c]


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("101",)])
def test_qm_is_given_vmids_alone(tmp_path: Path, name: str) -> None:
    ran = run(tmp_path, Template.QM, how(), name)
    plain = " " not in name  # `qm list` separates its columns by blanks
    assert (ran.code, ran.host) == ((0, "h2") if plain else (1, "h1")), ran.said
    assert not [c for c in ran.calls if name in c and name != "--" and name != "-"]


@pytest.mark.parametrize("template", Template)
@pytest.mark.parametrize("host", ["h?command=/bin/true", "h/x", "-oProxyCommand=x", "h;x", "a b", "h\\x", "$(id)"])
def test_a_host_that_is_no_plain_name_is_refused(tmp_path: Path, template: Template, host: str) -> None:
    ran = run(tmp_path, template, how(), target=host)
    assert (ran.code, ran.calls) == (1, [])
    assert "not the plain name of a host" in ran.said


@pytest.mark.parametrize("template", Template)
@pytest.mark.parametrize("mobility", [Mobility.LIVE, Mobility.COLD])
def test_a_migration_that_fails_leaves_the_vm_running_where_it_was(
    tmp_path: Path, template: Template, mobility: Mobility
) -> None:
    ran = run(tmp_path, template, how(mobility=mobility), broken=True)
    assert (ran.code, ran.host, ran.state) == (1, "h1", RUNNING[template])
    assert "0 of 1 moves done" in ran.said


@pytest.mark.parametrize("template", Template)
@pytest.mark.parametrize(
    "carried", [how(mobility=Mobility.NONE), how(VmState.ERROR), how(VmState.UNKNOWN, Mobility.COLD)]
)
def test_what_cannot_be_migrated_is_not_tried(tmp_path: Path, template: Template, carried: Carrying) -> None:
    ran = run(tmp_path, template, carried)
    assert (ran.code, ran.calls) == (1, [])


def test_the_script_names_its_plan_and_what_it_was_made_from() -> None:
    fleet = build.fleet([build.host("h1"), build.host("h2")], [build.vm("v", "h1")])
    script = plan_shell(plan_of(fleet, move(fleet, 1, "v", "h1", "h2")), lambda _: how())
    head = script.split("set -euo pipefail")[0]
    for fact in ("plan-1", fleet.digest, "sha256:0", "2026-11-21T12:15:00"):
        assert fact in head


# -- which disks are copied ------------------------------------------------------------------------------------------


def fleet_of(resources: list[tuple[str, bool]], demand: dict[str, int]) -> Fleet:
    document = build.document([build.host("h1"), build.host("h2")], [build.vm("v", "h1")])
    document["resources"] = [{"name": name, "copied": copied} for name, copied in resources]
    document["vms"][0]["demand"] = demand
    return fleet_from_document(document, "test")


@pytest.mark.parametrize("seed", range(25))
def test_disks_are_copied_where_a_vm_has_some_that_have_to_travel(seed: int) -> None:
    rng = Random(seed)
    names = ["cpu_millicores", "memory_mib", "ram_gib", "disk_mib", "ssd_gib", "hugepages_mib", "nvme_bytes"]
    resources = [(name, rng.random() < 0.5) for name in rng.sample(names, 4)]
    demand = {name: rng.choice([0, 1, 7]) for name, _ in resources if rng.random() < 0.8}
    disks = {"disk_mib", "ssd_gib", "nvme_bytes", "cpu_millicores"}
    expected = any(copied and name in disks and demand.get(name, 0) > 0 for name, copied in resources)
    assert carrying(fleet_of(resources, demand), 0).copied is expected
