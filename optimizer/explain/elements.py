"""What can be lifted: the elements that a proof is made of, and the items under which they are told.

An element is one demand that can be lifted by itself; an item gathers the elements of one rule that say the same thing
of different subjects:

========  =====================================================  ==================================
kind      an element                                             an item gathers those of
========  =====================================================  ==================================
room      a sum's limit in one domain (memory of host h7)        one rule, resource and level
group     what a rule asks of one set, or of one pair of sets    one rule and level
leaving   one VM does not go (back) to hosts it has to leave     one rule and reason
refused   one host that receives no VM, for one reason; or one   one rule and reason
          VM that may go to certain hosts only
pinned    one VM that stays where it is                          one rule and reason
budget    one limit on moves                                     itself
========  =====================================================  ==================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from optimizer.planning.obstacles import Kind
from optimizer.problem.naming import name_of
from optimizer.problem.shapes import GROUPS, LEAVE, SUM, ByShape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from optimizer.problem.atoms import Enter, Fixed, Flow, Group, Leave, Linear
    from optimizer.problem.instance import Instance
    from optimizer.problem.problem import Problem

__all__ = ["Element", "Given", "Item", "Names", "gathered"]


class Item(NamedTuple):
    """What elements are told under."""

    kind: str
    rule: str
    subject: str = ""
    resource: str = ""
    level: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Element:
    """One demand that can be lifted.

    Attributes
    ----------
    item
        What it is told under.
    subject
        The host, domain, VM, group or budget that it is about.
    atom
        The first atom that it comes from.
    index
        Number of the host, domain, VM or set; 0 for a budget.
    """

    item: Item
    subject: str
    atom: int
    index: int

    @property
    def kind(self) -> Kind:
        """What it is."""
        return Kind(self.item.kind)

    def __str__(self) -> str:
        parts = (self.item.rule, self.subject, self.item.resource, self.item.subject, self.item.level)
        return ":".join(part for part in dict.fromkeys(parts) if part)


@dataclass(frozen=True, slots=True)
class Given:
    """By how much an element gives way in one place, beyond what is allowed there; 0 and None for one without degrees.

    `instance` says where, if that is an instance of the problem (a budget is none).
    """

    amount: int = 0
    allowed: int | None = None
    instance: Instance | None = None


class Names:
    """The elements of a problem, by what they come from."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem

    def of_instance(self, instance: Instance) -> Element:
        """Return the element that keeps an instance from being exceeded."""
        atom = self.problem.atoms[instance.atom]
        return _NAMED[atom](self, atom, instance)

    def _sum(self, atom: Linear, instance: Instance) -> Element:
        item = Item(Kind.ROOM.value, atom.asked.rule, "", atom.resource, self.problem.levels[atom.level])
        return Element(item, self.problem.domain_ids[atom.level][instance.domain], instance.atom, instance.domain)

    def _group(self, atom: Group, instance: Instance) -> Element:
        item = Item(Kind.GROUP.value, atom.asked.rule, "", "", self.problem.levels[atom.level])
        return Element(item, name_of(self.problem, instance).subject, instance.atom, instance.member)

    def _leave(self, atom: Leave, instance: Instance) -> Element:
        item = Item(Kind.LEAVING.value, atom.asked.rule, atom.reason)
        return Element(item, self.problem.vm_ids[instance.member], instance.atom, instance.member)

    def pinned(self, number: int, atom: Fixed, vm: int) -> Element:
        """Return the element that keeps a VM where it is."""
        return Element(Item(Kind.PINNED.value, atom.rule, atom.reason), self.problem.vm_ids[vm], number, vm)

    def closed_host(self, number: int, atom: Enter, host: int) -> Element:
        """Return the element that lets a host receive nobody."""
        return Element(Item(Kind.REFUSED.value, atom.rule, atom.reason), self.problem.host_ids[host], number, host)

    def bound_vm(self, number: int, atom: Enter, vm: int) -> Element:
        """Return the element that lets a VM go to certain hosts only."""
        item = Item(Kind.REFUSED.value, atom.rule, atom.reason, "", "vm")
        return Element(item, self.problem.vm_ids[vm], number, vm)

    def budget(self, number: int, atom: Flow) -> Element:
        """Return the element that limits moves."""
        return Element(Item(Kind.BUDGET.value, atom.rule, atom.subject), atom.subject, number, 0)


_NAMED: ByShape[Callable[..., Element]] = ByShape(
    "the elements of a proof",
    {
        SUM: Names._sum,
        LEAVE: Names._leave,
        **dict.fromkeys(GROUPS, Names._group),
    },
)


def gathered(elements: Iterable[Element]) -> dict[Item, tuple[Element, ...]]:
    """Return elements by item, both in order."""
    out: dict[Item, list[Element]] = {}
    for element in sorted(elements):
        out.setdefault(element.item, []).append(element)
    return {item: tuple(members) for item, members in out.items()}


def closed_hosts(atom: Enter) -> list[int]:
    """Return the hosts that an Enter closes."""
    return [int(h) for h in np.flatnonzero(~atom.hosts)]
