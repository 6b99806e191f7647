"""What closes a host to VMs to come, in the words of the rule that closes it: the label, and what was meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests import build
from tests.command_line import run, write

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
REQUEST = """
format: remora-request/1
vms: [{{id: new, demand: {{memory_mib: 1GiB}}, requires: {{{label}: [{value}]}}}}]
"""


def texts(question: str, tmp_path: Path, label: str, value: str) -> dict[str, str]:
    request = tmp_path / "request.yaml"
    request.write_text(REQUEST.format(label=label, value=value))
    found: dict[str, Any] = run("whatif", question, EXAMPLES / "allowed.json", "--request", request, "--json").json
    reasons = found["stopped_by"] if question == "fit" else found["kinds"][0]["missing"]
    return {rule: reason["text"] for reason in reasons for rule in reason["rules"]}


@pytest.mark.parametrize("question", ["fit", "place"])
def test_a_label_that_no_host_has_is_named_with_what_was_meant(question: str, tmp_path: Path) -> None:
    said = texts(question, tmp_path, "cpus", "xeon-6")
    assert said["snapshot"] == "it requires the label cpus, which no host of this fleet has (did you mean cpu?)"
    assert said["allowed"].endswith(
        "cpus is not labelled, xeon-6 required by new, and no host of fleet allowed has the label cpus "
        "(did you mean cpu?)"
    )


@pytest.mark.parametrize("question", ["fit", "place"])
def test_a_value_that_no_host_has_is_named_with_what_was_meant(question: str, tmp_path: Path) -> None:
    said = texts(question, tmp_path, "cpu", "epyc-9005")
    assert set(said) == {"allowed"}
    assert said["allowed"].endswith("and no host of fleet allowed has cpu epyc-9005 (did you mean epyc-9004?)")


def test_a_host_without_the_label_is_not_all_hosts(tmp_path: Path) -> None:
    found = run("whatif", "place", EXAMPLES / "allowed.json", "--like", "web", "--json").json
    closed = [reason["text"] for reason in found["kinds"][0]["skipped"] if "allowed" in reason["rules"]]
    assert closed == ["h2: cpu xeon-6, epyc-7003 or epyc-9004 required by new"]


def test_a_host_that_takes_no_vm_says_why(tmp_path: Path) -> None:
    found = run("whatif", "place", EXAMPLES / "office.json", "--flavour", "memory=1GiB", "--json").json
    said = {
        reason["example"]: reason["text"] for reason in found["kinds"][0]["skipped"] if "eligible" in reason["rules"]
    }
    assert said["downy"].startswith("downy: it is disabled and takes no VM")


def test_where_everything_restarts_no_loss_is_listed_and_where_nothing_does_no_packing_is(tmp_path: Path) -> None:
    hosts = [build.host(f"h{i}", memory=8, rack=f"r{i // 2}") for i in range(4)]
    for each, said, not_said in (
        (1, "everything restarts after each of 4 losses", "The worst losses"),
        (7, "after 4 of 4 losses not everything restarts", "packing that"),
    ):
        vms = [build.vm(f"v{i}", f"h{i}", memory=each) for i in range(4)]
        fleet = write(tmp_path / "fleet.json", build.document(hosts, vms))
        out = run("whatif", "lose", fleet, "--any", 1).out
        assert said in out
        assert not_said not in out
        assert "nothing to lose" not in out
