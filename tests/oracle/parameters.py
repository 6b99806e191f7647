"""Random parameters of each kind of rule, for the tiny problems."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from tests.build import Document

__all__ = ["KINDS"]


def _hardness(rng: Random, soft: float = 0.25) -> Document:
    out: Document = {"weight": rng.choice((1, 1, 2, 5))}
    if rng.random() < soft:
        out["hardness"] = "should"
        if rng.random() < 0.4:
            out["price"] = rng.randint(0, 2)
    return out


def _headroom(rng: Random) -> Document:
    return _hardness(rng, 0.3) | {"resource": "disk_mib", "alert": rng.choice((0.6, 0.8)), "safe": 0.5}


def _noisy_neighbor(rng: Random) -> Document:
    parts: list[Document] = [
        {"limit": {"io": 0.7}},
        {"noisy_from": 0.4, "at_most": 1},
        {"noisy_from": 0.4, "apart_from_sensitive": True},
    ]
    return _hardness(rng, 0.3) | rng.choice(parts) | {"score_from": 0.5, "moves": rng.choice(("victim", "cheapest"))}


def _journey(rng: Random) -> Document:
    return {"baby_s": 900, "unmovable": {"times": 3, "within_s": 3600}, "cool_down": {}, "no_return_s": 172_800}


def _budget(rng: Random) -> Document:
    """Mostly a few moves or GiB for the run; now and then a budget account for each source, target or owner."""
    limits: list[Document] = [{"per": "run", "moves": rng.choice((1, 2, 3, 3, 4, 5, 6, 9))}]
    if rng.random() < 0.2:
        limits.append({"per": "run", "gib": rng.choice((1, 2, 3, 5))})
    if rng.random() < 0.2:
        limits.append({"per": rng.choice(("source", "target", "owner")), "moves": rng.choice((1, 1, 2))})
    return {"limits": limits}


KINDS: dict[str, Callable[[Random], Document]] = {
    "capacity": lambda rng: _hardness(rng, 0.06),
    "headroom": _headroom,
    "anti_affinity": _hardness,
    "spread": _hardness,
    "together": _hardness,
    "needs": _hardness,
    "apart": _hardness,
    "noisy_neighbor": _noisy_neighbor,
    "eligible": lambda rng: {"errors": 3, "owner_vms": 1},
    "allowed": lambda rng: {},
    "maintenance": lambda rng: _hardness(rng, 0.1),
    "journey": _journey,
    "budget": _budget,
}
"""By kind of rule: random parameters. `prefer` (which speaks of the fleet itself) and `balance` are drawn apart."""
