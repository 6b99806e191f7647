"""An overlay: what a snapshot's source cannot say of hosts, VMs and groups, laid over it without touching it.

A small YAML file beside an inventory::

    format: remora-overlay/1
    groups:
      - id: es-leaders
        rules: [{rule: anti_affinity, level: rack}]
        vms: [v0, v7]
    hosts:
      h3: {state: draining, name: rack 4 upper}
    vms:
      v7: {groups: [batch-jobs], labels: {tier: gold}, mobility: none, mobility_reason: has a GPU}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from optimizer.caution import Caution
from optimizer.errors import InputError
from optimizer.fleet.plausible import empty_groups, undeclared_groups
from optimizer.similar import misspelt
from optimizer.sources.files import read_bytes
from optimizer.sources.fleet_columns import index_of
from optimizer.sources.fleet_fields import GROUP, HOST, VM
from optimizer.sources.fleet_json import check_format
from optimizer.sources.fleet_parts import check_group_rules
from optimizer.sources.kinds import check, choice, exactly, key_path, similar, text
from optimizer.sources.safe_yaml import check_plain, load_yaml
from optimizer.sources.shapes import Field, Listing, Record, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["OVERLAY", "OVERLAY_FORMAT", "Warn", "apply_overlay", "overlaid"]

Document = dict[str, Any]
Warn: TypeAlias = "Callable[[Caution], None]"

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

MARKS = {
    "hosts": ("name", "state", "maintenance", "labels"),
    "vms": ("name", "groups", "labels", "mobility", "mobility_reason"),
}
"""What an overlay may say of a host or a VM. Groups and labels join those of the snapshot, all else replaces."""

JOINED = ("groups", "labels")


def _mark(name: str, of: Record, fields: tuple[str, ...]) -> Table:
    return Table(Record(name, {field: of.fields[field] for field in fields}), _ID)


OVERLAY = Record(
    "overlay",
    {
        "format": Field(exactly(OVERLAY_FORMAT), "the format's tag"),
        "groups": Field(Listing(OVERLAY_GROUP), "groups, with their rules and VMs", []),
        "hosts": Field(
            _mark("mark of a host", HOST, MARKS["hosts"]),
            "by host: its name, state, maintenance windows; labels that it gets (one that it has is replaced)",
            {},
        ),
        "vms": Field(
            _mark("mark of a VM", VM, MARKS["vms"]),
            "by VM: its name and mobility; groups that it joins, labels that it gets (one that it has is replaced)",
            {},
        ),
        "unknown_names": Field(
            choice("error", "warn"), "what becomes of hosts and VMs that the snapshot does not have", "error"
        ),
    },
)


def apply_overlay(document: Document, path: Path | str, warn: Warn) -> Document:
    """Return the snapshot with an overlay file laid over it; `document` (checked) is not changed.

    Parameters
    ----------
    warn
        Told of each name that matches nothing, where the overlay says ``unknown_names: warn``, and of groups without
        a VM. There is no default, so that nobody lays an overlay in silence.

    Raises
    ------
    InputError
        If the overlay is wrong, or speaks of hosts, VMs, levels or groups that there are not.
    """
    where = str(path)
    overlay = load_yaml(read_bytes(path), where)
    check_plain(overlay, where)
    return overlaid(document, overlay, where, warn)


def overlaid(document: Document, overlay: object, where: str, warn: Warn) -> Document:
    """Lay a parsed overlay over a checked snapshot; `where` names the overlay in messages."""
    checked = check_format(overlay, OVERLAY_FORMAT, where)
    check(OVERLAY, checked, where)
    groups = [dict(group) for group in checked.get("groups", [])]
    marks = {side: dict(checked.get(side, {})) for side in MARKS}
    unknown = list(_unknown(groups, marks, document, where))
    if unknown and checked.get("unknown_names", "error") == "error":
        raise unknown[0]
    for error in unknown:
        hint = f" ({error.hint})" if error.hint else ""
        text = f"{error.value!r} is not {error.expected}, so it is ignored{hint}"
        warn(Caution("unknown_name", f"{where}: {error.path}", text))
    vm_marks = _with_members(groups, marks["vms"])
    vms = [_marked(vm, vm_marks.get(vm["id"], {})) for vm in document["vms"]]
    hosts = [_marked(host, marks["hosts"].get(host["id"], {})) for host in document["hosts"]]
    declared = [*document.get("groups", ()), *_declared(groups, document, where)]
    _check_rules(groups, document, vms, declared, where)
    for caution in _odd_groups(groups, document, vms, declared, where):
        warn(caution)
    return {**document, "hosts": hosts, "vms": vms, "groups": declared}


def _unknown(
    groups: list[Document], marks: dict[str, Document], document: Document, where: str
) -> Iterator[InputError]:
    """Yield what speaks of a host or a VM that the snapshot does not have."""
    known = {side: {one["id"]: one.get("name", "") for one in document[side]} for side in MARKS}
    named = [
        ("vms", f"groups[{g}].vms[{i}]", vm)
        for g, group in enumerate(groups)
        for i, vm in enumerate(group.get("vms", ()))
    ]
    named += [(side, key_path(side, name), name) for side in MARKS for name in marks[side]]
    for side, path, name in named:
        if name not in known[side]:
            expected = f"a {'host' if side == 'hosts' else 'VM'} of fleet {document['fleet']}"
            yield InputError(where, path, name, expected, similar(name, known[side]))


def _odd_groups(
    groups: list[Document], document: Document, vms: list[Document], declared: list[Document], where: str
) -> Iterator[Caution]:
    """Yield the groups of the overlay without a VM, and new ones without rules that are called nearly as another.

    What any fleet is asked (`fleet.plausible`), this one will be, too: one of the two is declared, the other is not.
    """
    before = {name for vm in document["vms"] for name in vm.get("groups", ())}
    members = {name for vm in vms for name in vm.get("groups", ())}
    stated = {group["id"] for group in declared}
    names = [group["id"] for group in groups]
    empty, new = [n for n in names if n not in members], [n for n in names if n in members - before - stated]
    asked = {*misspelt(stated & set(empty), members - stated), *misspelt(new, stated)}
    of_empty, of_new = misspelt(empty, sorted(members)), misspelt(new, sorted(before - stated))
    for g, name in enumerate(names):
        place = f"{where}: groups[{g}].id"
        if name in asked:
            continue
        if name not in members:
            yield Caution("empty_group", place, empty_groups([name], of_empty))
        elif name in of_new:
            yield Caution("undeclared_group", place, undeclared_groups([name], of_new))


def _with_members(groups: list[Document], marks: Document) -> dict[str, Document]:
    """Return the marks of VMs, with the groups that name them."""
    found = {vm: dict(mark) for vm, mark in marks.items()}
    for group in groups:
        for vm in group.get("vms", ()):
            mark = found.setdefault(vm, {})
            mark["groups"] = [*mark.get("groups", ()), group["id"]]
    return found


def _marked(record: Document, mark: Document) -> Document:
    """Return a host or VM with what an overlay says of it."""
    if not mark:
        return record
    marked = {**record, **{field: value for field, value in mark.items() if field not in JOINED}}
    if mark.get("groups"):
        marked["groups"] = list(dict.fromkeys([*record.get("groups", ()), *mark["groups"]]))
    if mark.get("labels"):
        marked["labels"] = {**record.get("labels", {}), **mark["labels"]}
    return marked


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
