"""Placements that reach a goal, and the elements that each breaks: where one breaks none of those held, none is sought.

All that has to go is sent to one host, each host in turn. That breaks little but the room of this host, and so shows of
each host's room in a proof that it is needed there, without a call of the solver: the next transition element is found
from the last example, as in the model rotation of Belov, A. and Marques-Silva, J. (2011). Accelerating MUS extraction
with recursive model rotation. FMCAD.

An example is a placement of the whole fleet. What it shows to be possible is so, also where the model is a smaller one.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from optimizer.explain.elements import Element, Given, Names
from optimizer.explain.goals import is_reached
from optimizer.explain.model import free_vms
from optimizer.fleet import Move
from optimizer.problem.flow_index import spent_of
from optimizer.problem.rule import Hardness
from optimizer.problem.shapes import ENTER, FIXED, FLOW, HARMING, HINGE, MOVE_COST, SHAPES, ByShape
from optimizer.problem.working_placement import WorkingPlacement

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from optimizer.explain.goals import Goal
    from optimizer.problem.atoms import Enter, Fixed, Flow
    from optimizer.problem.instance import Instance
    from optimizer.problem.problem import Problem

__all__ = ["Example", "Examples"]

_Over = tuple[Element, int]
"""An element, and by how much it is exceeded; 0 where it has no degrees."""


@dataclass(frozen=True, eq=False)
class Example:
    """Where VMs are that are not at home, so that the goal is reached; all elements that this breaks, and by how much.

    int32 [moved] each.
    """

    vms: NDArray[np.int32]
    hosts: NDArray[np.int32]
    broken: Mapping[Element, Sequence[Given]]


class Examples:
    """What was found so far.

    Parameters
    ----------
    allowed
        The excess at the start of every instance that has one.
    first
        Under which element atoms that say the same are held.
    """

    def __init__(
        self, problem: Problem, goal: Goal, allowed: Mapping[Instance, int], first: Callable[[Element], Element]
    ) -> None:
        self.problem, self.goal, self.allowed, self.first = problem, goal, allowed, first
        self.known: list[Example] = []
        self.names = Names(problem)
        self._work = WorkingPlacement(problem)
        self._end = replace(goal, kept={})  # what is to be kept is an element: it may be broken

    def placement(self, example: Example) -> NDArray[np.int32]:
        """Return int32 [V]: where every VM is."""
        placement = self.problem.start.copy()
        placement[example.vms] = example.hosts
        return placement

    def among(self, held: Collection[Element]) -> Example | None:
        """Return a placement that breaks none of these elements; None where none is known."""
        return next((e for e in self.known if e.broken.keys().isdisjoint(held)), None)

    def needed(self, core: Collection[Element]) -> frozenset[Element]:
        """Return the elements of a proof that some placement breaks alone among them."""
        alone = (e.broken.keys() & core for e in self.known)
        return frozenset(element for broken in alone if len(broken) == 1 for element in broken)

    @property
    def best(self) -> Example | None:
        """The placement that breaks the fewest elements, if one is known that breaks any."""
        return min((e for e in self.known if e.broken), key=lambda e: len(e.broken), default=None)

    def look(self, over: Callable[[], bool] = lambda: False) -> None:
        """Send all that has to go to one host, each in turn until `over`; those with the most room first."""
        going = self._going()
        wanted = {vm: host for vm, host in self.goal.on if vm in going}
        for host in self._roomiest() if going else ():
            if over():
                return
            if host not in self.goal.empty:
                self.add(dict.fromkeys(going, host) | wanted)

    def add(self, at: Mapping[int, int]) -> None:
        """Keep the placement that has these VMs on these hosts and all others at home, if it reaches the goal.

        A VM that others are moving stays out of it.
        """
        for vm in self._work.displaced - at.keys():
            self._work.put(vm, int(self.problem.start[vm]))
        for vm, host in at.items():
            self._work.put(vm, host)
        excess = self._work.exceeded()
        if is_reached(self._end, self.problem, self._work.placement, excess):
            vms = np.array(sorted(self._work.displaced), np.int32)
            self.known.append(Example(vms, self._work.placement[vms], self._broken(excess)))

    def _going(self) -> list[int]:
        """Return the VMs that the goal does not let stay, and that could go."""
        free = set(free_vms(self.problem))
        at = np.flatnonzero(np.isin(self.problem.start, self.goal.empty)).tolist()
        off = [vm for vm, host in self.goal.off if self.problem.start[vm] == host]
        on = [vm for vm, host in self.goal.on if self.problem.start[vm] != host]
        return [v for v in dict.fromkeys((*at, *off, *on)) if v in free]

    def _roomiest(self) -> list[int]:
        """Return all hosts, those first of which the least share of any limit is used."""
        full = np.zeros(self.problem.hosts)
        for number, atom in self.problem.demands.sums.items():
            if atom.level == 0:
                full = np.maximum(full, self.problem.start_loads[number] / np.maximum(1, atom.limit))
        return [int(h) for h in np.argsort(full, kind="stable")]

    # -- what a placement breaks ---------------------------------------------------------------------------------

    def _broken(self, excess: Mapping[Instance, int]) -> dict[Element, list[Given]]:
        out = defaultdict[Element, list[Given]](list)
        for instance, amount in excess.items():
            allowed = self.goal.kept.get(instance, self._bound(instance, amount))
            if amount > allowed and instance not in self.goal.ended:
                out[self.names.of_instance(instance)].append(Given(amount - allowed, allowed, instance))
        moved = sorted(self._work.displaced)
        for number, atom in enumerate(self.problem.atoms):
            for element, over in _HARD[atom](self, number, atom, moved):
                out[self.first(element)] += [Given(over, 0)] if over else []
        return dict(out)

    def _bound(self, instance: Instance, amount: int) -> int:
        """Return what is allowed of an instance; all that there is where it may be exceeded."""
        hardness = self.problem.demands.harming[instance.atom].asked.hardness
        return amount if hardness is Hardness.SHOULD else self.allowed.get(instance, 0)

    # -- what has no excess --------------------------------------------------------------------------------------

    def _nothing(self, number: int, atom: object, moved: object) -> Iterator[_Over]:
        return iter(())

    def _fixed(self, number: int, atom: Fixed, moved: list[int]) -> Iterator[_Over]:
        return ((self.names.pinned(number, atom, vm), 0) for vm in np.intersect1d(atom.vms, moved).tolist())

    def _enter(self, number: int, atom: Enter, moved: list[int]) -> Iterator[_Over]:
        at = self._work.placement
        shut = [vm for vm in moved if not atom.hosts[at[vm]]]
        if atom.vms is None:
            yield from ((self.names.closed_host(number, atom, h), 0) for h in {int(at[vm]) for vm in shut})
        else:
            yield from ((self.names.bound_vm(number, atom, vm), 0) for vm in np.intersect1d(atom.vms, shut).tolist())

    def _flow(self, number: int, atom: Flow, moved: list[int]) -> Iterator[_Over]:
        start, at = self.problem.start, self._work.placement
        spent = spent_of(atom, (Move(vm, int(start[vm]), int(at[vm])) for vm in moved))
        if spent > atom.limit:
            yield self.names.budget(number, atom), spent - atom.limit


_HARD: ByShape[Callable[..., Iterator[_Over]]] = ByShape(
    "an example",
    {
        **dict.fromkeys((*HARMING, HINGE, MOVE_COST), Examples._nothing),
        FIXED: Examples._fixed,
        ENTER: Examples._enter,
        FLOW: Examples._flow,
    },
    SHAPES,
)
