"""Fleets on which each mechanism of the search shows: with it switched off, a figure of the check is worse."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from benchmarks.ablation.classes import CLASSES, COSTS
from benchmarks.ablation.measure import Result, lowered_cost, planned
from benchmarks.regression.instances import digest
from benchmarks.regression.noise import Figure, of_instances

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from optimizer.parameters import Parameters

__all__ = ["SHOWN", "shown_figures"]

SHOWN: dict[str, tuple[int, ...]] = {
    "tight": (1, 2),
    "many-groups": (3, 4),
    "together": (1,),
    "swaps": (3, 4, 6),
    "budget": (1, 2),
    "make-way": (1,),
    "tiny": (3, 7),
    "uneven": (3, 4),
    "packed": (1, 4, 7),
    "pools": (1,),
    "chains, small": (2,),
}
"""Seeds of the fleets (and problems) of a class of the ablation that are planned."""


def shown_figures(parameters: Parameters, kinds: Sequence[str] = tuple(SHOWN)) -> dict[str, Figure]:
    """Return, for each of the classes, the mean harm that remains, cost, tie-break, and bounds."""
    return {name: figure for kind in kinds for name, figure in _of_class(kind, parameters)}


def _of_class(kind: str, parameters: Parameters) -> Iterator[tuple[str, Figure]]:
    asked = hashlib.sha256(repr((kind, SHOWN[kind], _asked(kind))).encode()).hexdigest()
    results = [_result(kind, seed, parameters) for seed in SHOWN[kind]]
    columns: dict[str, Callable[[Result], int]] = {
        "harm": lambda r: r.harm,
        "cost": lambda r: r.cost,
        "tie-break": lambda r: r.placement,
        "bound": lambda r: r.bounds[-1],
        "harm: bound": lambda r: sum(r.bounds[:-1]),
    }
    for what, column in columns.items():
        yield f"{kind}: {what}", Figure(of_instances([[float(column(r))] for r in results]), asked)


def _result(kind: str, seed: int, parameters: Parameters) -> Result:
    if kind in COSTS:
        return lowered_cost(COSTS[kind].make(seed), COSTS[kind].work, seed, parameters)
    return planned(*CLASSES[kind].make(seed), CLASSES[kind].work, parameters)


def _asked(kind: str) -> list[str]:
    """Return what tells these inputs from others."""
    if kind in COSTS:
        return [digest(COSTS[kind].make(seed)) for seed in SHOWN[kind]]
    return [CLASSES[kind].make(seed)[0].digest for seed in SHOWN[kind]]
