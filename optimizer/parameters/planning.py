"""Parameters of what is around the search: targets of equal cost, parts, causes, the time for describing."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Causes", "Describing", "EvenOut", "Parts", "Scoped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvenOut:
    """Among plans of equal cost, one by which no host ends hotter than it must.

    Local search takes several kinds of steps, one kind after the other: other targets, exchanges, who moves.

    Parameters
    ----------
    enabled
        Whether targets are chosen anew at all.
    share
        Share of the time left that this may take (DESIGN: at most 20 %).
    base, per_move
        Work at most for each kind of steps, and more for each VM that moves: by count and not by the clock, so that a
        plan can be repeated.
    partners
        VMs with which an exchange of targets is tried, at most: those on the coolest hosts.
    mates
        VMs of a set that are tried in place of one that moves, at most.
    others
        Hosts that a VM may go to that moves in place of another, at most: the coolest.
    models
        CP-SAT models for the hottest host, at most, after each kind of steps; 0: none.
    model_vms
        VMs that are free in one model, at most: those of the hottest host first, then those on the coolest hosts.
    model_hosts
        Hosts that each of them may choose from, at most: the coolest.
    model_work
        CP-SAT's deterministic time for one model.
    whole_literals
        Size up to which the complete model of this stage is solved: who moves is free in it as well; 0: never.
    whole_share
        Share of the time of this stage that it may take.
    whole_work
        CP-SAT's deterministic time for all of its heats together, placement by placement.
    levels
        Heats that it minimizes one after the other, the highest first, at most.
    placements
        Placements that it is asked for, at most, until one can be carried out as it is.
    """

    enabled: bool = True
    share: float = 0.2
    base: float = 0.3
    per_move: float = 1e-3
    partners: int = 12
    mates: int = 50
    others: int = 3
    models: int = 3
    model_vms: int = 24
    model_hosts: int = 60
    model_work: float = 0.4
    whole_literals: int = 3_000
    whole_share: float = 0.6
    whole_work: float = 0.5
    levels: int = 10
    placements: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """When and how a fleet is split.

    Parameters
    ----------
    whole_up_to
        Hosts up to which a fleet is not split unless that is asked for.
    hosts_each
        Hosts of a part, where nobody says how many parts there are to be.
    share
        Share of the time left that the parts may take; the rest is for the boundaries, the order and the proof.
    """

    whole_up_to: int = 50_000
    hosts_each: int = 10_000
    share: float = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoped:
    """Plans under limits, which are made twice where hosts have to be emptied.

    Parameters
    ----------
    first_share
        Share of the time for the plan that says which hosts are emptied, where a second one may follow.
    """

    first_share: float = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Causes:
    """How far it is looked for the single change by which a VM would repair what a plan leaves.

    Parameters
    ----------
    looks
        Pairs of a VM and a host that are looked at for one plan, at most: what is left then is called not analysed.
    vms
        VMs that are looked at for one violation, at most: the smallest.
    tries
        Hosts to which a VM is sent for a trial of one obstacle, at most.
    unlimited_share
        Share of the time left in which it is planned once more as if there were no limit on moves.
    unlimited_builds
        That is left out where less time is left than this many times what it took to state the problem.
    most_share
        Share of the search's time that is kept for causes at most, however much is left.
    """

    looks: int = 40_000_000
    vms: int = 60
    tries: int = 4
    unlimited_share: float = 0.5
    unlimited_builds: float = 5.0
    most_share: float = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Describing:
    """The time that is kept for saying what was found.

    Parameters
    ----------
    least_s
        Wall seconds that are kept for describing and printing any plan.
    move_s, left_s
        Wall seconds that it takes to describe, write and print one move, and one violation that is left.
    per_build
        What describing takes more, in times of building the problem and judging the fleet as it is.
    most_share
        Share of the time that is kept for describing at most.
    """

    least_s: float = 0.1
    move_s: float = 1e-4
    left_s: float = 2.5e-5
    per_build: float = 2.0
    most_share: float = 0.5
