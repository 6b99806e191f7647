"""The whole ablation: every mechanism off, one at a time, on every class of fleets."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from benchmarks.ablation.classes import CLASSES, COSTS, GIVEN
from benchmarks.ablation.compare import compared, pooled, steadied
from benchmarks.ablation.given import has_given
from benchmarks.ablation.measure import Result, lowered_cost, planned
from benchmarks.ablation.mechanisms import COST, MECHANISMS, NOTHING, REPAIR
from optimizer.parameters import Parameters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.ablation.classes import CostClass, FleetClass
    from benchmarks.ablation.compare import Comparison

Measure = Callable[[Parameters], list[Result]]
Pair = tuple[list[Result], list[Result]]

__all__ = ["run"]


def run(seeds: Sequence[int], only: Sequence[str], tell: Callable[[str], None]) -> list[Comparison]:
    """Plan everything and compare; rows by mechanism, then by class, then over all classes.

    Parameters
    ----------
    seeds
        Of the fleets, and of the searches where cost alone counts.
    only
        Texts of which a class or a mechanism has to have one in its name, if any are given.
    """
    rows: list[Comparison] = []
    results: dict[str, dict[str, Pair]] = {}
    for kind, measure in _measures(seeds, tell).items():
        if chosen := _chosen(kind, only):
            tell(kind)
            on = measure(Parameters())
            for name, parameters in chosen.items():
                pair = on, measure(parameters)
                rows.append(compared(name, kind, *pair))
                results.setdefault(name, {})[kind] = pair
    rows += [pooled(by_kind, name) for name, by_kind in results.items() if len(by_kind) > 1]
    order = {name: n for n, name in enumerate(MECHANISMS)}
    return steadied(sorted(rows, key=lambda row: order[row.mechanism]), NOTHING)


def _chosen(kind: str, only: Sequence[str]) -> dict[str, Parameters]:
    """Return what is switched off on a class."""
    mechanisms = COST if kind in COSTS else REPAIR
    tried = None if kind in COSTS else CLASSES[kind].mechanisms
    asked = not only or any(text in kind for text in only)
    return {
        name: parameters
        for name, parameters in mechanisms.items()
        if (tried is None or name in (NOTHING, *tried)) and (asked or any(text in name for text in only))
    }


def _measures(seeds: Sequence[int], tell: Callable[[str], None]) -> dict[str, Measure]:
    """Return for each class what searches with parameters on all its fleets."""
    here = has_given()
    if not here:
        tell(f"{GIVEN}: left out: set REMORA_DATA to the directory of the data")
    out = {kind: _plans(fleets, seeds) for kind, fleets in CLASSES.items() if kind != GIVEN or here}
    return out | {kind: _costs(problems, seeds) for kind, problems in COSTS.items()}


def _plans(kind: FleetClass, seeds: Sequence[int]) -> Measure:
    made = cache(kind.make)

    def measure(parameters: Parameters) -> list[Result]:
        planned(*made(seeds[0]), 0.01, parameters)  # what is loaded at first use is there
        return [planned(*made(seed), kind.work, parameters) for seed in seeds[: kind.most]]

    return measure


def _costs(kind: CostClass, seeds: Sequence[int]) -> Measure:
    made = cache(kind.make)

    def measure(parameters: Parameters) -> list[Result]:
        lowered_cost(made(seeds[0]), 0.01, 0, parameters)
        return [lowered_cost(made(seed), kind.work, seed, parameters) for seed in seeds]

    return measure
