"""A reading: what is there is filled in, by the queries and joins that the configuration asks for."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("prometheus_api_client", reason="the extra prometheus is not installed")

from optimizer.errors import InputError
from optimizer.signals.reading import read_fleet
from tests.signals.rig import CLOCK, Rig, config_of, host, inventory, moves, vm

if TYPE_CHECKING:
    from pathlib import Path


def test_a_whole_reading_fills_hosts_and_vms(rig: Rig) -> None:
    rig.world.set("host.measured.disk_mib", "h1", 300_000.2)
    rig.world.set("host.pressure.io", "h1", 0.31)
    rig.world.set("vm.pressure.cpu_steal", "v1-0", 0.12345)
    rig.world.set("vm.demand.cpu_load_millicores", "v1-0", 1500.01)
    rig.world.set("host.full_in_s.disk_mib", "h1", 86_400.4)
    reading = rig.read()
    assert reading.report.clean, reading.report
    found = host(reading, "h1")
    assert found["measured"]["disk_mib"] == 300_001
    assert found["pressure"] == {"cpu": 0.01, "cpu_steal": 0.01, "io": 0.31, "memory": 0.01}
    assert found["pressure_window_s"] == 600 and found["full_in_s"] == {"disk_mib": 86_400}
    assert found["capacity"]["cpu_load_millicores"] == 32_000
    age = CLOCK.now() - datetime.fromisoformat(found["signals_at"])
    assert 9 <= age.total_seconds() <= 20
    assert (
        vm(reading, "v1-0")["pressure"]["cpu_steal"] == 0.1234 or vm(reading, "v1-0")["pressure"]["cpu_steal"] == 0.1235
    )
    assert vm(reading, "v1-0")["demand"]["cpu_load_millicores"] == 1501
    assert len(moves(reading)) == 1


def test_pressure_counts_only_where_the_resource_is_busy(rig: Rig) -> None:
    for name in ("h1", "h2"):
        rig.world.set("host.pressure.cpu", name, 0.5)
    rig.world.busy = {"h1": 0.3, "h2": 0.9}
    reading = rig.read()
    assert host(reading, "h1")["pressure"]["cpu"] == 0.0 and host(reading, "h2")["pressure"]["cpu"] == 0.5
    line = next(line for line in reading.report.signals if line.name == "host.pressure.cpu")
    assert line.quiet == 1


def test_a_host_without_vms_has_no_steal_and_is_observed(tmp_path: Path) -> None:
    document = inventory()
    document["vms"] = [vm for vm in document["vms"] if vm["host"] != "h3"]
    rig = Rig(tmp_path, document)
    rig.world.set("host.pressure.cpu_steal", "h3", None)
    reading = rig.read()
    assert reading.report.clean and host(reading, "h3")["pressure"]["cpu_steal"] == 0.0


# -- configuration -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("signals", "said"),
    [
        (
            {"exporters": ["nodes"]},
            "signals.exporters[0]: 'nodes': expected an exporter that is known (did you mean node?)",
        ),
        ({"without": ["host.pressure_io"]}, "did you mean host.pressure.io?"),
        ({"queries": {"host.pressure.disk": {}}}, "signals.queries.host.pressure.disk"),
        ({"queries": {"vm.dirty_mib_per_s": {"query": "x"}}}, "signals.queries.vm.dirty_mib_per_s.series"),
        ({"exporters": ["node"], "queries": {"vm.dirty_mib_per_s": {"query": "x", "series": "x"}}}, "lead to VMs"),
        ({"filesystem": 'a"b'}, "signals.filesystem"),
        ({"rate_s": 1200}, "rate_s of at most window_s, 600"),
        ({"step_s": 1200}, "step_s of at most window_s, 600"),
        ({"window_s": 5}, "signals.window_s: 5: expected a number of at least 10"),
        ({"hosts": {"label": "a", "pattern": "("}}, "signals.hosts"),
        ({"hosts": {"label": "a", "pattern": "(a)(b)"}}, "a pattern with one group"),
        ({"vms": {"label": "a", "on": ["b"]}}, "series and on together"),
        ({"prometheus": {"tokenfile": "x"}}, "did you mean token_file?"),
    ],
)
def test_what_is_wrong_with_the_configuration_is_named(signals: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_fleet(config_of(tmp_path, inventory(), **signals), CLOCK, {}, url="http://127.0.0.1:9")
    assert said in str(caught.value)


def test_a_query_of_ones_own_and_a_join_of_ones_own(tmp_path: Path) -> None:
    """Hosts by the name that the kernel has, VMs by a label, a dirty rate in bytes."""
    rig = Rig(
        tmp_path,
        without=["host.clock_skew_s"],
        exporters=["node", "ceems"],
        hosts={"label": "nodename", "series": "node_uname_info", "on": ["instance"]},
        vms={"label": "vm"},
        queries={
            "vm.dirty_mib_per_s": {
                "query": "rate(dirty_bytes_total[{window}])",
                "series": "dirty_bytes_total",
                "exporter": "ceems",
                "scale": 2**-20,
            },
        },
    )  # fmt: skip
    dirty = next(one for one in rig.world.wanted if one.signal.name == "vm.dirty_mib_per_s")
    assert dirty.signal.query == "rate(dirty_bytes_total[600s])"
    for name in rig.world.hosts:
        of_node = {"instance": f"{name}:9100", "nodename": name}  # the other exporter has another port, 9010
        rig.world.more.append(("group by (instance, nodename) (node_uname_info)", of_node, 1.0))
    rig.world.set("vm.dirty_mib_per_s", "v1-0", 12.3456)
    reading = rig.read()
    assert vm(reading, "v1-0")["dirty_mib_per_s"] == 12.346
    assert any("max by (instance, vm)" in query for query in rig.world.asked)


def test_a_wait_that_is_0_of_every_vm_is_doubted(tmp_path: Path) -> None:
    rig = Rig(tmp_path, exporters=["node", "libvirt-wait", "libvirt"])
    assert rig.read().report.notes == ()
    for name in rig.world.host_of:
        rig.world.set("vm.pressure.cpu_steal", name, 0.0)
    (note,) = rig.read().report.notes
    assert note.startswith("vm.pressure.cpu_steal: libvirt_domain_vcpu_wait_seconds_total is 0 of every VM")


def test_steal_of_node_exporter_is_said_to_be_always_zero(tmp_path: Path) -> None:
    query = 'avg by (instance) (rate(node_cpu_seconds_total{mode="steal"}[10m]))'
    rig = Rig(
        tmp_path,
        exporters=["node"],
        queries={"host.pressure.cpu_steal": {"query": query, "series": "node_cpu_seconds_total"}},
    )
    notes = " ".join(rig.read().report.notes)
    assert "always 0 on bare metal" in notes and "libvirt_domain_vcpu_delay_seconds_total" in notes


def test_names_that_nobody_has_are_told(rig: Rig) -> None:
    one = next(one for one in rig.world.wanted if one.signal.name == "host.measured.disk_mib")
    rig.world.more.append((one.signal.query, {"instance": "h9.example.net:9100"}, 5.0))
    assert "h9.example.net" in " ".join(rig.read().report.notes)
