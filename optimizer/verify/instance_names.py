"""How an instance of an atom is called, in the words that the rules' violations use (docs/architecture.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.problem.atoms import Apart, AtLeast, AtMost, Leave, Linear, Needs, Same

if TYPE_CHECKING:
    from optimizer.problem.instance import Instance
    from optimizer.problem.problem import Problem

__all__ = ["instance_name"]


def instance_name(problem: Problem, instance: Instance) -> str:
    """Return rule, subject, and what sets several instances of one subject apart."""
    atom = problem.atoms[instance.atom]
    if isinstance(atom, Linear):
        subject, rest = problem.domain_ids[atom.level][instance.domain], atom.resource
    elif isinstance(atom, Leave):
        subject, rest = problem.vm_ids[instance.member], ""
    elif isinstance(atom, AtMost | AtLeast | Same):
        subject, rest = atom.sets.ids[instance.member], ""
    elif isinstance(atom, Apart | Needs):
        subject, rest = f"{atom.left.ids[instance.member]}|{atom.right.ids[instance.member]}", ""
    else:
        raise TypeError(f"{type(atom).__name__} has no instances")
    if isinstance(atom, AtMost | Apart):
        rest = f"{problem.levels[atom.level]}:{problem.domain_ids[atom.level][instance.domain]}"
    return f"{atom.asked.rule}:{subject} {rest}".rstrip()
