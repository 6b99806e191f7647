"""Sets of VMs that rules about groups speak of, and counts of them in domains. No rule's meaning stands here."""

from __future__ import annotations

from itertools import chain, count, groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Generic, Literal, NamedTuple, TypeVar, cast

import numpy as np
from pydantic.dataclasses import dataclass

from constraints.common import CONFIG, Parameters, in_domains
from constraints.hard import check_facts
from optimizer.fleet import ABSENT
from optimizer.problem.ends import fewest_domains
from optimizer.problem.names import LevelName, VmLabel
from optimizer.problem.rule import NotEvaluated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet, Group, GroupRule, State
    from optimizer.problem.atoms import Asked

__all__ = [
    "ByClass",
    "Crowds",
    "Meeting",
    "Names",
    "PairDemand",
    "SetDemand",
    "by_set",
    "crowds",
    "declared",
    "declared_pairs",
    "families",
    "fewest_held",
    "meetings",
    "open_ends",
    "under_way",
    "wanted",
]


_D = TypeVar("_D", "SetDemand", "PairDemand")


class SetDemand(NamedTuple):
    """What is asked of one set of VMs at one level; `number` is the rule's own (at most, at least)."""

    id: str
    vms: NDArray[np.int32]
    level: int
    asked: Asked
    number: int = 0


class PairDemand(NamedTuple):
    """What is asked of two sets of VMs at one level."""

    left_id: str
    right_id: str
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    level: int
    asked: Asked

    @property
    def id(self) -> str:
        """The pair's name."""
        return f"{self.left_id}|{self.right_id}"


class Wanted(Generic[_D]):
    """All that a rule asks of a fleet, in order, and by name; the first of those that share one."""

    def __init__(self, demands: Iterable[_D]) -> None:
        self.all: tuple[_D, ...] = tuple(demands)
        self.named: dict[str, _D] = {}
        for demand in self.all:
            self.named.setdefault(demand.id, demand)


def wanted(fleet: Fleet, rule: Parameters, read: Callable[[Fleet], Iterable[_D]]) -> Wanted[_D]:
    """Return what a rule asks of a fleet, read once: each violation is explained by it."""
    key = (Wanted, rule)
    if key not in fleet.looked_up:
        fleet.looked_up[key] = Wanted(read(fleet))
    return cast("Wanted[_D]", fleet.looked_up[key])


class Names:
    """Gives each demand of a rule a name of its own: a group may ask the same thing at two levels."""

    def __init__(self) -> None:
        self._taken: set[tuple[str, ...]] = set()

    def of(self, name: str, level: str, *rest: str) -> str:
        """Return `name`, or where (`name`, `rest`) is taken, one that tells its level as well."""
        if (name, *rest) not in self._taken:  # as nearly always
            self._taken.add((name, *rest))
            return name
        more = (f"{name} ({level} {n})" for n in count(2))
        chosen = next(c for c in chain((f"{name} ({level})",), more) if (c, *rest) not in self._taken)
        self._taken.add((chosen, *rest))
        return chosen


def declared(fleet: Fleet, kind: str) -> Iterator[tuple[Group, GroupRule]]:
    """Yield what the snapshot's groups ask of one kind of rule."""
    for group in fleet.groups:
        for rule in group.rules:
            if rule.rule == kind:
                yield group, rule


def declared_pairs(fleet: Fleet, kind: str) -> Iterator[tuple[Group, Group, GroupRule]]:
    """Yield what the snapshot's groups ask of one kind of rule that names another group."""
    for group, rule in declared(fleet, kind):
        other = fleet.group_index.get(rule.other or "")
        if other is not None:
            yield group, fleet.groups[other], rule


def families(demands: Iterable[_D]) -> dict[tuple[int, Asked], list[_D]]:
    """Sort demands by what one atom can hold: those of one level, asked alike."""
    out: dict[tuple[int, Asked], list[_D]] = {}
    for demand in demands:
        out.setdefault((demand.level, demand.asked), []).append(demand)
    return out


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class ByClass(Parameters):
    """A rule about the snapshot's groups, or about the VMs of each owner or with the same value of a label.

    Parameters
    ----------
    by
        ``group``: as the snapshot's groups say, each with its own level, number and hardness. ``owner`` or ``label``:
        the VMs of each owner, or with the same value of `label`, as the policy says.
    label
        The label, where ``by: label``.
    level
        For ``by: owner`` and ``by: label``.
    """

    by: Literal["group", "owner", "label"] = "group"
    label: VmLabel | None = None
    level: LevelName = "host"

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.by == "label") != (self.label is not None):
            raise ValueError("label goes with by: label, and only with it")
        facts = {"group": [], "owner": ["owner"], "label": [f"labels.{self.label}"]}[self.by]
        check_facts(self.require, [*facts, f"levels.{self.level}"])

    def not_evaluated(self, fleet: Fleet) -> Iterable[NotEvaluated]:
        """Name VMs without an owner or label, where the rule goes by that; and a level that the fleet lacks."""
        if self.by == "group":
            return
        if self.level not in fleet.level_index:
            yield NotEvaluated(self.name, f"levels.{self.level}", vms=len(fleet.vms))
        if self.by == "owner":
            missing = int((fleet.vms.owner == ABSENT).sum())
        else:
            missing = sum(self.label not in labels for labels in fleet.vms.labels)
        if missing:
            yield NotEvaluated(self.name, "owner" if self.by == "owner" else f"labels.{self.label}", vms=missing)

    def classes(self, fleet: Fleet, number: int) -> Iterator[SetDemand]:
        """Yield a demand for each owner or value of the label, by name; none where the fleet lacks the level."""
        level = fleet.level_index.get(self.level)
        if level is None:
            return
        for name, vms in sorted((self._owners if self.by == "owner" else self._labels)(fleet).items()):
            yield SetDemand(name, vms, level, self.asked, number)

    @staticmethod
    def _owners(fleet: Fleet) -> dict[str, NDArray[np.int32]]:
        order = np.argsort(fleet.vms.owner, kind="stable").astype(np.int32)
        owners, first = np.unique(fleet.vms.owner[order], return_index=True)
        parts = np.split(order, first[1:]) if len(owners) else []
        return {fleet.vms.owner_ids[o]: vms for o, vms in zip(owners.tolist(), parts, strict=True) if o != ABSENT}

    def _labels(self, fleet: Fleet) -> dict[str, NDArray[np.int32]]:
        found: dict[str, list[int]] = {}
        for vm, labels in enumerate(fleet.vms.labels):
            value = labels.get(self.label or "")
            if value is not None:
                found.setdefault(value, []).append(vm)
        return {value: np.array(vms, np.int32) for value, vms in found.items()}


