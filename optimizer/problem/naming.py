"""What instances are called: the one name of each, made from its identity."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from optimizer.problem.instance import Instance, InstanceName
from optimizer.problem.shapes import GROUPS, LEAVE, SUM, ByShape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from optimizer.problem.atoms import Group, Harming, Leave, Linear
    from optimizer.problem.problem import Problem

__all__ = ["name_of", "subjects", "unit_of"]


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
    return InstanceName(atom.asked.rule, problem.vm_ids[instance.member], reason=atom.reason)


_NAMES: ByShape[Callable[..., InstanceName]] = ByShape(
    "the name of an instance", {SUM: _sum, LEAVE: _leave, **dict.fromkeys(GROUPS, _group)}
)


def subjects(problem: Problem, number: int) -> Iterable[Instance]:
    """Return one instance (of the first domain, where there are several) for each subject of an atom."""
    atom = problem.atoms[number]
    return _SUBJECTS[atom](problem, number, atom)


def _domains(problem: Problem, number: int, atom: Linear) -> Iterable[Instance]:
    return (Instance(number, 0, d) for d in range(len(problem.domain_ids[atom.level])))


def _members(problem: Problem, number: int, atom: Group) -> Iterable[Instance]:
    return (Instance(number, i, 0) for i in range(len(atom.sides[0])))


def _vms(problem: Problem, number: int, atom: Leave) -> Iterable[Instance]:
    return (Instance(number, vm, 0) for vm in atom.vms.tolist())


_SUBJECTS: ByShape[Callable[..., Iterable[Instance]]] = ByShape(
    "the list of subjects", {SUM: _domains, LEAVE: _vms, **dict.fromkeys(GROUPS, _members)}
)


def unit_of(atom: Harming, domain: int) -> int:
    """Return what an instance's excess is divided by to make harm."""
    return int(cast("Linear", atom).unit[domain]) if atom.shape is SUM else 1
