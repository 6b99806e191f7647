"""What the explainer says, found again by looking at every placement: imports none of it.

Elements are worked out here from the atoms, as `docs/explanations.md` defines them, and measured by the reference
evaluator. `Key` is the one thing that is shared: how an element is called.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from optimizer.fleet import ABSENT
from optimizer.problem.atoms import Enter, Fixed, Flow, Leave, Linear
from optimizer.problem.evaluate import evaluate
from optimizer.problem.instance import Instance
from optimizer.problem.naming import name_of
from optimizer.problem.rule import Hardness

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from optimizer.problem.problem import Problem

__all__ = ["Key", "Seen", "Wish", "everything", "fewest", "is_excluded", "least_amount", "minimal_corrections"]


class Key(NamedTuple):
    """How an element is called: its kind, rule, what the item is about, resource, level, and its own subject.

    Budgets have the number of their atom for a level: two of them, of moves and of GiB, may be called the same.
    """

    kind: str
    rule: str
    about: str
    resource: str
    level: str
    subject: str


Reached = Callable[[tuple[int, ...], dict[Instance, int]], bool]


@dataclass(frozen=True)
class Wish:
    """What is asked of a placement, and which instances may be exceeded by how much."""

    reached: Reached
    ended: frozenset[Instance] = frozenset()
    kept: tuple[tuple[Instance, int], ...] = ()


@dataclass(frozen=True)
class Seen:
    """A placement that is what was asked for, and by how much it breaks which elements."""

    placement: tuple[int, ...]
    broken: dict[Key, int]


def everything(problem: Problem, wish: Wish) -> list[Seen]:
    """Return every placement that is what was asked for."""
    start = dict(evaluate(problem, problem.start.tolist()).excess)
    fixed = [v for v in range(problem.vms) if problem.start[v] == ABSENT or problem.also_at[v] != ABSENT]
    rows = [[int(problem.start[v])] if v in fixed else range(problem.hosts) for v in range(problem.vms)]
    out = []
    for placement in product(*rows):
        excess = dict(evaluate(problem, placement).excess)
        if wish.reached(placement, excess) and not any(excess.get(i, 0) > 0 for i in wish.ended):
            out.append(Seen(placement, dict(_broken(problem, wish, start, placement, excess))))
    return out


def _broken(
    problem: Problem, wish: Wish, start: dict[Instance, int], placement: tuple[int, ...], excess: dict[Instance, int]
) -> Iterator[tuple[Key, int]]:
    kept = dict(wish.kept)
    found: dict[Key, int] = {}
    for instance, amount in excess.items():
        asked = problem.atoms[instance.atom].asked  # type: ignore[union-attr]
        if instance in wish.ended or (asked.hardness is Hardness.SHOULD and instance not in kept):
            continue
        over = amount - kept.get(instance, start.get(instance, 0))
        if over > 0:
            key = _key(problem, instance)
            found[key] = max(found.get(key, 0), over)
    for number, atom in enumerate(problem.atoms):
        for key, over in _hard(problem, number, atom, placement):
            found[key] = max(found.get(key, 0), over)
    yield from found.items()


def _key(problem: Problem, instance: Instance) -> Key:
    atom = problem.atoms[instance.atom]
    name = name_of(problem, instance)
    if isinstance(atom, Linear):
        return Key("room", name.rule, "", name.resource, problem.levels[atom.level], name.subject)
    if isinstance(atom, Leave):
        return Key("leaving", name.rule, atom.reason, "", "", name.subject)
    return Key("group", name.rule, "", "", problem.levels[atom.level], name.subject)  # type: ignore[union-attr]


def _hard(problem: Problem, number: int, atom: object, placement: tuple[int, ...]) -> Iterator[tuple[Key, int]]:
    moved = [(v, int(problem.start[v]), h) for v, h in enumerate(placement) if h != problem.start[v]]
    for v, _, h in moved:
        if isinstance(atom, Fixed) and v in atom.vms.tolist():
            yield Key("pinned", atom.rule, atom.reason, "", "", problem.vm_ids[v]), 0 + 1
        if isinstance(atom, Enter) and not atom.hosts[h]:
            if atom.vms is None:
                yield Key("refused", atom.rule, atom.reason, "", "", problem.host_ids[h]), 1
            elif v in atom.vms.tolist():
                yield Key("refused", atom.rule, atom.reason, "", "vm", problem.vm_ids[v]), 1
    if isinstance(atom, Flow):
        counted = [
            v
            for v, source, target in moved
            if (atom.vms is None or atom.vms[v])
            and (atom.sources is None or atom.sources[source])
            and (atom.targets is None or atom.targets[target])
        ]
        over = sum(int(atom.cost[v]) for v in counted) - atom.limit
        if over > 0:
            yield Key("budget", atom.rule, atom.subject, "", str(number), atom.subject), over


def is_excluded(seen: Iterable[Seen], held: Iterable[Key]) -> bool:
    """Whether the elements, held together, leave no placement that is what was asked for."""
    keys = set(held)
    return all(keys & one.broken.keys() for one in seen)


def fewest(seen: Iterable[Seen]) -> int | None:
    """Return how many elements have to be lifted at least; None where lifting all does not help."""
    return min((len(one.broken) for one in seen), default=None)


def minimal_corrections(seen: Iterable[Seen]) -> set[frozenset[Key]]:
    """Return all sets of elements whose lifting helps, and of which no part does."""
    sets = sorted({frozenset(one.broken) for one in seen}, key=len)
    out: list[frozenset[Key]] = []
    for one in sets:
        if not any(small <= one for small in out):
            out.append(one)
    return set(out)


def least_amount(seen: Iterable[Seen], key: Key) -> int | None:
    """Return by how much one element has to give way, if it is lifted alone."""
    return min((one.broken[key] for one in seen if one.broken.keys() == {key}), default=None)
