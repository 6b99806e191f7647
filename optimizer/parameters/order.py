"""Parameters of ordering."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Ordering"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordering:
    """How far an order of moves is looked for, and what is done where there is none.

    Parameters
    ----------
    states
        States that the search for an order of one connected component may look at; about a second.
    big
        Components of more moves get a tenth of that: they are hardly ever exhausted, so a glance has to do.
    hops
        Whether staging hops are tried where moves block one another.
    hop_tries
        Sets of detours that are tried for one component.
    hop_states
        States that one such try may look at.
    aside
        VMs from outside the plan that are tried as ones to step aside.
    thirds
        Third hosts that are remembered for a VM.
    leave_out_states
        States that the search for the best part of a component may look at.
    arcs_each
        Moves of one set among which every single arc is tried for being needed.
    arcs_enumerated
        Moves of one set whose closed sets are all looked at; more are chained.
    """

    states: int = 20_000
    big: int = 40
    hops: bool = True
    hop_tries: int = 150
    hop_states: int = 3_000
    aside: int = 8
    thirds: int = 4
    leave_out_states: int = 5_000
    arcs_each: int = 6
    arcs_enumerated: int = 12
