"""Classes of fleets: small, by seed, each such that some mechanism could matter."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.ablation.fleets import hotspots, make_way, packed, pools, swaps, tiny, together, uneven
from benchmarks.ablation.given import given_fleet
from benchmarks.policy import default_policy
from benchmarks.regression.instances import challenge_problem, fleet, tight_fleet
from benchmarks.stress.fleets import KINDS
from constraints import CATALOGUE
from optimizer.sources.fleet_json import fleet_from_document
from optimizer.sources.policy_yaml import policy_from_document

if TYPE_CHECKING:
    from collections.abc import Callable

    from optimizer.fleet import Fleet
    from optimizer.policy import Policy
    from optimizer.problem.problem import Problem

__all__ = ["CLASSES", "COSTS", "GIVEN", "CostClass", "FleetClass"]

GIVEN = "given"
"""The class of fleets from outside: left out where they are not."""


@dataclass(frozen=True, slots=True)
class FleetClass:
    """Fleets of one kind with their policy, and the work that a plan for one may take.

    Attributes
    ----------
    mechanisms
        Those that are tried, where it is not all: a large fleet takes long.
    most
        How many fleets there are, where it is not as many as seeds.
    """

    about: str
    make: Callable[[int], tuple[Fleet, Policy]]
    work: float
    mechanisms: tuple[str, ...] | None = None
    most: int | None = None


@dataclass(frozen=True, slots=True)
class CostClass:
    """Problems of cost alone, and the work that one search may take."""

    about: str
    make: Callable[[int], Problem]
    work: float


def _default(make: Callable[[int], Fleet]) -> Callable[[int], tuple[Fleet, Policy]]:
    return lambda seed: (make(seed), default_policy())


def _with_budget(gib: int, seed: int) -> tuple[Fleet, Policy]:
    return tight_fleet(seed, hosts=35), _with_rules(({"rule": "budget", "limits": [{"gib": gib}]},))


def _hotspots(count: int, vms_each: int, seed: int, *, cores: bool = False) -> tuple[Fleet, Policy]:
    moves = {"rule": "budget", "limits": [{"moves": count // 5}]}
    return hotspots(seed, count, vms_each, cores=cores), _with_rules((moves,))


def _with_rules(rules: tuple[dict[str, Any], ...]) -> Policy:
    policy = default_policy()
    if not rules:
        return policy
    document = {"format": "remora-policy/1", "rules": list(rules)}
    more = policy_from_document(document, "generated", CATALOGUE)
    return replace(policy, rules=(*policy.rules, *more.rules))


def _stress(kind: str, size: int, seed: int) -> tuple[Fleet, Policy]:
    maker, _ = KINDS[kind]
    made = maker(random.Random(f"{kind} {seed}"), size)
    return fleet_from_document(made.fleet, "generated"), _with_rules(made.rules)


SEEDS_PACKED = (4, 7, 11, 17, 19, 10, 12, 22, 24, 25)
"""Seeds of `packed` on which the first order of reception leaves something, and yet all can be repaired.

Of the first 45 these are all such; on the others the first order is as good as the bound, or nothing helps.
"""

CLASSES = {
    "easy": FleetClass("default problems, 94 % of memory", _default(lambda s: fleet(60, s, 0.94)), 1.0),
    "tight": FleetClass("little room, in small pieces", _default(lambda s: tight_fleet(s, hosts=50)), 1.0),
    "full": FleetClass("next to no room: harm stays", _default(lambda s: tight_fleet(s, 5, 4, hosts=35)), 0.7),
    "small": FleetClass("a few tight hosts", _default(lambda s: tight_fleet(s, hosts=9)), 0.7),
    "tiny": FleetClass("three or four full hosts", _default(tiny), 1.0),
    "budget": FleetClass("tight, GiB for a part", partial(_with_budget, 50), 0.5),
    "drains": FleetClass("draining hosts, budgets for a part", partial(_stress, "budget", 24), 1.0),
    "zero-slack": FleetClass("a packing without slack", partial(_stress, "zero-slack", 4), 1.0),
    "chains": FleetClass("each host ends full, in chains of two", partial(_stress, "chains", 30), 10.0),
    "chains, small": FleetClass("the same on a few hosts", partial(_stress, "chains", 8), 3.0),
    "tiny-slack": FleetClass("hardly anything fits", partial(_stress, "tiny-slack", 30), 1.0),
    "many-groups": FleetClass("small groups, all rules of groups", partial(_stress, "many-groups", 60), 0.5),
    "need-each": FleetClass("each VM wants another one", partial(_stress, "need-each", 15), 0.5),
    "together": FleetClass("groups that leave as one", _default(together), 1.0),
    "swaps": FleetClass("full hosts change VMs", _default(swaps), 1.0),
    "make-way": FleetClass("one blocker, too large for the whole model", _default(make_way), 2.0),
    "uneven": FleetClass("room for all, unevenly", _default(uneven), 1.0),
    "hotspots": FleetClass("many overfull hosts, moves for a part", partial(_hotspots, 40, 30), 0.5),
    "hotspots, vCPUs": FleetClass("the same, two resources", partial(_hotspots, 40, 8, cores=True), 0.5),
    "pools": FleetClass("one pool of many can make way", _default(pools), 2.0),
    "packed": FleetClass(
        "full hosts, VMs of few sizes", _default(lambda s: packed(SEEDS_PACKED[(s - 1) % len(SEEDS_PACKED)])), 1.0
    ),
    GIVEN: FleetClass(
        "given fleets of 1,000 hosts, 97 % full",
        _default(given_fleet),
        10.0,
        mechanisms=("extra starts", "phases", "trimming"),
        most=3,
    ),
}

COSTS = {
    "cost, small": CostClass("20 machines, 150 processes", lambda s: challenge_problem(s, 20, 150), 0.2),
    "cost, middle": CostClass("26 machines, 800 processes", lambda s: challenge_problem(s, 26, 800), 1.5),
}
