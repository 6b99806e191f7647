"""All parameters of the search."""

from __future__ import annotations

from dataclasses import dataclass, field

from optimizer.parameters.balance import Balancing
from optimizer.parameters.bounds import Bounding, Choices, Exhaustive, Refutation, RoomPrices, Whole
from optimizer.parameters.cost import CostSearch
from optimizer.parameters.order import Ordering
from optimizer.parameters.planning import Causes, Describing, EvenOut, Parts, Scoped
from optimizer.parameters.repair import Chains, Columns, Evening, Groups, Neighbourhoods, Phased, Preferences, Repair

__all__ = ["Parameters"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What the search is made of and how far each part of it goes; every group stands for itself.

    Parameters
    ----------
    repair
        Orders of reception, and the shares of time of what comes after it.
    chains
        Ejection chains.
    evening
        Reception where limits should hold that are hard to hold.
    columns
        What each host can do, and what of it fits together, where limits should hold that are hard to hold.
    phased
        Annealing over whole plans, where limits should hold that are hard to hold.
    groups
        Bringing groups together, or apart, one VM at a time or as one.
    preferences
        Room for many VMs that should stand on the same few hosts.
    neighbourhoods
        CP-SAT over a few hosts.
    bounding
        Bounds from the relaxation that looks at departures alone.
    refutation
        A higher bound on moves, case by case.
    room_prices
        A higher bound on moves, by prices for receiving VMs.
    choices
        What each host does at best, for prices and for columns.
    whole
        The complete model.
    exhaustive
        Every placement that a tiny fleet can be brought to.
    ordering
        The order of moves, staging hops, moves that are left out.
    even_out
        The choice among targets of equal cost.
    balancing
        The best balance that moves can buy.
    parts
        When and how a fleet is split.
    scoped
        Plans under limits of the command line.
    causes
        How far it is looked for what keeps a violation from being repaired.
    describing
        Time that is kept for describing a plan.
    cost
        The search for a placement of least cost, and its bounds.
    """

    repair: Repair = field(default_factory=Repair)
    chains: Chains = field(default_factory=Chains)
    evening: Evening = field(default_factory=Evening)
    columns: Columns = field(default_factory=Columns)
    phased: Phased = field(default_factory=Phased)
    groups: Groups = field(default_factory=Groups)
    preferences: Preferences = field(default_factory=Preferences)
    neighbourhoods: Neighbourhoods = field(default_factory=Neighbourhoods)
    bounding: Bounding = field(default_factory=Bounding)
    refutation: Refutation = field(default_factory=Refutation)
    room_prices: RoomPrices = field(default_factory=RoomPrices)
    choices: Choices = field(default_factory=Choices)
    whole: Whole = field(default_factory=Whole)
    exhaustive: Exhaustive = field(default_factory=Exhaustive)
    ordering: Ordering = field(default_factory=Ordering)
    even_out: EvenOut = field(default_factory=EvenOut)
    balancing: Balancing = field(default_factory=Balancing)
    parts: Parts = field(default_factory=Parts)
    scoped: Scoped = field(default_factory=Scoped)
    causes: Causes = field(default_factory=Causes)
    describing: Describing = field(default_factory=Describing)
    cost: CostSearch = field(default_factory=CostSearch)
