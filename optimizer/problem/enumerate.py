"""The oracle: every placement, and every plan, of a tiny problem, one by one.

Plain enumeration, exponential on purpose, for at most a handful of VMs. Every word comes from the reference evaluator;
nothing here is shared with a solver or with those who order moves. What is remembered is only what the evaluator has
said of one instance, by where its VMs stand.

A plan is safe in every order if and only if all its reachable states are; one that is carried out move by move has
the fewest of them. So the best plan is a shortest path: from placement to placement, one live migration at a time.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, combinations, count, product
from typing import TYPE_CHECKING

import numpy as np

from optimizer.fleet import ABSENT, Move
from optimizer.problem.atoms import UNLIMITED, Sets
from optimizer.problem.evaluate import evaluate, placement_cost
from optimizer.problem.flow_index import spent_of
from optimizer.problem.problem import Stage
from optimizer.problem.shapes import GROUPS, LEAVE, SUM, ByShape

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from optimizer.problem.atoms import Flow, Group, Harming, Leave, Linear
    from optimizer.problem.problem import Problem

__all__ = ["Outcome", "best", "best_placement", "best_plan", "placements", "plans", "reachable"]

Ends = tuple[tuple[int, ...], ...]
"""Hosts of each VM: none, one, or two while it is in flight."""

_Path = tuple[int, int, int, tuple[int, ...], tuple[int, ...], tuple[Move, ...]]
"""On the way: what it cost, its length, a ticket; the placement, the flows spent, the moves."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A placement that may be reached, what it is worth stage by stage, and the moves that lead there.

    `values` has the problem's stages in their order, without PLACEMENT (which is not the oracle's business).
    """

    values: Mapping[Stage, int]
    placement: tuple[int, ...]
    moves: tuple[Move, ...]

    @property
    def rank(self) -> tuple[int, ...]:
        """What is compared: the stages in order."""
        return tuple(self.values.values())


def best_placement(problem: Problem) -> Outcome:
    """Return the best placement, whether or not its moves can be ordered; each VM moves at most once."""
    return best(placements(problem))


def best_plan(problem: Problem) -> Outcome:
    """Return the best that can be carried out live: a shortest sequence of moves to the best placement."""
    return best(plans(problem))


def best(outcomes: Iterable[Outcome], within: Mapping[Stage, int] | None = None) -> Outcome:
    """Return the lexicographically least outcome, ties by moves and placement.

    `within`: only outcomes that have at most these values in these stages. What a later stage can be at best, given
    what earlier stages were left at, is then the first value that `within` does not name.
    """
    caps = within or {}
    allowed = [o for o in outcomes if all(o.values[stage] <= cap for stage, cap in caps.items())]
    free = [stage for stage in allowed[0].values if stage not in caps]
    return min(allowed, key=lambda o: ([o.values[s] for s in free], len(o.moves), o.placement))


def placements(problem: Problem) -> Iterator[Outcome]:
    """Yield every placement that no direct move and no must or guard forbids, the present one first."""
    judge = _Judge(problem)
    start = tuple(problem.start.tolist())
    choices = [(h, *_targets(problem, vm, h)) for vm, h in enumerate(start)]
    for placement in product(*choices):
        moves = tuple(Move(v, a, b) for v, (a, b) in enumerate(zip(start, placement, strict=True)) if a != b)
        if not _within(problem.flows, _spent(problem, moves)):
            continue
        verdict = judge.at(placement)
        if not verdict.worse and not verdict.split:
            yield _outcome(problem, verdict, placement, moves)


def plans(problem: Problem) -> Iterator[Outcome]:
    """Yield every placement that a sequence of live migrations reaches, each with a least-moving one.

    In every state on the way, with the moving VM at both ends too, no must and no guard may be worse than at the
    start; `Same` is judged where the plan ends. The budgets that are used up belong to the state.
    """
    judge = _Judge(problem)
    start = tuple(problem.start.tolist())
    unspent = (0,) * len(problem.flows)
    tickets = count()  # paths of equal cost and length: first come, first served
    queue: list[_Path] = [(0, 0, next(tickets), start, unspent, ())]
    settled: set[tuple[tuple[int, ...], tuple[int, ...]]] = set()
    while queue:
        *_, placement, spent, moves = heapq.heappop(queue)
        if (placement, spent) in settled:
            continue
        settled.add((placement, spent))
        verdict = judge.at(placement)
        if not verdict.split:
            yield _outcome(problem, verdict, placement, moves)
        for move in _steps(problem, judge, placement):
            used = tuple(s + u for s, u in zip(spent, _spent(problem, (move,)), strict=True))
            after = _made(placement, move)
            if _within(problem.flows, used) and (after, used) not in settled:
                path = (*moves, move)
                heapq.heappush(queue, (_moving(problem, path), len(path), next(tickets), after, used, path))


def reachable(after: Sequence[Collection[int]]) -> Iterator[tuple[frozenset[int], frozenset[int]]]:
    """Yield every reachable state of a plan: (succeeded moves, moves in flight), by number.

    `after[m]` are the moves that have to succeed before `m` may start. Succeeded: any predecessor-closed set; in
    flight: any set of moves whose predecessors have all succeeded. That covers every order and every failure.
    """
    numbers = range(len(after))
    for done in _subsets(numbers):
        if all(set(after[m]) <= done for m in done):
            ready = [m for m in numbers if m not in done and set(after[m]) <= done]
            for started in _subsets(ready):
                yield done, started


def _subsets(of: Iterable[int]) -> Iterator[frozenset[int]]:
    items = list(of)
    return map(frozenset, chain.from_iterable(combinations(items, n) for n in range(len(items) + 1)))


# -- moves -----------------------------------------------------------------------------------------------------------


def _targets(problem: Problem, vm: int, here: int) -> list[int]:
    if not problem.movable[vm]:
        return []
    return [h for h in np.flatnonzero(problem.may_enter(vm)).tolist() if h != here]


def _steps(problem: Problem, judge: _Judge, placement: tuple[int, ...]) -> Iterator[Move]:
    """Yield the migrations that are safe now: at their end, and while they are in flight."""
    for vm, here in enumerate(placement):
        for target in _targets(problem, vm, here):
            move = Move(vm, here, target)
            if not judge.at(_made(placement, move)).worse and not judge.at(placement, move).worse:
                yield move


def _made(placement: tuple[int, ...], move: Move) -> tuple[int, ...]:
    return (*placement[: move.vm], move.target, *placement[move.vm + 1 :])


def _spent(problem: Problem, moves: Iterable[Move]) -> tuple[int, ...]:
    made = list(moves)
    return tuple(spent_of(flow, made) for flow in problem.flows)


def _within(flows: Iterable[Flow], spent: Iterable[int]) -> bool:
    return all(used <= flow.limit for flow, used in zip(flows, spent, strict=True))


def _moving(problem: Problem, moves: Iterable[Move]) -> int:
    return sum(int(problem.moving[m.vm]) for m in moves)


# -- worth -----------------------------------------------------------------------------------------------------------


def _outcome(problem: Problem, verdict: _Verdict, placement: tuple[int, ...], moves: tuple[Move, ...]) -> Outcome:
    moving = _moving(problem, moves)
    worth = {
        Stage.HARM: verdict.harm,
        Stage.SHOULD_HARM: verdict.should_harm,
        Stage.PRICED: 1000 * moving + verdict.priced,
        Stage.MOVING: moving,
        Stage.COST: placement_cost(problem, placement),
    }
    return Outcome({s: worth[s] for s in problem.stages if s is not Stage.PLACEMENT}, placement, moves)


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What the evaluator says of a state; `split`: some `Same` is worse than at the start, which only the end minds."""

    harm: int = 0
    should_harm: int = 0
    priced: int = 0
    worse: bool = False
    split: bool = False