class Crowds(NamedTuple):
    """How many distinct VMs of which set are in which domain: parallel arrays, by set and then by domain."""

    which: NDArray[np.int64]
    domain: NDArray[np.int64]
    vms: NDArray[np.int64]


def crowds(state: State, level: int, sets: Sequence[NDArray[np.int32]], *, both_ends: bool = True) -> Crowds:
    """Count the VMs of each set in each domain of a level; a migrating VM at both ends, or only where it stands."""
    which = np.repeat(np.arange(len(sets)), [len(s) for s in sets])
    members = np.concatenate([*sets, np.zeros(0, np.int32)])
    domain = state.fleet.hosts.domain[level].astype(np.int64)
    here = state.placement[members]
    there = _other_ends(state)[members] if both_ends else np.full_like(here, ABSENT)
    second = (there != ABSENT) & ((here == ABSENT) | (domain[there] != domain[here]))
    wide = len(state.fleet.domain_ids[level])
    at = [which[here != ABSENT] * wide + domain[here[here != ABSENT]], which[second] * wide + domain[there[second]]]
    key, vms = np.unique(np.concatenate(at), return_counts=True)
    return Crowds(key // wide, key % wide, vms.astype(np.int64))


def by_set(which: NDArray[np.int64], domain: NDArray[np.int64]) -> Iterator[tuple[int, list[int]]]:
    """Yield each set with its domains, from parallel arrays that are ordered by set."""
    for i, pairs in groupby(zip(which.tolist(), domain.tolist(), strict=True), key=itemgetter(0)):
        yield i, [d for _, d in pairs]


def under_way(state: State, sets: Sequence[NDArray[np.int32]]) -> list[int]:
    """Return which of the sets have a migrating VM."""
    which = np.repeat(np.arange(len(sets)), [len(s) for s in sets])
    members = np.concatenate([*sets, np.zeros(0, np.int32)])
    return sorted(set(which[_other_ends(state)[members] != ABSENT].tolist()))


def _other_ends(state: State) -> NDArray[np.int32]:
    there = np.full(len(state.fleet.vms), ABSENT, np.int32)
    for vm, host in state.other_end.items():
        there[vm] = host
    return there


class Meeting(NamedTuple):
    """Both sides of a pair in one domain: which of their VMs are there, ascending."""

    pair: PairDemand
    domain: int
    left: tuple[int, ...]
    right: tuple[int, ...]

    @property
    def fewer(self) -> int:
        """How many VMs of either side have to go, at the least."""
        return min(len(self.left), len(self.right))


def meetings(state: State, pairs: Sequence[PairDemand]) -> Iterator[Meeting]:
    """Yield each domain where both sides of a pair are, by pair; a migrating VM is at both ends."""
    for level in sorted({pair.level for pair in pairs}):
        here = [pair for pair in pairs if pair.level == level]
        wide = len(state.fleet.domain_ids[level])
        left, right = (crowds(state, level, sets) for sets in ([p.left for p in here], [p.right for p in here]))
        both = np.intersect1d(left.which * wide + left.domain, right.which * wide + right.domain)
        for i, domains in by_set(both // wide, both % wide):
            pair = here[i]
            at_left, at_right = (in_domains(state, level, side) for side in (pair.left, pair.right))
            for d in domains:
                yield Meeting(pair, d, tuple(sorted(at_left[d])), tuple(sorted(at_right[d])))


def fewest_held(state: State, level: int, vms: NDArray[np.int32]) -> int:
    """Return how many domains a set holds at the least, over all choices of ends of its migrating VMs."""
    return fewest_domains(*open_ends(state, level, vms))


def open_ends(state: State, level: int, vms: NDArray[np.int32]) -> tuple[set[int], list[frozenset[int]]]:
    """Return the domains held anyhow, and the pairs of ends that hold none of these."""
    domain = state.fleet.hosts.domain[level]
    settled: set[int] = set()
    between: set[frozenset[int]] = set()
    for vm in vms.tolist():
        ends = {int(domain[h]) for h in (int(state.placement[vm]), state.other_end.get(vm, ABSENT)) if h != ABSENT}
        if len(ends) == 1:
            settled |= ends
        elif ends:
            between.add(frozenset(ends))
    return settled, sorted((ends for ends in between if not ends & settled), key=sorted)
