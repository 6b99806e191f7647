"""Instants at which a process may die, by name: three for each of the steps that change something.

========  =====================================================================================
instant   what is so
========  =====================================================================================
before    nothing of the step is done
within    the effect is there (the rows are written, the driver was called), and not committed
after     it is committed, and nobody has heard of it yet
========  =====================================================================================

========  ==========================================================================
step      what it does
========  ==========================================================================
lead      takes the lead, under a new epoch
begin     writes down that the plan is carried out, and which run it follows
keep      renews the lead (a lease; with a file's lock it is an empty transaction)
intend    writes that a move is about to be submitted, within all caps
retry     the same for another attempt
submit    calls the driver, and writes what it answered
progress  writes states of moves that go on
confirm   writes how moves ended
withdraw  takes an intent back that was not submitted: the button was pressed
skip      writes that moves will not start
abort     calls the driver, and writes that it was asked to give a move up
end       writes how the run ended
========  ==========================================================================
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["INSTANTS", "PROBES", "STEPS", "Probe", "unwatched"]

INSTANTS = ("before", "within", "after")
STEPS = (
    *("lead", "begin", "keep", "intend", "retry", "submit"),
    *("progress", "confirm", "withdraw", "skip", "abort", "end"),
)
PROBES = tuple(f"{when} {step}" for step in STEPS for when in INSTANTS)

Probe = Callable[[str], None]
"""Is told of every instant of `PROBES` that is passed."""


def unwatched(_: str) -> None:
    """Let an instant pass."""
