"""What a cluster answers: all that an inventory needs, asked side by side, each value looked at before it is believed.

========================================  ==================================================================
``/version``, ``/cluster/status``         Proxmox VE 9 or later; the cluster's name, and that it has quorum
``/access/permissions``                   that the token sees everything: lists leave out what it may not see
``/cluster/resources``                    nodes, storages and guests
``/cluster/options``                      whether the cluster balances HA guests itself
``/cluster/ha/resources``, ``rules``      HA guests and their affinities
``/cluster/ha/status/manager_status``     nodes in maintenance; where HA guests are being moved to
``/cluster/replication``                  guests that may only move to where they are replicated
``/cluster/tasks``, a task's ``log``      where other guests are being moved to
``/nodes/N/status``                       the model of its CPUs
``/nodes/N/qemu/ID/config``, ``lxc``      disks and devices of a guest
========================================  ==================================================================
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from optimizer.sources.proxmox.api import Unanswered

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from optimizer.sources.proxmox.api import Api

__all__ = ["Cluster", "Guest", "flag", "number", "properties", "read_cluster", "words"]

Row = dict[str, Any]

OLDEST = 9
"""The release that has HA rules."""

NEEDED = {"/": "Sys.Audit", "/nodes": "Sys.Audit", "/storage": "Datastore.Audit", "/vms": "VM.Audit"}
"""What the token has to be allowed, there and everywhere below."""

MIGRATIONS = frozenset({"qmigrate", "vzmigrate"})
TARGET = re.compile(r"starting migration of (?:VM|CT) [0-9]+ to node '([^']+)'")


@dataclass(frozen=True, slots=True)
class Guest:
    """A VM or a container: its row in the list, and its configuration, or why there is none."""

    row: Row
    config: Row = field(default_factory=dict)
    unread: str = ""

    @property
    def id(self) -> str:
        """Its number, which is unique in the cluster."""
        return str(self.row["vmid"])

    @property
    def node(self) -> str:
        """Where it is."""
        return str(self.row["node"])

    @property
    def sid(self) -> str:
        """How the HA stack calls it."""
        return f"{'ct' if self.row['type'] == 'lxc' else 'vm'}:{self.id}"


@dataclass(frozen=True, slots=True)
class Cluster:
    """All that was answered.

    Attributes
    ----------
    nodes
        By name.
    storages
        By id: the row of each node that has it.
    cpu_models
        By node; an `Unanswered` where the node does not say.
    ha
        By the guest's sid, such as ``vm:100``: its row among the HA resources.
    moving
        By guest: the node that it is on its way to.
    """

    name: str
    nodes: Mapping[str, Row]
    storages: Mapping[str, Mapping[str, Row]]
    guests: Sequence[Guest]
    cpu_models: Mapping[str, str | Unanswered]
    options: Row
    ha: Mapping[str, Row]
    rules: Sequence[Row]
    in_maintenance: frozenset[str]
    replicated_to: Mapping[str, frozenset[str]]
    moving: Mapping[str, str]

    @property
    def serving(self) -> frozenset[str]:
        """The nodes that are up, and not in maintenance."""
        up = (name for name, row in self.nodes.items() if row.get("status") == "online")
        return frozenset(up) - self.in_maintenance


def read_cluster(api: Api) -> Cluster:
    """Ask all that there is to ask.

    Raises
    ------
    Unanswered
        What concerns the cluster as a whole is not answered, or not everything may be seen.
    """
    _new_enough(api)
    _sees_everything(api)
    lists = (
        ("cluster", "status"),
        ("cluster", "resources"),
        ("cluster", "ha", "resources"),
        ("cluster", "ha", "rules"),
        ("cluster", "replication"),
        ("cluster", "tasks"),
    )
    status, resources, ha, rules, replication, tasks = api.each([partial(_rows, api, *path) for path in lists])
    options, manager = api.each(
        [partial(_row, api, "cluster", "options"), partial(_row, api, "cluster", "ha", "status", "manager_status")]
    )
    manager = manager.get("manager_status", manager)
    nodes = {str(row.get("node", "")): row for row in resources if row.get("type") == "node"}
    online = sorted(name for name, row in nodes.items() if row.get("status") == "online")
    rows = [_guest_row(row) for row in resources if row.get("type") in ("qemu", "lxc")]
    return Cluster(
        name=_name(status),
        nodes=nodes,
        storages=_storages(resources),
        guests=api.each([partial(_guest, api, row, nodes) for row in sorted(rows, key=lambda row: int(row["vmid"]))]),
        cpu_models=dict(zip(online, api.each([partial(_cpu_model, api, node) for node in online]), strict=True)),
        options=options,
        ha={str(row.get("sid")): row for row in ha},
        rules=[row for row in rules if not flag(row.get("disable"))],
        in_maintenance=frozenset(n for n, s in _table(manager, "node_status").items() if s == "maintenance"),
        replicated_to=_replicated(replication),
        moving={**_moving(api, rows, tasks), **_moved_by_ha(manager, rows)},
    )


def _new_enough(api: Api) -> None:
    release = str(_row(api, "version").get("release", ""))
    major = release.partition(".")[0]
    if not major.isdecimal() or int(major) < OLDEST:
        raise Unanswered(
            f"/version: Proxmox VE {release or 'of an unknown release'}, and {OLDEST} is the oldest that is read"
        )


def _sees_everything(api: Api) -> None:
    """Refuse a token that may not see all: what it may not see is in no list, and would be taken for free room."""
    allowed = _row(api, "access", "permissions")
    for top, privilege in NEEDED.items():
        paths = (
            [path for path in allowed if path == top or path.startswith(f"{top.rstrip('/')}/")] if top != "/" else []
        )
        here = allowed.get(top)
        if not isinstance(here, dict) or not flag(here.get(privilege)):  # its value says whether it holds below
            raise Unanswered(f"/access/permissions: the token has no {privilege} on {top} that is propagated")
        for path in paths:
            if not isinstance(allowed[path], dict) or privilege not in allowed[path]:
                raise Unanswered(f"/access/permissions: the token has no {privilege} on {path}")


def _rows(api: Api, *path: str) -> list[Row]:
    said = api.get(*path)
    if not isinstance(said, list) or not all(isinstance(row, dict) for row in said):
        raise Unanswered(f"/{'/'.join(path)}: an answer that is no list")
    return said


def _row(api: Api, *path: str) -> Row:
    said = api.get(*path)
    if not isinstance(said, dict):
        raise Unanswered(f"/{'/'.join(path)}: an answer that is no table")
    return said


def _table(row: Row, name: str) -> Row:
    found = row.get(name)
    return found if isinstance(found, dict) else {}


def _name(status: Sequence[Row]) -> str:
    """Return the cluster's name, empty for a node without one; refuse one without quorum: it does not know the rest."""
    for row in status:
        if row.get("type") == "cluster":
            if not flag(row.get("quorate")):
                raise Unanswered("/cluster/status: the cluster has no quorum, so what it says is not the whole of it")
            return str(row.get("name", ""))
    return ""


