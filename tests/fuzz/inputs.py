"""What a case reads: drawn from its number alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from tests.exact.large import enlarge
from tests.oracle.problems import tiny_documents
from tests.sources.mutations import mutate, nodes

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    from tests.build import Document

__all__ = ["Inputs", "draw", "tampered"]

SHIPPED = ("default", "dolphin")
WORDS = ("optimal", "feasible", "moving", "harm", "whole model", "refuted", "own minimum")


class Inputs(NamedTuple):
    """Files of a case, and the options that name them."""

    fleet: Path
    options: list[str]
    damaged: bool
    hosts: list[str]
    vms: list[str]


def draw(rng: Random, directory: Path) -> Inputs:
    """Write a fleet, a policy and now and then an overlay: right ones, large ones, and damaged ones."""
    number = rng.randrange(1_000_000)
    snapshot, policy = tiny_documents(number)
    if rng.random() < 0.5:
        snapshot, policy = enlarge(rng, snapshot, policy)
    if rng.random() < 0.08:
        snapshot["vms"] = [] if rng.random() < 0.5 else [v | {"host": None} for v in snapshot["vms"]]
        snapshot.pop("in_flight", None)
        snapshot.pop("interference", None)
    damaged = rng.random() < 0.3
    hosts, vms = [h["id"] for h in snapshot["hosts"]], [v["id"] for v in snapshot["vms"]]
    options: list[str] = []
    if damaged:
        which = rng.random()
        snapshot = mutate(snapshot, rng) if which < 0.6 else snapshot
        policy = mutate(policy, rng) if which > 0.4 else policy
    if rng.random() < 0.8:
        options += ["--policy", _write(directory / "policy.yaml", policy)]
    else:
        options += ["--policy", rng.choice(SHIPPED)]
    if rng.random() < 0.15:
        overlay = _overlay(rng, vms)
        overlay = mutate(overlay, rng) if rng.random() < 0.3 else overlay
        options += ["--overlay", _write(directory / "overlay.yaml", overlay)]
    fleet = directory / "fleet.json"
    _write(fleet, snapshot)
    return Inputs(fleet, options, damaged, hosts, vms)


def _write(path: Path, document: object) -> str:
    path.write_text(json.dumps(document), encoding="utf-8", errors="backslashreplace")
    return str(path)


def _overlay(rng: Random, vms: list[str]) -> Document:
    chosen = rng.sample(vms, min(len(vms), 2))
    rule = {"rule": rng.choice(("anti_affinity", "together")), "level": rng.choice(("host", "rack"))}
    return {
        "format": "remora-overlay/1",
        "groups": [{"id": "extra", "rules": [rule], "vms": chosen}],
        "vms": {name: {"labels": {"tier": "gold"}} for name in chosen},
    }


def tampered(rng: Random, plan: Document, hosts: list[str], vms: list[str]) -> Document:
    """Change a plan: one or two of its leaves to something that could stand there, or any damage at all."""
    if rng.random() < 0.3:
        changed: Document = mutate(plan, rng)
        return changed
    for _ in range(rng.choice((1, 1, 2))):
        here, key = rng.choice(nodes(plan))
        value = here[key]
        if isinstance(value, bool):
            here[key] = not value
        elif isinstance(value, int):
            here[key] = rng.choice((0, value + 1, max(0, value - 1), value * 2, 2**62))
        elif isinstance(value, str):
            here[key] = rng.choice([*hosts, *vms, *WORDS, value])
        elif isinstance(value, list) and value:
            here[key] = rng.choice((value[:-1], [value[0], *value], []))
    return plan
