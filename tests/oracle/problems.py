"""Random tiny problems over all rules together: snapshots and policies as documents, by number.

A snapshot is drawn backwards. First comes a placement that fits, tightly; then some of its VMs are put elsewhere, and
that is the start: so what is asked can often be had, but only in one way and in one order. Then each rule gets, now
and then, facts of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from constraints import CATALOGUE
from optimizer.sources.fleet_json import fleet_from_document
from optimizer.sources.policy_yaml import policy_from_document
from tests.build import document, host, vm
from tests.oracle.parameters import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from optimizer.fleet import Fleet
    from optimizer.policy import Policy
    from tests.build import Document

__all__ = ["KINDS", "TinyProblem", "tiny_documents", "tiny_problem"]

EARLIER, LATER = "2026-11-21T11:50:00Z", "2026-11-21T13:00:00Z"
YESTERDAY = "2026-11-20T11:50:00Z"
UNIT_MIB = 512
LEVELS = ("host", "host", "rack")
PAIRS = ("needs", "apart")


@dataclass(frozen=True)
class TinyProblem:
    """A fleet and a policy with every rule in it."""

    number: int
    fleet: Fleet
    policy: Policy

    @classmethod
    def of(cls, number: int, snapshot: Document, policy: Document) -> TinyProblem:
        """Read a problem from its documents."""
        where = f"problem {number}"
        return cls(
            number, fleet_from_document(snapshot, where), policy_from_document(policy, f"{where}, policy", CATALOGUE)
        )


def tiny_problem(number: int) -> TinyProblem:
    """Return problem `number`: 2 to 4 hosts, 2 to 6 VMs."""
    return TinyProblem.of(number, *tiny_documents(number))


def tiny_documents(number: int) -> tuple[Document, Document]:
    """Return the fleet and the policy of problem `number`."""
    rng = Random(number)
    snapshot = _Draft(rng)
    for facts in FACTS:
        facts(rng, snapshot)
    rules = [KINDS[kind](rng) | {"rule": kind} for kind in rng.sample(sorted(KINDS), len(KINDS))]
    rules.append(_prefer(Random(f"prefer {number}"), snapshot) | {"rule": "prefer"})
    rules.append(_balance(Random(f"balance {number}")) | {"rule": "balance"})
    least = rng.choice(("moves", "moves", "moves", "weighted", "gib", "seconds"))
    return snapshot.document(), {"format": "remora-policy/1", "rules": rules, "least": least}


class _Draft:
    """Hosts and VMs on their way to a document; `fits` is a placement that is in order, at first."""

    def __init__(self, rng: Random) -> None:
        count = rng.choice((2, 3, 3, 3, 3, 3, 3, 4))
        vms = rng.randint(3, 4 if count == 4 else 6)
        sizes = [rng.choice((1, 2, 2, 3, 4, 5)) for _ in range(vms)]
        shape = rng.choices(tuple(SHAPES), tuple(SHAPES.values()))[0](rng, sizes, count)
        self.fits, self.start, self.home = shape.fits, shape.start, shape.home
        room = [int(rng.random() < 0.05) for _ in range(count)]
        for at, n in (*zip(self.fits, sizes, strict=True), shape.spare):
            room[at] += n
        self.hosts = [
            host(f"h{h}", memory=max(1, n) * UNIT_MIB, rack=f"r{rng.randrange(2)}") for h, n in enumerate(room)
        ]
        ends = enumerate(zip(sizes, self.start, strict=True))
        self.vms = [vm(f"v{v}", f"h{at}", memory=n * UNIT_MIB) for v, (n, at) in ends]
        self.rest: Document = {}

    def document(self) -> Document:
        return document(self.hosts, self.vms, **self.rest)

    def some(self, rng: Random, most: int) -> list[Document]:
        """Return some of the VMs, at least one."""
        return rng.sample(self.vms, rng.randint(1, min(most, len(self.vms))))

    def where(self, placement: list[int], level: str, vms: list[int]) -> list[str]:
        """Return the domains of some VMs in a placement."""
        at = [self.hosts[placement[v]] for v in vms]
        return [h["id"] if level == "host" else h["domains"][level] for h in at]


class _Shape(NamedTuple):
    """Where the VMs fit and where they stand; a host and what it has to spare; who has to come home, and to which."""

    fits: list[int]
    start: list[int]
    spare: tuple[int, int] = (0, 0)
    home: tuple[int, int] | None = None


def _chain(rng: Random, sizes: list[int], hosts: int) -> _Shape:
    """One stands where it has no room; its place is taken by one a little smaller, whose place is free (or taken)."""
    shape = _still(rng, sizes, hosts)
    way = rng.sample(range(hosts), min(hosts, rng.choice((3, 3, 4))))
    link = rng.sample(range(len(sizes)), len(way) - 1)
    for v, n, here, there in zip(link, range(rng.choice((3, 4, 5)), 0, -1), way, way[1:], strict=False):
        sizes[v], shape.start[v], shape.fits[v] = n, here, there
    return shape


def _exchange(rng: Random, sizes: list[int], hosts: int) -> _Shape:
    """Two take each other's places over a third host: the bigger has no room, the smaller has to come home."""
    if hosts < 3:
        return _loose(rng, sizes, hosts)
    shape = _still(rng, sizes, hosts)
    (one, other, anchor), (here, there, over) = rng.sample(range(len(sizes)), 3), rng.sample(range(hosts), 3)
    sizes[one], sizes[other], sizes[anchor] = rng.choice((3, 4)), 2, 1
    shape.start[one], shape.fits[one] = here, there
    shape.start[other], shape.fits[other] = there, here
    shape.start[anchor] = shape.fits[anchor] = here
    return shape._replace(spare=(over, 2), home=(other, anchor))