def _storages(resources: Sequence[Row]) -> dict[str, dict[str, Row]]:
    found: dict[str, dict[str, Row]] = {}
    for row in resources:
        if row.get("type") == "storage":
            found.setdefault(str(row.get("storage")), {})[str(row.get("node"))] = row
    return found


def _guest_row(row: Row) -> Row:
    if not str(row.get("vmid", "")).isdecimal() or not row.get("node"):
        raise Unanswered(f"/cluster/resources: {row.get('id')} has no vmid or no node")
    return row


def _guest(api: Api, row: Row, nodes: Mapping[str, Row]) -> Guest:
    node = str(row["node"])
    status = nodes.get(node, {}).get("status")
    if status != "online":
        return Guest(row, unread=f"its node {node} is {status or 'not in the list'}")
    try:
        return Guest(row, _row(api, "nodes", node, str(row["type"]), str(row["vmid"]), "config"))
    except Unanswered as error:
        return Guest(row, unread=f"its configuration cannot be read: {error}")


def _cpu_model(api: Api, node: str) -> str | Unanswered:
    try:
        model = str(_table(_row(api, "nodes", node, "status"), "cpuinfo").get("model", "")).strip()
    except Unanswered as error:
        return error
    return model or Unanswered(f"/nodes/{node}/status: no model of its CPUs")


def _replicated(jobs: Sequence[Row]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for job in jobs:
        if not flag(job.get("disable")):
            found.setdefault(str(job.get("guest")), set()).add(str(job.get("target")))
    return {guest: frozenset(targets) for guest, targets in found.items()}


def _moving(api: Api, rows: Sequence[Row], tasks: Sequence[Row]) -> dict[str, str]:
    """Return where guests that are locked for a migration go, by the log of its task."""
    locked = {str(row["vmid"]) for row in rows if row.get("lock") == "migrate"}
    running = [t for t in tasks if t.get("type") in MIGRATIONS and str(t.get("id")) in locked and not t.get("endtime")]
    targets = api.each([partial(_target, api, task) for task in running])
    return {str(task["id"]): target for task, target in zip(running, targets, strict=True) if target}


def _target(api: Api, task: Row) -> str:
    try:
        log = _rows(api, "nodes", str(task.get("node")), "tasks", str(task.get("upid")), "log")
    except Unanswered:
        return ""
    found = (TARGET.search(str(line.get("t", ""))) for line in log)
    return next((match[1] for match in found if match), "")


def _moved_by_ha(manager: Row, rows: Sequence[Row]) -> dict[str, str]:
    """Return where the HA stack moves guests to; it says so before the guest is locked."""
    services = _table(manager, "service_status")
    found = {}
    for row in rows:
        service = services.get(Guest(row).sid)
        if isinstance(service, dict) and service.get("state") in ("migrate", "relocate") and service.get("target"):
            found[str(row["vmid"])] = str(service["target"])
    return found


def flag(value: object) -> bool:
    """Return what Proxmox means by a truth value: 1, "1", true; all else is false."""
    return value in (1, "1", "true", "yes", "on")


def number(row: Row, name: str) -> float | None:
    """Return a number of a row, None where it has none.

    Raises
    ------
    Unanswered
        It is no number, or negative: some come as text.
    """
    value = row.get(name)
    if value is None:
        return None
    try:
        found = float(value) if not isinstance(value, bool) else -1.0
    except (TypeError, ValueError):
        found = -1.0
    if not 0 <= found < 1e30:
        raise Unanswered(f"/cluster/resources: {row.get('id')}: {name} is {value!r}, which is no amount")
    return found


def words(text: object) -> list[str]:
    """Return the entries of a list of Proxmox: separated by commas, semicolons or blanks."""
    return [word for word in re.split(r"[,;\s]+", str(text or "")) if word]


def properties(text: object, first: str) -> dict[str, str]:
    """Return what a property of Proxmox says, such as ``local-lvm:vm-100-disk-0,size=32G``.

    Parameters
    ----------
    first
        What an entry without a name is called.
    """
    if isinstance(text, dict):
        return {str(key): "1" if value is True else str(value) for key, value in text.items()}
    return dict(_property(entry, first) for entry in str(text or "").split(",") if entry)


def _property(entry: str, first: str) -> tuple[str, str]:
    name, named, value = entry.partition("=")
    return (name, value) if named else (first, entry)
