"""How a move and a run stand: one set of states for every driver, and which of them may follow which.

A move::

    (none) ──> intended ──> accepted ──> preparing ──> copying ──> switching ──> done
       │           │            └───────────┴─────────────┴───────────┴────────> failed | gone
       │           └──> failed (refused)          any of them <──> unknown ──> done | failed | gone
       └──> skipped                    failed (temporary) ──> intended: the next attempt, where one is left

==========  =======================================================================================
state       meaning
==========  =======================================================================================
intended    about to be submitted: written before the driver is called
accepted    the platform took it
preparing   the target is being made ready; nothing is copied yet
copying     memory (and disks) travel; `remaining` falls
switching   the guest is paused and goes over; it can no longer be aborted
unknown     what is seen is ambiguous: it keeps its slots and is observed until it is known
done        seen on the target and gone from the source, by job and inventory, twice
failed      seen on its source, nothing moving it: temporary (may be tried again) or permanent
gone        the VM is nowhere any more
skipped     never started, and never will be
==========  =======================================================================================
"""

from __future__ import annotations

from enum import Enum

from optimizer.errors import SafetyStop

__all__ = ["ENDED", "LEGAL", "OPEN", "Failure", "IllegalTransition", "MoveState", "RunState"]


class IllegalTransition(SafetyStop):
    """A move or a run was to pass into a state that it cannot reach: a defect, and nothing was written."""


class RunState(Enum):
    """How the execution of a plan stands; `superseded`: it was cut off, and another plan took over."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"
    SUPERSEDED = "superseded"


class MoveState(Enum):
    """How one move of a run stands."""

    INTENDED = "intended"
    ACCEPTED = "accepted"
    PREPARING = "preparing"
    COPYING = "copying"
    SWITCHING = "switching"
    UNKNOWN = "unknown"
    DONE = "done"
    FAILED = "failed"
    GONE = "gone"
    SKIPPED = "skipped"


class Failure(Enum):
    """Whether it may help to try again."""

    TEMPORARY = "temporary"
    PERMANENT = "permanent"


ENDED = frozenset({MoveState.DONE, MoveState.FAILED, MoveState.GONE, MoveState.SKIPPED})
"""A move in one of these takes no slot."""

OPEN = frozenset(MoveState) - ENDED
"""A move in one of these may be in flight: it takes its slots, and its VM is moved by nothing else."""

_ONWARD = (OPEN | ENDED) - {MoveState.INTENDED, MoveState.SKIPPED}

LEGAL: dict[MoveState | None, frozenset[MoveState]] = {
    None: frozenset({MoveState.INTENDED, MoveState.SKIPPED}),
    **{state: _ONWARD - {state} for state in MoveState if state in OPEN},
    MoveState.DONE: frozenset(),
    MoveState.FAILED: frozenset({MoveState.INTENDED, MoveState.SKIPPED}),
    MoveState.GONE: frozenset(),
    MoveState.SKIPPED: frozenset(),
}
"""The table of legal transitions; None is a move that the ledger has not heard of."""
