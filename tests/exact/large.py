"""Tiny problems with amounts, weights, prices and costs at the limits of the format."""

from __future__ import annotations

from copy import deepcopy
from random import Random
from typing import TYPE_CHECKING

from optimizer.fleet import AMOUNT_LIMIT
from tests.oracle.problems import TinyProblem, tiny_documents

if TYPE_CHECKING:
    from tests.build import Document

__all__ = ["enlarge", "large_documents", "large_problem"]

LARGEST_COST = 10**9
LARGEST_WEIGHT = 1000


def large_problem(number: int) -> TinyProblem:
    """Return a tiny problem whose numbers are as large as the format has them."""
    return TinyProblem.of(number, *large_documents(number))


def large_documents(number: int) -> tuple[Document, Document]:
    """Return the fleet and the policy of such a problem."""
    return enlarge(Random(number), *tiny_documents(number))


def enlarge(rng: Random, snapshot: Document, policy: Document) -> tuple[Document, Document]:
    """Scale all amounts to the largest there may be, odd ones among them; weights, prices and costs as well."""
    snapshot, policy = deepcopy(snapshot), deepcopy(policy)
    most = max([n for entry in _amounts(snapshot) for n in entry.values()], default=1) or 1
    factor = rng.choice((1, 1, AMOUNT_LIMIT // most, rng.randrange(1, AMOUNT_LIMIT // most + 1)))
    for entry in _amounts(snapshot):
        for name, n in entry.items():
            entry[name] = min(AMOUNT_LIMIT, n * factor + (rng.randrange(3) if factor > 1 and n else 0))
    if rng.random() < 0.5:
        _shrink_some(rng, snapshot)
    for vm in snapshot["vms"]:
        if rng.random() < 0.5:
            vm["move_cost"] = rng.choice((0, 0, 0.0004, 1, LARGEST_COST))
    for rule in policy["rules"]:
        _heavier(rng, rule)
    for group in snapshot.get("groups", ()):
        for rule in group["rules"]:
            _heavier(rng, rule)
    return snapshot, policy


def _shrink_some(rng: Random, snapshot: Document) -> None:
    for host in snapshot["hosts"]:
        if rng.random() < 0.5:
            host["capacity"]["memory_mib"] = rng.choice((0, 1, 3))


def _amounts(snapshot: Document) -> list[Document]:
    return [h["capacity"] for h in snapshot["hosts"]] + [v["demand"] for v in snapshot["vms"]]


def _heavier(rng: Random, rule: Document) -> None:
    if "weight" in rule:
        rule["weight"] = rng.choice((1, 7, LARGEST_WEIGHT))
    if "price" in rule:
        rule["price"] = rng.choice((0, 1, LARGEST_WEIGHT))
