"""Parameters of the search for a placement of least cost."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["HARD", "SOFT", "Annealing", "ColumnBounds", "CostSearch", "Iterated", "Manner", "Prices"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How one annealing goes about it.

    Parameters
    ----------
    hard
        Whether it keeps to all capacities; else it pays for passing them.
    mix
        Of 4096 proposals, up to which one they are shifts, shifts home, swaps, swaps of similar size, chains, squeezes,
        ruins; what is left emigrates (see `kernel.anneal`).
    warmth
        The first temperature over (cost after a descent - bound) / hosts.
    cooling
        The last temperature over the first.
    """

    hard: bool
    mix: tuple[int, ...]
    warmth: float
    cooling: float


HARD = Manner(hard=True, mix=(900, 2100, 2700, 3700, 4078, 4082, 4095), warmth=1.0, cooling=1e-3)
SOFT = Manner(hard=False, mix=(800, 1700, 2600, 3976, 4016, 4016, 4096), warmth=0.5, cooling=3e-3)
"""One keeps to all capacities, the other pays for passing them; few chains, which it makes before it judges them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Annealing:
    """Compiled searches that race.

    Parameters
    ----------
    keeper, payer
        How the one that keeps to all capacities goes about it, and how the others do.
    chunk_steps, chunk_seconds
        What a kernel does before it is asked whether to go on: in steps at first and where these count, else in time.
    steps_each
        Proposals a VM that are worth one search; four times as many are worth two, each twice as long, and so on.
    most_payers
        How many may begin, at most, that pay for passing capacities.
    sharing
        From when on searches share what they find: before, one that costs more may merely be warmer.
    tail
        From when on the temperature is 0.
    descent
        Proposals a VM at temperature 0, to know what to warm up to.
    homing, roaming
        Share of the capacities that count VMs at home as well, from which on home is no host like any other. With less,
        and where capacities are kept to, `roaming` takes the place of the first number of the mix.
    crowd
        VMs on a host, in the mean, from which on ruins become rare.
    melts
        VMs up to which there is time to melt all; beyond, the search that keeps to capacity begins cooler, by the root
        of their number.
    ease, strict
        How often a penalty falls at first while its capacity is kept to; and from when on it never does. Asked for
        sooner, or all at once, the penalties overshoot and undo what the warm part had found.
    penalty_share
        First penalty over the median weight of the costs.
    leave
        (Up to which part of the whole, which share of the searches is in it): most leave early, while little is lost.
    final
        Where the last two say what they found.
    """

    keeper: Manner = HARD
    payer: Manner = SOFT
    chunk_steps: int = 1 << 16
    chunk_seconds: float = 0.04
    steps_each: int = 2_500
    most_payers: int = 31
    sharing: float = 0.97
    tail: float = 0.95
    descent: int = 300
    homing: float = 0.3
    roaming: int = 2000
    crowd: int = 20
    melts: int = 1_000
    ease: float = 0.5
    strict: float = 0.7
    penalty_share: float = 0.05
    leave: tuple[tuple[float, float], ...] = ((0.1, 1.0), (0.35, 1.0), (0.5, 0.5))
    final: tuple[float, ...] = (0.6, 0.7, 0.8, 0.9, 0.97, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Iterated:
    """Iterated local search, where the annealing is frozen.

    Parameters
    ----------
    enabled
        Whether there is one.
    rounds
        Parts of the time, between which the searches go on from the best of them.
    descent
        Proposals a VM after each perturbation.
    failed
        Proposals that a perturbation which comes to nothing counts as, where these are what counts.
    home
        How often a VM comes to a host that is its home.
    """

    enabled: bool = True
    rounds: int = 4
    descent: int = 100
    failed: int = 100
    home: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """The Lagrangian bound: an ascent over prices on the hosts' levels.

    Parameters
    ----------
    enabled
        Whether it is asked for; column bounds need it.
    pairs
        VMs x hosts with which it is tried, at most; the tables of more take hundreds of MB.
    share
        Share of the time for bounds that it may take; the rest is the column bound's.
    steps, patience, least_gain
        Most steps of an ascent; it ends when `patience` of them have gained less than the share `least_gain`.
    first_step, halved_after
        Step length as a share of the largest weight, and the steps after which it is half of that.
    """

    enabled: bool = True
    pairs: int = 6_000_000
    share: float = 0.5
    steps: int = 3_000
    patience: int = 100
    least_gain: float = 1e-3
    first_step: float = 0.3
    halved_after: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnBounds:
    """The column bound: each host for itself, with whole VMs.

    Parameters
    ----------
    enabled
        Whether hosts are looked at one by one.
    least_search
        Work for which starting CP-SAT on a host is worth it.
    """

    enabled: bool = True
    least_search: float = 2e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class CostSearch:
    """What comes after what, for how long, and at which size.

    Parameters
    ----------
    annealing, iterated, prices, columns
        The parts.
    tiny_literals
        VMs x hosts up to which CP-SAT gets the whole problem at once (a1_1 has 400).
    small_literals
        The same, after annealing has found a good start for it.
    largest_to_finish
        VMs up to which something comes after the annealing; with more, building a neighbourhood takes too long.
    bound_share
        Of the time, for the bound, before the search.
    annealing_share
        Of the time, where something comes after it.
    iterated_share
        Of what is left after the annealing; the rest is CP-SAT's. By the clock, what one does not need is the next
        one's.
    neighbourhoods
        Whether CP-SAT searches a few hosts at a time at the end.
    neighbourhood_hosts
        Hosts of one: at least, and below what.
    neighbourhood_vms, neighbourhood_work
        VMs that are free in one, at most, and CP-SAT's deterministic time for it.
    """

    annealing: Annealing = field(default_factory=Annealing)
    iterated: Iterated = field(default_factory=Iterated)
    prices: Prices = field(default_factory=Prices)
    columns: ColumnBounds = field(default_factory=ColumnBounds)
    tiny_literals: int = 2_000
    small_literals: int = 20_000
    largest_to_finish: int = 1_000
    bound_share: float = 0.02
    annealing_share: float = 0.95
    iterated_share: float = 0.5
    neighbourhoods: bool = True
    neighbourhood_hosts: tuple[int, int] = (2, 5)
    neighbourhood_vms: int = 80
    neighbourhood_work: float = 0.5
