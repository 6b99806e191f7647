"""Scenarios: what each change makes of a snapshot, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from optimizer.errors import InputError
from optimizer.sources.fleet_json import fleet_from_document
from optimizer.sources.scenario import changed, read_scenarios
from tests.build import document, host, vm

if TYPE_CHECKING:
    from pathlib import Path

Document = dict[str, Any]


def snapshot() -> Document:
    hosts = [
        host("h0", memory=10, rack="r0", measured={"memory_mib": 7}),
        host("h1", memory=10, rack="r1"),
        host("h2", memory=20, rack="r1"),
    ]
    vms = [
        vm("a", "h0", memory=4),
        vm("b", "h1", memory=2, forbidden_hosts=["h2"]),
        vm("c", "h2", memory=3, groups=["g"]),
    ]
    return document(hosts, vms, groups=[{"id": "x", "rules": [{"rule": "apart", "with": "g"}]}])


def after(*changes: Document) -> Document:
    before = snapshot()
    result = changed(before, changes, "test")
    assert before == snapshot(), "the snapshot itself is not changed"
    fleet_from_document(result, "changed")
    return result


def test_hosts_are_added_like_another_one_without_what_was_measured_there() -> None:
    made = after({"add_hosts": {"like": "h0", "count": 2, "domains": {"rack": "r9"}}})["hosts"][3:]
    assert [(h["id"], h["domains"]["rack"], h["capacity"]) for h in made] == [
        ("h0+1", "r9", {"memory_mib": 10}),
        ("h0+2", "r9", {"memory_mib": 10}),
    ]
    assert all("measured" not in h for h in made)


def test_vms_of_a_host_that_is_removed_have_none() -> None:
    result = after({"remove_hosts": ["rack:r1"]})
    assert [h["id"] for h in result["hosts"]] == ["h0"]
    assert [(v["id"], v["host"]) for v in result["vms"]] == [("a", "h0"), ("b", None), ("c", None)]
    assert result["vms"][1]["forbidden_hosts"] == []


def test_facts_of_hosts_are_set_and_joined() -> None:
    result = after({"set_hosts": {"hosts": ["h*"], "capacity": {"disk_mib": 5}, "overcommit": {"memory_mib": 2}}})
    assert [h["capacity"] for h in result["hosts"]] == [{"memory_mib": n, "disk_mib": 5} for n in (10, 10, 20)]
    assert {h["overcommit"]["memory_mib"] for h in result["hosts"]} == {2}


def test_what_a_host_reports_in_use_follows_its_vms() -> None:
    assert after({"remove_vms": ["a"]})["hosts"][0]["measured"] == {"memory_mib": 3}
    assert after({"set_vms": {"vms": ["a"], "demand": {"memory_mib": 6}}})["hosts"][0]["measured"] == {"memory_mib": 9}


def test_a_group_that_another_names_stays_when_its_last_vm_goes() -> None:
    assert {g["id"] for g in after({"remove_vms": ["c"]})["groups"]} == {"g", "x"}


def test_vms_are_added_without_a_host_as_in_a_request() -> None:
    result = after({"add_vms": {"vms": [{"id": "n", "count": 2, "demand": {"memory_mib": "1GiB"}}]}})
    assert [(v["id"], v["host"], v["demand"]) for v in result["vms"][3:]] == [
        ("n-1", None, {"memory_mib": 1024}),
        ("n-2", None, {"memory_mib": 1024}),
    ]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"add_hosts": {"like": "h9"}}, "h9"),
        ({"add_hosts": {"like": "h0", "domains": {"row": "x"}}}, "row"),
        ({"remove_hosts": ["rack:r7"]}, "rack:r7"),
        ({"remove_hosts": ["h*"]}, "at least one host that stays"),
        ({"set_hosts": {"hosts": ["h0"], "overcommit": {"memory": 2}}}, "memory_mib"),
        ({"set_hosts": {"hosts": ["h0"]}}, "what to set"),
        ({"remove_vms": ["zz"]}, "zz"),
        ({"set_vms": {"vms": ["a"], "demand": {"gpu": 1}}}, "gpu"),
        ({"add_vms": {"vms": [{"id": "a", "demand": {"memory_mib": 1}}]}}, "an id that no VM"),
        ({"add_vms": {"vms": [{"id": "n", "demand": {"memory_mib": "1 parsec"}}]}}, "parsec"),
    ],
)
def test_what_means_nothing_is_refused(change: Document, told: str) -> None:
    with pytest.raises(InputError) as error:
        changed(snapshot(), [change], "test")
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("document_", "told"),
    [
        ({"format": "remora-scenarios/1"}, "scenarios"),
        ({"format": "remora-scenarios/1", "scenarios": [{"name": "a"}, {"name": "a"}]}, "a"),
        ({"format": "remora-scenarios/1", "scenarios": [{"name": "a", "changes": [{}]}]}, "one change"),
        (
            {"format": "remora-scenarios/1", "scenarios": [{"name": "a", "changes": [{"drop_hosts": ["h0"]}]}]},
            "drop_hosts",
        ),
    ],
)
def test_a_file_that_is_wrong_is_refused(document_: Document, told: str, tmp_path: Path) -> None:
    path = tmp_path / "scenarios.yaml"
    path.write_text(yaml.safe_dump(document_))
    with pytest.raises(InputError) as error:
        read_scenarios(path)
    assert told in str(error.value)
