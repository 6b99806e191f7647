"""Which VMs no demand of a problem tells apart: they are one kind, however many there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optimizer.whatif.room import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from optimizer.problem.problem import Problem

__all__ = ["classes", "kinds_of"]


def classes(problem: Problem, *more: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return int64 [V]: the class of each VM; VMs of a class are alike to every demand, and in `more` ([V] each)."""
    demands = problem.demands
    columns = [np.asarray(column, np.int64) for column in (problem.enter_class[0], problem.also_at, *more)]
    columns += [atom.amount.astype(np.int64) for atom in demands.sums.values()]
    for leave in demands.leaves.values():
        named = np.zeros(problem.vms, np.int64)
        named[leave.vms] = 1
        columns.append(named)
    _, plain = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
    of = plain.reshape(-1).astype(np.int64)
    member: dict[int, list[tuple[int, int, int]]] = {}
    for number, atom in demands.groups.items():
        for side, sets in enumerate(atom.sides):
            which = np.repeat(np.arange(len(sets)), np.diff(sets.indptr))
            for vm, i in zip(sets.members.tolist(), which.tolist(), strict=True):
                member.setdefault(vm, []).append((number, side, i))
    seen: dict[tuple[int, tuple[tuple[int, int, int], ...]], int] = {}
    for vm, sets_of in member.items():
        key = (int(of[vm]), tuple(sets_of))
        of[vm] = problem.vms + seen.setdefault(key, len(seen))
    return of


def kinds_of(vms: NDArray[np.int32], of: NDArray[np.int64], ids: Sequence[str]) -> list[Kind]:
    """Return the kinds of some VMs, by the class of each."""
    _, first, which = np.unique(of[vms], return_index=True, return_inverse=True)
    order = np.argsort(which, kind="stable")
    parts = np.split(vms[order], np.cumsum(np.bincount(which, minlength=len(first)))[:-1]) if len(first) else []
    return [Kind(ids[int(part[0])], part.astype(np.int32), len(part)) for part in parts]
