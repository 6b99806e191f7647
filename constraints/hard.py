"""What the rules without degrees share: a move may break them or not, so they are never a ``should``."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic.dataclasses import dataclass

from constraints.common import CONFIG, Parameters
from optimizer.problem.rule import Hardness, Violation

if TYPE_CHECKING:
    from collections.abc import Collection

    from optimizer.fleet import State

__all__ = ["HardParameters", "check_facts", "counted", "ends_of"]


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class HardParameters(Parameters):
    """Common parameters of a rule that only refuses moves; `facts` are those that `require` may name."""

    facts: ClassVar[frozenset[str]] = frozenset()

    hardness: Literal["must"] = "must"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_facts(self.require, self.facts)

    def refusal(self, subject: str, reason: str, value: int, limit: int, vms: tuple[int, ...]) -> Violation:
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


def check_facts(require: Collection[str], facts: Collection[str]) -> None:
    """Refuse a `require` that can never be missed: a misspelt fact would be a safety that is not there."""
    unknown = sorted(set(require) - set(facts))
    if unknown:
        raise ValueError(
            f"require: {unknown[0]!r} is no fact that this rule reads; it reads {', '.join(sorted(facts)) or 'none'}"
        )


def ends_of(state: State, vm: int) -> set[int]:
    """Return the hosts at which a VM may turn out to be."""
    ends = {int(state.placement[vm]), int(state.fleet.also_at[vm])}
    ends.update(m.target for m in state.in_flight if m.vm == vm)
    return {h for h in ends if h >= 0}


def counted(number: int, one: str) -> str:
    """Return ``1 VM``, ``2 VMs``."""
    return f"{number} {one}" + ("" if number == 1 else "s")
