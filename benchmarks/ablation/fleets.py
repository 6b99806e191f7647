"""Small fleets on which one mechanism or other has something to do, by seed."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from optimizer.sources.fleet_json import fleet_from_document

if TYPE_CHECKING:
    from optimizer.fleet import Fleet

__all__ = ["hotspots", "make_way", "packed", "pools", "swaps", "tiny", "together", "uneven"]

FLAVOURS = (4, 8, 8, 16, 16, 16, 32, 32, 64)
"""GiB of memory of VMs of `packed`, as often as they come."""


def hotspots(seed: int, count: int, vms_each: int, *, cores: bool = False) -> Fleet:
    """Return hosts every other one of which is over its memory, and with `cores` over its vCPUs too; the rest has room.

    Sizes of memory and vCPUs do not go together, so that no order of departures is the best for both.
    """
    rng = random.Random(f"hotspots {seed}")
    hosts, vms = [], []
    for i in range(count):
        memory = [rng.choice((4, 8, 8, 16, 16, 32)) for _ in range(vms_each)]
        vcpus = [rng.choice((2, 2, 4, 4, 8)) for _ in memory]
        over = i % 2 == 0
        room = -rng.randint(3, 20) if over else rng.randint(16, 60)
        more = -rng.randint(1, 6) if over else rng.randint(8, 30)
        hosts.append(_host(f"h{i}", sum(memory) + room))
        vms += [_vm(f"v{i}-{k}", f"h{i}", size) for k, size in enumerate(memory)]
        if cores:
            hosts[-1]["capacity"]["vcpus"] = sum(vcpus) + more
            for vm, number in zip(vms[-vms_each:], vcpus, strict=True):
                vm["demand"]["vcpus"] = number
    return _fleet("hotspots", hosts, vms, resources=({"name": "vcpus", "copied": False},) if cores else ())


def pools(seed: int, count: int = 250) -> Fleet:
    """Return a host that is over, and pools of two full hosts: in one of them alone two VMs can make way for its VM.

    It is one of the later ones, and what lacks least room there is not where the VM may go.
    """
    rng = random.Random(f"pools {seed}")
    hosts = [_host("over", 15), _host("gap", 5)]
    vms = [_vm("first", "over", 8, requires={"role": ["front"]}), _vm("pinned", "over", 8, mobility="none")]
    way = rng.randrange(count // 2, count)
    for i in range(count):
        pool = f"p{i}"
        hosts += [
            _host(f"front{i}", 9, labels={"pool": pool, "role": "front"}),
            _host(f"back{i}", 9, labels={"pool": pool}),
        ]
        vms.append(_vm(f"large{i}", f"front{i}", 9, requires={"pool": [pool]}))
        vms.append(_vm(f"other{i}", f"back{i}", 4 if i == way else 9))
    return _fleet("pools", hosts, vms)


def make_way(seed: int) -> Fleet:
    """Return a host that is over, of which a VM has room only where another one goes first, among many full hosts."""
    rng = random.Random(f"make way {seed}")
    large, small = rng.randint(20, 30), rng.randint(2, 9)
    hosts = [_host("over", 2 * large - 1), _host("middle", large), _host("gap", small)]
    vms = [_vm("first", "over", large), _vm("second", "over", large), _vm("blocker", "middle", small)]
    for i in range(rng.randint(145, 160)):
        amount = rng.randint(small + 1, 30)
        hosts.append(_host(f"h{i}", amount))
        vms.append(_vm(f"v{i}", f"h{i}", amount))
    return _fleet("make-way", hosts, vms)


def packed(seed: int, count: int = 80, loose: float = 0.05, over: float = 0.25) -> Fleet:
    """Return hosts that are full of VMs of few sizes, as a scheduler that fills one after the other leaves them.

    A share `loose` of the hosts has room, a share `over` has a VM too many; a third as many groups as hosts want
    their VMs apart, some of which have two on one host.
    """
    rng = random.Random(f"packed {seed}")
    hosts, vms = [], []
    for i in range(count):
        roomy = rng.random() < loose
        left = 256 * (rng.uniform(0.75, 0.95) if roomy else 1.0) - rng.choice((0, 0, 0, 0, 0, 0, 4, 4, 8)) * (not roomy)
        sizes: list[int] = []
        while left >= FLAVOURS[0]:
            sizes.append(rng.choice([f for f in FLAVOURS if f <= left]))
            left -= sizes[-1]
        if rng.random() < over:
            sizes.append(rng.choice((4, 8, 8, 16)))
        rng.shuffle(sizes)
        hosts.append(_host(f"h{i}", 256))
        vms += [_vm(f"v{i}-{k}", f"h{i}", size) for k, size in enumerate(sizes)]
    return _fleet("packed", hosts, vms, [_kept_apart(rng, f"g{g}", vms, count) for g in range(count // 3)])


def _kept_apart(rng: random.Random, name: str, vms: list[dict[str, Any]], hosts: int) -> dict[str, Any]:
    """Make a group of VMs of different hosts, now and then with a second one on the first of these."""
    chosen = [f"h{h}" for h in rng.sample(range(hosts), rng.randint(3, 5))]
    for n in range(len(chosen) + 1):
        if n == len(chosen) and rng.random() >= 0.3:
            break
        if free := [vm for vm in vms if vm["host"] == chosen[n % len(chosen)] and "groups" not in vm]:
            rng.choice(free)["groups"] = [name]
    return {"id": name, "rules": [{"rule": "anti_affinity", "level": "host"}]}


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


def _fleet(
    name: str,
    hosts: list[Any],
    vms: list[Any],
    groups: list[Any] | None = None,
    resources: tuple[dict[str, Any], ...] = (),
) -> Fleet:
    document = {
        "format": "remora-fleet/1",
        "fleet": name,
        "taken_at": "2026-11-21T12:00:00Z",
        "resources": [{"name": "memory_mib", "copied": True}, *resources],
        "levels": ["host"],
        "hosts": hosts,
        "vms": vms,
        "groups": groups or [],
    }
    return fleet_from_document(document, "generated")
