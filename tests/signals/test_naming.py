"""How labels lead to names: exporters of one host by their ports, and series that lead nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from optimizer.prometheus.answers import Vector
from optimizer.report.render import plain_lines
from optimizer.report.signals_page import signals_page
from optimizer.signals.asking import info_query
from optimizer.signals.naming import Namer, Names
from optimizer.signals.signal import Join, Of
from tests.prometheus.fake_server import success
from tests.replies import answering
from tests.signals.rig import Rig, host, moves, vm

if TYPE_CHECKING:
    from pathlib import Path

BY_UNAME = Join("nodename", "node_uname_info", ("instance",))
OPENSTACK = "libvirt_domain_openstack_info"


def namer(*info: tuple[str, str]) -> Namer:
    labels = [{"instance": instance, "nodename": name} for instance, name in info]
    some = np.zeros(len(labels))
    return Namer(BY_UNAME, Names(("h0", "h1"), {}), Vector(labels, some, some, ["1"] * len(labels)))


@pytest.mark.parametrize(
    ("instance", "found"),
    [
        ("10.0.0.1:9100", 0),
        ("10.0.0.1:9177", 0),
        ("10.0.0.1", 0),
        ("10.0.0.2:9100", 1),
        ("127.0.0.1:9101", 0),  # through tunnels: each port is another host
        ("127.0.0.1:9102", 1),
        ("127.0.0.1:9177", None),
        ("10.0.0.11:9177", None),
        ("", None),
    ],
)
def test_exporters_of_one_host_differ_in_their_ports(instance: str, found: int | None) -> None:
    by = namer(
        ("10.0.0.1:9100", "h0"), ("10.0.0.2:9100", "h1"), ("127.0.0.1:9101", "h0"), ("127.0.0.1:9102", "h1")
    )  # fmt: skip
    assert by.find({"instance": instance}) == found
    assert by.says({"instance": instance}) == bool(instance)


def test_a_vm_that_a_host_reports_that_the_inventory_does_not_have_stays(tmp_path: Path) -> None:
    """It may be another VM of that name."""
    rig = Rig(tmp_path)
    rig.world.host_of["v1-0"] = "decommissioned"
    said = vm(rig.read(), "v1-0")["unobserved"]
    assert "the host that reports it is none of the inventory" in said


def test_where_no_label_says_which_host_it_is_a_vm_is_taken_by_its_own(tmp_path: Path) -> None:
    """As an exporter that speaks of a whole cluster has it."""
    rig = Rig(tmp_path, hosts={"label": "hypervisor"}, exporters=["libvirt"], without=["host.pressure.cpu_steal"])
    rig.world.set("vm.demand.cpu_load_millicores", "v1-0", 1234.0)
    assert vm(rig.read(), "v1-0")["demand"]["cpu_load_millicores"] == 1234


def test_series_that_lead_to_no_name_are_said_and_what_to_do(tmp_path: Path) -> None:
    """VMs that OpenStack does not run, by the exporter's defaults: their series are there."""
    rig = Rig(tmp_path)
    query = info_query(next(one.vm for one in rig.world.wanted if one.vm is not None and one.vm.series))
    rig.world.faults[query] = answering(success([]))
    reading = rig.read()
    note = " ".join(reading.report.notes)
    assert f"series of 14 lead to the name of no VM: {OPENSTACK} has none of their instance and domain" in note
    assert "such as h0:9177 instance-v0-0 (signals.vms says how they do)" in note
    line = next(one for one in reading.report.signals if one.name == "vm.demand.cpu_load_millicores")
    assert line.advice == "14 series of it are there and lead to no VM of the inventory: set signals.vms"
    assert "unobserved" in host(reading, "h1") and moves(reading) == []


def test_hosts_that_are_called_otherwise_are_not_said_to_be_silent(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    assert rig.read().report.leads_to_hosts
    for one in rig.world.wanted:
        if one.signal.of is Of.HOST:
            rig.world.more.append((one.signal.query, {"instance": "h0.example.net:9100"}, 1.0))
            rig.world.values[one.signal.name].clear()
    report = rig.read().report
    assert set(report.silent) == {"h0", "h1", "h2", "h3"} and not report.leads_to_hosts
    page = "\n".join(plain_lines(signals_page(report, "lab"), 120))
    assert "series are there, and lead to no host of the inventory: set signals.hosts" in page


def test_a_label_that_no_series_has_is_said(tmp_path: Path) -> None:
    rig = Rig(tmp_path, vms={"label": "vm_name"})
    for signal, mine in rig.world.values.items():
        if signal.startswith("vm."):
            one = next(one for one in rig.world.wanted if one.signal.name == signal)
            rig.world.more += [
                (one.signal.query, {"instance": f"{rig.world.host_of[name]}:9177"}, value)
                for name, value in mine.items()
            ]
            mine.clear()
    assert "lead to the name of no VM: they have no label vm_name" in " ".join(rig.read().report.notes)
