"""What the rules of the command line's switches share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from optimizer.fleet.selection import named_hosts, named_vms
from optimizer.problem.rule import Hardness, NotEvaluated, Violation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from optimizer.fleet import Fleet
    from optimizer.fleet.plausible import Doubt

__all__ = ["Switch"]


@dataclass(frozen=True, kw_only=True)
class Switch:
    """A rule that a switch asks for: named as the switch is written, which no rule of a policy can be.

    Parameters
    ----------
    words
        The names that were given with it.
    """

    switch: ClassVar[str] = ""
    of_vms: ClassVar[bool] = False

    words: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The switch, as written."""
        return self.switch

    @property
    def understands(self) -> frozenset[str]:
        """A switch looks after no need of a VM."""
        return frozenset()

    @property
    def price(self) -> int | None:
        """A switch has no price."""
        return None

    def not_evaluated(self, fleet: Fleet) -> Iterable[NotEvaluated]:
        """Name the words that mean nothing in this fleet: of a plan, they say that somebody has changed it."""
        for word in self.words:
            if self.of_vms and not named_vms(fleet, word):
                yield NotEvaluated(self.name, word, vms=1)
            if not self.of_vms and not named_hosts(fleet, word):
                yield NotEvaluated(self.name, word, hosts=1)

    def doubts(self, fleet: Fleet) -> Iterable[Doubt]:
        """Say nothing: a switch was given on purpose."""
        return ()

    def refusal(self, subject: str, value: int, limit: int, vms: tuple[int, ...], reason: str = "") -> Violation:
        """Return the violation of a move that should not have been made."""
        return Violation(
            rule=self.name,
            subject=subject,
            hardness=Hardness.HARD,
            value=value,
            limit=limit,
            excess=1,
            vms=vms,
            reason=reason,
        )
