"""What the page shows of a fleet: written by the service in each cycle, so that the page reads no inventory itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from optimizer.errors import InputError
from optimizer.fleet import ABSENT, HostState
from optimizer.report.violations import describe_violations
from optimizer.service.events import Event, Seen, Trouble
from optimizer.sources.files import json_bytes, write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from optimizer.fleet import Fleet
    from optimizer.policy import Policy
    from optimizer.report.violations import ViolationFacts
    from optimizer.service.events import Told
    from optimizer.service.record import Cycle
    from optimizer.service.roles import Watched

__all__ = ["FILE", "FORMAT", "ViewWriter", "view_document"]

FORMAT = "remora-view/1"
FILE = "view.json"
SHOWN = 1000
"""Violations that are put into words."""

PERMILLE = 1000
MILLION = 1_000_000


class ViewWriter:
    """Writes ``STATE/view.json`` whenever the fleet was watched."""

    def __init__(self, directory: Path, policy: Policy, told: Told) -> None:
        self._path, self._policy, self._told = directory / FILE, policy, told

    def tell(self, event: Event) -> None:
        """Write what was seen; a disk that is full is no reason to end a cycle."""
        if not isinstance(event, Seen):
            return
        try:
            write_whole(self._path, json_bytes(view_document(event.cycle, event.watched, self._policy)))
        except InputError as error:
            self._told.tell(Trouble("view", str(error)))


def view_document(cycle: Cycle, watched: Watched, policy: Policy) -> dict[str, Any]:
    """Return what the page shows."""
    fleet = watched.fleet
    facts = describe_violations(fleet, policy.rules, watched.violations[:SHOWN])
    found = [_violation(fleet, fact) for fact in facts]
    return {
        "format": FORMAT,
        "fleet": fleet.id,
        "cycle": cycle.number,
        "taken_at": fleet.taken_at.isoformat(),
        "resources": [resource.name for resource in fleet.resources],
        "violations": len(watched.violations),
        "shown": found,
        "hosts": _hosts(fleet, found),
    }


def _violation(fleet: Fleet, fact: ViolationFacts) -> dict[str, Any]:
    hosts = {name for name in (fact.subject, (fact.domain or "").removeprefix("host:")) if name in fleet.host_index}
    if not hosts:
        at = [int(fleet.vms.host[fleet.vm_index[vm]]) for vm in fact.vms if vm in fleet.vm_index]
        hosts = {fleet.hosts.ids[h] for h in at if h != ABSENT}
    return {
        "rule": fact.rule,
        "hardness": fact.hardness.name.lower(),
        "subject": fact.subject,
        "why": fact.why,
        "hosts": sorted(hosts),
    }


def _hosts(fleet: Fleet, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    hosts = fleet.hosts
    load = _permille(fleet)
    worst = np.argmax(load, axis=1) if len(fleet.resources) else np.zeros(len(hosts), int)
    violated: dict[str, int] = {}
    for one in found:
        for name in one["hosts"]:
            violated[name] = violated.get(name, 0) + 1
    on: list[list[str]] = [[] for _ in hosts.ids]
    for vm, h in zip(fleet.vms.ids, fleet.vms.host.tolist(), strict=True):
        if h != ABSENT and vm not in fleet.awaited:
            on[h].append(vm)
    racks = fleet.domain_ids[1] if len(fleet.levels) > 1 else ("",)
    rack_of = hosts.domain[1].tolist() if len(fleet.levels) > 1 else [0] * len(hosts)
    rows = load.tolist()
    return [
        {
            "id": name,
            "name": hosts.names.get(h, ""),
            "rack": racks[rack_of[h]],
            "state": HostState(int(hosts.state[h])).name.lower(),
            "load": rows[h],
            "worst": int(worst[h]),
            "violations": violated.get(name, 0),
            "vms": on[h],
        }
        for h, name in enumerate(hosts.ids)
    ]


def _permille(fleet: Fleet) -> Any:
    """Return int [H, R]: what is in use of what the host has to give, in thousandths; -1 where it does not count."""
    hosts = fleet.hosts
    ratio = np.where(hosts.overcommit_millionths == ABSENT, MILLION, hosts.overcommit_millionths)
    limit = np.maximum(hosts.capacity - hosts.reserved, 0).astype(float) * ratio / MILLION
    used = np.maximum(fleet.explained, hosts.measured).astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(limit > 0, used / limit * PERMILLE, np.where(used > 0, 9 * PERMILLE, 0))
    return np.where(hosts.capacity == ABSENT, -1, np.minimum(share, 9 * PERMILLE)).astype(int)
