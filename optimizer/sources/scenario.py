"""Scenarios: a snapshot as it would be with hosts added or removed, sizes, overcommit or the policy changed.

A YAML or JSON file::

    format: remora-scenarios/1
    scenarios:
      - name: four more large hosts
        changes:
          - add_hosts: {like: h13, count: 4}
      - name: rack r1 gone, CPU at 2.0
        policy: tight.yaml
        changes:
          - remove_hosts: ["rack:r1"]
          - set_hosts: {hosts: ["*"], overcommit: {cpu_millicores: 2.0}}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optimizer.errors import InputError
from optimizer.fleet import measured_after
from optimizer.fleet.selection import named_hosts, named_vms
from optimizer.sources.files import read_bytes
from optimizer.sources.fleet_columns import index_of
from optimizer.sources.fleet_fields import GROUP, HOST, VM
from optimizer.sources.fleet_json import check_format, fleet_from_document
from optimizer.sources.kinds import check, exactly, similar, text, whole
from optimizer.sources.request import REQUEST, laid_over, with_amounts
from optimizer.sources.safe_yaml import check_plain, load_yaml
from optimizer.sources.scope_words import host_words, vm_words
from optimizer.sources.shapes import Field, Listing, Record, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from optimizer.fleet import Fleet

__all__ = ["SCENARIOS", "SCENARIOS_FORMAT", "changed", "read_scenarios"]

Document = dict[str, Any]

SCENARIOS_FORMAT = "remora-scenarios/1"
MOST = 10_000

_ID = text(what="an id")
_WORDS = Listing(text(what="a name"), 1)

ADD_HOSTS = Record(
    "change",
    {
        "like": Field(_ID, "a host of the fleet, whose facts the new ones have"),
        "count": Field(whole(1, MOST), "how many", 1),
        "domains": Field(Table(_ID), "their domains by level, where not those of the host that they are like", {}),
    },
)
SET_HOSTS = Record(
    "change",
    {
        "hosts": Field(_WORDS, "ids, LEVEL:ID or globs"),
        **{name: HOST.fields[name] for name in ("overcommit", "reserved", "state", "labels")},
        "capacity": Field(HOST.fields["capacity"].kind, "physical capacity by resource, in place of what it was", {}),
    },
)
SET_VMS = Record(
    "change",
    {"vms": Field(_WORDS, "ids or globs"), "demand": Field(VM.fields["demand"].kind, "by resource, in its place")},
)
ADD_VMS = Record("change", {"vms": REQUEST.fields["vms"], "groups": Field(Listing(GROUP), "groups of the new VMs", [])})
CHANGE = Record(
    "change",
    {
        "add_hosts": Field(ADD_HOSTS, "hosts like one of the fleet", None),
        "remove_hosts": Field(_WORDS, "hosts; their VMs have none then", None),
        "set_hosts": Field(SET_HOSTS, "other facts of hosts", None),
        "add_vms": Field(ADD_VMS, "VMs as in a request, without a host", None),
        "remove_vms": Field(_WORDS, "VMs", None),
        "set_vms": Field(SET_VMS, "other sizes of VMs", None),
    },
)
SCENARIOS = Record(
    "scenarios",
    {
        "format": Field(exactly(SCENARIOS_FORMAT), "the format's tag"),
        "scenarios": Field(
            Listing(
                Record(
                    "scenario",
                    {
                        "name": Field(text(64, what="a name"), "how answers call it"),
                        "changes": Field(Listing(CHANGE), "what is changed, in this order; one thing each", []),
                        "policy": Field(text(what="a policy"), "another policy: a shipped one, or a file", None),
                    },
                ),
                1,
            ),
            "the scenarios",
        ),
    },
)


def read_scenarios(path: Path | str) -> list[Document]:
    """Read a file of scenarios.

    Raises
    ------
    InputError
        With the first thing that is wrong.
    """
    where = str(path)
    document = load_yaml(read_bytes(path), where)
    check_plain(document, where)
    checked = check_format(document, SCENARIOS_FORMAT, where)
    check(SCENARIOS, checked, where)
    found: list[Document] = checked["scenarios"]
    index_of([scenario["name"] for scenario in found], where, "scenarios", "name")
    for s, scenario in enumerate(found):
        for c, change in enumerate(scenario.get("changes", ())):
            if len(change) != 1:
                expected = f"one change: one of {', '.join(CHANGE.fields)}"
                raise InputError(where, f"scenarios[{s}].changes[{c}]", ", ".join(change), expected)
    return found


def changed(document: Document, changes: Iterable[Document], where: str) -> Document:
    """Return a checked snapshot with changes; `document` is not changed itself.

    What a host reports in use follows its VMs, as it does after a move.

    Raises
    ------
    InputError
        A change speaks of what the fleet does not have.
    """
    for c, change in enumerate(changes):
        ((kind, what),) = change.items()
        document = _CHANGES[kind](document, what, f"{where}: changes[{c}].{kind}")
    return document


def _add_hosts(document: Document, what: Document, where: str) -> Document:
    by_id = {host["id"]: host for host in document["hosts"]}
    if what["like"] not in by_id:
        expected = f"a host of fleet {document['fleet']}"
        raise InputError(where, "like", what["like"], expected, similar(what["like"], by_id))
    levels = document["levels"][1:]
    for level in what.get("domains", {}):
        if level not in levels:
            raise InputError(where, f"domains.{level}", level, f"a level ({', '.join(levels)})", similar(level, levels))
    like = {k: v for k, v in by_id[what["like"]].items() if k not in ("measured", "pressure", "name", "busy")}
    domains = {**like.get("domains", {}), **what.get("domains", {})}
    made: list[Document] = []
    number = 1
    while len(made) < what.get("count", 1):
        name = f"{what['like']}+{number}"
        number += 1
        if name not in by_id:
            made.append({**like, "id": name, "state": "active"} | ({"domains": domains} if domains else {}))
    return {**document, "hosts": [*document["hosts"], *made]}


def _remove_hosts(document: Document, what: list[str], where: str) -> Document:
    gone = set(_hosts(document, what, where))
    if len(gone) == len(document["hosts"]):
        raise InputError(where, "", ", ".join(what), "at least one host that stays")
    vms = []
    for vm in document["vms"]:
        kept = vm if vm["host"] not in gone else {**vm, "host": None}
        if gone & set(kept.get("forbidden_hosts", ())):
            kept = {**kept, "forbidden_hosts": [h for h in kept["forbidden_hosts"] if h not in gone]}
        vms.append(kept)
    moving = [m for m in document.get("in_flight", ()) if m["from"] not in gone and m["to"] not in gone]
    return {
        **document,
        "hosts": [host for host in document["hosts"] if host["id"] not in gone],
        "vms": vms,
        "in_flight": moving,
    }


def _set_hosts(document: Document, what: Document, where: str) -> Document:
    which = set(_hosts(document, what["hosts"], where))
    resources = [r["name"] for r in document["resources"]]
    new = {name: value for name, value in what.items() if name != "hosts"}
    if not new:
        raise InputError(where, "", "nothing", "what to set: capacity, overcommit, reserved, state or labels")
    for field in ("capacity", "overcommit", "reserved"):
        for name in new.get(field, {}):
            if name not in resources:
                expected = f"a resource ({', '.join(resources)})"
                raise InputError(where, f"{field}.{name}", name, expected, similar(name, resources))
    return {
        **document,
        "hosts": [_joined(host, new) if host["id"] in which else host for host in document["hosts"]],
    }


def _joined(record: Document, new: Document) -> Document:
    return {
        **record,
        **{k: {**record.get(k, {}), **v} if isinstance(v, dict) else v for k, v in new.items()},
    }


def _add_vms(document: Document, what: Document, where: str) -> Document:
    return laid_over(document, {**what, "vms": with_amounts(what["vms"], document, where)}, where)[0]


def _remove_vms(document: Document, what: list[str], where: str) -> Document:
    gone = set(_vms(document, what, where))
    moving = [m for m in document.get("in_flight", ()) if m["vm"] not in gone]
    evidence = [e for e in document.get("interference", ()) if not gone & {e["noisy"], e["suffers"]}]
    kept = [vm for vm in document["vms"] if vm["id"] not in gone]
    # a group that a rule names must still be there
    named = {g for vm in document["vms"] if vm["id"] in gone for g in vm.get("groups", ())}
    there = {g for vm in kept for g in vm.get("groups", ())} | {g["id"] for g in document.get("groups", ())}
    groups = [*document.get("groups", ()), *({"id": g, "rules": []} for g in sorted(named - there))]
    smaller = {**document, "vms": kept, "in_flight": moving, "interference": evidence, "groups": groups}
    return _measured(document, smaller)


def _set_vms(document: Document, what: Document, where: str) -> Document:
    which = set(_vms(document, what["vms"], where))
    resources = [r["name"] for r in document["resources"]]
    for name in what["demand"]:
        if name not in resources:
            expected = f"a resource ({', '.join(resources)})"
            raise InputError(where, f"demand.{name}", name, expected, similar(name, resources))
    new = {"demand": what["demand"]}
    return _measured(
        document,
        {**document, "vms": [_joined(vm, new) if vm["id"] in which else vm for vm in document["vms"]]},
    )


def _measured(before: Document, after: Document) -> Document:
    """Let what hosts report in use follow their VMs."""
    was, now = _allocated(before), _allocated(after)
    hosts = [
        {
            **host,
            "measured": {
                r: measured_after(m, was.get((host["id"], r), 0), now.get((host["id"], r), 0))
                for r, m in host["measured"].items()
            },
        }
        if host.get("measured")
        else host
        for host in after["hosts"]
    ]
    return {**after, "hosts": hosts}


def _allocated(document: Document) -> dict[tuple[str, str], int]:
    out: dict[tuple[str, str], int] = {}
    for vm in document["vms"]:
        if vm["host"] is not None:
            for resource, amount in vm["demand"].items():
                out[vm["host"], resource] = out.get((vm["host"], resource), 0) + amount
    return out


def _hosts(document: Document, words: list[str], where: str) -> list[str]:
    fleet = _as_fleet(document, where)
    names = host_words("hosts", words, fleet, where)
    return [fleet.hosts.ids[h] for name in names for h in named_hosts(fleet, name)]


def _vms(document: Document, words: list[str], where: str) -> list[str]:
    fleet = _as_fleet(document, where)
    names = vm_words("vms", words, fleet, where)
    return [fleet.vms.ids[v] for name in names for v in named_vms(fleet, name)]


def _as_fleet(document: Document, where: str) -> Fleet:
    return fleet_from_document(document, where)


_CHANGES: dict[str, Callable[[Document, Any, str], Document]] = {
    "add_hosts": _add_hosts,
    "remove_hosts": _remove_hosts,
    "set_hosts": _set_hosts,
    "add_vms": _add_vms,
    "remove_vms": _remove_vms,
    "set_vms": _set_vms,
}
