"""`plan --only`: what is chosen is fixed; everything else becomes a guard: never worse, never a reason to move."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from constraints.scope.wrapped import Wrapped
from optimizer.fleet import ABSENT, State
from optimizer.problem.atoms import UNLIMITED, Sets
from optimizer.problem.rule import Hardness
from optimizer.problem.shapes import GROUPS, LEAVE, SUM, ByShape, shape_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet
    from optimizer.problem.atoms import Asked, Atom, Group, Harming, Leave, Linear
    from optimizer.problem.rule import Rule, Violation

__all__ = ["Key", "Only", "chosen_keys"]

COUNTS = (Hardness.MUST, Hardness.SHOULD)


class Key(NamedTuple):
    """An instance of a rule, in whichever domain of a level: what an atom's member and a violation both say."""

    subject: str
    resource: str
    level: str


def key_of(violation: Violation) -> Key:
    """Return the instance that a violation is of."""
    level = violation.domain.partition(":")[0] if violation.domain is not None else ""
    return Key(violation.subject, violation.resource or "", level)


def chosen_keys(rule: Rule, fleet: Fleet, groups: frozenset[str], hosts: NDArray[np.bool_]) -> frozenset[Key]:
    """Return the instances, of those that the fleet violates, that are about any of the groups or hosts (bool [H]).

    An instance is about a host if it is the host's own, or its domain lies on the chosen hosts alone, or if a VM that
    it concerns stands there. What the fleet does not violate need not be chosen: a guard keeps it as it is.
    """
    found = (v for v in rule.check(State.start(fleet)) if v.hardness in COUNTS)
    return frozenset(key_of(v) for v in found if _of_groups(v, groups, fleet) or _on_hosts(v, fleet, hosts))


def _of_groups(violation: Violation, groups: frozenset[str], fleet: Fleet) -> bool:
    if violation.resource is not None or not groups:
        return False
    names = {violation.subject, *violation.subject.split("|")}
    names |= {name.removesuffix(f" ({level})") for name in names for level in fleet.levels}
    return bool(names & groups)


def _on_hosts(violation: Violation, fleet: Fleet, hosts: NDArray[np.bool_]) -> bool:
    for vm in violation.vms:
        ends = (int(fleet.vms.host[vm]), int(fleet.also_at[vm]))
        if any(h != ABSENT and hosts[h] for h in ends) and _inside(violation, fleet, ends):
            return True
    if violation.resource is not None and violation.domain is None:
        return any(_covered(fleet, level, violation.subject, hosts) for level in range(len(fleet.levels)))
    level, _, name = (violation.domain or "").partition(":")
    return level in fleet.level_index and _covered(fleet, fleet.level_index[level], name, hosts)


def _inside(violation: Violation, fleet: Fleet, ends: Iterable[int]) -> bool:
    """Whether any of the hosts is in the violation's domain; where it names none, any is."""
    level, _, name = (violation.domain or "").partition(":")
    if level not in fleet.level_index:
        return True
    number = fleet.level_index[level]
    return any(fleet.domain_ids[number][int(fleet.hosts.domain[number, h])] == name for h in ends if h != ABSENT)


def _covered(fleet: Fleet, level: int, name: str, hosts: NDArray[np.bool_]) -> bool:
    """Whether all hosts of the domain of that name, and at least one, are chosen."""
    if name not in fleet.domain_ids[level]:
        return False
    inside = fleet.hosts.domain[level] == fleet.domain_ids[level].index(name)
    return bool(inside.any() and hosts[inside].all())


@dataclass(frozen=True)
class Only(Wrapped):
    """A rule of which some instances count, and all others are guards.

    Parameters
    ----------
    chosen
        The instances that count.
    """

    chosen: frozenset[Key] = frozenset()

    def lower(self, fleet: Fleet) -> Iterable[Atom]:
        """Split each atom into what counts and what is a guard."""
        for atom in self.inner.lower(fleet):
            if shape_of(atom).has_excess and cast("Harming", atom).asked.hardness in COUNTS:
                yield from self._split(cast("Harming", atom), fleet)
            else:
                yield atom

    def check(self, state: State) -> Iterator[Violation]:
        """Judge as the rule does; what was not chosen is a guard."""
        for v in self.inner.check(state):
            counts = v.hardness not in COUNTS or key_of(v) in self.chosen
            yield v if counts else replace(v, hardness=Hardness.GUARD)

    def _split(self, atom: Harming, fleet: Fleet) -> Iterator[Harming]:
        keys = _KEYS[atom](atom, fleet)
        kept = np.fromiter((key in self.chosen for key in keys), np.bool_, len(keys))
        if kept.any():
            yield _PARTS[atom](atom, kept)
        if not kept.all():
            yield replace(_PARTS[atom](atom, ~kept), asked=_guard(atom.asked))


def _sum_keys(atom: Linear, fleet: Fleet) -> list[Key]:
    return [Key(name, atom.resource, "") for name in fleet.domain_ids[atom.level]]


def _group_keys(atom: Group, fleet: Fleet) -> list[Key]:
    level = fleet.levels[atom.level] if atom.shape.by_domain else ""
    return [Key("|".join(names), "", level) for names in zip(*(s.ids for s in atom.sides), strict=True)]


def _leave_keys(atom: Leave, fleet: Fleet) -> list[Key]:
    return [Key(fleet.vms.ids[v], "", "") for v in atom.vms.tolist()]


_KEYS: ByShape[Callable[..., list[Key]]] = ByShape(
    "--only", {SUM: _sum_keys, LEAVE: _leave_keys, **dict.fromkeys(GROUPS, _group_keys)}
)
"""The instances of an atom, as violations of them are called."""


def _part_of_sum(atom: Linear, mask: NDArray[np.bool_]) -> Linear:
    return replace(atom, limit=np.where(mask, atom.limit, UNLIMITED))


def _part_of_group(atom: Group, mask: NDArray[np.bool_]) -> Group:
    """Return some of the sets or pairs, with their limits."""
    return atom.some(np.flatnonzero(mask), lambda sets: _some(sets, mask))


def _part_of_leave(atom: Leave, mask: NDArray[np.bool_]) -> Leave:
    return replace(atom, vms=atom.vms[mask])


_PARTS: ByShape[Callable[..., Harming]] = ByShape(
    "--only", {SUM: _part_of_sum, LEAVE: _part_of_leave, **dict.fromkeys(GROUPS, _part_of_group)}
)
"""Some of the instances of an atom."""


def _guard(asked: Asked) -> Asked:
    return replace(asked, hardness=Hardness.GUARD, price=None)


def _some(sets: Sets, mask: NDArray[np.bool_]) -> Sets:
    return Sets.of((sets.ids[i], sets[i].tolist()) for i in np.flatnonzero(mask).tolist())
