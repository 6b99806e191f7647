"""The source proxmox: a Proxmox VE cluster as it is now, as a fleet.

A guest's id is its number (VMID), its name is its name; a node is a host. Capacities are a node's CPUs and memory and
its local storages, rounded down, unless the file says others; demand is what a guest may use at most, rounded up. One
that is stopped takes no CPU and no memory. Shared storages are no resource: what lies there is not copied.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from optimizer.clock import SystemClock
from optimizer.errors import InputError
from optimizer.similar import similar
from optimizer.sources.kinds import key_path, time_text
from optimizer.sources.proxmox.affinity import Affinities, left_alone, tags_of
from optimizer.sources.proxmox.answers import flag, number, read_cluster, words
from optimizer.sources.proxmox.api import Api, Unanswered
from optimizer.sources.proxmox.guests import bound, created_at, disks_of, local, wants_own_cpu
from optimizer.sources.proxmox.place import read_place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from optimizer.sources.proxmox.answers import Cluster, Guest
    from optimizer.sources.proxmox.place import Place
    from optimizer.sources.settings import SourceSettings

__all__ = ["read_inventory"]

Document = dict[str, Any]

MIB = 2**20
CPU, MEMORY = "cpu_millicores", "memory_mib"
HOLDS_DISKS = frozenset({"images", "rootdir"})
CPU_MODEL = "cpu_model"
STATES = {"running": "running", "stopped": "stopped", "paused": "paused", "suspended": "paused"}
HOST_STATES = ("active", "disabled", "draining", "down")
"""From the least to the most that it keeps from a host: what the file says never opens one that is closed."""


def read_inventory(settings: SourceSettings) -> Document:
    """Read the cluster that a file names.

    Raises
    ------
    InputError
        The file is wrong, or names a node that the cluster does not have; the cluster does not answer in time, refuses
        the token or an answer, has no quorum, is too old, or does not let the token see everything.
    """
    place = read_place(settings.where)
    api = Api(place, SystemClock())
    try:
        return _document(place, read_cluster(api), settings)
    except Unanswered as error:
        hint = "; ".join(filter(None, (str(error), _hint(str(error)))))
        raise InputError(place.where, "url", "no whole answer", "a cluster that answers", hint) from error
    finally:
        api.close()


def _hint(said: str) -> str:
    """Return what to do about what a cluster answered."""
    if "CERTIFICATE_VERIFY_FAILED" in said:
        return "ca_file: the cluster's own certificate is /etc/pve/pve-root-ca.pem on its nodes"
    if ": 401" in said:
        return "token_file: is it the token's whole name and secret, and has it not expired?"
    if ": 403" in said or "the token has no" in said:
        return "give the token the role PVEAuditor on / with propagation, and none that takes from it below"
    return ""


def _document(place: Place, cluster: Cluster, settings: SourceSettings) -> Document:
    levels = _levels(place, cluster)
    storages = _local_storages(place, cluster)
    affinities, taken_at = Affinities(cluster), time_text(settings.taken_at)
    vms = [_vm(guest, cluster, affinities, storages) for guest in cluster.guests]
    hosts = [_host(name, cluster, place, storages) for name in sorted(cluster.nodes)]
    named = [amount for host in hosts for amount in host["capacity"]]
    return {
        "format": "remora-fleet/1",
        "fleet": place.fleet or cluster.name or settings.fleet,
        "taken_at": taken_at,
        "resources": [
            {"name": name, "copied": name != CPU}
            for name in dict.fromkeys([CPU, MEMORY, *sorted(set(storages.values())), *named])
        ],
        "levels": ["host", *levels],
        "hosts": hosts,
        "vms": vms,
        "groups": affinities.groups(),
        "in_flight": list(_in_flight(cluster, taken_at)),
    }


def _levels(place: Place, cluster: Cluster) -> list[str]:
    """Return the levels that the file names; each node has to have a domain of each, and no other may be in it."""
    named = (level for said in place.hosts.values() for level in said.get("domains", {}))
    levels = list(dict.fromkeys(level for level in named if level != "host"))
    for name in place.hosts:
        if name not in cluster.nodes:
            hint = similar(name, cluster.nodes)
            raise InputError(place.where, key_path("hosts", name), name, "a node of the cluster", hint)
    for name in sorted(cluster.nodes):
        domains = place.said_of(name).get("domains", {})
        if missing := [level for level in levels if level not in domains]:
            path = key_path("hosts", name) + ".domains"
            raise InputError(place.where, path, domains, f"a {missing[0]}, as other nodes have one")
    return levels


def _local_storages(place: Place, cluster: Cluster) -> dict[str, str]:
    """Return the resource of each storage that a node has for itself, and on which disks may lie."""
    found = {}
    used = {d.storage for g in cluster.guests for d in disks_of(g.config) if not d.is_medium and local(d, g, cluster)}
    for storage, rows in sorted(cluster.storages.items()):
        holds = storage in used or any(HOLDS_DISKS & set(words(row.get("content"))) for row in rows.values())
        if holds and not all(flag(row.get("shared")) for row in rows.values()):
            found[storage] = place.storages.get(storage, f"{storage}_mib")
    for storage in place.storages:
        if storage not in found:
            hint = similar(storage, found) or f"there are {', '.join(found) or 'none'}"
            raise InputError(place.where, key_path("storages", storage), storage, "a local storage with disks", hint)
    for node in cluster.nodes:
        of_node: dict[str, str] = {CPU: "its CPUs", MEMORY: "its memory"}
        for storage, resource in found.items():
            if node in cluster.storages[storage] and of_node.setdefault(resource, storage) != storage:
                expected = f"another resource than that of {of_node[resource]}, which {node} has as well"
                raise InputError(place.where, key_path("storages", storage), resource, expected)
    return found


def _host(name: str, cluster: Cluster, place: Place, storages: Mapping[str, str]) -> Document:
    row, said = cluster.nodes[name], place.said_of(name)
    host: Document = {"id": name, **said, "capacity": {}, "state": _host_state(name, cluster, said)}
    cpus, memory = number(row, "maxcpu"), number(row, "maxmem")
    if cpus and memory:
        host["capacity"] = {CPU: math.floor(1000 * cpus), MEMORY: math.floor(memory / MIB)}
    unobserved = [] if row.get("status") in ("online", "offline") else [f"its status is {row.get('status')}"]
    if row.get("status") == "online" and not (cpus and memory):
        unobserved.append("the cluster does not say what it has of CPUs and memory")
    measured = {}
    for storage, resource in storages.items():
        of_node = cluster.storages[storage].get(name)
        if of_node is None:
            host["capacity"].setdefault(resource, 0)
        elif of_node.get("status") == "available":
            host["capacity"][resource] = math.floor((number(of_node, "maxdisk") or 0) / MIB)
            measured[resource] = math.ceil((number(of_node, "disk") or 0) / MIB)
    host["capacity"] |= said.get("capacity", {})
    model = cluster.cpu_models.get(name)
    if isinstance(model, str):
        host["labels"] = {CPU_MODEL: model, **said.get("labels", {})}
    elif model is not None:
        unobserved.append(str(model))
    extra = {"measured": measured} if measured else {}
    return {**host, **extra} | ({"unobserved": "; ".join(unobserved)} if unobserved else {})


def _host_state(name: str, cluster: Cluster, said: Mapping[str, Any]) -> str:
    seen = ["down"] if cluster.nodes[name].get("status") == "offline" else []
    seen += ["draining"] if name in cluster.in_maintenance else []
    return max("active", *seen, str(said.get("state", "active")), key=HOST_STATES.index)


def _vm(guest: Guest, cluster: Cluster, affinities: Affinities, storages: Mapping[str, str]) -> Document:
    row = guest.row
    labels = {f"tag:{tag}": "yes" for tag in tags_of(guest)} | affinities.labels_of(guest)
    made, closed, groups = created_at(guest.config), affinities.closed_to(guest), affinities.groups_of(guest)
    why = "; ".join(dict.fromkeys([*bound(guest, cluster), *left_alone(guest, cluster), *_lost(guest, cluster)]))
    model = cluster.cpu_models.get(guest.node)
    own_cpu = isinstance(model, str) and wants_own_cpu(guest.config)
    optional = {
        "name": row.get("name"),
        "groups": groups,
        "created_at": made and time_text(made),
        "mobility": "none" if why else None,
        "mobility_reason": why,
        "requires": {CPU_MODEL: [model]} if own_cpu else None,
        "forbidden_hosts": closed,
        "unobserved": guest.unread,
        "labels": labels | ({"pool": str(row["pool"])} if row.get("pool") else {}),
    }
    return {
        "id": guest.id,
        "host": guest.node,
        "demand": _demand(guest, cluster, storages),
        "state": STATES.get(str(row.get("status")), "unknown"),
        **{name: value for name, value in optional.items() if value},
    }


def _lost(guest: Guest, cluster: Cluster) -> Iterator[str]:
    """Yield that a guest migrates to a target that is not known."""
    if guest.row.get("lock") == "migrate" and cluster.moving.get(guest.id) not in cluster.nodes:
        yield "locked: migrate, and its target is not known"


def _demand(guest: Guest, cluster: Cluster, storages: Mapping[str, str]) -> dict[str, int]:
    """Return what a guest may use at most; of what is stopped, disks alone."""
    demand: dict[str, int] = {}
    if guest.row.get("status") != "stopped":
        demand[CPU] = math.ceil(1000 * (number(guest.row, "maxcpu") or 0))
        demand[MEMORY] = math.ceil((number(guest.row, "maxmem") or 0) / MIB)
    for disk in disks_of(guest.config):
        if disk.storage in storages and not disk.is_medium and disk.size_mib and local(disk, guest, cluster):
            resource = storages[disk.storage]
            demand[resource] = demand.get(resource, 0) + disk.size_mib
    return demand


def _in_flight(cluster: Cluster, taken_at: str) -> Iterator[Document]:
    for guest in cluster.guests:
        target = cluster.moving.get(guest.id, guest.node)
        if target != guest.node and target in cluster.nodes:
            ends = {"from": guest.node, "to": target}
            yield {"id": f"proxmox-{guest.id}", "vm": guest.id, **ends, "started_at": taken_at, "by": "other"}
