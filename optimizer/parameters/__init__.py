"""The parameters of the search, in one place: how wide and how long it looks, and which of its mechanisms are on.

`Parameters` has a group for each part of the search; a caller hands it in with `pipeline.Request` (or `Limits`), and
each part is handed its own group. Elsewhere in the program no constant tunes the search: what is left there are limits
of the formats, safety caps, and measured figures of how much work something counts as.

May not enter: code; plain data alone is here.
"""

from optimizer.parameters.bounds import Bounding, Choices, Exhaustive, Refutation, RoomPrices, Whole
from optimizer.parameters.cost import HARD, SOFT, Annealing, ColumnBounds, CostSearch, Iterated, Manner, Prices
from optimizer.parameters.order import Ordering
from optimizer.parameters.parameters import Parameters
from optimizer.parameters.planning import Causes, Describing, EvenOut, Parts, Scoped
from optimizer.parameters.repair import Chains, Columns, Evening, Groups, Neighbourhoods, Phased, Preferences, Repair

__all__ = [
    "HARD",
    "SOFT",
    "Annealing",
    "Bounding",
    "Causes",
    "Chains",
    "Choices",
    "ColumnBounds",
    "Columns",
    "CostSearch",
    "Describing",
    "EvenOut",
    "Evening",
    "Exhaustive",
    "Groups",
    "Iterated",
    "Manner",
    "Neighbourhoods",
    "Ordering",
    "Parameters",
    "Parts",
    "Phased",
    "Preferences",
    "Prices",
    "Refutation",
    "Repair",
    "RoomPrices",
    "Scoped",
    "Whole",
]
