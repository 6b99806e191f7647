"""Parameters of the search for the best balance that moves can buy."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Balancing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Balancing:
    """Single moves that gain most, then some of them taken back and made anew, then CP-SAT over a few hosts.

    Parameters
    ----------
    enabled
        Whether what repair leaves of the moves is spent at all.
    repair_share
        Share of the time left that repairing may take before it.
    sizes
        Sizes of VMs that are told apart when it is guessed what a move gains.
    coolest
        Hosts, the coolest, that are looked at for that, and tried first.
    guesses
        VMs, those of the highest guesses, of which each step looks at the gain itself, at most.
    asked
        Hosts that a VM asks for room, those first where it gains most.
    taken_back
        Moves that are taken back at once, at most.
    stale
        Tries to make moves anew that gain nothing, one after the other, before the search is finished.
    model_hosts, model_moves
        Hosts of a CP-SAT model, and VMs that are free in it, at most.
    model_work
        CP-SAT's deterministic time for one model.
    models
        Models that find nothing, one after the other, before the search is finished; 0: none.
    step_work
        What one step counts as work.
    departures
        For the bound: departures from one host that are told apart; one with more VMs lets all of them go for as much.
    arrivals
        For the bound: arrivals at one host that are told apart; as many as that let any number come.
    price_steps
        For the bound: steps of the search for the price of load.
    """

    enabled: bool = True
    repair_share: float = 0.5
    sizes: int = 48
    coolest: int = 256
    guesses: int = 48
    asked: int = 32
    taken_back: int = 8
    stale: int = 60
    model_hosts: int = 6
    model_moves: int = 60
    model_work: float = 0.3
    models: int = 4
    step_work: float = 2e-3
    departures: int = 32
    arrivals: int = 3
    price_steps: int = 24
