"""Fleets and moves of several kinds, from a seed: what binds is another thing in each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from math import inf
from random import Random
from typing import TYPE_CHECKING

from benchmarks.executor.links import Network
from optimizer.fleet import copied_mib, move_seconds
from optimizer.plan import Batch, Plan, PlannedMove, Status
from optimizer.sources.fleet_json import fleet_from_document

if TYPE_CHECKING:
    from optimizer.fleet import Fleet

__all__ = ["KINDS", "Case", "Kind", "case_of"]

CARD_MIB_S = 1200.0
RACK = 12
DAY = timedelta(days=9)


@dataclass(frozen=True, slots=True)
class Kind:
    """What a fleet is like.

    Attributes
    ----------
    gib
        Least and most memory of a VM; sizes between are as likely in each octave.
    dirty, dirtied
        Share of the guests that dirty memory, and how much of a card's speed they do, least and most.
    uplink
        Speed of a rack's uplink, in cards; 0: it binds nothing.
    stream
        Speed of one copy, in cards.
    fast
        Share of hosts whose card is 2.5 times as fast.
    evacuated
        Share of hosts that all moves leave, for the others; 0: from anywhere to anywhere.
    """

    gib: tuple[float, float] = (4.0, 64.0)
    dirty: float = 0.0
    dirtied: tuple[float, float] = (0.1, 0.3)
    uplink: float = 0.0
    stream: float = inf
    fast: float = 0.0
    evacuated: float = 0.0


KINDS = {
    "host-bound": Kind(),
    "evacuation": Kind(evacuated=0.3),
    "uplink-bound": Kind(uplink=2.0),
    "dirty guests": Kind(dirty=0.8, dirtied=(0.1, 0.7)),
    "dirty, uplinks": Kind(dirty=0.5, dirtied=(0.05, 0.3), uplink=4.0),
    "small guests": Kind(gib=(0.5, 2.0)),
    "slow streams": Kind(stream=0.35),
    "mixed": Kind(gib=(0.5, 96.0), dirty=0.3, dirtied=(0.05, 0.5), uplink=6.0, fast=0.4, stream=1.5, evacuated=0.4),
}


@dataclass(frozen=True, slots=True)
class Case:
    """A fleet, what its copies go over, and a plan that no planner made."""

    fleet: Fleet
    network: Network
    plan: Plan


def case_of(kind: Kind, seed: int, moves: int, hosts: int, *, knows: bool = True) -> Case:
    """Return a case of a kind; `knows`: the snapshot says what guests dirty."""
    rng = Random(seed)
    names = [f"h{h:03}" for h in range(hosts)]
    sources, targets = names, names
    if kind.evacuated:
        sources = names[: max(1, int(kind.evacuated * hosts))]
        targets = names[len(sources) :]
    ends = [_ends(rng, sources, targets) for _ in range(moves)]
    sizes = [int(1024 * kind.gib[0] * (kind.gib[1] / kind.gib[0]) ** rng.random()) for _ in ends]
    racks = {h: f"r{n // RACK}" for n, h in enumerate(names)}
    cards = {h: CARD_MIB_S * (2.5 if rng.random() < kind.fast else 1.0) for h in names}
    dirtied = {f"v{n:04}": CARD_MIB_S * rng.uniform(*kind.dirtied) for n in range(moves) if rng.random() < kind.dirty}
    uplink = CARD_MIB_S * kind.uplink if kind.uplink else inf
    network = Network(CARD_MIB_S, uplink, CARD_MIB_S * kind.stream, cards, racks, dirtied)
    document = {
        "format": "remora-fleet/1",
        "fleet": "links",
        "taken_at": "2026-11-21T12:00:00Z",
        "resources": [{"name": "memory_mib", "copied": True}],
        "levels": ["host", "rack"],
        "hosts": [
            {"id": h, "domains": {"rack": racks[h]}, "capacity": {"memory_mib": 10**9}, "migration_mib_per_s": cards[h]}
            for h in names
        ],
        "vms": [
            {"id": f"v{n:04}", "host": source, "demand": {"memory_mib": sizes[n]}}
            | ({"dirty_mib_per_s": dirtied.get(f"v{n:04}", 0.0)} if knows else {})
            for n, (source, _) in enumerate(ends)
        ],
    }
    fleet = fleet_from_document(document, "links")
    return Case(fleet, network, _plan(fleet, ends))


def _ends(rng: Random, sources: list[str], targets: list[str]) -> tuple[str, str]:
    source = rng.choice(sources)
    target = rng.choice(targets)
    while target == source:
        target = rng.choice(targets)
    return source, target


def _plan(fleet: Fleet, ends: list[tuple[str, str]]) -> Plan:
    amount = copied_mib(fleet)
    moves = []
    for v, (source, target) in enumerate(ends):
        s, t, mib = fleet.host_index[source], fleet.host_index[target], int(amount[v])
        seconds = move_seconds(fleet, v, s, t, mib)
        moves.append(PlannedMove(f"m{v:04}", fleet.vms.ids[v], source, target, (), 1, False, seconds, mib))
    return Plan(
        id="plan-1",
        fleet=fleet.id,
        taken_at=fleet.taken_at,
        fleet_digest=fleet.digest,
        policy_digest="sha256:0",
        made_at=fleet.taken_at,
        expires_at=fleet.taken_at + DAY,
        status=Status.FEASIBLE,
        objective=(),
        proof=(),
        moves=tuple(moves),
        batches=(Batch(1, tuple(m.id for m in moves), 0.0),),
        remaining=(),
        not_evaluated=(),
    )
