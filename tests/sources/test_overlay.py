"""A group overlay marks VMs and declares groups, and leaves the snapshot as it was."""

from __future__ import annotations

from typing import Any

import pytest

from optimizer.errors import InputError
from optimizer.fleet import GroupRule
from optimizer.sources.fleet_json import fleet_from_document
from optimizer.sources.overlay import apply_overlay
from tests.sources.samples import OVERLAY, full_fleet


@pytest.fixture
def overlay_file(tmp_path):
    def write(text: str) -> Any:
        path = tmp_path / "groups.yaml"
        path.write_text(text)
        return path

    return write


def test_overlay(overlay_file) -> None:
    document = full_fleet()
    laid = apply_overlay(document, overlay_file(OVERLAY), lambda _: None)
    assert document == full_fleet()
    fleet = fleet_from_document(laid, "x")
    groups = {g.id: (g.members.tolist(), g.declared) for g in fleet.groups}
    assert groups == {
        "es-leaders": ([0], True),
        "cache": ([1, 2], True),
        "named-only": ([], True),
        "fresh": ([0, 2], True),
        "loose": ([0, 3], False),
        "free": ([1], False),
        "more": ([0], False),
    }
    by_id = {g.id: g for g in fleet.groups}
    assert by_id["fresh"].rules == (GroupRule("anti_affinity", "rack", at_most=2),)
    assert by_id["free"].rules == by_id["loose"].rules
    assert fleet.vms.labels[0] == {"tier": "silver", "new": "1"}
    assert fleet.digest != fleet_from_document(document, "x").digest


def test_a_group_may_join_its_rule_to_one_that_the_overlay_makes(overlay_file) -> None:
    text = "format: remora-overlay/1\ngroups: [{id: a, rules: [{rule: apart, with: b}]}, {id: b, vms: [v0]}]\n"
    laid = apply_overlay(full_fleet(), overlay_file(text), lambda _: None)
    assert laid["groups"][-1] == {"id": "a", "rules": [{"rule": "apart", "with": "b"}]}


BAD = [
    ("groups: [{id: a, vms: [v9]}]", "groups[0].vms[0]"),
    ("groups: [{id: a, vms: [v0, v0]}]", "groups[0].vms[1]"),
    ("groups: [{id: a}, {id: a}]", "groups[1].id"),
    ("groups: [{id: cache, rules: []}]", "groups[0].rules"),
    ("groups: [{id: a, rules: [{rule: spread, level: rack}]}]", "groups[0].rules[0].at_least"),
    ("groups: [{id: a, rules: [{rule: together, level: row}]}]", "groups[0].rules[0].level"),
    ("groups: [{id: a, rules: [{rule: needs, with: nothing}]}]", "groups[0].rules[0].with"),
    ("groups: [{id: a, rules: [{rule: needs, with: a}]}]", "groups[0].rules[0].with"),
    ("groups: [{id: 7}]", "groups[0].id"),
    ("vms: {v9: {groups: [a]}}", "vms.v9"),
    ('vms: {"\\e[31m": {groups: [a]}}', "vms['\\x1b[31m']"),
    ("vms: {v0: {labels: {a: 1}}}", "vms.v0.labels.a"),
    ("vms: {v0: {owner: me}}", "vms.v0.owner"),
    ("vmss: {}", "vmss"),
]


@pytest.mark.parametrize(("text", "path"), BAD)
def test_what_does_not_fit_is_refused(overlay_file, text: str, path: str) -> None:
    file = overlay_file(f"format: remora-overlay/1\n{text}\n")
    with pytest.raises(InputError) as caught:
        apply_overlay(full_fleet(), file, lambda _: None)
    assert (caught.value.where, caught.value.path) == (str(file), path)


@pytest.mark.parametrize(
    "text", ["", "[]", "format: remora-fleet/1", "format: [", "format: remora-overlay/2", "a: &x 1"]
)
def test_what_is_no_overlay_is_refused(overlay_file, text: str) -> None:
    with pytest.raises(InputError):
        apply_overlay(full_fleet(), overlay_file(text), lambda _: None)
