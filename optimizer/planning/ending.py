"""How a search ended, as far as that bears on what is said of its plan."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from optimizer.parameters import Causes

if TYPE_CHECKING:
    from collections.abc import Callable

    from optimizer.planning.without_limits import WithoutLimits

__all__ = ["Ending"]


@dataclass(frozen=True)
class Ending:
    """How the search ended (`stopped_by` None: it was finished), when to stop looking for causes, and how far to go.

    `unlimited` plans as if there were no limit on moves; None where there is none, or no time.
    """

    stopped_by: str | None = None
    over: Callable[[], bool] = lambda: False
    causes: Causes = field(default_factory=Causes)
    unlimited: Callable[[], WithoutLimits | None] = lambda: None
