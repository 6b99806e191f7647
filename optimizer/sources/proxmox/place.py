"""The file that says how a Proxmox cluster is reached, and what its API cannot tell.

::

    format: remora-proxmox/1
    url: https://pve1.example:8006
    token_file: /etc/remora/proxmox.token     # one line: USER@REALM!TOKENID=UUID
    ca_file: pve-root-ca.pem
    storages: {local-lvm: disk_mib}
    every_host: {overcommit: {cpu_millicores: 4}}
    hosts:
      pve1: {domains: {rack: r1}}

The token is never in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from optimizer.errors import InputError
from optimizer.listening import is_loopback
from optimizer.sources.files import read_bytes
from optimizer.sources.fleet_fields import HOST, ID
from optimizer.sources.fleet_json import check_format
from optimizer.sources.kinds import check, exactly, real, shaped, text, whole
from optimizer.sources.safe_yaml import check_plain, load_yaml
from optimizer.sources.shapes import Field, Record, Table

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PLACE", "PLACE_FORMAT", "Place", "read_place"]

PLACE_FORMAT = "remora-proxmox/1"
TOKEN = re.compile(r"[^\s!=]+@[^\s!=]+![^\s!=]+=[0-9A-Za-z-]+", re.ASCII)

_OF_HOST = ("capacity", "overcommit", "reserved", "labels", "migration_mib_per_s", "max_vms")
_FILE = text(2000, what="the path of a file")
_URL = shaped(
    r"^https?://[^\s@/?#]+/?$", "an address without user, password and path, such as https://pve1.example:8006"
)


def _fields(*names: str) -> dict[str, Field]:
    """Return fields of a host that mean what they mean in a snapshot, and may be left out."""
    return {name: Field(HOST.fields[name].kind, HOST.fields[name].doc, None) for name in names}


PLACE = Record(
    "Proxmox cluster",
    {
        "format": Field(exactly(PLACE_FORMAT), "the format's tag"),
        "url": Field(_URL, "the API of a node, or what stands before several"),
        "token_file": Field(_FILE, "the file that has the API token: USER@REALM!TOKENID=UUID"),
        "ca_file": Field(_FILE, "certificates that are trusted instead of the system's, PEM", None),
        "fleet": Field(ID, "the fleet's id; by default the cluster's name", None),
        "deadline_s": Field(real(0.1, 3600), "seconds within which all of it has to be read", 45.0),
        "at_once": Field(whole(1, 64), "questions that are asked at once", 8),
        "storages": Field(
            Table(ID, ID), "the resource of a local storage, by the storage's id; by default `STORAGE_mib`", {}
        ),
        "every_host": Field(Record("every host", _fields(*_OF_HOST)), "what the API cannot tell of any node", {}),
        "hosts": Field(
            Table(Record("host", _fields("state", *_OF_HOST, "domains")), ID), "the same of one node, by its name", {}
        ),
    },
)


@dataclass(frozen=True, slots=True)
class Place:
    """How a cluster is reached; the other fields are those of the file."""

    where: str
    url: str
    token: str = field(repr=False)
    ca_file: str = ""
    fleet: str = ""
    deadline_s: float = 45.0
    at_once: int = 8
    storages: Mapping[str, str] = field(default_factory=dict)
    hosts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    every_host: Mapping[str, Any] = field(default_factory=dict)

    def said_of(self, node: str) -> dict[str, Any]:
        """Return what the file says of a node, in a snapshot's words: tables are joined, else the node's own counts."""
        said, own = dict(self.every_host), self.hosts.get(node, {})
        for name, value in own.items():
            said[name] = {**said.get(name, {}), **value} if isinstance(value, dict) else value
        return said


def read_place(path: str) -> Place:
    """Read the file, YAML or JSON, and the token.

    Raises
    ------
    InputError
        One of them cannot be read, or something in it is wrong; the token is never shown.
    """
    document = load_yaml(read_bytes(path), path)
    check_plain(document, path)
    checked = check_format(document, PLACE_FORMAT, path)
    check(PLACE, checked, path)
    parts = urlsplit(checked["url"])
    try:
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise InputError(path, "url", checked["url"], "https://HOST:PORT", str(error)) from error
    if parts.scheme == "http" and not is_loopback(host):
        raise InputError(
            path, "url", checked["url"], "https, or a loopback address", "the token would travel in the clear"
        )
    plain = ("fleet", "deadline_s", "at_once", "storages", "hosts", "every_host")
    ca_file = checked.get("ca_file", "")
    return Place(
        where=path,
        url=checked["url"].rstrip("/"),
        token=_token(path, _beside(path, checked["token_file"])),
        ca_file=str(_beside(path, ca_file)) if ca_file else "",
        **{name: checked[name] for name in plain if name in checked},
    )


def _beside(path: str, file: str) -> Path:
    return Path(path).parent / file


def _token(where: str, file: Path) -> str:
    """Read the token; a message never has what stands in the file."""
    try:
        token = read_bytes(file).decode("utf-8", "replace").strip()
    except InputError as error:
        raise InputError(
            where, "token_file", str(file), "a file that can be read", error.hint or error.expected
        ) from error
    if not TOKEN.fullmatch(token):
        expected = "a file with one line: USER@REALM!TOKENID=UUID"
        raise InputError(where, "token_file", str(file), expected, "as Proxmox showed it when the token was made")
    return token
