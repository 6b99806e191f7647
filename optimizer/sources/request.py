"""A request: VMs that do not exist yet, laid over a snapshot as VMs without a host.

A YAML or JSON file::

    format: remora-request/1
    vms:
      - id: web
        count: 3
        demand: {cpu_millicores: 2 cores, memory_mib: 8GiB}
        groups: [web]
    groups:
      - id: web
        rules: [{rule: anti_affinity, level: rack}]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optimizer.errors import InputError
from optimizer.fleet import AMOUNT_LIMIT
from optimizer.grammar import listed
from optimizer.problem.amounts import short_names
from optimizer.similar import similar_or_some
from optimizer.sources.files import read_bytes
from optimizer.sources.fleet_columns import index_of
from optimizer.sources.fleet_fields import GROUP, VM
from optimizer.sources.fleet_json import check_format, fleet_from_document
from optimizer.sources.kinds import Fault, check, exactly, key_path, parse_time, similar, when, whole
from optimizer.sources.safe_yaml import check_plain, load_yaml
from optimizer.sources.shapes import Field, Listing, Record
from optimizer.sources.units import UnitError, parse_amount

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from pathlib import Path

    from optimizer.fleet import Fleet

__all__ = [
    "REQUEST",
    "REQUEST_FORMAT",
    "NewVm",
    "checked_request",
    "copy_of",
    "flavour",
    "ids_of",
    "read_request",
    "settled",
    "with_amounts",
    "with_request",
]

Document = dict[str, Any]

REQUEST_FORMAT = "remora-request/1"
MOST = 100_000

_OWN = ("id", "name", "owner", "groups", "requires", "forbidden_hosts", "sensitive", "noise", "labels")


class _Demand:
    """Amounts by resource: integers in the resource's own unit, or texts with a unit."""

    def fits(self, column: Sequence[Any]) -> bool:
        """Say whether every value of a column is of this kind."""
        return all(self.blame(value, "") is None for value in column)

    def blame(self, value: Any, path: str) -> Fault | None:
        """Return what is wrong with one value."""
        if type(value) is not dict or not value:
            return Fault(path, value, "amounts by resource, at least one")
        for name, amount in value.items():
            if type(amount) is int and 0 <= amount <= AMOUNT_LIMIT:
                continue
            if not isinstance(amount, str):
                expected = f"an integer from 0 to {AMOUNT_LIMIT} in the resource's unit, or a text such as 8GiB"
                return Fault(key_path(path, name), amount, expected)
        return None

    def schema(self) -> dict[str, Any]:
        """Return the kind as JSON Schema."""
        amount = {"anyOf": [{"type": "integer", "minimum": 0, "maximum": AMOUNT_LIMIT}, {"type": "string"}]}
        return {"type": "object", "minProperties": 1, "additionalProperties": amount}


REQUEST = Record(
    "request",
    {
        "format": Field(exactly(REQUEST_FORMAT), "the format's tag"),
        "vms": Field(
            Listing(
                Record(
                    "new VM",
                    {
                        **{name: VM.fields[name] for name in _OWN},
                        "count": Field(whole(1, MOST), "how many like it", 1),
                        "demand": Field(_Demand(), "what it takes, by resource: an integer, or a text with a unit"),
                    },
                ),
                1,
            ),
            "the VMs that are asked for",
        ),
        "groups": Field(Listing(GROUP), "groups of the new VMs that the snapshot does not declare", []),
        "until": Field(when(), "as a reservation: room is kept for it until then", None),
    },
)


@dataclass(frozen=True, slots=True)
class NewVm:
    """A VM of the fleet that has no host yet, and how many like it are asked for."""

    vm: int
    count: int


def read_request(path: Path | str, document: Document) -> Document:
    """Read a request file and check it against a snapshot's resources.

    Raises
    ------
    InputError
        With the first thing that is wrong.
    """
    where = str(path)
    return checked_request(load_yaml(read_bytes(path), where), document, where)


