"""Small fleets on which one mechanism or other has something to do, by seed."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from optimizer.sources.fleet_json import fleet_from_document

if TYPE_CHECKING:
    from optimizer.fleet import Fleet

__all__ = ["swaps", "tiny", "together", "uneven"]


def swaps(seed: int) -> Fleet:
    """Return VMs that have to change places, where one may wait on a third host and may not stay there."""
    rng = random.Random(f"swaps {seed}")
    hosts, vms, groups = [], [], []
    for i in range(rng.randint(2, 3)):
        large, small = rng.randint(6, 9), rng.randint(3, 5)
        hosts += [_host(f"a{i}", small + 1), _host(f"b{i}", large), _host(f"c{i}", small)]
        vms.append(_vm(f"large{i}", f"a{i}", large))
        vms.append(_vm(f"anchor{i}", f"a{i}", 1, mobility="none", groups=[f"anchors{i}"]))
        vms.append(_vm(f"small{i}", f"b{i}", small, groups=[f"g{i}"]))
        groups.append({"id": f"g{i}", "rules": [{"rule": "needs", "level": "host", "with": f"anchors{i}"}]})
        groups.append({"id": f"anchors{i}", "rules": []})
    return _fleet("swaps", hosts, vms, groups)


def together(seed: int) -> Fleet:
    """Return draining hosts with groups that have to stay on one host, and hosts with room for one or another group."""
    rng = random.Random(f"together {seed}")
    hosts, vms, groups = [], [], []
    for i in range(rng.randint(5, 10)):
        size = rng.randint(2, 4)
        amounts = [rng.randint(1, 5) for _ in range(size)]
        hosts.append(_host(f"old{i}", sum(amounts), state="draining"))
        hosts.append(_host(f"new{i}", sum(amounts) + rng.randint(0, 2)))
        vms += [_vm(f"v{i}-{k}", f"old{i}", a, groups=[f"g{i}"]) for k, a in enumerate(amounts)]
        groups.append({"id": f"g{i}", "rules": [{"rule": "together", "level": "host"}]})
    return _fleet("together", hosts, vms, groups)


def uneven(seed: int) -> Fleet:
    """Return a fleet with a draining host in ten and room for all that leave: little on some hosts, much on others."""
    rng = random.Random(f"uneven {seed}")
    hosts, vms = [], []
    for i in range(30):
        amounts = [rng.randint(2, 9) for _ in range(6)]
        drains = i % 10 == 0
        room = 0 if drains else rng.choice((3, 9, 10, 12, 20))
        hosts.append(_host(f"h{i}", sum(amounts) + room, **({"state": "draining"} if drains else {})))
        vms += [_vm(f"v{i}-{k}", f"h{i}", a) for k, a in enumerate(amounts)]
    return _fleet("uneven", hosts, vms)


def tiny(seed: int) -> Fleet:
    """Return three or four hosts that are nearly full, one of them over, and a handful of VMs."""
    rng = random.Random(f"tiny {seed}")
    hosts, vms = [], []
    for i in range(rng.randint(3, 4)):
        amounts = [rng.randint(2, 9) for _ in range(2)]
        hosts.append(_host(f"h{i}", sum(amounts) + (-rng.randint(1, 3) if i == 0 else rng.randint(0, 3))))
        vms += [_vm(f"v{i}-{k}", f"h{i}", a) for k, a in enumerate(amounts)]
    return _fleet("tiny", hosts, vms)


def _host(name: str, memory: int, **facts: Any) -> dict[str, Any]:
    return {"id": name, "domains": {}, "capacity": {"memory_mib": memory * 1024}, **facts}


def _vm(name: str, host: str, memory: int, **facts: Any) -> dict[str, Any]:
    return {"id": name, "host": host, "demand": {"memory_mib": memory * 1024}, **facts}


def _fleet(name: str, hosts: list[Any], vms: list[Any], groups: list[Any] | None = None) -> Fleet:
    document = {
        "format": "remora-fleet/1",
        "fleet": name,
        "taken_at": "2026-11-21T12:00:00Z",
        "resources": [{"name": "memory_mib", "copied": True}],
        "levels": ["host"],
        "hosts": hosts,
        "vms": vms,
        "groups": groups or [],
    }
    return fleet_from_document(document, "generated")
