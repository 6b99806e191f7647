"""`remora signals check` and `read`: what they print, write and leave with."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("prometheus_api_client", reason="the extra prometheus is not installed")

from tests.command_line import refused, run
from tests.documents import EXAMPLES
from tests.signals.examples import measured_examples

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The fleet of the pages with its Prometheus: dogwood was not heard for ten minutes."""
    text = (EXAMPLES / "inventory-now.json").read_text().replace("NOW", datetime.now(UTC).isoformat())
    (tmp_path / "fleet.json").write_text(text)
    (tmp_path / "remora.yaml").write_text("inventory: {file: fleet.json}\n")
    monkeypatch.chdir(tmp_path)
    with measured_examples(EXAMPLES) as url:
        monkeypatch.setenv("REMORA_PROMETHEUS", url)
        yield tmp_path


def test_check_as_json_has_every_host_and_signal(place: Path) -> None:
    done = run("signals", "check", "--json")
    assert done.code == 1
    found: dict[str, Any] = done.json
    assert found["silent"] == {"dogwood": "10 min old, at most 2 min"} and set(found["hosts"]) == {"dogwood"}
    assert found["details"]["alder"]["host.pressure.cpu_steal"]["value"] == 0.14
    assert found["details"]["alder"]["vm.pressure.cpu_steal"] == {"vms": 4, "there": 4}
    assert "problem" in found["details"]["dogwood"]["host.measured.disk_mib"]
    line = next(line for line in found["signals"] if line["name"] == "host.measured.disk_mib")
    assert (line["there"], line["expected"], line["high"]) == (3, 4, 380 * 1024)


def test_check_of_a_host_and_of_a_policy(place: Path) -> None:
    done = run("signals", "check", "--host", "alder", "--policy", "public-cloud")
    assert done.code == 1 and "host.pressure.cpu_steal" in done.out.split("alder\n")[1]
    assert "rule eligible wants error_count, which is missing for 4 hosts" in done.out
    assert "did you mean alder?" in refused("signals", "check", "--host", "aldr")


def test_a_policy_that_wants_steal_is_told_where_it_is(place: Path) -> None:
    """With node_exporter alone there is none."""
    (place / "remora.yaml").write_text("inventory: {file: fleet.json}\nsignals: {exporters: [node]}\n")
    (place / "policy.yaml").write_text("format: remora-policy/1\nrules: [{rule: pressure, of: cpu_steal}]\n")
    said = run("signals", "check", "--policy", "policy.yaml").out
    assert "wants pressure.cpu_steal, which is missing for 4 hosts" in said
    assert "always 0 on bare metal" in said and "libvirt_domain_vcpu_delay_seconds_total" in said


def test_read_writes_the_snapshot_and_says_what_is_not_observed(place: Path) -> None:
    done = run("signals", "read", "-o", "joined.json")
    assert done.code == 1 and "not observed: 1 host and 2 VMs" in done.err
    joined = json.loads((place / "joined.json").read_text())
    assert [host["id"] for host in joined["hosts"] if "unobserved" in host] == ["dogwood"]
    assert run("signals", "read", "-o", "joined.json", "--json").json["hosts_unobserved"].keys() == {"dogwood"}
    assert run("check", "joined.json", "--json").code in (0, 1)


@pytest.mark.parametrize("words", [("check",), ("read", "-o", "out.json")])
def test_what_is_wrong_is_one_line(words: tuple[str, ...], place: Path) -> None:
    assert "none.yaml" in refused("signals", *words, "--config", "none.yaml")
    assert "--prometheus" in refused("signals", *words, "--prometheus", "http://ann:s3cret@p")
    (place / "remora.yaml").write_text("inventory: {file: fleet.json}\nsignal: {}\n")
    assert "did you mean signals?" in refused("signals", *words)
    (place / "remora.yaml").write_text("inventory: {file: none.json}\n")
    assert "none.json" in refused("signals", *words)
    assert not (place / "out.json").exists()
