"""Parameters of bounds, and of what closes the gap to them."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Bounding", "Exhaustive", "Refutation", "RoomPrices", "Whole"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounding:
    """Bounds from the eviction relaxation, connected component by connected component.

    Parameters
    ----------
    tradeoff
        Whether the curve of a simple component is read off one order of departures, without a model.
    subsets
        Components of up to that many VMs are solved by looking at every set of departures; 0: by a model, all of them.
    curve_steps
        Entries of a curve that takes no model, at most.
    model_steps
        Entries of a curve that does, at most: each takes two models, and most of the fall is in the first few.
    component_work
        CP-SAT's deterministic time for one component; a tiny one takes a thousandth of it.
    evictions_share
        Share of the time left for the least evictions; after it, who leaves is chosen greedily.
    late
        Up to that many components are still looked at when time is over or the user asked to stop, where that takes no
        model: a tenth of a second.
    frontier
        Steps of cost in a knapsack over the components; larger costs are rounded down to that many.
    ease_steps
        Steps in which the ease of placing is told apart among evictions of equal cost.
    affordable
        Whether one model over all components says who leaves where budgets do not pay for all.
    affordable_share
        Share of the time left for that.
    affordable_work
        CP-SAT's deterministic time in it for the harm of musts, that of shoulds, and moving.
    affordable_shares
        Shares of its wall time that each of these may take.
    """

    tradeoff: bool = True
    subsets: int = 14
    curve_steps: int = 40
    model_steps: int = 12
    component_work: float = 5.0
    evictions_share: float = 0.3
    late: int = 1_000
    frontier: int = 50_000
    ease_steps: int = 1000
    affordable: bool = True
    affordable_share: float = 0.4
    affordable_work: tuple[float, float, float] = (1.0, 0.2, 0.2)
    affordable_shares: tuple[float, float, float] = (0.6, 0.2, 0.2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refutation:
    """Raising the bound on moves by showing, case by case, that no clean placement has fewer.

    Parameters
    ----------
    enabled
        Whether that is tried.
    share
        Share of the time left that it may take.
    extra
        How often the bound is raised by one at most; the number of cases grows with the power of it.
    case_work
        CP-SAT's deterministic time that one case may take.
    arcs
        Pairs of a VM and a host in one case, at most: larger models are slow to build and not closed in `case_work`.
    """

    enabled: bool = True
    share: float = 0.9
    extra: int = 2
    case_work: float = 3.0
    arcs: int = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """The complete model: every VM over every host.

    Parameters
    ----------
    enabled
        Whether it is tried at all where repair leaves a gap.
    literals
        Size up to which it is tried: trials close it in seconds at this size.
    placements
        Placements that it is asked for, one after the other, before the search for a proof gives up.
    """

    enabled: bool = True
    literals: int = 20_000
    placements: int = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhaustive:
    """Looking at every placement that a tiny fleet can be brought to.

    Parameters
    ----------
    enabled
        Whether that is done.
    placements
        Placements that there may be at all: far more than can be looked at, but on full fleets few can be reached.
    states
        Placements that are looked at before this gives up: they take about ten seconds.
    share
        Share of the time left that it may take.
    """

    enabled: bool = True
    placements: float = 1e8
    states: int = 20_000
    share: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomPrices:
    """Prices for receiving VMs, which raise the bound on moves where limits should hold and large rooms are few.

    Parameters
    ----------
    enabled
        Whether they are looked for where repair leaves a gap and the complete model is too large.
    share
        Share of the time left that looking for them may take.
    host_seconds
        Seconds that have to be left of it for each host: with less nothing is begun.
    steps
        Steps at most.
    patience
        Steps after which it ends if the bound is no higher than without prices.
    first_step
        The first step of a price, in moves; they become shorter with each.
    of_harm
        The first price of a thousandth of harm, in moves.
    harm_step
        The first step of that price, as a share of itself.
    cells
        Cells of the largest room in each resource, at most: sizes are rounded down to them.
    """

    enabled: bool = True
    share: float = 0.25
    host_seconds: float = 3e-4
    steps: int = 300
    patience: int = 80
    first_step: float = 0.03
    of_harm: float = 0.05
    harm_step: float = 0.02
    cells: int = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What each host does at best, to the last unit: see `host_choices`.

    Parameters
    ----------
    hosted
        VMs that a host may have, at most: where one has more, nothing is looked at.
    finer
        Tables for small rooms: how many powers of two finer their steps are than those of the table for all rooms.
    fine_cells
        Cells of such a table in each resource, at most.
    deep
        VMs that come to a host, at most; of more it is not known who they are.
    kept
        Of each host the best that was found, and those before it, at most.
    admitted
        Cells of the table of who may come where, at most: of VMs beyond that it is not known who stands there.
    provable
        Nodes of all hosts together with which a bound is said, at most: the judge has twenty-five times as many.
    chunk
        Hosts between two looks at the clock.
    quick, thorough
        Limits of a host's search: nodes, nodes in filling one room, nodes in filling all of them.
    """

    hosted: int = 256
    finer: tuple[int, ...] = (2, 4)
    fine_cells: int = 128
    deep: int = 40
    kept: int = 4
    admitted: int = 50_000_000
    provable: int = 40_000
    chunk: int = 256
    quick: tuple[int, int, int] = (1_000, 20, 60)
    thorough: tuple[int, int, int] = (3_000, 500, 3_000)
