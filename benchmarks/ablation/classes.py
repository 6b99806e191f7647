"""Classes of fleets: small, by seed, each such that some mechanism could matter."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.ablation.fleets import swaps, tiny, together, uneven
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

__all__ = ["CLASSES", "COSTS", "CostClass", "FleetClass"]


@dataclass(frozen=True, slots=True)
class FleetClass:
    """Fleets of one kind with their policy, and the work that a plan for one may take."""

    about: str
    make: Callable[[int], tuple[Fleet, Policy]]
    work: float


@dataclass(frozen=True, slots=True)
class CostClass:
    """Problems of cost alone, and the work that one search may take."""

    about: str
    make: Callable[[int], Problem]
    work: float


def _default(make: Callable[[int], Fleet]) -> Callable[[int], tuple[Fleet, Policy]]:
    return lambda seed: (make(seed), default_policy())


def _with_budget(moves: int, seed: int) -> tuple[Fleet, Policy]:
    return tight_fleet(seed, hosts=35), _with_rules(({"rule": "budget", "limits": [{"moves": moves}]},))


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


CLASSES = {
    "easy": FleetClass("default problems, 94 % of memory", _default(lambda s: fleet(60, s, 0.94)), 1.0),
    "tight": FleetClass("little room, in small pieces", _default(lambda s: tight_fleet(s, hosts=50)), 1.0),
    "full": FleetClass("next to no room: harm stays", _default(lambda s: tight_fleet(s, 5, 4, hosts=35)), 0.7),
    "small": FleetClass("a few tight hosts", _default(lambda s: tight_fleet(s, hosts=9)), 0.7),
    "tiny": FleetClass("three or four full hosts", _default(tiny), 1.0),
    "budget": FleetClass("tight, moves for a part", partial(_with_budget, 5), 1.0),
    "drains": FleetClass("draining hosts, budgets for a part", partial(_stress, "budget", 24), 1.0),
    "zero-slack": FleetClass("a packing without slack", partial(_stress, "zero-slack", 4), 1.0),
    "chains": FleetClass("one has to make way first", partial(_stress, "chains", 6), 2.0),
    "tiny-slack": FleetClass("hardly anything fits", partial(_stress, "tiny-slack", 30), 1.0),
    "many-groups": FleetClass("small groups, all rules of groups", partial(_stress, "many-groups", 60), 0.5),
    "need-each": FleetClass("each VM wants another one", partial(_stress, "need-each", 15), 0.5),
    "together": FleetClass("groups that leave as one", _default(together), 1.0),
    "swaps": FleetClass("full hosts change VMs", _default(swaps), 1.0),
    "uneven": FleetClass("room for all, unevenly", _default(uneven), 1.0),
}

COSTS = {
    "cost, small": CostClass("20 machines, 150 processes", lambda s: challenge_problem(s, 20, 150), 0.1),
    "cost, middle": CostClass("50 machines, 600 processes", lambda s: challenge_problem(s, 50, 600), 0.2),
}