@dataclass(frozen=True, eq=False)
class _Piece:
    """One member of an atom, in a problem of its own; `said` remembers the evaluator's words.

    Its word depends on its VMs' ends alone and, where it speaks of one domain, on which of them are there.
    """

    problem: Problem
    atom: Harming
    vms: tuple[int, ...]
    there: frozenset[int] | None = None
    said: dict[object, _Verdict] = field(default_factory=dict)

    def verdict(self, ends: Ends, placement: tuple[int, ...], in_flight: tuple[Move, ...]) -> _Verdict:
        key: object = tuple(ends[v] for v in self.vms)
        if self.there is not None:
            key = frozenset(v for v in self.vms if not self.there.isdisjoint(ends[v]))
        if key not in self.said:
            found = evaluate(self.problem, placement, in_flight)
            worse, same = bool(found.worse), self.atom.shape.at_end
            self.said[key] = _Verdict(found.harm, found.should_harm, found.priced, worse and not same, worse and same)
        return self.said[key]


class _Judge:
    """The reference evaluator, asked about each piece of the problem only once for the same ends."""

    def __init__(self, problem: Problem) -> None:
        self.pieces = [
            _Piece(replace(problem, atoms=(atom,)), atom, vms, there)
            for whole in problem.demands.harming.values()
            for atom, vms, there in _SPLIT[whole](problem, whole)
        ]
        self.also_at = tuple(() if h == ABSENT else (h,) for h in problem.also_at.tolist())
        self.said: dict[tuple[tuple[int, ...], Move | None], _Verdict] = {}

    def at(self, placement: tuple[int, ...], in_flight: Move | None = None) -> _Verdict:
        """Judge a placement, with at most one move in flight."""
        key = (placement, in_flight)
        if key not in self.said:
            self.said[key] = self._sum(placement, () if in_flight is None else (in_flight,))
        return self.said[key]

    def _sum(self, placement: tuple[int, ...], in_flight: tuple[Move, ...]) -> _Verdict:
        ends = [() if h == ABSENT else (h, *also) for h, also in zip(placement, self.also_at, strict=True)]
        for move in in_flight:
            ends[move.vm] += (move.target,)
        said = [piece.verdict(tuple(ends), placement, in_flight) for piece in self.pieces]
        return _Verdict(
            sum(v.harm for v in said),
            sum(v.should_harm for v in said),
            sum(v.priced for v in said),
            any(v.worse for v in said),
            any(v.split for v in said),
        )


