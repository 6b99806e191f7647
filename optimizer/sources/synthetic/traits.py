"""Who owns what, who is noisy, who minds, and who requires what of a host: given to VMs that have a place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optimizer.sources.synthetic.sizes import HOST_KINDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optimizer.sources.synthetic.spec import Spec

__all__ = ["noise", "owners", "requires"]


def owners(host: NDArray[np.int64], group: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the owner of each VM: a few own many, a group has one, and none has two VMs on a host."""
    vms = len(host)
    wish = np.minimum(rng.zipf(1.6, vms) - 1 + rng.integers(0, max(1, vms // 8), vms), 2**40).tolist()
    hosts: dict[int, set[int]] = {}
    members: dict[int, list[int]] = {}
    for v, g in enumerate(group.tolist()):
        members.setdefault(g if g >= 0 else -2 - v, []).append(v)
    owner = np.zeros(vms, np.int64)
    fresh = 2**41
    for together in members.values():
        here = {int(host[v]) for v in together}
        mine = wish[together[0]]
        if not here.isdisjoint(hosts.get(mine, ())):
            mine, fresh = fresh, fresh + 1
        hosts.setdefault(mine, set()).update(here)
        owner[together] = mine
    return np.unique(owner, return_inverse=True)[1].astype(np.int64)


def noise(spec: Spec, on: list[list[int]], rng: np.random.Generator) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Choose noisy and sensitive VMs: on a host either one noisy VM or any number of sensitive ones."""
    noisy, sensitive = np.zeros(spec.vms, np.bool_), np.zeros(spec.vms, np.bool_)
    left = round(spec.noisy_vms * spec.vms)
    quiet = []
    for h in rng.permutation(spec.hosts).tolist():
        if left and on[h]:
            noisy[on[h][int(rng.integers(len(on[h])))]] = True
            left -= 1
        else:
            quiet += on[h]
    if quiet:
        sensitive[rng.permutation(np.array(quiet))[: round(spec.sensitive_vms * spec.vms)]] = True
    return noisy, sensitive


def requires(
    spec: Spec, kind: NDArray[np.int64], host: NDArray[np.int64], rng: np.random.Generator
) -> dict[int, tuple[str, ...]]:
    """Choose VMs that require their host's CPU model or one other."""
    chosen = np.sort(rng.permutation(spec.vms)[: round(spec.requiring * spec.vms)]).tolist()
    others = rng.integers(1, len(HOST_KINDS), len(chosen)).tolist()
    models = [k.cpu for k in HOST_KINDS]
    here = [int(kind[host[v]]) for v in chosen]
    return {
        v: tuple(sorted((models[k], models[(k + o) % len(models)])))
        for v, k, o in zip(chosen, here, others, strict=True)
    }
