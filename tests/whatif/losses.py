"""Losses by trying everything: the fleet after a loss made from its document, each restart judged by `check` alone."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from optimizer.sources.fleet_json import fleet_from_document
from tests.whatif.brute_force import holds

if TYPE_CHECKING:
    from collections.abc import Collection

    from optimizer.fleet import Fleet
    from optimizer.policy import Policy
    from tests.build import Document

__all__ = ["after", "most_restarted", "ways"]


def after(snapshot: Document, lost: Collection[str]) -> tuple[Fleet, list[str], dict[str, str]]:
    """Return the fleet after a loss, the VMs that have to restart, and where each of them was."""
    over = [m for m in snapshot.get("in_flight", ()) if {m["from"], m["to"]} & set(lost)]
    source = {m["vm"]: m["from"] for m in over}
    vms, was = [], {}
    for vm in snapshot["vms"]:
        at = source.get(vm["id"], vm["host"])
        if at in lost and vm.get("state") != "stopped":
            was[vm["id"]] = at
        vms.append({**vm, "host": None if at in lost else at})
    hosts = [{**h, "state": "down"} if h["id"] in lost else h for h in snapshot["hosts"]]
    rest = {**snapshot, "vms": vms, "hosts": hosts}
    if over:
        rest["in_flight"] = [m for m in snapshot["in_flight"] if m not in over]
    return fleet_from_document(rest, "after"), list(was), was


def ways(snapshot: Document, lost: Collection[str]) -> int:
    """Return how many placements there are to try."""
    _, vms, _ = after(snapshot, lost)
    return int((len(snapshot["hosts"]) - len(lost) + 1) ** len(vms))


def most_restarted(snapshot: Document, policy: Policy, lost: Collection[str]) -> tuple[int, int]:
    """Return how many VMs have to restart, and how many can together."""
    fleet, names, was = after(snapshot, lost)
    level = fleet.move_within
    places = []
    for name in names:
        home = None if level is None else fleet.hosts.domain[level][fleet.host_index[was[name]]]
        left = [h for h, host in enumerate(fleet.hosts.ids) if host not in lost]
        places.append([None, *(h for h in left if home is None or fleet.hosts.domain[level][h] == home)])
    best = 0
    for at in product(*places):
        pairs = [(fleet.vm_index[name], h) for name, h in zip(names, at, strict=True) if h is not None]
        if len(pairs) > best and holds(fleet, policy.judges, pairs):
            best = len(pairs)
    return len(names), best
