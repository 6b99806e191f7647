"""A group overlay: VMs marked with groups and labels, and groups declared, without touching the snapshot's source.

A small YAML file beside an inventory that cannot say such things::

    format: remora-overlay/1
    groups:
      - id: es-leaders
        rules: [{rule: anti_affinity, level: rack}]
        vms: [v0, v7]
    vms:
      v7: {groups: [batch-jobs], labels: {tier: gold}}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optimizer.errors import InputError
from optimizer.sources.files import read_bytes
from optimizer.sources.fleet_columns import index_of
from optimizer.sources.fleet_fields import GROUP, VM
from optimizer.sources.fleet_json import check_format
from optimizer.sources.fleet_parts import check_group_rules
from optimizer.sources.kinds import check, exactly, key_path, similar, text
from optimizer.sources.safe_yaml import check_plain, load_yaml
from optimizer.sources.shapes import Field, Listing, Record, Table

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["OVERLAY", "OVERLAY_FORMAT", "apply_overlay", "overlaid"]

Document = dict[str, Any]

OVERLAY_FORMAT = "remora-overlay/1"
_ID = text(what="an id")

OVERLAY_GROUP = Record(
    "group",
    {
        "id": GROUP.fields["id"],
        "rules": Field(GROUP.fields["rules"].kind, "declares the group, with these rules", None),
        "vms": Field(Listing(_ID, unique=True), "VMs that belong to it, beside those that say so themselves", []),
    },
)

OVERLAY = Record(
    "overlay",
    {
        "format": Field(exactly(OVERLAY_FORMAT), "the format's tag"),
        "groups": Field(Listing(OVERLAY_GROUP), "groups, with their rules and VMs", []),
        "vms": Field(
            Table(Record("mark", {"groups": VM.fields["groups"], "labels": VM.fields["labels"]}), _ID),
            "by VM: groups that it joins, labels that it gets (a label that it has is replaced)",
            {},
        ),
    },
)


def apply_overlay(document: Document, path: Path | str) -> Document:
    """Return the snapshot with an overlay file laid over it; `document` (checked) is not changed.

    Raises
    ------
    InputError
        If the overlay is wrong, or speaks of VMs, levels or groups that there are not.
    """
    where = str(path)
    overlay = load_yaml(read_bytes(path), where)
    check_plain(overlay, where)
    return overlaid(document, overlay, where)


def overlaid(document: Document, overlay: object, where: str) -> Document:
    """Lay a parsed overlay over a checked snapshot; `where` names the overlay in messages."""
    checked = check_format(overlay, OVERLAY_FORMAT, where)
    check(OVERLAY, checked, where)
    groups, marks = checked.get("groups", []), checked.get("vms", {})
    index = {vm["id"]: v for v, vm in enumerate(document["vms"])}
    _check_vms(groups, marks, index, where)
    joins, labels = _marks(groups, marks)
    vms = [_marked(vm, joins.get(vm["id"], ()), labels.get(vm["id"], {})) for vm in document["vms"]]
    declared = [*document.get("groups", ()), *_declared(groups, document, where)]
    _check_rules(groups, document, vms, declared, where)
    return {**document, "vms": vms, "groups": declared}


def _check_vms(groups: list[Document], marks: Document, index: dict[str, int], where: str) -> None:
    named = [
        (f"groups[{g}].vms[{i}]", vm) for g, group in enumerate(groups) for i, vm in enumerate(group.get("vms", ()))
    ]
    for path, vm in [*named, *((key_path("vms", vm), vm) for vm in marks)]:
        if vm not in index:
            raise InputError(where, path, vm, "a VM of the fleet", similar(vm, index))


def _marks(groups: list[Document], marks: Document) -> tuple[dict[str, list[str]], dict[str, Document]]:
    joins: dict[str, list[str]] = {vm: list(mark.get("groups", ())) for vm, mark in marks.items()}
    for group in groups:
        for vm in group.get("vms", ()):
            joins.setdefault(vm, []).append(group["id"])
    return joins, {vm: mark["labels"] for vm, mark in marks.items() if mark.get("labels")}


def _marked(vm: Document, joins: Iterable[str], labels: Document) -> Document:
    marked = dict(vm)
    if joins:
        marked["groups"] = list(dict.fromkeys([*vm.get("groups", ()), *joins]))
    if labels:
        marked["labels"] = {**vm.get("labels", {}), **labels}
    return marked if joins or labels else vm


def _declared(groups: list[Document], document: Document, where: str) -> list[Document]:
    """Return the groups that the overlay declares: those for which it gives rules, be it an empty list."""
    index_of([group["id"] for group in groups], where, "groups")
    already = {group["id"] for group in document.get("groups", ())}
    found = []
    for g, group in enumerate(groups):
        if "rules" not in group:
            continue
        if group["id"] in already:
            hint = "leave rules out to add VMs to it"
            raise InputError(
                where, f"groups[{g}].rules", group["id"], "a group that the snapshot does not declare", hint
            )
        found.append({name: value for name, value in group.items() if name != "vms"})
    return found


def _check_rules(
    groups: list[Document], document: Document, vms: list[Document], declared: list[Document], where: str
) -> None:
    levels = {level: i for i, level in enumerate(document["levels"])}
    known = {name: 0 for vm in vms for name in vm.get("groups", ())} | {group["id"]: 0 for group in declared}
    check_group_rules(groups, levels, known, where)
