"""Placements that reach a goal, and the elements that each breaks: where one breaks none of those held, none is sought.

All that has to go is sent to one host, each host in turn. That breaks little but the room of this host, and so shows of
each host's room in a proof that it is needed there, without a call of the solver: the next transition element is found
from the last example, as in the model rotation of Belov, A. and Marques-Silva, J. (2011). Accelerating MUS extraction
with recursive model rotation. FMCAD.

An example is a placement of the whole fleet. What it shows to be possible is so, also where the model is a smaller one.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from optimizer.explain.elements import Element, Given, Names
from optimizer.explain.goals import is_reached
from optimizer.explain.model import free_vms
from optimizer.fleet import ABSENT
from optimizer.problem.flow_index import in_flow
from optimizer.problem.instance import Instance
from optimizer.problem.presence import load_of
from optimizer.problem.rule import Hardness
from optimizer.problem.set_tally import SetTally
from optimizer.problem.shapes import (
    ENTER,
    FIXED,
    FLOW,
    GROUPS,
    HINGE,
    LEAVE,
    MOVE_COST,
    SHAPES,
    SUM,
    ByShape,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from optimizer.explain.goals import Goal
    from optimizer.problem.atoms import Asked, Enter, Fixed, Flow, Group, Harming, Leave, Linear
    from optimizer.problem.problem import Problem

__all__ = ["Example", "Examples"]

WORK = 20_000_000
"""VMs times placements that are looked at, at most."""

FEWEST = 3
"""Placements that are looked at however many VMs there are."""


_Over = tuple[Element, int]
"""An element, and by how much it is exceeded; 0 where it has no degrees."""


@dataclass(frozen=True, eq=False)
class Example:
    """A placement that reaches the goal, and all elements that it breaks, with by how much in which places."""

    placement: NDArray[np.int32]
    broken: Mapping[Element, Sequence[Given]]


@dataclass(eq=False)
class Examples:
    """What was found so far.

    Attributes
    ----------
    allowed
        The excess at the start of every instance that has one.
    first
        Under which element atoms that say the same are held.
    """

    problem: Problem
    goal: Goal
    allowed: Mapping[Instance, int]
    first: Callable[[Element], Element]
    known: list[Example] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.names = Names(self.problem)
        self._sets: dict[int, defaultdict[int, list[int]]] = {}
        self._end = replace(self.goal, kept={})  # what is to be kept is an element: it may be broken

    def among(self, held: Collection[Element]) -> Example | None:
        """Return a placement that breaks none of these elements; None where none is known."""
        return next((w for w in self.known if w.broken.keys().isdisjoint(held)), None)

    def needed(self, core: Collection[Element]) -> frozenset[Element]:
        """Return the elements of a proof that some placement breaks alone among them."""
        alone = (w.broken.keys() & core for w in self.known)
        return frozenset(e for broken in alone if len(broken) == 1 for e in broken)

    @property
    def best(self) -> Example | None:
        """The placement that breaks the fewest elements, if one is known that breaks any."""
        return min((w for w in self.known if w.broken), key=lambda w: len(w.broken), default=None)

    def look(self, over: Callable[[], bool] = lambda: False) -> None:
        """Send all that has to go to one host, each in turn until `over`; those with the most room first."""
        going = self._going()
        if not going:
            return
        hosts = [h for h in self._roomiest() if h not in self.goal.empty]
        for host in hosts[: max(FEWEST, WORK // self.problem.vms)]:
            if over():
                return
            placement = self.problem.start.copy()
            placement[going] = host
            for vm, target in self.goal.on:
                placement[vm] = target
            self.add(placement)

    def add(self, placement: NDArray[np.int32]) -> None:
        """Keep a placement, which moves nobody that others are moving, if it reaches the goal."""
        moved = np.flatnonzero(placement != self.problem.start).tolist()
        excess: dict[Instance, int] = {}
        for number, atom in self._harming.items():
            excess.update(_EXCESS[atom](self, number, atom, placement, moved))
        if is_reached(self._end, self.problem, placement, excess):
            self.known.append(Example(placement, self._broken(placement, excess, moved)))

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
        for atom in self.problem.demands.sums.values():
            if atom.level == 0:
                load = load_of(atom, self.problem.domain[0], self.problem.start, self.problem.also_at)
                full = np.maximum(full, load / np.maximum(1, atom.limit))
        return [int(h) for h in np.argsort(full, kind="stable")]

    # -- what a placement breaks ---------------------------------------------------------------------------------

    def _broken(
        self, placement: NDArray[np.int32], excess: Mapping[Instance, int], moved: list[int]
    ) -> dict[Element, list[Given]]:
        out = defaultdict[Element, list[Given]](list)
        for instance, amount in excess.items():
            allowed = self.goal.kept.get(instance, self._bound(instance, amount))
            if amount > allowed and instance not in self.goal.ended:
                out[self.names.of_instance(instance)].append(Given(amount - allowed, allowed, instance))
        for number, atom in enumerate(self.problem.atoms):
            for element, over in _HARD[atom](self, number, atom, placement, moved):
                out[self.first(element)] += [Given(over, 0)] if over else []
        return dict(out)

    def _bound(self, instance: Instance, amount: int) -> int:
        """Return what is allowed of an instance; all that there is where it may be exceeded."""
        asked: Asked = self.problem.atoms[instance.atom].asked  # type: ignore[union-attr]
        return amount if asked.hardness is Hardness.SHOULD else self.allowed.get(instance, 0)

    @cached_property
    def _harming(self) -> dict[int, Harming]:
        """The atoms whose excess is asked about, by their numbers."""
        asked = {i.atom for i in (*self.goal.kept, *self.goal.ended)}
        atoms = self.problem.demands.harming.items()
        return {n: a for n, a in atoms if n in asked or a.asked.hardness is not Hardness.SHOULD}

    def _sum(
        self, number: int, atom: Linear, placement: NDArray[np.int32], moved: list[int]
    ) -> Iterator[tuple[Instance, int]]:
        domain, load = self.problem.domain[atom.level], self.problem.start_loads[number].copy()
        before, after = domain[self.problem.start[moved]], domain[placement[moved]]
        changes, amount = before != after, atom.amount[moved]
        np.add.at(load, after[changes], amount[changes])
        if not atom.union:  # there, who has left counts on
            np.subtract.at(load, before[changes], amount[changes])
        for d in np.flatnonzero(load > atom.limit).tolist():
            yield Instance(number, 0, d), int(load[d] - atom.limit[d])

    def _group(
        self, number: int, atom: Group, placement: NDArray[np.int32], moved: list[int]
    ) -> Iterator[tuple[Instance, int]]:
        """Yield what sets exceed: those at rest as at the start, the others counted anew."""
        touched = {i for vm in moved for i in self._sets_of(number, atom).get(vm, ())}
        yield from ((i, e) for i, e in self.allowed.items() if i.atom == number and i.member not in touched)
        for member in sorted(touched):
            tally = self._counted(number, atom, member, placement)
            yield from ((tally.instance(d), e) for d, e in tally.excess().items())

    def _sets_of(self, number: int, atom: Group) -> Mapping[int, list[int]]:
        """Return the sets of an atom by VM."""
        if number not in self._sets:
            of = self._sets[number] = defaultdict(list)
            for sets in atom.sides:
                for i in range(len(sets)):
                    for vm in sets[i].tolist():
                        of[vm].append(i)
        return self._sets[number]

    def _counted(self, number: int, atom: Group, member: int, placement: NDArray[np.int32]) -> SetTally:
        tally = SetTally(atom, number, member, 0, atom.shape, atom.limit_of(member))
        domain = self.problem.domain[atom.level]
        for side, sets in enumerate(atom.sides):
            for vm in sets[member].tolist():
                ends = [h for h in (placement[vm], self.problem.also_at[vm]) if h != ABSENT]
                if ends:
                    tally.place(side, vm, tuple(int(domain[h]) for h in ends), 1)
        return tally

    def _leave(
        self, number: int, atom: Leave, placement: NDArray[np.int32], moved: list[int]
    ) -> Iterator[tuple[Instance, int]]:
        for ends in (placement, self.problem.also_at):
            there = ends[atom.vms]
            for vm in atom.vms[(there != ABSENT) & atom.hosts[there]].tolist():
                yield Instance(number, vm, 0), 1

    # -- what has no excess --------------------------------------------------------------------------------------

    def _nothing(self, number: int, atom: object, placement: object, moved: object) -> Iterator[_Over]:
        return iter(())

    def _fixed(self, number: int, atom: Fixed, placement: NDArray[np.int32], moved: list[int]) -> Iterator[_Over]:
        return ((self.names.pinned(number, atom, vm), 0) for vm in np.intersect1d(atom.vms, moved).tolist())

    def _enter(self, number: int, atom: Enter, placement: NDArray[np.int32], moved: list[int]) -> Iterator[_Over]:
        shut = [vm for vm in moved if not atom.hosts[placement[vm]]]
        if atom.vms is None:
            yield from ((self.names.closed_host(number, atom, h), 0) for h in {int(placement[vm]) for vm in shut})
        else:
            yield from ((self.names.bound_vm(number, atom, vm), 0) for vm in np.intersect1d(atom.vms, shut).tolist())

    def _flow(self, number: int, atom: Flow, placement: NDArray[np.int32], moved: list[int]) -> Iterator[_Over]:
        start = self.problem.start
        counted = [vm for vm in moved if in_flow(atom, vm, int(start[vm]), int(placement[vm]))]
        spent = sum(int(atom.cost[vm]) for vm in counted)
        if spent > atom.limit:
            yield self.names.budget(number, atom), spent - atom.limit


_EXCESS: ByShape[Callable[..., Iterator[tuple[Instance, int]]]] = ByShape(
    "an example", {SUM: Examples._sum, LEAVE: Examples._leave, **dict.fromkeys(GROUPS, Examples._group)}
)

_HARD: ByShape[Callable[..., Iterator[_Over]]] = ByShape(
    "an example",
    {
        **dict.fromkeys((SUM, LEAVE, *GROUPS, HINGE, MOVE_COST), Examples._nothing),
        FIXED: Examples._fixed,
        ENTER: Examples._enter,
        FLOW: Examples._flow,
    },
    SHAPES,
)
