"""One load in each domain, for the running sums of a placement."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from optimizer.problem.instance import Instance

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from optimizer.problem.atoms import Linear

__all__ = ["LinearTally"]


@dataclass(slots=True, eq=False)
class LinearTally:
    """Load of one `Linear` in each domain, and the ceiling that arrivals may not pass (never worse than the start)."""

    atom: Linear
    atom_number: int
    load: NDArray[np.int64]
    ceiling: NDArray[np.int64]
    over: dict[int, int] = field(default_factory=dict)
    worse: set[int] = field(default_factory=set)
    changed: set[int] = field(default_factory=set)

    def refresh(self) -> Iterator[tuple[int, int, int]]:
        """Bring `over` (excess by domain) and `worse` (domains above their ceiling) up to date.

        Yields (domain, excess before, excess now) of what changed.
        """
        for d in self.changed:
            before, now = self.over.get(d, 0), max(0, int(self.load[d]) - int(self.atom.limit[d]))
            if now:
                self.over[d] = now
            else:
                self.over.pop(d, None)
            if now != before:
                (self.worse.add if self.load[d] > self.ceiling[d] else self.worse.discard)(d)
                yield d, before, now
        self.changed.clear()

    def instance(self, domain: int) -> Instance:
        """Name the instance of a domain."""
        return Instance(self.atom_number, 0, domain)

    def allowed(self, domain: int) -> int:
        """Excess that may not be passed: what it was at the start, and for a should any."""
        return int(self.ceiling[domain]) - int(self.atom.limit[domain])
