"""Parameters of repair: evict, receive, and search around what is left."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Chains", "Columns", "Evening", "Groups", "Neighbourhoods", "Phased", "Preferences", "Repair"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """Orders in which evicted VMs are received, and how the time is shared out.

    Parameters
    ----------
    near
        Hosts around a VM's own that are asked first for room, in fleets of more than twice as many.
    starts
        Orders in which the evicted are received, at most; with 1 there are no extra starts.
    paid_starts
        The same where budgets say who leaves: what is left is what they do not pay for, in any order.
    spread
        Standard deviation of the logarithm of the factors by which starts after the second misjudge how hard VMs are to
        place.
    starts_share
        Share of the time left that the starts after the first may take.
    vain_share
        Share of the time left after which no more are received where all that time none found room.
    first_share
        Share of the time left that the only start may take where whole plans are annealed after it.
    search_share
        Share of the time that may be searched; the rest is for the proof of what was found.
    beside_share
        Share of the time left that repairing may take while a refutation runs beside it: the rest is for that to end.
    small_share
        Share of the time left that repairing may take where the complete model is small enough to be tried after it.
    near_share
        The same where some harm has to stay and little more than that does: it is the complete model that gets further.
    nearly
        Little more: above the least harm by one part in that many.
    trim_share
        Share of the time left that taking back moves beyond the bound may take.
    """

    near: int = 4_096
    starts: int = 12
    paid_starts: int = 4
    spread: float = 0.5
    starts_share: float = 0.3
    vain_share: float = 0.2
    first_share: float = 0.5
    search_share: float = 0.95
    trim_share: float = 0.35
    beside_share: float = 0.75
    small_share: float = 0.4
    near_share: float = 0.1
    nearly: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Chains:
    """Ejection chains: a VM goes where another makes way, and so on.

    Parameters
    ----------
    enabled
        Whether there are any.
    wider
        Whether what CP-SAT leaves is tried again with ever more VMs asked to make way.
    kinds
        (VMs that may make way one after the other, VMs that may move that had not), attempt by attempt.
    full_kinds
        As `kinds`, for chains that leave each host full: every second start begins with these, where the ones before
        left more broken than has to be; with none there are no such starts.
    movers
        VMs of one violation that are tried, before CP-SAT.
    nodes
        VMs of one chain's search for which it is looked up who could make way, before CP-SAT; after it, ever more.
    block
        VMs that are compared at once with the room of all hosts.
    host_kinds
        As `kinds`, for a VM that finds no room where a host is emptied as a whole.
    """

    enabled: bool = True
    wider: bool = True
    kinds: tuple[tuple[int, int], ...] = ((0, 1), (1, 1), (2, 1), (4, 1), (1, 2), (2, 2), (4, 2), (2, 3))
    full_kinds: tuple[tuple[int, int], ...] = ((1, 2), (2, 3), (4, 4))
    movers: int = 12
    nodes: int = 100
    block: int = 256
    host_kinds: tuple[tuple[int, int], ...] = ((1, 1), (2, 1), (1, 2), (2, 2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Evening:
    """Reception where limits should hold that the sizes of VMs make hard to hold: balance, headroom.

    Parameters
    ----------
    enabled
        Whether those who leave are received so first.
    share
        Share of the time left that it may take.
    depth
        Hosts that make way one for the other, at most.
    asked
        Hosts that a VM asks for room, those with least room left over first.
    hosts
        Hosts of which it is asked who makes way, those that lack least room first.
    ways
        Hosts of these that are tried, those that take fewest moves first.
    """

    enabled: bool = True
    share: float = 0.3
    depth: int = 2
    asked: int = 16
    hosts: int = 256
    ways: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Phased:
    """Annealing over whole plans in phases, where limits should hold that are hard to hold.

    Parameters
    ----------
    enabled
        Whether there is any.
    share
        Share of the time left that it may take.
    compiling
        Seconds that have to be left for kernels to be compiled that are not in the cache.
    phases, most_phases
        Phases of a plan: how many moves may wait one for the other; and where the first plan takes more, twice as many,
        and so on, at most.
    steps
        Proposals a VM, from warm to cold.
    least_steps
        Proposals from warm to cold, however few the VMs.
    stale
        Times in a row that this came to nothing better, after which it ends.
    chunk_steps, chunk_seconds
        Proposals before the first look at the clock; seconds between two looks later on.
    must, should
        What a thousandth of harm costs, in moves of the mean VM.
    warmth, cooling
        The first temperature, in moves of the mean VM; the last one over the first.
    tail
        From which part on the temperature is 0.
    forced_from, forced, forced_share
        The share of those that leave by column that have to find no way, for all to be forced there: see
        `forced_plans`; what it costs to put a VM where there is no room on its way, in moves of the mean VM; the share
        of the time left then that each annealing of such a plan takes.
    mix
        Of 4096 VMs that are looked at, up to which one they are away from home, then on a host with harm; of 4096
        proposals, up to which one they are which: see `kernel_phased_search.phased_search`.
    """

    enabled: bool = True
    share: float = 0.6
    compiling: float = 15.0
    phases: int = 12
    most_phases: int = 96
    steps: int = 2_000
    least_steps: int = 2_000_000
    stale: int = 3
    chunk_steps: int = 1 << 13
    chunk_seconds: float = 0.02
    must: int = 100
    should: int = 1
    warmth: float = 0.1
    cooling: float = 0.1
    tail: float = 0.9
    forced_from: float = 0.05
    forced: float = 15.0
    forced_share: float = 0.3
    mix: tuple[int, ...] = (2400, 2600, 300, 1800, 1900, 2800, 3600, 3800)


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What each host can do, host by host, and of all that what fits together: see `column_search`.

    Parameters
    ----------
    enabled
        Whether there is any.
    share
        Share of the time left that it may take.
    repair_share
        Share of the time left then for repairing what columns do not know.
    host_seconds
        Seconds that have to be left for each host: with less nothing is begun.
    compiling
        Seconds that have to be left where the kernels are not compiled.
    part
        Hosts of the parts in which prices settle first, where there are twice as many or more.
    steps
        Steps of prices by size before the linear program has its say; columns of the last third are kept.
    first_step
        The first of these, in moves.
    octave
        Sizes that are told apart between one amount and its double.
    rounds
        Linear programs, at most.
    idle
        Linear programs in a row that may bring nothing new.
    box
        How far prices may move in one of them, in moves; more after each that proves as much as it says.
    boxes
        The least and the largest of these.
    as_said
        The share of what the linear program says that prices gain by, that they gain then.
    few
        New columns for each host below which hosts are searched thoroughly.
    other
        What another VM's place costs when columns are chosen, in moves: that of a larger one, and that of one that is
        larger in two resources, but not in all.
    waiting
        What a host costs then that has room for those who come only once others left, in moves.
    blamed
        What a column costs for each choice that could not be carried out for it, in moves.
    polished
        Linear programs with that before each choice, for better columns, at most.
    attempts
        Choices with as few moves, after the first, at most: not all can be carried out as well.
    polishing_share
        Share of the time left that both may take.
    close
        The linear program has its last say when the bound is this close, in moves.
    linked
        How many sizes of the first resource up, and down, places are linked that VMs of another size may have.
    near
        How much less columns of parts may have to cost, in moves, to be chosen there: others are not kept.
    homeless
        By how much a VM that nobody takes counts as more than its price, in moves, when columns are chosen.
    pricing_share
        Share of the time in which prices have to settle: nothing is chosen at others.
    chosen_part
        Of hosts with several columns in part, the part for which one is chosen before the next linear program.
    matchings
        How often those that leave are matched with places, at most.
    """

    enabled: bool = True
    share: float = 0.75
    repair_share: float = 0.5
    host_seconds: float = 0.022
    compiling: float = 20.0
    part: int = 1000
    steps: int = 40
    first_step: float = 0.03
    octave: int = 2
    rounds: int = 200
    idle: int = 4
    box: float = 0.1
    boxes: tuple[float, float] = (0.05, 2.0)
    as_said: float = 0.5
    few: float = 0.02
    other: tuple[float, float] = (0.002, 0.01)
    waiting: float = 0.001
    blamed: float = 0.05
    polished: int = 2
    attempts: int = 20
    polishing_share: float = 0.6
    close: float = 0.1
    linked: int = 5
    near: float = 0.05
    homeless: float = 1.0
    pricing_share: float = 0.6
    chosen_part: float = 0.125
    matchings: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """Groups that are judged by where all their VMs are (spread, together, needs).

    Parameters
    ----------
    enabled
        Whether their VMs are moved one by one before chains and CP-SAT.
    as_one
        Whether a group goes as one with a VM that has to leave.
    failures
        VMs of one group, one after the other, for which no host was found, after which it is left to the others. It
        counts failures alone: however many moves a group wants, it gets them.
    share
        Share of the time left that they may take.
    """

    enabled: bool = True
    as_one: bool = True
    failures: int = 60
    share: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """Many VMs that should stand on the same few hosts.

    Parameters
    ----------
    enabled
        Whether others make way for them, host by host.
    least
        Fewer VMs than that are left to chains, which need fewer moves.
    failures
        VMs, one after the other, that do not come to a host for which its sums have room, after which it is left.
    """

    enabled: bool = True
    least: int = 20
    failures: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbourhoods:
    """CP-SAT over the few hosts that matter.

    Parameters
    ----------
    enabled
        Whether violations are searched around.
    trim
        Whether moves beyond the bound are taken back.
    attempts
        (moves that repairing one violation may add, hosts beside those of it), attempt by attempt. Few moves first:
        they are what is paid for, and they make the search short.
    phases
        Phases of the model that knows when each VM moves: open a hole, use it, use what that opened. 0: without it.
    trims
        Hosts beside those of a move that is to be taken back, attempt by attempt.
    trim_rounds
        Attempts in a row that took nothing back, after which taking back ends; as many more for each that did.
    work
        CP-SAT's deterministic time for one neighbourhood.
    literals
        Size at which one stops growing: above it CP-SAT takes seconds for what a smaller one finds at once.
    """

    enabled: bool = True
    trim: bool = True
    attempts: tuple[tuple[int, int], ...] = (
        (1, 6),
        (1, 14),
        (2, 6),
        (2, 14),
        (3, 10),
        (1, 28),
        (5, 14),
        (8, 20),
        (1000, 28),
    )
    phases: int = 3
    trims: tuple[int, ...] = (6, 14, 28)
    trim_rounds: int = 12
    work: float = 3.0
    literals: int = 6_000
