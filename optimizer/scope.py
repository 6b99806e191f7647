"""What one run of `plan` is restricted to: the switches of the command line, as plain data that a plan carries.

Names are kept as they were given (after files of names were read): ids, ``LEVEL:ID``, globs, and for `only` also
``rule:NAME``, ``group:NAME``, ``host:NAME``. What they mean in a fleet, `optimizer.fleet.selection` says.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["EVERYTHING", "WAITING", "KeptRoom", "Scope"]

WAITING = "vms_to_leave"
"""What is counted, as a resource, on a host that is to be emptied as a whole: an excess of it may wait for a limit."""


@dataclass(frozen=True, slots=True)
class KeptRoom:
    """Room that a plan makes, or leaves, on a host for a VM that does not exist yet; `demand` by resource."""

    vm: str
    host: str
    demand: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Scope:
    """A restriction of one plan; the empty one restricts nothing.

    Attributes
    ----------
    drain
        Hosts to be emptied.
    exclude
        VMs that stay.
    only
        Rules, groups and hosts whose violations are fixed; all others get no worse.
    sources, targets
        Hosts that VMs may leave; hosts that may receive. Empty: all.
    undo
        VMs that go back to where a run took them from, as ``VM=HOST``; all else gets no worse.
    max_moves, max_gib
        At most that many moves; at most that much copied.
    balance
        Resources whose use is to be as even as the moves that are left can make it.
    whole
        Some limit may not pay for emptying all hosts that are to be emptied, so each of them is emptied or left alone.
    begun
        Ids of hosts of which, although not all can leave, as many leave as can: no limit is in their way, or each
        host to be emptied is larger than the limits, and this one is begun.
    room
        Where VMs to come will stand: their hosts have room for them when the plan is done.
    """

    drain: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    max_moves: int | None = None
    max_gib: int | None = None
    whole: bool = False
    begun: tuple[str, ...] = ()
    undo: tuple[str, ...] = ()
    room: tuple[KeptRoom, ...] = ()
    balance: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self != EVERYTHING


EVERYTHING = Scope()
"""The scope that restricts nothing."""
