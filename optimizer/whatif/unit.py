"""What `fit` counts: one VM, a group of replicas, or a mix of kinds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optimizer.whatif.fill import Cap
    from optimizer.whatif.room import Kind

__all__ = ["Replicas", "Unit"]


@dataclass(frozen=True, slots=True)
class Replicas:
    """The new VMs are whole groups of `number`, each with at most `at_most` in a domain of `level` (its number)."""

    number: int
    level: int
    at_most: int = 1


@dataclass(frozen=True, eq=False)
class Unit:
    """What is counted.

    Attributes
    ----------
    kinds, each
        The kinds, and how many VMs of each one unit has.
    spread
        With groups of replicas: the domain of each host (int32 [H]), and how many of one group a domain takes.
    """

    kinds: tuple[Kind, ...]
    each: tuple[int, ...]
    spread: tuple[NDArray[np.int32], int] | None = None

    @property
    def alone(self) -> bool:
        """Whether it is one VM."""
        return self.each == (1,)

    @property
    def wanted(self) -> int:
        """How many units there are VMs for."""
        return min(kind.wanted // n for kind, n in zip(self.kinds, self.each, strict=True))

    def made(self, numbers: NDArray[np.int64]) -> int:
        """Return how many whole units VMs of each kind are, int64 [K, H]; where groups go is not looked at."""
        return int((numbers.sum(axis=1) // np.array(self.each, np.int64)).min())

    def cap(self, groups: int) -> Cap:
        """Return how many VMs each domain takes of that many groups of replicas."""
        assert self.spread is not None
        domain, at_most = self.spread
        return domain, np.full(int(domain.max()) + 1, at_most * groups, np.int64)
