"""The reference evaluator: slow, plain, and right. It judges a placement by the atoms alone.

Everything fast is tested against this file, so it shares no arithmetic with `tally` or with a solver.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from optimizer.fleet import ABSENT
from optimizer.problem.atoms import (
    Apart,
    AtLeast,
    AtMost,
    Enter,
    Fixed,
    Flow,
    Hinge,
    Leave,
    Linear,
    MoveCost,
    Needs,
    Same,
)
from optimizer.problem.instance import Instance
from optimizer.problem.rounding import harm
from optimizer.problem.rule import Hardness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from optimizer.fleet import Move
    from optimizer.problem.atoms import Asked, Atom
    from optimizer.problem.problem import Problem

__all__ = ["Evaluation", "evaluate", "hard_breaches", "instances", "placement_cost"]


@dataclass(frozen=True)
class Evaluation:
    """What a placement (with moves in flight) costs.

    `excess` holds the instances above 0 only. `priced` is in thousandths of a move; `worse` lists the instances of a
    must or a guard that exceed max(0, their excess at the start).
    """

    excess: Mapping[Instance, int]
    harm: int
    should_harm: int
    priced: int
    moving: int
    cost: int
    worse: tuple[Instance, ...]


def evaluate(problem: Problem, placement: Sequence[int], in_flight: Iterable[Move] = ()) -> Evaluation:
    """Judge `placement` (host of each VM, `ABSENT` for none), with `in_flight` moves counting at both ends.

    Moving counts one move for each VM that is not where it started; a plan's staging hops are counted by the plan.
    """
    where = _ends(problem, placement, in_flight)
    before = _ends(problem, problem.start.tolist(), ())
    excess: dict[Instance, int] = {}
    worse: list[Instance] = []
    harms = {"must": 0, "should": 0, "priced": 0}
    for number, atom in enumerate(problem.atoms):
        asked: Asked | None = getattr(atom, "asked", None)
        at_start = dict(_excesses(problem, atom, before, before))
        for (member, domain), amount in _excesses(problem, atom, where, before):
            key = Instance(number, member, domain)
            excess[key] = amount
            assert asked is not None
            if asked.hardness in (Hardness.MUST, Hardness.GUARD) and amount > at_start.get((member, domain), 0):
                worse.append(key)
            _count(harms, asked, amount, int(atom.unit[domain]) if type(atom) is Linear else 1)
    return Evaluation(
        excess=excess,
        harm=harms["must"],
        should_harm=harms["should"],
        priced=harms["priced"],
        moving=sum(int(problem.moving[v]) for v in range(problem.vms) if placement[v] != problem.start[v]),
        cost=placement_cost(problem, placement),
        worse=tuple(worse),
    )


def instances(problem: Problem, placement: Sequence[int]) -> Mapping[Instance, int]:
    """Return the instances that `placement` exceeds, and by how much."""
    return evaluate(problem, placement).excess


def _count(harms: dict[str, int], asked: Asked, excess: int, unit: int) -> None:
    if asked.hardness is Hardness.MUST:
        harms["must"] += harm(excess, unit, asked.weight)
    elif asked.hardness is Hardness.SHOULD and asked.price is None:
        harms["should"] += harm(excess, unit, asked.weight)
    elif asked.hardness is Hardness.SHOULD and asked.price is not None:
        harms["priced"] += asked.price * harm(excess, unit, 1)


class _Ends(NamedTuple):
    """Hosts of each VM: none, one, or two while it is in flight."""

    hosts: tuple[tuple[int, ...], ...]


def _ends(problem: Problem, placement: Sequence[int], in_flight: Iterable[Move]) -> _Ends:
    hosts: list[tuple[int, ...]] = [() if h == ABSENT else (int(h),) for h in placement]
    for vm, other in enumerate(problem.also_at.tolist()):
        if other != ABSENT:
            hosts[vm] += (other,)
    for move in in_flight:
        hosts[move.vm] += (move.target,)
    return _Ends(tuple(hosts))


def _domain_of(problem: Problem, level: int) -> list[int]:
    """Return the domain of each host: a list, since a numpy array is slow to ask one by one."""
    return [int(d) for d in problem.domain[level].tolist()]


def _domains(domain_of: Sequence[int], hosts: Iterable[int]) -> set[int]:
    return {domain_of[h] for h in hosts}


Found = tuple[tuple[int, int], int]


def _excesses(problem: Problem, atom: Atom, where: _Ends, before: _Ends) -> Iterator[Found]:
    """Yield ((member, domain), excess) for each instance above 0."""
    for key, amount in _known(_FAMILIES, atom)(problem, atom, where, before):
        if amount > 0:
            yield key, amount


def _linear(problem: Problem, atom: Linear, where: _Ends, before: _Ends) -> Iterator[Found]:
    load = Counter({d: int(b) for d, b in enumerate(atom.base)})
    domain_of = _domain_of(problem, atom.level)
    for vm, hosts in enumerate(where.hosts):
        there = hosts + before.hosts[vm] if atom.union else hosts
        for d in _domains(domain_of, there):
            load[d] += int(atom.amount[vm])
    for d, amount in load.items():
        yield (0, d), amount - int(atom.limit[d])


def _members(domain_of: Sequence[int], vms: Iterable[int], where: _Ends) -> dict[int, set[int]]:
    """For each domain, the distinct VMs of a set that are (also) there."""
    there: dict[int, set[int]] = defaultdict(set)
    for vm in vms:
        for d in _domains(domain_of, where.hosts[vm]):
            there[d].add(int(vm))
    return there


def _at_most(problem: Problem, atom: AtMost, where: _Ends, before: _Ends) -> Iterator[Found]:
    domain_of = _domain_of(problem, atom.level)
    for i in range(len(atom.sets)):
        for d, vms in _members(domain_of, atom.sets[i], where).items():
            yield (i, d), len(vms) - int(atom.k[i])


def _apart(problem: Problem, atom: Apart, where: _Ends, before: _Ends) -> Iterator[Found]:
    domain_of = _domain_of(problem, atom.level)
    for i in range(len(atom.left)):
        left = _members(domain_of, atom.left[i], where)
        right = _members(domain_of, atom.right[i], where)
        for d in left.keys() & right.keys():
            yield (i, d), min(len(left[d]), len(right[d]))


def _choices(vms: Iterable[int], where: _Ends) -> Iterator[dict[int, int]]:
    """Every way in which each VM of a set stands at one of its ends."""
    present = [int(v) for v in vms if where.hosts[v]]
    for hosts in product(*(where.hosts[v] for v in present)):
        yield dict(zip(present, hosts, strict=True))


def _at_least(problem: Problem, atom: AtLeast, where: _Ends, before: _Ends) -> Iterator[Found]:
    domain_of = _domain_of(problem, atom.level)
    for i in range(len(atom.sets)):
        if not any(where.hosts[v] for v in atom.sets[i]):
            continue
        fewest = min(len(_domains(domain_of, at.values())) for at in _choices(atom.sets[i], where))
        yield (i, 0), int(atom.k[i]) - fewest


def _same(problem: Problem, atom: Same, where: _Ends, before: _Ends) -> Iterator[Found]:
    """At the end only: a migrating VM counts where it stands (its first end)."""
    for i in range(len(atom.sets)):
        at = Counter(int(problem.domain[atom.level, where.hosts[v][0]]) for v in atom.sets[i] if where.hosts[v])
        yield (i, 0), at.total() - max(at.values(), default=0)


def _needs(problem: Problem, atom: Needs, where: _Ends, before: _Ends) -> Iterator[Found]:
    domain_of = _domain_of(problem, atom.level)
    for i in range(len(atom.left)):
        worst = 0
        left, right = atom.left[i].tolist(), atom.right[i].tolist()
        for at in _choices(sorted({*left, *right}), where):
            held = _domains(domain_of, (at[v] for v in right if v in at))
            lone = [v for v in left if v in at and domain_of[at[v]] not in held]
            worst = max(worst, len(lone))
        yield (i, 0), worst


def _leave(problem: Problem, atom: Leave, where: _Ends, before: _Ends) -> Iterator[Found]:
    for vm in atom.vms.tolist():
        yield (vm, 0), int(any(atom.hosts[h] for h in where.hosts[vm]))


def _nothing(problem: Problem, atom: Atom, where: _Ends, before: _Ends) -> Iterator[Found]:
    """Return nothing: Enter, Fixed and Flow judge moves, MoveCost and Hinge are paid for."""
    return iter(())


_FAMILIES: dict[type, Callable[[Problem, Any, _Ends, _Ends], Iterator[Found]]] = {
    Linear: _linear,
    AtMost: _at_most,
    Apart: _apart,
    AtLeast: _at_least,
    Same: _same,
    Needs: _needs,
    Leave: _leave,
    **dict.fromkeys((Enter, Fixed, Flow, MoveCost, Hinge), _nothing),
}

Judge = TypeVar("Judge")


def _known(judges: Mapping[type, Judge], atom: Atom) -> Judge:
    """Return how an atom is judged; `TypeError` for one that this file does not know."""
    if type(atom) not in judges:
        raise TypeError(f"the reference evaluator knows no {type(atom).__name__}")
    return judges[type(atom)]


def hard_breaches(problem: Problem, moves: Iterable[Move]) -> list[str]:
    """Return what the moves (all that a plan makes, hops included) break that has no degrees, in words."""
    moves = list(moves)
    return [breach for atom in problem.atoms for breach in _known(_BREACHES, atom)(problem, atom, moves)]


def _moved(problem: Problem, atom: Fixed, moves: Sequence[Move]) -> Iterator[str]:
    stay = set(atom.vms.tolist())
    return (f"{atom.rule}: {problem.vm_ids[m.vm]} stays: {atom.reason}" for m in moves if m.vm in stay)


def _arrived(problem: Problem, atom: Enter, moves: Sequence[Move]) -> Iterator[str]:
    of = None if atom.vms is None else set(atom.vms.tolist())
    return (
        f"{atom.rule}: {problem.vm_ids[m.vm]} may not arrive at {problem.host_ids[m.target]}"
        for m in moves
        if (of is None or m.vm in of) and not atom.hosts[m.target]
    )


def _overspent(problem: Problem, atom: Flow, moves: Sequence[Move]) -> Iterator[str]:
    used = sum(int(atom.cost[m.vm]) for m in moves if _counts_in(atom, m.vm, m.source, m.target))
    if used > atom.limit:
        yield f"{atom.rule}: {atom.subject}: {used} of {atom.limit}"


def _unbroken(problem: Problem, atom: Atom, moves: Sequence[Move]) -> Iterator[str]:
    """Return nothing: what has degrees is judged by its excess."""
    return iter(())


_BREACHES: dict[type, Callable[[Problem, Any, Sequence[Move]], Iterator[str]]] = {
    **dict.fromkeys((Linear, AtMost, Apart, AtLeast, Same, Needs, Leave, MoveCost, Hinge), _unbroken),
    Fixed: _moved,
    Enter: _arrived,
    Flow: _overspent,
}


def _counts_in(atom: Flow, vm: int, source: int, target: int) -> bool:
    """Whether a move counts in a flow; `flow_index.in_flow` says the same to everybody else."""
    return bool(
        (atom.vms is None or atom.vms[vm])
        and (atom.sources is None or atom.sources[source])
        and (atom.targets is None or atom.targets[target])
    )


def placement_cost(problem: Problem, placement: Sequence[int]) -> int:
    """Return the sum of the cost atoms (0 where there are none)."""
    return sum(_known(_COSTS, atom)(problem, atom, placement) for atom in problem.atoms)


def _free(problem: Problem, atom: Atom, placement: Sequence[int]) -> int:
    return 0


def _hinge(problem: Problem, atom: Hinge, placement: Sequence[int]) -> int:
    level = [int(o) for o in atom.offset]
    for vm, h in enumerate(placement):
        if h != ABSENT:
            level[h] += int(atom.amount[vm])
    return atom.weight * sum(max(0, y) for y in level)


def _move_cost(problem: Problem, atom: MoveCost, placement: Sequence[int]) -> int:
    moved = [v for v in range(problem.vms) if placement[v] != problem.start[v]]
    total = atom.vm_weight * sum(int(atom.vm_cost[v]) for v in moved)
    if atom.route is not None:
        total += atom.route_weight * sum(int(atom.route[problem.start[v], placement[v]]) for v in moved)
    if atom.sets is not None:
        gone = set(moved)
        most = max((sum(int(v) in gone for v in atom.sets[i]) for i in range(len(atom.sets))), default=0)
        total += atom.set_weight * most
    return total


_COSTS: dict[type, Callable[[Problem, Any, Sequence[int]], int]] = {
    **dict.fromkeys((Linear, AtMost, Apart, AtLeast, Same, Needs, Leave, Enter, Fixed, Flow), _free),
    Hinge: _hinge,
    MoveCost: _move_cost,
}
