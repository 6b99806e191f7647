"""Fleets by kind and seed on which a search has much to do: full hosts, long chains, huge groups, tight budgets."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["KINDS", "Stress", "make"]

FORMAT = "remora-fleet/1"
RACKS = 20
"""Racks of the fleets with groups; zones are five racks each."""


@dataclass(frozen=True)
class Stress:
    """A fleet's document, the policy's rules beyond the default ones, and what is known of the best plan.

    `clean`: a plan that leaves nothing broken is known, and has this many moves at least; None: not known.
    """

    fleet: dict[str, Any]
    rules: tuple[dict[str, Any], ...] = ()
    clean: int | None = None


@dataclass
class _Draft:
    """A fleet in the making: memory is the one resource."""

    name: str
    hosts: list[dict[str, Any]] = field(default_factory=list)
    vms: list[dict[str, Any]] = field(default_factory=list)
    groups: list[dict[str, Any]] = field(default_factory=list)
    levels: tuple[str, ...] = ("host",)

    def host(self, name: str, memory: int, **facts: object) -> str:
        at = len(self.hosts)
        domains = {"rack": f"r{at % RACKS}", "zone": f"z{at % RACKS // 5}"}
        self.hosts.append(
            {
                "id": name,
                "domains": {level: domains[level] for level in self.levels[1:]},
                "capacity": {"memory_mib": memory},
                **facts,
            }
        )
        return name

    def vm(self, host: str, memory: int, **facts: object) -> str:
        name = f"v{len(self.vms)}"
        self.vms.append({"id": name, "host": host, "demand": {"memory_mib": memory}, **facts})
        return name

    def group(self, name: str, **rule: object) -> str:
        self.groups.append({"id": name, "rules": [rule]})
        return name

    def done(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "fleet": self.name,
            "taken_at": "2026-11-21T12:00:00Z",
            "resources": [{"name": "memory_mib", "copied": True}],
            "levels": list(self.levels),
            "hosts": self.hosts,
            "vms": self.vms,
            "groups": self.groups,
        }


def _zero_slack(rng: random.Random, size: int) -> Stress:
    """Draining hosts whose VMs fill the others to the last unit: a packing without slack."""
    draft = _Draft("zero-slack")
    for s in range(size):
        parts: list[int] = []
        for t in range(3):
            draft.host(f"t{s}-{t}", 60)
            cuts = sorted(rng.sample(range(1, 60), rng.choice((2, 3))))
            parts += [b - a for a, b in zip([0, *cuts], [*cuts, 60], strict=True)]
        source = draft.host(f"s{s}", 300, state="draining")
        for part in rng.sample(parts, len(parts)):
            draft.vm(source, part)
    return Stress(draft.done(), clean=len(draft.vms))


def _chains(rng: random.Random, size: int) -> Stress:
    """Broken hosts that each need a VM to make way first, and many VMs that look as if they could."""
    draft = _Draft("chains")
    for i in range(size):
        scale = rng.randint(1, 40)
        a, b, _ = (draft.host(f"{n}{i}", c * scale) for n, c in (("a", 11), ("b", 11), ("c", 4)))
        for memory in (6, 5, 5):
            draft.vm(a, memory * scale)
        draft.vm(b, 4 * scale)
        draft.vm(b, 6 * scale, mobility="none")
    return Stress(draft.done(), clean=2 * size)


def _pairs(rng: random.Random, size: int) -> Stress:
    """Broken hosts that each need one trivial chain of two moves: its own blocker moves to its own gap."""
    draft = _Draft("pairs")
    for i in range(size):
        small = rng.randint(1, 90)
        broken, middle = draft.host(f"a{i}", 1999), draft.host(f"b{i}", 1000)
        draft.host(f"c{i}", small)
        draft.vm(broken, 1000)
        draft.vm(broken, 1000, mobility="none")
        draft.vm(middle, small)
    return Stress(draft.done(), clean=2 * size)


def _crowd(rng: random.Random, size: int) -> Stress:
    """One host with thousands of VMs and a little too much memory, and room elsewhere."""
    draft = _Draft("crowd")
    memory = [rng.randint(1, 50) for _ in range(size)]
    over = rng.choice((1, 30, 75, sum(memory) // 50))
    crowded = draft.host("crowded", sum(memory) - over)
    for m in memory:
        draft.vm(crowded, m)
    for i in range(50):
        draft.vm(draft.host(f"h{i}", sum(memory) // 40), sum(memory) // 60)
    return Stress(draft.done())


RULES: tuple[dict[str, Any], ...] = (
    {"rule": "anti_affinity", "level": "host", "at_most": 2},
    {"rule": "anti_affinity", "level": "rack"},
    {"rule": "spread", "level": "host"},
    {"rule": "spread", "level": "rack", "at_least": RACKS},
    {"rule": "together", "level": "rack"},
    {"rule": "together", "level": "zone"},
)


def _huge_group(rng: random.Random, size: int) -> Stress:
    """One group of all VMs under one rule of sets, and one that pairs it with another group."""
    draft = _Draft("huge-group", levels=("host", "rack", "zone"))
    rule = dict(rng.choice(RULES))
    hosts = [draft.host(f"h{i}", 64_000) for i in range(max(40, size // 20))]
    if rule["rule"] == "spread":
        rule.setdefault("at_least", len(hosts))
    if rule["rule"] == "anti_affinity":
        rule.setdefault("at_most", -(-size // RACKS) + 1)
        if rule["level"] == "host":
            rule["at_most"] = -(-size // len(hosts)) + 1
    draft.group("all", **rule)
    draft.group("few", rule=rng.choice(("apart", "needs")), level=rng.choice(("host", "rack")), **{"with": "all"})
    skew = rng.choice((0.3, 0.7, 1.0))
    for _ in range(size):
        draft.vm(hosts[int(len(hosts) * skew * rng.random() ** 1.5)], rng.randint(1, 30) * 100, groups=["all"])
    for _ in range(rng.choice((3, 300))):
        draft.vm(rng.choice(hosts), 100, groups=["few"])
    return Stress(draft.done())


def _many_groups(rng: random.Random, size: int) -> Stress:
    """Many small groups under all rules of sets, most of them broken at the start."""
    draft = _Draft("many-groups", levels=("host", "rack", "zone"))
    hosts = [draft.host(f"h{i}", 64_000) for i in range(max(40, size // 10))]
    names = []
    for g in range(size // 6):
        rule = dict(rng.choice(RULES))
        if rule["rule"] == "spread":
            rule["at_least"] = rng.randint(2, 5)
        if rule["rule"] == "anti_affinity":
            rule.setdefault("at_most", 1)
        names.append(draft.group(f"g{g}", **rule))
    for g in range(0, len(names) - 1, 4):
        kind = rng.choice(("apart", "needs"))
        draft.groups[g]["rules"].append({"rule": kind, "level": rng.choice(("host", "rack")), "with": names[g + 1]})
    fill = rng.choice((3000, 5500, 6300))
    for _ in range(size):
        draft.vm(rng.choice(hosts), rng.randint(1, fill) * 2, groups=[rng.choice(names)])
    return Stress(draft.done())


def _tiny_slack(rng: random.Random, size: int) -> Stress:
    """Full hosts with next to no room between them, some of them over, in which hardly anything fits."""
    draft = _Draft("tiny-slack")
    for i in range(size):
        memory = [rng.randint(200, 900) for _ in range(rng.randint(4, 9))]
        slack = rng.choice((0, 1, 3, 20)) if rng.random() < 0.9 else -rng.randint(1, 60)
        host = draft.host(f"h{i}", sum(memory) + slack)
        for m in memory:
            draft.vm(host, m)
    for i in range(3):
        draft.host(f"spare{i}", rng.randint(250, 1500))
    return Stress(draft.done())


def _budget(rng: random.Random, size: int) -> Stress:
    """Draining hosts, and budgets that pay for a part of the moves."""
    draft = _Draft("budget", levels=("host", "rack"))
    for i in range(size):
        draft.host(f"h{i}", 10_000, **({"state": "draining"} if i % 3 == 0 else {}))
    for i in range(size):
        for _ in range(rng.randint(3, 9)):
            draft.vm(f"h{i}", rng.randint(100, 900))
    limits: list[dict[str, Any]] = [{"moves": rng.randint(1, size)}]
    if rng.random() < 0.5:
        limits.append({"gib": rng.randint(1, size)})
    return Stress(draft.done(), ({"rule": "budget", "limits": limits},))


def _join_one(rng: random.Random, size: int) -> Stress:
    """One group that has to come to many more hosts: independent moves, each of which is easy."""
    draft = _Draft("join-one", levels=("host", "rack", "zone"))
    hosts = [draft.host(f"h{i}", 1_000_000) for i in range(size)]
    missing = rng.randint(size // 10, size // 2)
    draft.group("g", rule="spread", level="host", at_least=size)
    for i in range(5 * size):
        draft.vm(hosts[i % (size - missing)], rng.randint(5, 30), groups=["g"])
    return Stress(draft.done(), clean=missing)


def _need_each(rng: random.Random, size: int) -> Stress:
    """Two groups of which each VM of the first wants one of the second on its host: as many moves as VMs."""
    draft = _Draft("need-each")
    draft.group("a", rule="needs", level="host", **{"with": "b"})
    draft.group("b", rule="anti_affinity", level="host", at_most=size)
    for i in range(size):
        draft.vm(draft.host(f"x{i}", 100), 40, groups=["a"], mobility="none")
    for i in range(size):
        draft.vm(draft.host(f"y{i}", 100), rng.randint(10, 60), groups=["b"])
    return Stress(draft.done(), clean=size)


def _preferring(rng: random.Random, size: int) -> Stress:
    """Many VMs that prefer a few hosts, which are full of others: all of them fit there once these have made way."""
    draft = _Draft("preferring", levels=("host", "rack"))
    liked, others = max(2, size // 20), max(20, size // 2)
    wanting = [rng.randint(1, 40) for _ in range(size)]
    room = -(-sum(wanting) * 11 // (10 * liked)) + 40
    for i in range(liked):
        draft.host(f"p{i}", room, labels={"disk": "nvme"})
    for i in range(others):
        draft.host(f"o{i}", 3 * room)
    for memory in wanting:
        draft.vm(f"o{rng.randrange(others)}", memory, labels={"wants": "nvme"})
    for i in range(liked):
        left = room
        while left > 8:
            memory = min(left, rng.randint(5, 60))
            draft.vm(f"p{i}", memory)
            left -= memory
    entry = {"vm_labels": {"wants": "nvme"}, "host_labels": {"disk": "nvme"}}
    return Stress(draft.done(), ({"rule": "prefer", "entries": [entry]},))


def _uneven(rng: random.Random, size: int) -> Stress:
    """Hosts one in ten of which is nearly full, the others half: they should all be near the mean."""
    draft = _Draft("uneven")
    for i in range(size):
        draft.host(f"h{i}", 1000)
        left = rng.randint(930, 1000) if i % 10 == 0 else rng.randint(350, 650)
        while left > 20:
            memory = min(left, rng.randint(20, 220))
            draft.vm(f"h{i}", memory)
            left -= memory
    return Stress(draft.done(), ({"rule": "balance", "resource": "memory_mib", "tolerance": 0.05},))


KINDS: dict[str, tuple[Callable[[random.Random, int], Stress], tuple[int, ...]]] = {
    "zero-slack": (_zero_slack, (4, 20, 200)),
    "chains": (_chains, (20, 100, 1500)),
    "pairs": (_pairs, (20, 200, 2000)),
    "crowd": (_crowd, (200, 5000)),
    "huge-group": (_huge_group, (500, 10_000)),
    "many-groups": (_many_groups, (600, 6000)),
    "tiny-slack": (_tiny_slack, (40, 1000)),
    "budget": (_budget, (30, 1000)),
    "join-one": (_join_one, (100, 1000)),
    "need-each": (_need_each, (50, 500)),
    "preferring": (_preferring, (60, 1100)),
    "uneven": (_uneven, (100, 2_000)),
}
"""How fleets of each kind are made, and the sizes they are made in, turn by turn."""


def make(kind: str, seed: int, size_times: int = 1) -> Stress:
    """Return the fleet of a kind and a seed: sizes take turns, all else is drawn.

    Parameters
    ----------
    size_times
        How many times its usual size it has.
    """
    maker, sizes = KINDS[kind]
    return maker(random.Random(f"{kind} {seed}"), size_times * sizes[seed % len(sizes)])