def _round(rng: Random, sizes: list[int], hosts: int) -> _Shape:
    """Two or three take each other's places."""
    shape = _still(rng, sizes, hosts)
    turn = rng.sample(range(len(sizes)), rng.choice((2, 2, 3)))
    for here, there in zip(turn, turn[1:] + turn[:1], strict=True):
        shape.start[here] = shape.fits[there]
    return shape._replace(spare=(rng.randrange(hosts), rng.choice((0, 2, 3))))


def _loose(rng: Random, sizes: list[int], hosts: int) -> _Shape:
    """One or two stand anywhere."""
    shape = _still(rng, sizes, hosts)
    for _ in range(rng.choice((1, 2))):
        shape.start[rng.randrange(len(sizes))] = rng.randrange(hosts)
    return shape._replace(spare=(rng.randrange(hosts), rng.choice((0, 1, 3))))


def _still(rng: Random, sizes: list[int], hosts: int) -> _Shape:
    """Everything stands where it fits."""
    fits = [rng.randrange(hosts) for _ in sizes]
    return _Shape(fits, list(fits))


SHAPES = {_chain: 80, _exchange: 14, _round: 4, _loose: 4, _still: 5}
"""How often each."""


# -- facts: one function a rule, each with its own chance -------------------------------------------------------------


def _disks(rng: Random, draft: _Draft) -> None:
    """Headroom speaks of disks, so that it need not follow capacity: half full where VMs fit, or a little more."""
    if rng.random() < 0.36:
        disks = [rng.choice((0, 1, 2, 3)) for _ in draft.vms]
        for h, entry in enumerate(draft.hosts):
            load = sum(n for n, at in zip(disks, draft.fits, strict=True) if at == h)
            entry["capacity"]["disk_mib"] = 2 * load + rng.choice((0, 1, 2, 4))
        for entry, n in zip(draft.vms, disks, strict=True):
            entry["demand"]["disk_mib"] = n


def _groups(rng: Random, draft: _Draft) -> None:
    """Up to three demands, each of a group of its own; mostly such as hold where the VMs fit, and not at the start."""
    declared: list[Document] = []
    for number in range(rng.choice((0, 1, 1, 1, 2))):
        kind, level = rng.choice(("anti_affinity", "spread", "together", "needs", "apart")), rng.choice(LEVELS)
        sides = _sides(rng, draft, kind, level)
        names = [f"g{number}", f"g{number}x"]
        for name, members in zip(names, sides, strict=True):
            for v in members:
                draft.vms[v].setdefault("groups", []).append(name)
        more: Document = {"anti_affinity": {"at_most": 1}, "spread": {"at_least": rng.choice((2, 2, 2, 3))}}.get(
            kind, {}
        )
        if kind in PAIRS:
            more = {"with": names[1]}
        if rng.random() < 0.2:
            more |= {"hardness": "should", "weight": rng.randint(1, 3)}
        declared.append({"id": names[0], "rules": [{"rule": kind, "level": level} | more]})
        declared.append({"id": names[1], "rules": []})
    draft.rest["groups"] = declared


