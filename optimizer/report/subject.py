"""What an explanation is asked for: a VM, a host, a move or a whole plan, found by its name."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from itertools import chain
from typing import TYPE_CHECKING

from optimizer.errors import MISSING, InputError
from optimizer.similar import similar_or_some

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optimizer.fleet import Fleet
    from optimizer.plan import Plan

__all__ = ["Subject", "SubjectKind", "find_host", "find_subject"]

WHERE = "explain"


class SubjectKind(Enum):
    """What kinds of subject there are; the values are the prefixes that settle which one is meant."""

    VM = "vm"
    HOST = "host"
    MOVE = "move"
    PLAN = "plan"


@dataclass(frozen=True, slots=True)
class Subject:
    """A subject: the index of a VM or host, or of a move in its plan (0 for the plan itself)."""

    kind: SubjectKind
    index: int = 0


def find_subject(fleet: Fleet, plan: Plan | None, name: str | None) -> Subject:
    """Find the one thing that a name means; without a name it is the plan.

    Raises
    ------
    InputError
        If nothing, or more than one thing, has the name.
    """
    if name is None:
        if plan is None:
            raise InputError(WHERE, "SUBJECT", MISSING, "the name of a VM or a host, or --plan")
        return Subject(SubjectKind.PLAN)
    names = _names(fleet, plan)
    found = [Subject(kind, known[name]) for kind, known in names.items() if name in known]
    kind, _, rest = name.partition(":")
    for one, known in names.items():
        if one.value == kind and rest in known:
            found.append(Subject(one, known[rest]))
    if len(found) == 1:
        return found[0]
    if found:
        prefixes = ", ".join(f"{s.kind.value}:{name}" for s in found)
        raise InputError(WHERE, "SUBJECT", name, "one subject", f"say which: {prefixes}")
    expected = "a VM or a host of the fleet" if plan is None else "a VM or a host of the fleet, or a move of the plan"
    raise InputError(WHERE, "SUBJECT", name, expected, similar_or_some(name, chain.from_iterable(names.values())))


def _names(fleet: Fleet, plan: Plan | None) -> dict[SubjectKind, Mapping[str, int]]:
    names: dict[SubjectKind, Mapping[str, int]] = {
        SubjectKind.HOST: fleet.host_index,
        SubjectKind.VM: fleet.vm_index,
    }
    if plan is not None:
        names[SubjectKind.MOVE] = {m.id: i for i, m in enumerate(plan.moves)}
        names[SubjectKind.PLAN] = {plan.id: 0}
    return names


def find_host(fleet: Fleet, name: str) -> int:
    """Return the index of a host.

    Raises
    ------
    InputError
        If there is none of that name.
    """
    if name not in fleet.host_index:
        raise InputError(WHERE, "--to", name, "a host of the fleet", similar_or_some(name, fleet.hosts.ids))
    return fleet.host_index[name]
