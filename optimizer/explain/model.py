"""The CP-SAT model of a problem in which each demand can be lifted by itself, and a goal.

It is the solver's own model (`optimizer.cp`), whose excesses may grow here where the literal of their element is false.
Arrivals and VMs that stay are elements too, so every VM that is placed, and that nobody else is moving, is free.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from optimizer.cp.model import Model
from optimizer.explain.elements import Element, Names, closed_hosts
from optimizer.fleet import ABSENT
from optimizer.problem.problem import Problem, Stage
from optimizer.problem.rule import Hardness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from numpy.typing import NDArray

    from optimizer import cp_sat
    from optimizer.explain.goals import Goal
    from optimizer.problem.atoms import Asked
    from optimizer.problem.instance import Instance

__all__ = ["ElementModel", "Part", "all_candidates", "free_vms"]


class Part(NamedTuple):
    """By how much an element is exceeded in one place: a variable, its largest value, what holding it allows, where."""

    excess: cp_sat.IntVar
    most: int
    allowed: int
    instance: Instance | None


def free_vms(problem: Problem) -> list[int]:
    """Return the VMs that could be elsewhere if all were lifted: placed, and not on their way by others."""
    return [int(v) for v in np.flatnonzero((problem.start != ABSENT) & (problem.also_at == ABSENT))]


def all_candidates(problem: Problem) -> dict[int, NDArray[np.int64]]:
    """Return every free VM over every host."""
    hosts = np.arange(problem.hosts, dtype=np.int64)
    return {vm: hosts for vm in free_vms(problem)}


class ElementModel(Model):
    """The problem with a literal for each element, true where it is held.

    Parameters
    ----------
    allowed
        The excess at the start of every instance that has one: what is held is no worse than that.
    complete
        Whether the problem is the whole one, where an instance that no free VM can change stays as it is.
    """

    def __init__(
        self,
        problem: Problem,
        goal: Goal,
        allowed: Mapping[Instance, int],
        candidates: Mapping[int, NDArray[np.int64]],
        check: Callable[[], None] = lambda: None,
        *,
        complete: bool = True,
    ) -> None:
        self.complete = complete
        self.goal, self.allowed, self.names = goal, allowed, Names(problem)
        self.held: dict[Element, cp_sat.IntVar] = {}
        self.parts: defaultdict[Element, list[Part]] = defaultdict(list)
        self._ended = set(goal.ended)
        self._seen: set[Instance] = set()
        self._first: dict[Element, Element] = {}
        self.excess_at: dict[Instance, cp_sat.IntVar] = {}
        super().__init__(problem, problem.start, candidates, check)
        self._hard()
        self._ask()
        self.hint(problem.start)

    def literal_of(self, element: Element) -> cp_sat.IntVar:
        """Return the literal of an element, true where it is held."""
        if element not in self.held:
            self.held[element] = self.cp.new_bool_var("")
        return self.held[element]

    # -- what has an excess --------------------------------------------------------------------------------------

    def excess(self, asked: Asked, instance: Instance, at_start: int, most: int) -> cp_sat.IntVar | int:
        """Return the variable that measures an instance; it may grow as far as it can where its element is lifted."""
        self.check()
        self.covered.add(instance)
        self._seen.add(instance)
        if most <= 0:
            return 0
        variable = self.excess_at[instance] = self.cp.new_int_var(0, most, "")
        if instance in self._ended:
            self.cp.add(variable <= 0)
            return variable
        allowed = self.goal.kept.get(instance)
        if allowed is None:
            if asked.hardness is Hardness.SHOULD:
                return variable
            allowed = self.allowed.get(instance, 0)
        if allowed < most:
            self.can_be_lifted(self.names.of_instance(instance), Part(variable, most, allowed, instance))
        return variable

    def can_be_lifted(self, element: Element, part: Part) -> None:
        """Hold a part at what is allowed of it, as long as its element is held."""
        self.cp.add(part.excess <= part.allowed).only_enforce_if(self.literal_of(element))
        self.parts[element].append(part)

    def count_harm(self, asked: Asked, excess: cp_sat.IntVar | int, most: int, unit: int = 1) -> None:
        """Count nothing: harm is not what is asked about."""

    def limit(self, number: int, total: cp_sat.LinearExpr, left: int, most: int) -> None:
        """Limit moves, as long as the budget is held."""
        if most <= left:
            return
        over = self.cp.new_int_var(0, most - left, "")
        self.cp.add(total <= left + over)
        atom = self.problem.demands.flows[number]
        self.can_be_lifted(self.names.budget(number, atom), Part(over, most - left, 0, None))

    # -- what has none -------------------------------------------------------------------------------------------

    def _hard(self) -> None:
        for number, pin in self.problem.demands.fixed.items():
            for vm in pin.vms.tolist():
                if vm in self.literal:
                    stays = self.literal[vm][int(self.problem.start[vm])]
                    self.cp.add_implication(self.literal_of(self.names.pinned(number, pin, vm)), stays)
        for number, atom in self.problem.demands.enters.items():
            self.check()
            if atom.vms is None:
                for host in closed_hosts(atom):
                    self._close(self.names.closed_host(number, atom, host), self.literal, ~atom.hosts, host)
            else:
                for vm in atom.vms.tolist():
                    self._close(self.names.bound_vm(number, atom, vm), [vm], ~atom.hosts)

    def _close(self, element: Element, vms: Iterable[int], closed: NDArray[np.bool_], only: int | None = None) -> None:
        """Forbid arrivals at the hosts that are closed, or at one of them."""
        start, shut = self.problem.start, []
        for vm in vms:
            row = self.literal.get(vm, {})
            hosts = row if only is None else (only,)
            shut += [row[h].negated() for h in hosts if h in row and h != start[vm] and closed[h]]
        if shut:
            self.cp.add_bool_and(shut).only_enforce_if(self.literal_of(self.first(element)))

    def first(self, element: Element) -> Element:
        """Return the element under which atoms of one rule that say the same of the same subject are held."""
        plain = Element(element.item, element.subject, 0, element.index)
        return self._first.setdefault(plain, element)

    # -- the goal ------------------------------------------------------------------------------------------------

    def _ask(self) -> None:
        for instance in self.goal.ended if self.complete else ():
            if instance not in self._seen and self.allowed.get(instance, 0) > 0:
                self.cp.add(False)
        for host in self.goal.empty:
            self._empty(host)
        for vm, host in self.goal.off:
            self._off(vm, host)
        for vm, host in self.goal.on:
            self._on(vm, host)
        if self.goal.moving is not None:
            self.cap(Stage.MOVING, self.goal.moving)

    def _empty(self, host: int) -> None:
        settled = self._settled()
        if any((ends[settled] == host).any() for ends in (self.problem.start, self.problem.also_at)):
            self.cp.add(False)
        self.cp.add_bool_and([row[host].negated() for row in self.literal.values() if host in row])

    def _off(self, vm: int, host: int) -> None:
        if vm not in self.literal:
            if host in (self.problem.start[vm], self.problem.also_at[vm]):
                self.cp.add(False)
        elif host in self.literal[vm]:
            self.cp.add_bool_and([self.literal[vm][host].negated()])

    def _on(self, vm: int, host: int) -> None:
        if vm in self.literal:
            self.cp.add_bool_and([self.literal[vm][host]])
        elif self.problem.start[vm] != host:
            self.cp.add(False)

    def _settled(self) -> list[int]:
        return [v for v in range(self.problem.vms) if v not in self.literal]

    def placed(self, solver: cp_sat.CpSolver) -> NDArray[np.int32]:
        """Return the placement that was found."""
        return self._read(solver)
