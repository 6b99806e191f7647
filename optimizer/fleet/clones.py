"""A fleet with copies of some of its VMs: how what-if questions ask for many of one kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from optimizer.fleet.fleet import ABSENT, Fleet, Vms

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["with_copies"]


def with_copies(fleet: Fleet, times: Mapping[int, int]) -> tuple[Fleet, dict[int, NDArray[np.int32]]]:
    """Return a fleet with copies of VMs that have no host, and for each of these the indices of itself and its copies.

    Copies have the facts and the groups of the VM that they copy; the n-th is called ``ID~n``. Nothing else changes:
    VMs keep their indices.

    Parameters
    ----------
    times
        How often each VM (index) is wanted, itself included; at least 1.
    """
    if any(fleet.vms.host[vm] != ABSENT for vm in times):
        raise ValueError("only a VM without a host is copied")
    more = {vm: n - 1 for vm, n in times.items() if n > 1}
    first, at = {}, len(fleet.vms)
    for vm, n in more.items():
        first[vm] = np.arange(at, at + n, dtype=np.int32)
        at += n
    of = np.repeat(np.array(list(more), np.int64), list(more.values()))
    rows = np.concatenate([np.arange(len(fleet.vms)), of])
    columns: dict[str, Any] = {
        f.name: getattr(fleet.vms, f.name)[rows]
        for f in fields(Vms)
        if isinstance(getattr(fleet.vms, f.name), np.ndarray)
    }
    taken = fleet.vm_index.keys()
    ids = [_free(f"{fleet.vms.ids[vm]}~{i + 2}", taken) for vm, n in more.items() for i in range(n)]
    columns["ids"] = fleet.vms.ids + tuple(ids)
    columns["labels"] = fleet.vms.labels + tuple(fleet.vms.labels[vm] for vm in of.tolist())
    for name in (f.name for f in fields(Vms) if isinstance(getattr(fleet.vms, f.name), Mapping)):
        sparse = dict(getattr(fleet.vms, name))
        for vm, copies in first.items():
            if vm in sparse:
                sparse.update(dict.fromkeys(copies.tolist(), sparse[vm]))
        columns[name] = sparse
    groups = tuple(
        replace(g, members=np.concatenate([g.members, *(first[v] for v in g.members.tolist() if v in first)]))
        if any(v in first for v in g.members.tolist())
        else g
        for g in fleet.groups
    )
    everybody = {vm: np.concatenate([[vm], first.get(vm, [])]).astype(np.int32) for vm in times}
    return replace(fleet, vms=replace(fleet.vms, **columns), groups=groups), everybody


def _free(name: str, taken: Any) -> str:
    while name in taken:
        name += "~"
    return name
