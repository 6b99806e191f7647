"""The whole ablation: every mechanism off, one at a time, on every class of fleets."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from benchmarks.ablation.classes import CLASSES, COSTS
from benchmarks.ablation.compare import compared
from benchmarks.ablation.measure import Result, lowered_cost, planned
from benchmarks.ablation.mechanisms import COST, MECHANISMS, REPAIR
from optimizer.parameters import Parameters

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmarks.ablation.classes import CostClass, FleetClass
    from benchmarks.ablation.compare import Comparison

Measure = Callable[[Parameters], list[Result]]

__all__ = ["run"]


def run(seeds: Sequence[int], only: Sequence[str], tell: Callable[[str], None]) -> list[Comparison]:
    """Plan everything and compare; rows by mechanism, then by class.

    Parameters
    ----------
    seeds
        Of the fleets, and of the searches where cost alone counts.
    only
        Texts of which a class or a mechanism has to have one in its name, if any are given.
    """
    rows: list[Comparison] = []
    for kind, measure in _measures(seeds).items():
        mechanisms = COST if kind in COSTS else REPAIR
        asked = not only or any(text in kind for text in only)
        chosen = {name: p for name, p in mechanisms.items() if asked or any(text in name for text in only)}
        if chosen:
            tell(kind)
            rows += _compared(kind, chosen, measure)
    order = {name: n for n, name in enumerate(MECHANISMS)}
    return sorted(rows, key=lambda row: order[row.mechanism])


def _compared(kind: str, mechanisms: Mapping[str, Parameters], measure: Measure) -> Iterator[Comparison]:
    on = measure(Parameters())
    for name, parameters in mechanisms.items():
        yield compared(name, kind, on, measure(parameters))


def _measures(seeds: Sequence[int]) -> dict[str, Measure]:
    """Return for each class what searches with parameters on all its fleets."""
    out: dict[str, Measure] = {kind: _plans(fleets, seeds) for kind, fleets in CLASSES.items()}
    return out | {kind: _costs(problems, seeds) for kind, problems in COSTS.items()}


def _plans(kind: FleetClass, seeds: Sequence[int]) -> Measure:
    made = cache(kind.make)

    def measure(parameters: Parameters) -> list[Result]:
        planned(*made(seeds[0]), 0.01, parameters)  # what is loaded at first use is there
        return [planned(*made(seed), kind.work, parameters) for seed in seeds]

    return measure


def _costs(kind: CostClass, seeds: Sequence[int]) -> Measure:
    made = cache(kind.make)

    def measure(parameters: Parameters) -> list[Result]:
        lowered_cost(made(seeds[0]), 0.01, 0, parameters)
        return [lowered_cost(made(seed), kind.work, seed, parameters) for seed in seeds]

    return measure