def checked_request(request: object, document: Document, where: str) -> Document:
    """Check a request against a snapshot's resources; its amounts become whole units.

    Raises
    ------
    InputError
        With the first thing that is wrong.
    """
    check_plain(request, where)
    checked = check_format(request, REQUEST_FORMAT, where)
    check(REQUEST, checked, where)
    return {**checked, "vms": with_amounts(checked["vms"], document, where)}


def with_amounts(vms: Sequence[Document], document: Document, where: str) -> list[Document]:
    """Return checked entries of a request with their demand in whole units of the snapshot's resources.

    Raises
    ------
    InputError
        An amount cannot be read, or is of no resource of the snapshot.
    """
    resources = [r["name"] for r in document["resources"]]
    return [{**vm, "demand": _amounts(vm["demand"], resources, where, f"vms[{i}].demand")} for i, vm in enumerate(vms)]


def flavour(text: str, document: Document, where: str, name: str = "new") -> Document:
    """Return a request for VMs of one size, written as ``cpu=2,memory=8GiB,disk=100GiB``.

    Raises
    ------
    InputError
        With the first thing that is wrong.
    """
    resources = [r["name"] for r in document["resources"]]
    short = short_names(resources)
    asked: dict[str, str] = {}
    for part in text.split(","):
        key, found, value = (piece.strip() for piece in part.partition("="))
        if not found or not key or not value:
            raise InputError(where, "", part, "RESOURCE=AMOUNT", "for example cpu=2,memory=8GiB")
        resource = short.get(key.lower(), key)
        if resource not in resources:
            names = [name for name, full in short.items() if name != full]
            expected = f"a resource: {listed(names or resources, 'or')}"
            raise InputError(where, "", part, expected, similar(key.lower(), names) or similar(key, resources))
        if resource in asked:
            raise InputError(where, "", part, "each resource once")
        bare = value.replace(".", "", 1).isdigit() and key.lower() in short and resource != key
        if bare and not resource.endswith("_millicores"):
            raise InputError(where, key, value, "an amount with its unit", f"{key}={value}GiB?")
        asked[resource] = f"{value}cores" if bare else value
        _amount(asked[resource], resource, where, key)
    demand = _amounts(asked, resources, where, "")
    return {"format": REQUEST_FORMAT, "vms": [{"id": name, "demand": demand}]}


def copy_of(vm: str, document: Document, where: str, name: str = "new") -> Document:
    """Return a request for VMs like one of the fleet: its demand, owner, labels and needs, none of its groups.

    Raises
    ------
    InputError
        There is no such VM.
    """
    found = next((record for record in document["vms"] if record["id"] == vm), None)
    if found is None:
        known = [record["id"] for record in document["vms"]]
        raise InputError(where, "", vm, f"a VM of fleet {document['fleet']}", similar_or_some(vm, known))
    kept = {key: found[key] for key in _OWN if key in found and key not in ("id", "name", "groups")}
    return {"format": REQUEST_FORMAT, "vms": [{"id": name, **kept, "demand": found["demand"]}]}


def with_request(document: Document, request: Document, where: str) -> tuple[Fleet, list[NewVm]]:
    """Return the fleet with one VM without a host for each entry of a checked request, and how many are asked for.

    Raises
    ------
    InputError
        The request speaks of what the fleet does not have, or gives an id that is taken.
    """
    taken = {vm["id"] for vm in document["vms"]}
    index_of([vm["id"] for vm in request["vms"]], where, "vms")
    _refuse_declared(document, request, where)
    records = []
    for i, vm in enumerate(request["vms"]):
        if vm["id"] in taken:
            raise InputError(where, f"vms[{i}].id", vm["id"], f"an id that no VM of fleet {document['fleet']} has")
        records.append({**{key: value for key, value in vm.items() if key != "count"}, "host": None})
    larger = {
        **document,
        "vms": [*document["vms"], *records],
        "groups": [*document.get("groups", ()), *request.get("groups", ())],
    }
    fleet = fleet_from_document(larger, where)
    first = len(document["vms"])
    return fleet, [NewVm(first + i, int(vm.get("count", 1))) for i, vm in enumerate(request["vms"])]


