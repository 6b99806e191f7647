"""Which flows a move counts in, without asking each: fleets with a budget for every host have thousands."""

from __future__ import annotations

from collections import defaultdict
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from optimizer.fleet import Move
    from optimizer.problem.atoms import Flow

__all__ = ["FlowIndex", "in_flow", "spent_of"]


def in_flow(atom: Flow, vm: int, source: int, target: int) -> bool:
    """Whether a move counts in a flow."""
    return bool(
        (atom.vms is None or atom.vms[vm])
        and (atom.sources is None or atom.sources[source])
        and (atom.targets is None or atom.targets[target])
    )


def spent_of(atom: Flow, moves: Iterable[Move]) -> int:
    """Return what moves spend of a flow."""
    return sum(int(atom.cost[m.vm]) for m in moves if in_flow(atom, m.vm, m.source, m.target))


class _Entrances(NamedTuple):
    """Flows told apart by their targets alone, with one cost: numbers and limits, int64 [n]."""

    cost: NDArray[np.int64]
    numbers: NDArray[np.int64]
    limits: NDArray[np.int64]


class FlowIndex:
    """Flows by the first thing that they ask of a move: its VM, its source, its target, or nothing.

    What it returns are candidates: whether a flow with two masks counts a move, `in_flow` says.
    """

    def __init__(self, flows: Sequence[Flow]) -> None:
        self._everywhere: list[int] = []
        self._of: defaultdict[int, list[int]] = defaultdict(list)
        self._out: defaultdict[int, list[int]] = defaultdict(list)
        self._into: defaultdict[int, list[int]] = defaultdict(list)
        entrances: dict[int, list[int]] = {}
        for i, flow in enumerate(flows):
            if flow.vms is not None:
                _enlist(self._of, flow.vms, i)
            elif flow.sources is not None:
                _enlist(self._out, flow.sources, i)
            elif flow.targets is not None:
                _enlist(self._into, flow.targets, i)
                entrances.setdefault(id(flow.cost), []).append(i)
            else:
                self._everywhere.append(i)
        self._entrances = [
            _Entrances(flows[numbers[0]].cost, np.array(numbers), np.array([flows[i].limit for i in numbers]))
            for numbers in entrances.values()
        ]

    def leaving(self, vm: int, source: int) -> Iterable[int]:
        """Return the flows, but for those of `full`, in which a move of the VM from there may count."""
        return chain(self._everywhere, self._of.get(vm, ()), self._out.get(source, ()))

    def moving(self, vm: int, source: int, target: int) -> Iterable[int]:
        """Return the flows in which a move may count."""
        return chain(self.leaving(vm, source), self._into.get(target, ()))

    def full(self, vm: int, used: NDArray[np.int64]) -> list[int]:
        """Return the flows, of those that ask for targets alone, in which one more move of the VM has no room."""
        return [
            int(i)
            for e in self._entrances
            if (cost := int(e.cost[vm]))
            for i in e.numbers[used[e.numbers] + cost > e.limits]
        ]


def _enlist(index: defaultdict[int, list[int]], mask: NDArray[np.bool_], number: int) -> None:
    for x in np.flatnonzero(mask).tolist():
        index[x].append(number)