_Member = tuple["Harming", tuple[int, ...], frozenset[int] | None]
"""An atom of one member alone, its VMs, the hosts of its domain if it has one."""


def _split_leave(problem: Problem, atom: Leave) -> Iterator[_Member]:
    for vm in atom.vms.tolist():
        yield replace(atom, vms=np.array([vm], np.int32)), (vm,), None


def _split_group(problem: Problem, atom: Group) -> Iterator[_Member]:
    for i in range(len(atom.sides[0])):
        one = atom.some(np.array([i]), partial(_only, i=i))
        yield one, tuple({v for side in one.sides for v in side.members.tolist()}), None


def _split_linear(problem: Problem, atom: Linear) -> Iterator[_Member]:
    """Yield one domain at a time; where start and end count together, all at once, since the start is in no end."""
    vms = tuple(np.flatnonzero(atom.amount).tolist())
    if atom.union:
        yield atom, vms, None
        return
    for d in np.flatnonzero(atom.limit < UNLIMITED).tolist():
        limit = np.full_like(atom.limit, UNLIMITED)
        limit[d] = atom.limit[d]
        yield replace(atom, limit=limit), vms, frozenset(np.flatnonzero(problem.domain[atom.level] == d).tolist())


_SPLIT: ByShape[Callable[..., Iterator[_Member]]] = ByShape(
    "enumeration", {SUM: _split_linear, LEAVE: _split_leave, **dict.fromkeys(GROUPS, _split_group)}
)


def _only(sets: Sets, i: int) -> Sets:
    return Sets.of([(sets.ids[i], sets[i].tolist())])
