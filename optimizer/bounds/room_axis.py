"""One resource of hosts: what is left up to limits that have to hold, and up to those that should."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optimizer.fleet import ABSENT
from optimizer.problem.atoms import UNLIMITED
from optimizer.problem.problem import stage_of
from optimizer.problem.rounding import MILLI
from optimizer.problem.rule import Hardness

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from optimizer.problem.atoms import Linear
    from optimizer.problem.problem import Problem, Stage

    Ints = NDArray[np.int64]

__all__ = ["FAR", "Axis"]

FAR = 2**60
"""More than is left of anything."""


@dataclass(frozen=True, eq=False)
class Axis:
    """One resource of hosts.

    Attributes
    ----------
    resource, amount, step
        Its name, what each VM takes (int64 [V]), and the step to which sizes of VMs that come are rounded down.
    room
        int64 [H]: what is left on each host up to the limits that have to hold; below 0 where they do not; `FAR`.
    soft
        int64 [H]: the same up to the limit that should hold, as far as harm may be left; `FAR` where there is none.
    harm, unit
        Exceeding that by `unit` (int64 [H]) does at least `harm` of harm, in thousandths.
    """

    resource: str
    amount: Ints
    step: int
    room: Ints
    soft: Ints
    harm: int
    unit: Ints

    @classmethod
    def of(
        cls, problem: Problem, resource: str, step: int, stage: Stage | None, harmful: Mapping[int, int]
    ) -> Axis | None:
        """Read a resource; None where it is not one amount, or has no limit.

        Parameters
        ----------
        stage
            Of shoulds of which harm is left; None where none is, but for what `harmful` do: then their limits have to
            hold.
        harmful
            The harm that VMs do that are too large for every host: they count as if they did none.
        """
        sums = [(n, a) for n, a in problem.demands.sums.items() if not a.level and a.resource == resource]
        if not sums or any(not np.array_equal(a.amount, sums[0][1].amount) for _, a in sums):
            return None
        room, soft = np.full(problem.hosts, FAR, np.int64), np.full(problem.hosts, FAR, np.int64)
        harm, unit = 0, np.ones(problem.hosts, np.int64)
        amount, less = _less([a for _, a in sums], harmful)
        freed = np.zeros(problem.hosts, np.int64)
        placed = np.flatnonzero((less > 0) & (problem.start != ABSENT))
        np.add.at(freed, problem.start[placed], less[placed])
        for number, atom in sums:
            left = _left(atom, problem.start_loads[number], freed)
            should = atom.asked.hardness is Hardness.SHOULD
            if should and (atom.asked.price is not None or (stage is not None and harm)):
                continue  # not asked for, or one of several: leaving it out only lowers the bound
            if should and stage is not None:
                soft, harm, unit = left, MILLI * stage_of(atom.asked)[1], np.maximum(atom.unit, 1)
            else:
                room = np.minimum(room, left)
        return cls(resource, amount, step, room, soft, harm, unit)

    @property
    def limited(self) -> bool:
        """Whether every host has a limit that has to hold."""
        return bool((self.room < FAR // 2).all())


def _left(atom: Linear, load: Ints, freed: Ints) -> Ints:
    limit = np.maximum(atom.limit, load) if atom.asked.hardness is Hardness.GUARD else atom.limit
    return np.where(atom.limit >= UNLIMITED, FAR, limit - load + freed)


def _less(atoms: list[Linear], harmful: Mapping[int, int]) -> tuple[Ints, Ints]:
    """Return what VMs take if those who do harm wherever they are count as if they did none, and how much less that is.

    Harm of that much is an excess of no more than that, whichever host it is on: most on that with the largest unit.
    """
    amount = atoms[0].amount
    less = np.zeros_like(amount)
    for atom in atoms:
        if atom.asked.hardness is Hardness.SHOULD and atom.asked.price is None:
            unit = int(atom.unit[atom.limit < UNLIMITED].max(initial=1))
            for vm, harm in harmful.items():
                less[vm] = max(less[vm], -(-harm * unit // (MILLI * stage_of(atom.asked)[1])))
    less = np.minimum(less, amount)
    return amount - less, less
