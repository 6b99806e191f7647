"""The problems, by the field of the spec that asks for them, and the hosts that they befall."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.sources.synthetic import company, overloads, places
from optimizer.sources.synthetic.spec import TROUBLES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np

    from optimizer.sources.synthetic.draft import Draft

__all__ = ["PLANTERS", "plant"]

PLANTERS: Mapping[str, Callable[[Draft, np.random.Generator, int], bool]] = {
    "draining": places.draining,
    "windows": places.window,
    "together": company.together,
    "spread": company.spread,
    "needs": company.needs,
    "apart": company.apart,
    "full_disks": overloads.full_disk,
    "hot": overloads.hot,
    "memory_over": overloads.memory_over,
    "nearly_full": overloads.nearly_full,
    "choosy": overloads.choosy,
    "forbidden": overloads.forbidden,
    "immobile": overloads.immobile,
    "unexplained": overloads.unexplained,
    "babies": overloads.baby,
    "unmovable": overloads.unmovable,
    "bouncing": overloads.bouncing,
    "held": overloads.held,
    "noise": company.noise,
    "sensitive": company.sensitive,
    "interference": company.interference,
    "owners": company.owners,
    "errors": places.errors,
    "busy": places.busy,
    "disabled": places.disabled,
    "full_of_vms": places.full_of_vms,
}
"""The hardest to please first. A planter breaks one thing on one host, or says False and changes nothing that counts.

``misplaced`` is not among them: it counts VMs, not hosts, and goes last, on hosts that nothing else has befallen.
"""

FIRST_STREAM = 100
"""Number of the first random stream of the problems; each has its own, by its place in the spec."""


def plant(draft: Draft) -> None:
    """Plant what the spec asks for, each problem on hosts of its own."""
    for name, planter in PLANTERS.items():
        count = round(getattr(draft.spec, name) * draft.spec.hosts)
        rng = draft.random(FIRST_STREAM + TROUBLES.index(name))
        for host in rng.permutation(draft.spec.hosts).tolist() if count else ():
            if count == 0:
                break
            if host not in draft.used and planter(draft, rng, host):
                count -= 1
    grouped = int((draft.group >= 0).sum())
    company.misplace(
        draft, draft.random(FIRST_STREAM + TROUBLES.index("misplaced")), round(draft.spec.misplaced * grouped)
    )