def _sides(rng: Random, draft: _Draft, kind: str, level: str) -> tuple[list[int], list[int]]:
    """Draw the VMs of a group, and of another where the kind speaks of two."""
    picked: tuple[list[int], list[int]] = ([], [])
    for _ in range(12):
        order = rng.sample(range(len(draft.vms)), len(draft.vms))
        size = rng.choice((1, 1, 2)) if kind in PAIRS else rng.choice((2, 2, 3))
        picked = (order[:size], order[size : size + rng.choice((1, 1, 2))] if kind in PAIRS else [])
        before, fits = (
            _satisfied(kind, *(draft.where(at, level, vms) for vms in picked)) for at in (draft.start, draft.fits)
        )
        if fits and (not before or draft.fits == draft.start):
            break
    return picked


def _satisfied(kind: str, left: list[str], right: list[str]) -> bool:
    """Whether a demand holds, roughly: the rules know better."""
    return {
        "anti_affinity": len(set(left)) == len(left),
        "spread": len(set(left)) > 1,
        "together": len(set(left)) == 1,
        "needs": set(left) <= set(right),
        "apart": not set(left) & set(right),
    }[kind]


def _homes(rng: Random, draft: _Draft) -> None:
    """Who has to come home needs somebody there who cannot travel."""
    if draft.home is None:
        return
    traveller, anchor = draft.home
    draft.vms[anchor]["mobility"] = "none"
    draft.vms[traveller].setdefault("groups", []).append("guest")
    draft.vms[anchor].setdefault("groups", []).append("inn")
    draft.rest["groups"] += [
        {"id": "guest", "rules": [{"rule": "needs", "level": "host", "with": "inn"}]},
        {"id": "inn", "rules": []},
    ]


def _noise(rng: Random, draft: _Draft) -> None:
    if rng.random() < 0.4:
        for entry in draft.some(rng, 3):
            entry["noise"] = {"io": rng.choice((0.2, 0.4, 0.6))}
        draft.some(rng, 1)[0]["sensitive"] = True
    if rng.random() < 0.2:
        noisy, suffers = rng.sample([entry["id"] for entry in draft.vms], 2)
        draft.rest["interference"] = [{"noisy": noisy, "suffers": suffers, "kind": "io", "score": 0.8}]


def _receivers(rng: Random, draft: _Draft) -> None:
    """What a host may not receive: eligible."""
    if rng.random() < 0.15:
        entry = rng.choice(draft.hosts)
        entry |= rng.choice(
            ({"state": "disabled"}, {"error_count": 9}, {"max_vms": rng.randint(1, 3)}, {"busy": ["create"]})
        )
    if rng.random() < 0.1:
        for entry in draft.some(rng, 3):
            entry["owner"] = "u0"


def _refusals(rng: Random, draft: _Draft) -> None:
    """What a VM puts up with: allowed."""
    if rng.random() < 0.15:
        entry = rng.choice(draft.vms)
        entry |= rng.choice(
            ({"mobility": "none"}, {"state": "stopped"}, {"forbidden_hosts": [rng.choice(draft.hosts)["id"]]})
        )
    if rng.random() < 0.2:
        for one in draft.hosts:
            one["labels"] = {"cpu": rng.choice(("epyc", "xeon"))}
        draft.hosts[0]["labels"] = {"cpu": "epyc"}
        draft.some(rng, 1)[0]["requires"] = {"cpu": ["epyc"]}


