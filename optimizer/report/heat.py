"""How full each host is of each resource, before a plan and after it: the figures of a report's heat map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optimizer.problem.atoms import UNLIMITED
from optimizer.problem.demands import Demands
from optimizer.problem.presence import load_of
from optimizer.problem.rule import Hardness

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet, Move
    from optimizer.problem.atoms import Atom, Linear

__all__ = ["STEPS", "Heat", "heat_of"]

STEPS = (50, 70, 80, 90, 100)
"""Upper ends, in per cent of the limit, of all bands but the last."""

MOST = 255


@dataclass(frozen=True, eq=False)
class Heat:
    """One resource: uint8 [H] per cent of its tightest limit (255: as much or more), before and after."""

    resource: str
    before: NDArray[np.uint8]
    after: NDArray[np.uint8]

    def bands(self, shares: NDArray[np.uint8]) -> list[int]:
        """Count the hosts in each band of `STEPS`, and above the last."""
        return [int(n) for n in np.bincount(np.searchsorted(STEPS, shares), minlength=len(STEPS) + 1)]


def heat_of(fleet: Fleet, atoms: Iterable[Atom], moves: Sequence[Move]) -> list[Heat]:
    """Measure every limit of hosts that a plan keeps to, but for those that only bind who comes."""
    end = fleet.vms.host.copy()
    for move in moves:
        end[move.vm] = move.target
    shares: dict[str, list[NDArray[np.float64]]] = {}
    for atom in Demands.of(atoms).sums.values():
        if atom.level == 0 and atom.asked.hardness is not Hardness.GUARD:
            pair = [_share(fleet, atom, placement) for placement in (fleet.vms.host, end)]
            known = shares.setdefault(atom.resource, pair)
            shares[atom.resource] = [np.maximum(a, b) for a, b in zip(known, pair, strict=True)]
    return [Heat(name, *(np.minimum(np.ceil(s), MOST).astype(np.uint8) for s in both)) for name, both in shares.items()]


def _share(fleet: Fleet, atom: Linear, placement: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return float64 [H]: per cent of the limit; 0 where there is none."""
    load = load_of(atom, fleet.hosts.domain[0], placement, fleet.also_at).astype(np.float64)
    limited = atom.limit < UNLIMITED
    share = np.where(atom.limit > 0, 100 * load / np.maximum(atom.limit, 1), np.where(load > 0, float(MOST), 0.0))
    return np.where(limited, share, 0.0)
