"""Needs: where there is a VM of one group there is a VM of another, in each domain of a level."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic.dataclasses import dataclass

from constraints.common import CONFIG, Parameters, names
from constraints.groups import Names, PairDemand, declared_pairs, families, open_ends, parts_of
from constraints.hard import check_facts, counted
from optimizer.fleet import ABSENT
from optimizer.problem.atoms import Needs as NeedsAtom
from optimizer.problem.atoms import Sets
from optimizer.problem.rule import Violation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Set

    from optimizer.fleet import Fleet, State
    from optimizer.problem.atoms import Atom

    _Pairs = frozenset[frozenset[int]]  # of domains: the ends of VMs on their way
    _Left = frozenset[tuple[int, frozenset[int]]]  # VMs, each with its domains

__all__ = ["Needs"]


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Needs(Parameters):
    """VMs of one group kept where VMs of another are, as the snapshot's groups say (``with`` names the other).

    A VM that is in both groups brings what it needs along.
    """

    kind: ClassVar[str] = "needs"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_facts(self.require, ())

    def lower(self, fleet: Fleet) -> Iterable[Atom]:
        """One `Needs` atom for each level and hardness."""
        for (level, asked), demands in families(self._demands(fleet)).items():
            yield NeedsAtom(
                asked=asked,
                level=level,
                left=Sets.of((d.left_id, d.left) for d in demands),
                right=Sets.of((d.right_id, d.right) for d in demands),
            )

    def check(self, state: State) -> Iterator[Violation]:
        """Count the VMs that lack what they need; migrating VMs at whichever end is worse."""
        for demand in self._demands(state.fleet):
            lone = _lone(state, demand)
            if lone:
                yield Violation(
                    rule=self.name,
                    subject=demand.id,
                    hardness=demand.asked.hardness,
                    value=len(lone),
                    limit=0,
                    excess=len(lone),
                    weight=demand.asked.weight,
                    vms=lone,
                )

    def explain(self, violation: Violation, fleet: Fleet) -> str:
        """Say which VMs lack what."""
        v = violation
        demand = next((d for d in self._demands(fleet, of=v.subject) if d.id == v.subject), None)
        left, right = (demand.left_id, demand.right_id) if demand else (v.subject, "the other group")
        level = fleet.levels[demand.level] if demand else "domain"
        if demand and not len(demand.right):
            return (
                f"{left}: {counted(v.value, 'VM')} ({names(fleet, v.vms)}) without a VM of {right}, and there is none"
            )
        return (
            f"{left}: {counted(v.value, 'VM')} ({names(fleet, v.vms)}) on a {level} without a VM of {right}; "
            f"move them to one, or one of these to them"
        )

    def _demands(self, fleet: Fleet, of: str | None = None) -> Iterator[PairDemand]:
        """Yield what is asked; with `of`, the subject of a violation, only what may be it."""
        own = Names()
        for group, other, rule in declared_pairs(fleet, self.kind, of):
            alone = np.setdiff1d(group.members, other.members)
            if len(alone):
                name = own.of(group.id, rule.level, other.id)
                level = fleet.level_index[rule.level]
                yield PairDemand(name, other.id, alone, other.members, level, self.asked_by(rule))


def _lone(state: State, demand: PairDemand) -> tuple[int, ...]:
    """Return the VMs without what they need, for the choice of ends of what they need that leaves the most so."""
    domain = state.fleet.hosts.domain[demand.level]
    held, pairs = open_ends(state, demand.level, demand.right)
    ends = {
        vm: {int(domain[h]) for h in (int(state.placement[vm]), state.other_end.get(vm, ABSENT)) if h != ABSENT}
        for vm in demand.left.tolist()
    }
    lone = _most_lone(frozenset(pairs), _but(ends.items(), held), {})
    return tuple(vm for vm in ends if vm in lone)


def _but(left: Iterable[tuple[int, Set[int]]], held: Set[int]) -> _Left:
    """Return the VMs that have a domain which is not held, with these domains."""
    return frozenset((vm, frozenset(rest)) for vm, ends in left if (rest := ends - held))


def _most_lone(pairs: _Pairs, left: _Left, known: dict[tuple[_Pairs, _Left], Set[int]]) -> Set[int]:
    """Return the VMs of `left` with a domain that is not held, for ends of every pair that are held and leave the most.

    Domains that nothing ties to each other are looked at apart: all choices together would be far too many.

    Parameters
    ----------
    known
        What parts came to that were looked at before.
    """
    of: defaultdict[int, list[tuple[int, frozenset[int]]]] = defaultdict(list)
    for vm, ends in left:
        of[min(ends)].append((vm, ends))
    lone: set[int] = set()
    for domains, mine in parts_of(pairs, (ends for _, ends in left)):
        here = frozenset(one for d in domains if d in of for one in of[d])
        if mine and here:
            if (mine, here) not in known:
                known[mine, here] = _most_lone_of_part(mine, here, known)
            lone |= known[mine, here]
        else:
            lone.update(vm for vm, _ in here)
    return lone


def _most_lone_of_part(pairs: _Pairs, left: _Left, known: dict[tuple[_Pairs, _Left], Set[int]]) -> Set[int]:
    """Try both for one domain that most pairs share: it is held, or it is not, and then their other ends are."""
    shares = Counter(end for pair in pairs for end in pair)
    most = [end for end in sorted(shares) if shares[end] == max(shares.values())]
    end = most[len(most) // 2]
    others = {other for pair in pairs if end in pair for other in pair} - {end}
    with_it = _most_lone(frozenset(p for p in pairs if end not in p), _but(left, {end}), known)
    lone = {vm for vm, ends in left if end in ends}
    rest = _but(((vm, ends) for vm, ends in left if vm not in lone), others)
    without = lone | _most_lone(frozenset(p for p in pairs if not p & others), rest, known)
    return max(with_it, without, key=len)