def _temptation(rng: Random, draft: _Draft) -> None:
    """Room for everything on one host more, which one of three rules keeps shut: else one move would do."""
    if len(draft.hosts) == 4 or rng.random() < 0.5:
        return
    extra = host("h9", memory=40 * UNIT_MIB, disk=1000, rack="r0")
    rule = rng.choice(("eligible", "maintenance", "maintenance", "allowed"))
    if rule == "eligible":
        extra |= rng.choice(({"state": "disabled"}, {"error_count": 9}, {"max_vms": 0}, {"busy": ["create"]}))
    elif rule == "maintenance":
        extra["maintenance"] = [{"from": EARLIER, "to": LATER, "reason": "new fans"}]
    else:
        for entry in draft.vms:
            entry["forbidden_hosts"] = ["h9"]
    draft.hosts.append(extra)


def _windows(rng: Random, draft: _Draft) -> None:
    """Empty a host, by preference one that is empty where the VMs fit."""
    if rng.random() < 0.06:
        free = [h for n, h in enumerate(draft.hosts) if n not in draft.fits]
        entry = rng.choice(free or draft.hosts)
        entry |= rng.choice(
            ({"state": "draining"}, {"maintenance": [{"from": EARLIER, "to": LATER, "reason": "new fans"}]})
        )


def _journeys(rng: Random, draft: _Draft) -> None:
    if rng.random() < 0.3:
        entry = rng.choice(draft.vms)
        entry |= rng.choice(({"created_at": EARLIER}, {"no_move_until": LATER}))
    if rng.random() < 0.15:
        moved = rng.choice(draft.vms)["id"]
        ends = {"from": "h0", "to": "h1", "started_at": EARLIER, "ended_at": "2026-11-21T11:55:00Z"}
        draft.rest["history_since"] = YESTERDAY
        draft.rest["history"] = [{"vm": moved, "outcome": "failed", "by": "remora"} | ends for _ in range(3)]


def _others(rng: Random, draft: _Draft) -> None:
    """Somebody else moves a VM; a VM waits for its first host; a move costs more or less."""
    if rng.random() < 0.05:
        entry = rng.choice(draft.vms)
        other = rng.choice([h["id"] for h in draft.hosts if h["id"] != entry["host"]])
        ends = {"from": entry["host"], "to": other}
        draft.rest["in_flight"] = [{"id": "x0", "vm": entry["id"], "started_at": EARLIER, "by": "other"} | ends]
    elif rng.random() < 0.05:
        rng.choice(draft.vms)["host"] = None
    for entry in draft.vms:
        entry["move_cost"] = rng.choice((0.5, 1, 1.5, 3))


FACTS: tuple[Callable[[Random, _Draft], None], ...] = (
    _disks,
    _groups,
    _homes,
    _noise,
    _temptation,
    _receivers,
    _refusals,
    _windows,
    _journeys,
    _others,
)


def _balance(rng: Random) -> Document:
    """Mostly content: a host is emptied or filled on purpose in most problems, which is no balance."""
    parameters: Document = {
        "resource": "memory_mib",
        "tolerance": rng.choice((0.1, 0.2, 0.3)) if rng.random() < 0.3 else 1.0,
    }
    if rng.random() < 0.3:
        parameters["level"] = "rack"
    if rng.random() < 0.3:
        parameters["price"] = rng.randint(0, 2)
    return parameters | {"weight": rng.choice((1, 1, 2))}


def _prefer(rng: Random, draft: _Draft) -> Document:
    """Mostly a VM that prefers where it stands; else some that prefer, or need, a place: often where they fit."""
    if rng.random() < 0.6:
        first = draft.vms[0]
        return {"entries": [{"vms": [first["id"]], "hosts": [first["host"] or "h0"]}]}
    entries = [_preference(rng, draft) for _ in range(rng.choice((1, 1, 2)))]
    return {"entries": entries} | ({"price": rng.randint(0, 2)} if rng.random() < 0.2 else {})


def _preference(rng: Random, draft: _Draft) -> Document:
    chosen = rng.sample(range(len(draft.vms)), rng.choice((1, 1, 2)))
    hosts = [draft.hosts[draft.fits[v]]["id"] for v in chosen] if rng.random() < 0.7 else []
    hosts += rng.sample([h["id"] for h in draft.hosts], 1 if not hosts or rng.random() < 0.3 else 0)
    entry: Document = {"vms": [draft.vms[v]["id"] for v in chosen], "hosts": sorted(set(hosts))}
    return entry | {"weight": rng.choice((1, 1, 3)), "strict": rng.random() < 0.3}
