"""The mechanisms of the search, each with the parameters that switch it off."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from optimizer.parameters import Parameters

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["COST", "MECHANISMS", "NOTHING", "REPAIR"]

ALL = Parameters()

NOTHING = "nothing"
"""The control: planned twice with everything on."""

REPAIR: Mapping[str, Parameters] = {
    NOTHING: ALL,
    "extra starts": replace(ALL, repair=replace(ALL.repair, starts=1)),
    "ejection chains": replace(ALL, chains=replace(ALL.chains, enabled=False)),
    "full hosts": replace(ALL, chains=replace(ALL.chains, full_kinds=())),
    "wider chains": replace(ALL, chains=replace(ALL.chains, wider=False)),
    "group moves": replace(ALL, groups=replace(ALL.groups, enabled=False)),
    "groups as one": replace(ALL, groups=replace(ALL.groups, as_one=False)),
    "neighbourhood search": replace(ALL, neighbourhoods=replace(ALL.neighbourhoods, enabled=False)),
    "phases": replace(ALL, neighbourhoods=replace(ALL.neighbourhoods, phases=0)),
    "trimming": replace(ALL, neighbourhoods=replace(ALL.neighbourhoods, trim=False)),
    "trade-off curves": replace(ALL, bounding=replace(ALL.bounding, tradeoff=False)),
    "subsets": replace(ALL, bounding=replace(ALL.bounding, subsets=0)),
    "affordable": replace(ALL, bounding=replace(ALL.bounding, affordable=False)),
    "refutation": replace(ALL, refutation=replace(ALL.refutation, enabled=False)),
    "whole model": replace(ALL, whole=replace(ALL.whole, enabled=False)),
    "exhaustive search": replace(ALL, exhaustive=replace(ALL.exhaustive, enabled=False)),
    "staging hops": replace(ALL, ordering=replace(ALL.ordering, hops=False)),
    "even out": replace(ALL, even_out=replace(ALL.even_out, enabled=False)),
    "even out by model": replace(ALL, even_out=replace(ALL.even_out, models=0)),
}
"""Those of plans with the fewest moves."""

COST: Mapping[str, Parameters] = {
    NOTHING: ALL,
    "rivals that pay": replace(ALL, cost=replace(ALL.cost, annealing=replace(ALL.cost.annealing, most_payers=1))),
    "iterated local search": replace(ALL, cost=replace(ALL.cost, iterated=replace(ALL.cost.iterated, enabled=False))),
    "neighbourhoods of cost": replace(ALL, cost=replace(ALL.cost, neighbourhoods=False)),
    "price bound": replace(ALL, cost=replace(ALL.cost, prices=replace(ALL.cost.prices, enabled=False))),
    "column bound": replace(ALL, cost=replace(ALL.cost, columns=replace(ALL.cost.columns, enabled=False))),
}
"""Those of placements of least cost."""

MECHANISMS = tuple(dict.fromkeys((*REPAIR, *COST)))
