"""Moves at the end of a plan, tried one after the other: is it better then, with something lifted for them or not.

Such a move depends on no other, so it can be made after all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, cast

from optimizer.problem.rule import Hardness
from optimizer.problem.shapes import LEAVE, SUM
from optimizer.problem.working_placement import WorkingPlacement

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from optimizer.problem.atoms import Harming, Leave, Linear
    from optimizer.problem.instance import Instance
    from optimizer.problem.problem import Problem

__all__ = ["Trials", "Tried", "Unrepaired"]


@dataclass(frozen=True)
class Unrepaired:
    """An instance that is exceeded at the end of the plan."""

    atom: Harming
    instance: Instance
    excess: int


class Tried(NamedTuple):
    """What the end is worth without and with more moves, what is left of the violation then, and if that is less."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    left: int
    lessens: bool

    @property
    def helps(self) -> bool:
        """Whether the plan is better with these moves, and less left of the violation."""
        return self.after < self.before and self.lessens


class Trials:
    """The end of a plan, on which moves are tried and taken back."""

    def __init__(self, problem: Problem, placement: NDArray[np.int32]) -> None:
        self.problem = problem
        self.work = WorkingPlacement(problem)
        self.work.become(placement)

    def excess(self, atom: Harming, instance: Instance) -> int:
        """Return by how much the instance is exceeded in the present placement."""
        if atom.shape is LEAVE:
            return int(cast("Leave", atom).hosts[self.work.placement[instance.member]])
        if atom.shape is SUM:
            tally = next(t for t in self.work.tally.linears if t.atom is atom)
            return int(tally.load[instance.domain]) - int(cast("Linear", atom).limit[instance.domain])
        found = next(t for t in self.work.tally.sets if (t.atom_number, t.member) == instance[:2])
        return found.excess().get(instance.domain if atom.shape.by_domain else 0, 0)

    def useful(self, violated: Unrepaired, vm: int) -> NDArray[np.bool_]:
        """Return bool [H]: the hosts, other than its own, on which the VM would lessen the violation."""
        atom, instance = violated.atom, violated.instance
        if atom.shape is LEAVE:
            useful = ~cast("Leave", atom).hosts
        elif atom.shape.by_domain:
            level = atom.level  # type: ignore[union-attr]
            useful = self.problem.domain[level] != instance.domain
        else:
            found = next(t for t in self.work.tally.sets if (t.atom_number, t.member) == instance[:2])
            after = self.work.tally.excess_in(found, vm)
            useful = after[self.problem.domain[found.atom.level]] < violated.excess
        useful = useful.copy()
        for h in self.work.tally.ends[vm]:
            useful[h] = False
        return useful

    def tried(self, violated: Unrepaired, vms: Sequence[int], host: int, but_not: Collection[Instance] = ()) -> Tried:
        """Send VMs to a host and back; `but_not` are the instances that are not looked at."""
        here = [int(self.work.placement[v]) for v in vms]
        before = tuple(self.work.values(but_not).values())
        for v in vms:
            self.work.put(v, host)
        after = tuple(self.work.values(but_not).values()) if self.is_no_worse(but_not) else before
        left = self.excess(violated.atom, violated.instance)
        for v, h in zip(vms, here, strict=True):
            self.work.put(v, h)
        return Tried(before, after, max(0, left), left < violated.excess)

    def is_no_worse(self, but_not: Collection[Instance]) -> bool:
        """Whether no other must or guard exceeds what it was at the start."""
        return not any(
            excess > tally.allowed(domain)
            for tally, domain, excess in self.work.tally.excesses()
            if tally.atom.asked.hardness is not Hardness.SHOULD and tally.instance(domain) not in but_not
        )

    def worsened(self, vm: int, host: int) -> dict[Instance, str]:
        """Return the musts and shoulds of which more is left with the VM on the host, each with its rule."""
        here = int(self.work.placement[vm])
        old = {v.instance: v.excess for v in self.work.violated()}
        self.work.put(vm, host)
        worse = {v.instance: v.atom.asked.rule for v in self.work.violated() if v.excess > old.get(v.instance, 0)}
        self.work.put(vm, here)
        return worse

    def shortage(self, vms: Sequence[int], rules: Collection[str], resource: str, host: int) -> int:
        """Return how much of the resource would have to be free on the host beyond what is."""
        lacks = 0
        for t in self.work.tally.linears:
            if t.atom.asked.rule in rules and t.atom.resource == resource:
                d = int(self.problem.domain[t.atom.level][host])
                lacks = max(lacks, int(t.load[d]) + int(t.atom.amount[list(vms)].sum()) - int(t.ceiling[d]))
        return lacks
