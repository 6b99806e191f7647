"""A rule around another: what a switch changes of it, and all else as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from optimizer.fleet import Fleet
    from optimizer.fleet.plausible import Doubt
    from optimizer.problem.rule import NotEvaluated, Rule, Violation

__all__ = ["Wrapped"]


@dataclass(frozen=True)
class Wrapped:
    """The parts of a rule that no switch changes."""

    inner: Rule

    @property
    def name(self) -> str:
        """The rule's own name."""
        return self.inner.name

    @property
    def understands(self) -> frozenset[str]:
        """The needs that the rule looks after."""
        return self.inner.understands

    @property
    def price(self) -> int | None:
        """The rule's own price."""
        price: int | None = getattr(self.inner, "price", None)
        return price

    def explain(self, violation: Violation, fleet: Fleet) -> str:
        """Say it as the rule does."""
        return self.inner.explain(violation, fleet)

    def not_evaluated(self, fleet: Fleet) -> Iterable[NotEvaluated]:
        """Name what the rule names."""
        return self.inner.not_evaluated(fleet)

    def doubts(self, fleet: Fleet) -> Iterable[Doubt]:
        """Say what the rule says."""
        return self.inner.doubts(fleet)
