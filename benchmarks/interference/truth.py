"""A fleet of simulated hosts, what is found on them, and what is true: the host simulated again without a VM."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.interference.hosts import MARGIN, RECIPES, STEPS, VMS, draw_host, measure, simulate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.interference.hosts import Raw, SimHost
    from optimizer.signals.interference.series import HostSeries

__all__ = ["Trial", "draw_fleet"]


@dataclass(eq=False)
class Trial:
    """A host, what was measured on it, and what each VM costs the others there, found when it is asked for."""

    host: SimHost
    raw: Raw
    series: HostSeries
    _costs: dict[int, NDArray[np.float64]] = field(default_factory=dict)

    def cost(self, u: int, windows: int) -> NDArray[np.float64]:
        """float64 [windows, VMS]: by how much stall of each VM falls in each window if VM u is not there."""
        if u not in self._costs:
            fall = (self.raw.stall - simulate(self.host, without=u).stall)[:, :VMS]
            fall[:, u] = 0.0
            self._costs[u] = fall[MARGIN * STEPS : -MARGIN * STEPS]
        steps = self._costs[u]
        return np.asarray(steps.reshape(windows, len(steps) // windows, VMS).mean(axis=1))


def draw_fleet(hosts: int, kind: str, seed: int, recipe: str | None = None) -> list[Trial]:
    """Draw hosts of all recipes, or of one, and measure them."""
    rng = np.random.Generator(np.random.PCG64(seed))
    names, shares = list(RECIPES), list(RECIPES.values())
    out = []
    for i in range(hosts):
        drawn = str(rng.choice(names, p=shares))
        host = draw_host(f"{kind}{i}", recipe or drawn, kind, rng)
        raw = simulate(host)
        out.append(Trial(host, raw, measure(host, raw, rng)))
    return out
