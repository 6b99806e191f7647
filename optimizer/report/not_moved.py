"""Why a plan leaves a VM where it is: what asks for a move around it, and how the plan answers that."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from optimizer.plan import Plan, PlannedMove
    from optimizer.report.violations import ViolationFacts

__all__ = ["why_not_moved"]

SHOWN = 3
"""Moves that are named for one violation."""


def why_not_moved(vm: str, plan: Plan, around: Sequence[ViolationFacts]) -> tuple[str, ...]:
    """Say it in a line for each violation around the VM; empty where the plan moves it.

    Parameters
    ----------
    around
        The violations that a move of the VM could lessen.
    """
    if any(m.vm == vm for m in plan.moves):
        return ()
    if not around:
        return ("no violation is around it: nothing asks for its move",)
    return tuple(_answered(plan, v) for v in around)


def _answered(plan: Plan, violation: ViolationFacts) -> str:
    name = " ".join(t for t in (f"{violation.rule} of {violation.subject}", violation.resource, violation.domain) if t)
    left = [r for r in plan.remaining if _same(r, violation)]
    moves = [m for m in plan.moves if any(_same(reason, violation) for reason in m.reasons)]
    if left:
        return f"{name} remains; {left[0].would_help}"
    if moves:
        return f"{name} is repaired without it: {_named(moves)}"
    return f"{name} is no longer violated at the end of the plan"


def _same(one: object, violation: ViolationFacts) -> bool:
    return all(getattr(one, f) == getattr(violation, f) for f in ("rule", "subject", "resource", "domain"))


def _named(moves: Iterable[PlannedMove]) -> str:
    names = [f"{m.id} moves {m.vm}" for m in moves]
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
