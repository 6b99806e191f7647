"""How much a demand binds."""

from __future__ import annotations

from enum import Enum

__all__ = ["Hardness"]


class Hardness(Enum):
    """How much a demand binds.

    ``MUST`` is never made worse and repaired if at all possible. ``SHOULD`` is repaired where no must suffers, for
    its weight (and at most its price in moves). ``GUARD`` is never made worse and never a reason to move: it judges
    arrivals. ``HARD`` has no degrees: no move may break it (enter, fixed, flow).
    """

    MUST = "must"
    SHOULD = "should"
    GUARD = "guard"
    HARD = "hard"
