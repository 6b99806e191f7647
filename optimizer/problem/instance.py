"""What one demand on one subject is called: an instance has one identity, and one name made from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

from optimizer.problem.shapes import GROUPS, LEAVE, SUM, ByShape

if TYPE_CHECKING:
    from collections.abc import Callable

    from optimizer.problem.atoms import Group, Harming, Leave, Linear
    from optimizer.problem.problem import Problem

__all__ = ["Instance", "InstanceName", "name_of", "unit_of"]


class Instance(NamedTuple):
    """One instance of an atom: its number in `Problem.atoms`, which member of the family, which domain.

    A SUM has one member, 0; a LEAVE has VMs for members; what speaks of a whole set has domain 0.
    """

    atom: int
    member: int
    domain: int


class InstanceName(NamedTuple):
    """The same in the words of the rules' violations (docs/architecture.md has the table)."""

    rule: str
    subject: str
    resource: str = ""
    domain: str = ""
    reason: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in (f"{self.rule}:{self.subject}", self.resource, self.domain) if part)


def name_of(problem: Problem, instance: Instance) -> InstanceName:
    """Return rule, subject, and what sets several instances of one subject apart."""
    atom = problem.atoms[instance.atom]
    return _NAMES[atom](problem, atom, instance)


def _sum(problem: Problem, atom: Linear, instance: Instance) -> InstanceName:
    return InstanceName(atom.asked.rule, problem.domain_ids[atom.level][instance.domain], atom.resource)


def _group(problem: Problem, atom: Group, instance: Instance) -> InstanceName:
    subject = "|".join(sets.ids[instance.member] for sets in atom.sides)
    if not atom.shape.by_domain:
        return InstanceName(atom.asked.rule, subject)
    domain = f"{problem.levels[atom.level]}:{problem.domain_ids[atom.level][instance.domain]}"
    return InstanceName(atom.asked.rule, subject, domain=domain)


def _leave(problem: Problem, atom: Leave, instance: Instance) -> InstanceName:
    return InstanceName(atom.asked.rule, problem.vm_ids[instance.member])


_NAMES: ByShape[Callable[..., InstanceName]] = ByShape(
    "the name of an instance", {SUM: _sum, LEAVE: _leave, **dict.fromkeys(GROUPS, _group)}
)


def unit_of(atom: Harming, domain: int) -> int:
    """Return what an instance's excess is divided by to make harm."""
    return int(cast("Linear", atom).unit[domain]) if atom.shape is SUM else 1
