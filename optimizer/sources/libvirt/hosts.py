"""The hosts file: how each host of a fleet is reached, and what libvirt cannot tell of it.

::

    format: remora-libvirt/1
    fleet: nyc3
    hosts:
      h1:
        uri: qemu+tls://h1.example/system
        capacity: {memory_mib: 131072, cpu_millicores: 64000}
        domains: {rack: r1}

It holds no secrets: those stand where libvirt itself looks for them (its client certificates, its ``auth.conf``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from optimizer.errors import InputError
from optimizer.sources.files import read_bytes
from optimizer.sources.fleet_fields import HOST, ID
from optimizer.sources.fleet_json import check_format
from optimizer.sources.kinds import check, exactly, flag, real, shaped, whole
from optimizer.sources.safe_yaml import check_plain, load_yaml
from optimizer.sources.shapes import Field, Listing, Record, Table

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["HOSTS", "HOSTS_FORMAT", "READABLE", "LibvirtHost", "LibvirtHosts", "hosts_of", "read_hosts", "shown"]

HOSTS_FORMAT = "remora-libvirt/1"

READABLE = ("cpu_millicores", "memory_mib")
"""The resources whose demand libvirt knows: virtual CPUs, and the most memory that the domain may have."""

_URI = shaped(r"^[a-z][a-z0-9+]*:[^\u0000-\u0020\u007f]{1,1000}$", "a URI of libvirt, such as qemu+tls://h1/system")
_INVENTORY = ("state", "capacity", "overcommit", "reserved", "domains", "labels", "migration_mib_per_s", "max_vms")
"""Fields of a host that mean what they mean in a snapshot."""


def _optional(entry: Field) -> Field:
    return Field(entry.kind, entry.doc, None if entry.required else entry.default)


ENTRY = Record(
    "host",
    {
        "uri": Field(_URI, "how this program reaches it"),
        "migration_uri": Field(_URI, "how the other hosts reach it; by default the same", None),
        "data_uri": Field(
            _URI, "where the memory is sent to, such as tcp://10.0.0.1; libvirt finds it by default", None
        ),
        **{name: _optional(HOST.fields[name]) for name in _INVENTORY},
    },
)

HOSTS = Record(
    "hosts file",
    {
        "format": Field(exactly(HOSTS_FORMAT), "the format's tag"),
        "fleet": Field(ID, "the fleet that these hosts are; a plan for another one is refused", None),
        "hosts": Field(Table(ENTRY, ID), "by the host's id in the fleet"),
        "demand": Field(
            Listing(_READS := shaped(rf"^({'|'.join(READABLE)})$", f"one of {', '.join(READABLE)}"), unique=True),
            "resources whose demand is read from libvirt, unless a domain's metadata says it",
            list(READABLE),
        ),
        "deadline_s": Field(real(0.1, 3600), "seconds within which a host has to answer", 20.0),
        "keepalive_interval_s": Field(whole(1, 3600), "seconds of silence before a host is asked whether it lives", 5),
        "keepalive_count": Field(whole(1, 100), "questions without an answer, after which a connection is lost", 3),
        "bandwidth_mib_per_s": Field(whole(1, 1_000_000), "most that one migration may take", None),
        "unsafe": Field(
            flag(), "migrate where libvirt does not know that the storage is shared, although it is", False
        ),
    },
)


@dataclass(frozen=True, slots=True)
class LibvirtHost:
    """How one host is reached; `inventory` is what the file says of it in a snapshot's words."""

    id: str
    uri: str
    migration_uri: str
    data_uri: str = ""
    inventory: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LibvirtHosts:
    """A hosts file as it was read; its fields are those of the file."""

    where: str
    hosts: Mapping[str, LibvirtHost]
    fleet: str = ""
    demand: tuple[str, ...] = READABLE
    deadline_s: float = 20.0
    keepalive_interval_s: int = 5
    keepalive_count: int = 3
    bandwidth_mib_per_s: int = 0
    unsafe: bool = False


def read_hosts(path: str) -> LibvirtHosts:
    """Read a hosts file, YAML or JSON.

    Raises
    ------
    InputError
        It cannot be read, or something in it is wrong.
    """
    document = load_yaml(read_bytes(path), path)
    check_plain(document, path)
    return hosts_of(document, path)


def hosts_of(document: object, where: str) -> LibvirtHosts:
    """Return a parsed hosts file; `where` names it in messages."""
    checked = check_format(document, HOSTS_FORMAT, where)
    check(HOSTS, checked, where)
    if not checked["hosts"]:
        raise InputError(where, "hosts", {}, "at least one host")
    plain = ("deadline_s", "keepalive_interval_s", "keepalive_count", "bandwidth_mib_per_s", "unsafe")
    return LibvirtHosts(
        where=where,
        hosts={name: _host(name, entry) for name, entry in checked["hosts"].items()},
        fleet=checked.get("fleet", ""),
        demand=tuple(checked.get("demand", READABLE)),
        **{name: checked[name] for name in plain if name in checked},
    )


def _host(name: str, entry: Mapping[str, Any]) -> LibvirtHost:
    uri = entry["uri"]
    inventory = {key: entry[key] for key in _INVENTORY if key in entry}
    return LibvirtHost(name, uri, entry.get("migration_uri", uri), entry.get("data_uri", ""), inventory)


def shown(text: str) -> str:
    """Return a text in which no URI has a user or parameters: those may hold what is nobody else's business."""
    return re.sub(r"\?[^\s'\"]*", "?...", re.sub(r"//[^/@\s'\"]*@", "//...@", text))
