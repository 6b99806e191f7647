"""Who is where at rest, and what that comes to: the one place where loads are added up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optimizer.fleet import ABSENT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optimizer.problem.atoms import Linear

__all__ = ["load_of", "presence"]


def presence(
    domain: NDArray[np.int32], placement: NDArray[np.int32], also_at: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return (VM, domain) of everywhere that a VM is, each once.

    Parameters
    ----------
    domain
        int32 [H]: the domain of each host.
    placement, also_at
        int32 [V]: where each VM is, and the other end of one that somebody else is moving; `ABSENT` for none.
    """
    placed = np.flatnonzero(placement != ABSENT)
    twice = np.flatnonzero(also_at != ABSENT)
    twice = twice[(placement[twice] == ABSENT) | (domain[also_at[twice]] != domain[placement[twice]])]
    vms = np.concatenate([placed, twice])
    return vms, np.concatenate([domain[placement[placed]], domain[also_at[twice]]])


def load_of(
    atom: Linear,
    domain: NDArray[np.int32],
    placement: NDArray[np.int32],
    also_at: NDArray[np.int32],
    among: NDArray[np.bool_] | None = None,
) -> NDArray[np.int64]:
    """Return int64 [domains]: base and amounts of those VMs (`among`, bool [V]; None: all) that are there."""
    vms, domains = presence(domain, placement, also_at)
    if among is not None:
        kept = among[vms]
        vms, domains = vms[kept], domains[kept]
    load = atom.base.astype(np.int64)
    np.add.at(load, domains, atom.amount[vms])
    return load