def holds_at(request: Document, at: datetime) -> bool:
    """Whether a request, taken as a reservation, still keeps its room at a time."""
    until = parse_time(request["until"]) if "until" in request else None
    return until is None or at < until


def ids_of(vm: Document) -> list[str]:
    """Return what the VMs of an entry of a request are called, each by itself."""
    count = vm.get("count", 1)
    return [vm["id"]] if count == 1 else [f"{vm['id']}-{n + 1}" for n in range(count)]


def laid_over(document: Document, request: Document, where: str) -> tuple[Document, list[str]]:
    """Return a snapshot with all VMs of a checked request, each by itself and without a host, and their ids.

    Raises
    ------
    InputError
        An id is taken, or a group is declared twice.
    """
    taken = {vm["id"] for vm in document["vms"]}
    made = []
    for i, vm in enumerate(request["vms"]):
        record = {**{key: value for key, value in vm.items() if key != "count"}, "host": None}
        for name in ids_of(vm):
            if name in taken:
                raise InputError(where, f"vms[{i}].id", name, f"an id that no VM of fleet {document['fleet']} has")
            taken.add(name)
            made.append({**record, "id": name})
    _refuse_declared(document, request, where)
    groups = [*document.get("groups", ()), *request.get("groups", ())]
    return {**document, "vms": [*document["vms"], *made], "groups": groups}, [vm["id"] for vm in made]


def _refuse_declared(document: Document, request: Document, where: str) -> None:
    declared = {group["id"] for group in document.get("groups", ())}
    for g, group in enumerate(request.get("groups", ())):
        if group["id"] in declared:
            raise InputError(where, f"groups[{g}].id", group["id"], "a group that the snapshot does not declare")


def settled(document: Document, placements: Iterable[tuple[str, str]]) -> Document:
    """Return a snapshot in which VMs without a host stand on hosts: pairs (VM, host) of ids.

    What their hosts report in use grows by what they take, so that host overhead stays what it was.
    """
    host_of = dict(placements)
    more: dict[str, dict[str, int]] = {}
    for vm in document["vms"]:
        if vm["id"] in host_of:
            here = more.setdefault(host_of[vm["id"]], {})
            for resource, amount in vm["demand"].items():
                here[resource] = here.get(resource, 0) + amount
    return {
        **document,
        "vms": [{**vm, "host": host_of[vm["id"]]} if vm["id"] in host_of else vm for vm in document["vms"]],
        "hosts": [
            {**host, "measured": {r: m + more[host["id"]].get(r, 0) for r, m in host["measured"].items()}}
            if host["id"] in more and host.get("measured")
            else host
            for host in document["hosts"]
        ],
    }


def _amounts(demand: Document, resources: list[str], where: str, path: str) -> dict[str, int]:
    out = {}
    for name, amount in demand.items():
        at = key_path(path, name)
        if name not in resources:
            raise InputError(where, at, name, f"a resource ({', '.join(resources)})", similar(name, resources))
        out[name] = _amount(amount, name, where, at)
    if not any(out.values()):
        raise InputError(where, path, "0", "a VM that takes something of some resource")
    return out


def _amount(amount: int | str, resource: str, where: str, at: str) -> int:
    """Return an amount in whole units of its resource."""
    try:
        found = amount if isinstance(amount, int) else parse_amount(amount, resource, up=True)
    except UnitError as error:
        raise InputError(where, at, amount, str(error)) from error
    if found > AMOUNT_LIMIT:
        raise InputError(where, at, amount, f"at most {AMOUNT_LIMIT} of {resource}")
    return found
