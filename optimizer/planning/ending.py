"""How a search ended, as far as that bears on what is said of its plan."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import inf
from typing import TYPE_CHECKING

from optimizer.parameters import Causes, Describing

if TYPE_CHECKING:
    from collections.abc import Callable

    from optimizer.planning.without_limits import WithoutLimits

__all__ = ["Ending", "telling_s"]


@dataclass(frozen=True)
class Ending:
    """How the search ended (`stopped_by` None: it was finished), when to stop looking for causes, and how far to go.

    `left` says how many seconds there still are; the last `kept_s` of them are for saying what there is to say.
    `unlimited` plans as if there were no limit on moves; None where there is none, or no time.
    """

    stopped_by: str | None = None
    left: Callable[[], float] = lambda: inf
    causes: Causes = field(default_factory=Causes)
    unlimited: Callable[[], WithoutLimits | None] = lambda: None
    describing: Describing = field(default_factory=Describing)
    kept_s: float = 0.0

    def keeping(self, moves: int, left: int) -> Ending:
        """Return the same, with the time kept free that it takes to say these moves, and the violations left."""
        return replace(self, kept_s=telling_s(self.describing, moves, left))

    def over(self) -> bool:
        """Whether to stop looking for causes."""
        return self.left() <= self.kept_s


def telling_s(given: Describing, moves: int, left: int) -> float:
    """Return about how many seconds it takes to describe, write and print a plan, its causes apart."""
    return given.least_s + given.move_s * moves + given.left_s * left
