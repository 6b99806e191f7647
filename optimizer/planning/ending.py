"""How a search ended, as far as that bears on what is said of its plan."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from optimizer.parameters import Causes

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Ending"]


@dataclass(frozen=True)
class Ending:
    """How the search ended (`stopped_by` None: it was finished), when to stop looking for causes, and how far to go."""

    stopped_by: str | None = None
    over: Callable[[], bool] = lambda: False
    causes: Causes = field(default_factory=Causes)
