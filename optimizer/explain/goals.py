"""What is asked for: that a violation ends, that VMs leave a host or stand on one, that fewer moves are made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from optimizer.fleet import ABSENT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from optimizer.problem.instance import Instance
    from optimizer.problem.problem import Problem

__all__ = ["Goal", "is_reached"]


@dataclass(frozen=True)
class Goal:
    """What a placement has to come to.

    Attributes
    ----------
    text
        In words, as what follows "what stops ..." ("emptying h1").
    ended
        Instances that are exceeded no more.
    off, on
        (VM, host): not on that host; on that host.
    empty
        Hosts without any VM at the end.
    moving
        At most that much moving, in the measure of the problem; None: any.
    kept
        Excess that an instance may have at most, where that is less than at the start: what a plan repairs stays so.
    """

    text: str
    ended: tuple[Instance, ...] = ()
    off: tuple[tuple[int, int], ...] = ()
    on: tuple[tuple[int, int], ...] = ()
    empty: tuple[int, ...] = ()
    moving: int | None = None
    kept: Mapping[Instance, int] = field(default_factory=dict)

    @property
    def vms(self) -> tuple[int, ...]:
        """The VMs that it names."""
        return tuple(dict.fromkeys(vm for vm, _ in (*self.off, *self.on)))


def is_reached(goal: Goal, problem: Problem, placement: NDArray[np.int32], excess: Mapping[Instance, int]) -> bool:
    """Whether a placement with these excesses is what was asked for."""
    away = all(placement[vm] != host and problem.also_at[vm] != host for vm, host in goal.off)
    away = away and not (np.isin(placement, goal.empty).any() or np.isin(problem.also_at, goal.empty).any())
    there = all(placement[vm] == host for vm, host in goal.on)
    moved = (placement != problem.start) & (placement != ABSENT)
    cheap = goal.moving is None or int(problem.moving[moved].sum()) <= goal.moving
    kept = all(excess.get(instance, 0) <= most for instance, most in goal.kept.items())
    return away and there and cheap and kept and not any(excess.get(instance, 0) > 0 for instance in goal.ended)
