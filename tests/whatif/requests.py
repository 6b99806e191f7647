"""Random requests on the oracle's random tiny fleets, which have every rule in them."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, NamedTuple

from constraints import CATALOGUE
from optimizer.sources.policy_yaml import policy_from_document
from optimizer.sources.request import with_request
from tests.oracle.problems import tiny_documents

if TYPE_CHECKING:
    from optimizer.fleet import Fleet
    from optimizer.policy import Policy
    from tests.build import Document

KEPT = ("owner", "groups", "requires", "forbidden_hosts", "sensitive", "noise", "labels", "demand")


class Asked(NamedTuple):
    """A fleet with a VM that has no host for each entry, and the policy."""

    fleet: Fleet
    policy: Policy
    vms: tuple[int, ...]
    snapshot: Document


def asked(number: int, entries: int = 1) -> Asked:
    """Return request `number`: VMs like some of the fleet, with their groups, with others, or without."""
    snapshot, policy = tiny_documents(number)
    rng = Random(f"request {number}")
    vms = [_like(rng, snapshot, f"new-{i}") for i in range(entries)]
    request = {"format": "remora-request/1", "vms": vms}
    fleet, new = with_request(snapshot, request, f"request {number}")
    return Asked(fleet, policy_from_document(policy, "policy", CATALOGUE), tuple(n.vm for n in new), snapshot)


def _like(rng: Random, snapshot: Document, name: str) -> Document:
    model = rng.choice(snapshot["vms"])
    record = {key: model[key] for key in KEPT if key in model}
    demand = {r: max(0, n // rng.choice((1, 1, 2))) for r, n in record["demand"].items()}
    record["demand"] = demand if any(demand.values()) else {snapshot["resources"][0]["name"]: 1}
    if rng.random() < 0.3:
        record.pop("groups", None)
    if rng.random() < 0.3:
        record["groups"] = ["newcomers"]
    return {"id": name, **record}
