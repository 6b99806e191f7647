"""How far the service goes by itself."""

from __future__ import annotations

from enum import Enum

__all__ = ["Level"]


class Level(Enum):
    """Each level does what those before it do, and one thing more.

    =======  ======================================================
    observe  reads and watches; imbalances are recorded and told
    propose  makes plans, and keeps them for people to carry out
    approve  carries a plan out once somebody has approved it
    act      carries plans out
    =======  ======================================================
    """

    OBSERVE = "observe"
    PROPOSE = "propose"
    APPROVE = "approve"
    ACT = "act"

    @property
    def plans(self) -> bool:
        """Whether plans are made."""
        return self is not Level.OBSERVE

    @property
    def acts(self) -> bool:
        """Whether VMs may be moved."""
        return self in (Level.APPROVE, Level.ACT)
