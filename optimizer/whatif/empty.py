"""Consolidation: the most hosts that can be emptied, with a bound, and the moves that empty them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optimizer.fleet import ABSENT
from optimizer.problem.atoms import UNLIMITED
from optimizer.problem.presence import load_of
from optimizer.problem.problem import build
from optimizer.problem.rule import Hardness
from optimizer.whatif.drain import Drained, drain
from optimizer.whatif.evacuation import Evacuation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet
    from optimizer.policy import Policy
    from optimizer.problem.problem import Problem
    from optimizer.scope import Scope
    from optimizer.whatif.effort import Effort

__all__ = ["Emptied", "empty", "most_emptied"]


@dataclass(frozen=True, eq=False)
class Emptied:
    """Hosts that can be emptied onto others that are in use.

    Attributes
    ----------
    hosts
        Those that the plan leaves without a VM.
    bound
        No more can be, within the limits that were given.
    used, unused
        How many hosts have VMs now, and how many have none.
    drained
        The planner's answer; None where there is nothing to empty.
    """

    hosts: tuple[int, ...]
    bound: int
    used: int
    unused: int
    drained: Drained | None

    @property
    def proven(self) -> bool:
        """Whether no more can be emptied."""
        return len(self.hosts) >= self.bound


def empty(
    fleet: Fleet,
    policy: Policy,
    lay: Callable[[Scope], Policy],
    effort: Effort,
    *,
    hosts: int | None = None,
    moves: int | None = None,
) -> Emptied:
    """Choose hosts to empty, and have the planner empty them.

    Hosts without VMs stay so: nothing goes there.

    Parameters
    ----------
    lay
        Returns the policy under a scope.
    hosts, moves
        Empty at most that many; by at most that many moves.
    """
    problem = build(fleet, policy.judges)
    used = _used(problem)
    limit = int(used.sum()) if hosts is None else hosts
    bound = min(limit, most_emptied(problem, used, moves))
    best: list[int] = []
    for order in _orders(problem, used):
        found = _chosen(problem, used, order, bound, moves)
        best = max(best, found, key=len)
        if len(best) >= bound or effort.over():
            break
    drained: Drained | None = None
    while best:
        drained = drain(fleet, [fleet.hosts.ids[h] for h in best], lay, effort, targets=_names(fleet, used))
        if (moves is None or len(drained.plan.moves) <= moves) or effort.over():
            break
        best = best[: len(best) - max(1, len(best) // 10)]
    if drained is None or (moves is not None and len(drained.plan.moves) > moves):
        return Emptied((), bound, int(used.sum()), int((~used).sum()), None)
    still = _occupied(problem, drained.left, drained.ends)
    return Emptied(tuple(h for h in best if not still[h]), bound, int(used.sum()), int((~used).sum()), drained)


def _names(fleet: Fleet, mask: NDArray[np.bool_]) -> tuple[str, ...]:
    return tuple(fleet.hosts.ids[h] for h in np.flatnonzero(mask).tolist())


def _occupied(problem: Problem, left: NDArray[np.int32], ends: NDArray[np.int32]) -> NDArray[np.bool_]:
    out = np.zeros(problem.hosts + 1, np.bool_)
    out[ends[left]] = True
    out[problem.also_at[left]] = True
    return out[:-1]


def _used(problem: Problem) -> NDArray[np.bool_]:
    """Return bool [H]: hosts with a VM, at either end."""
    out = np.zeros(problem.hosts + 1, np.bool_)
    out[problem.start] = True
    out[problem.also_at] = True
    return out[:-1]


def _stays(problem: Problem) -> NDArray[np.bool_]:
    """Return bool [H]: hosts that have a VM that cannot leave."""
    out = np.zeros(problem.hosts + 1, np.bool_)
    fixed = np.flatnonzero(~problem.movable)
    out[problem.start[fixed]] = True
    out[problem.also_at] = True
    return out[:-1]


def _orders(problem: Problem, used: NDArray[np.bool_]) -> list[list[int]]:
    """Return orders in which hosts are tried: the fewest VMs first, and the least full first."""
    share = np.zeros(problem.hosts)
    for atom in problem.demands.sums.values():
        if atom.level == 0 and atom.asked.hardness is not Hardness.SHOULD:
            load = load_of(atom, problem.domain[0], problem.start, problem.also_at) - atom.base
            share = np.maximum(share, load / max(1.0, float(np.median(atom.limit))))
    number = np.bincount(problem.start[problem.start != ABSENT], minlength=problem.hosts)
    there = np.flatnonzero(used & ~_stays(problem))
    by_number = there[np.lexsort((share[there], number[there]))].tolist()
    by_share = there[np.lexsort((number[there], share[there]))].tolist()
    return [by_number, by_share]


def _chosen(problem: Problem, used: NDArray[np.bool_], order: Sequence[int], most: int, moves: int | None) -> list[int]:
    filling = Evacuation(problem, problem.start, np.zeros(problem.hosts))
    open_ = used.copy()
    received = np.zeros(problem.hosts, np.bool_)
    chosen: list[int] = []
    made = 0
    for host in order:
        vms = np.flatnonzero(problem.start == host)
        if len(chosen) >= most or received[host] or (moves is not None and made + len(vms) > moves):
            continue
        open_[host] = False
        found = filling.evacuate(vms.tolist(), open_)
        if found is None:
            open_[host] = True
            continue
        chosen.append(host)
        made += len(vms)
        received[[h for _, h in found]] = True
    return chosen


def most_emptied(problem: Problem, used: NDArray[np.bool_], moves: int | None = None) -> int:
    """Return how many hosts in use can be emptied at most, if none that is not in use takes a VM.

    Those that stay have to have room for all: of every resource, in the largest hosts; hosts with a VM that cannot
    leave stay; groups need as many hosts as their limit asks. What a host may hold is its limit, or what it holds.
    With a limit on moves, each VM of a host that is emptied is one.
    """
    stays = _stays(problem) & used
    most = int((used & ~stays).sum())
    for atom in problem.demands.sums.values():
        if atom.level or atom.asked.hardness is Hardness.SHOULD or (atom.limit >= UNLIMITED).any():
            continue
        load = load_of(atom, problem.domain[0], problem.start, problem.also_at)
        room = np.maximum(atom.limit, load) - atom.base
        needed = int((load - atom.base)[used].sum()) - int(room[stays].sum())
        largest = np.sort(room[used & ~stays])[::-1]
        kept = int(np.searchsorted(np.cumsum(largest), needed, side="left")) + 1 if needed > 0 else 0
        most = min(most, len(largest) - min(kept, len(largest)))
    for count in problem.demands.counts.values():
        if not count.level and count.asked.hardness is not Hardness.SHOULD:
            most = min(most, _by_groups(problem, count.sets.indptr, count.sets.members, count.k, int(used.sum())))
    if moves is not None:
        number = np.sort(np.bincount(problem.start[problem.start != ABSENT], minlength=problem.hosts)[used & ~stays])
        most = min(most, int(np.searchsorted(np.cumsum(number), moves, side="right")))
    return most


def _by_groups(
    problem: Problem, indptr: NDArray[np.int64], members: NDArray[np.int32], k: NDArray[np.int64], used: int
) -> int:
    most = used
    for i in range(len(k)):
        at = problem.start[members[indptr[i] : indptr[i + 1]]]
        at = at[at != ABSENT]
        if at.size:
            each = max(int(k[i]), int(np.bincount(at).max()), 1)
            most = min(most, used - -(-len(at) // each))
    return most
