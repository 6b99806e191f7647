"""Which hosts go together when a fleet is too large for one search: parts of bounded size, by what couples hosts.

What must not be torn is put together first: the two ends of a move in flight, always; then, as long as they fit into
a part, the domains of a level at which a rule counts, and the few hosts at which some VMs may arrive. These blocks are
dealt out by linear deterministic greedy (Stanton and Kliot, Streaming graph partitioning for large distributed graphs,
KDD 2012): each goes where most VMs of its groups are already, less so the fuller a part is; without a difference to the
part with least problem. The answer follows from the problem and the number of parts alone.
"""

from __future__ import annotations

from heapq import heapreplace
from typing import TYPE_CHECKING

import numpy as np

from optimizer.fleet import ABSENT
from optimizer.problem.shapes import LEFT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from optimizer.parameters import Parts
    from optimizer.problem.atoms import Group
    from optimizer.problem.problem import Problem

__all__ = ["partition", "parts_for", "sides_of"]


def parts_for(problem: Problem, wanted: int | None, given: Parts) -> int:
    """Return how many parts a problem is to be split into; 1 for those with costs, whose terms couple everything."""
    if problem.demands.has_cost:
        return 1
    if wanted is None:
        wanted = -(-problem.hosts // given.hosts_each) if problem.hosts > given.whole_up_to else 1
    return max(1, min(wanted, problem.hosts))


def partition(problem: Problem, parts: int, trouble: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return int32 [H]: the part of each host, 0 to `parts` - 1.

    Parameters
    ----------
    problem
        int64 [H]: VMs that have to leave each host; parts get about as many each.
    """
    blocks = _Blocks(problem.hosts, -(-problem.hosts // parts))
    under_way = np.flatnonzero((problem.also_at != ABSENT) & (problem.start != ABSENT))
    for vm in under_way.tolist():
        blocks.join((int(problem.start[vm]), int(problem.also_at[vm])), always=True)
    for level in _counting_levels(problem):
        for hosts in _by_number(problem.domain[level]):
            blocks.join(hosts.tolist())
    for atom in problem.demands.enters.values():
        if atom.vms is not None and int(atom.hosts.sum()) <= blocks.most:
            homes = problem.start[atom.vms]
            blocks.join({*np.flatnonzero(atom.hosts).tolist(), *np.unique(homes[homes != ABSENT]).tolist()})
    return _deal(problem, parts, blocks.all(), trouble)


class _Blocks:
    """Hosts that stay together; a block holds `most` hosts, unless something forces it to hold more."""

    def __init__(self, hosts: int, most: int) -> None:
        self.most = most
        self._block = list(range(hosts))
        self._hosts = [[h] for h in range(hosts)]

    def join(self, hosts: Iterable[int], *, always: bool = False) -> None:
        """Put hosts into one block, if it does not become too large by that."""
        blocks = sorted({self._block[h] for h in hosts})
        if len(blocks) < 2 or (not always and sum(len(self._hosts[b]) for b in blocks) > self.most):
            return
        for b in blocks[1:]:
            for h in self._hosts[b]:
                self._block[h] = blocks[0]
            self._hosts[blocks[0]].extend(self._hosts[b])
            self._hosts[b] = []

    def all(self) -> list[list[int]]:
        """Return the blocks, each ascending."""
        return [sorted(hosts) for hosts in self._hosts if hosts]


def _counting_levels(problem: Problem) -> list[int]:
    """Return the levels, finest first, in whose domains something is counted that parts could exceed together."""
    totals = (atom.level for atom in problem.demands.sums.values())
    groups = (atom.level for atom in problem.demands.groups.values() if atom.shape.by_domain)
    used = {level for level in (*totals, *groups) if level}
    return sorted(used, key=lambda level: (-len(problem.domain_ids[level]), level))


def _by_number(numbers: NDArray[np.int32]) -> list[NDArray[np.int64]]:
    """Return the positions of each number, by number."""
    order = np.argsort(numbers, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1)


def sides_of(atom: Group) -> tuple[tuple[NDArray[np.int64], NDArray[np.int32]], ...]:
    """Return, for each side of a family of groups, (number of the group int64 [n], member int32 [n])."""
    return tuple((np.repeat(np.arange(len(s)), np.diff(s.indptr)), s.members) for s in atom.sides)


def _may_reach(problem: Problem, atom: Group, most: int) -> bool:
    """Whether a family of groups may reach over parts of that many hosts."""
    if atom.shape.by_domain:
        return atom.level > 0 and int(np.bincount(problem.domain[atom.level]).max(initial=0)) > most
    return True


def _groups_of_hosts(problem: Problem, most: int) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Return (host, number of the group) of every placed VM of a group that may reach over parts; and how many groups.

    Ascending by host.
    """
    hosts, groups, count = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], 0
    for atom in problem.demands.groups.values():
        if not _may_reach(problem, atom, most):
            continue
        for number, members in sides_of(atom):
            placed = problem.start[members] != ABSENT
            hosts.append(problem.start[members[placed]].astype(np.int64))
            groups.append(number[placed] + count)
        count += len(atom.sides[LEFT])
    all_hosts, all_groups = np.concatenate(hosts), np.concatenate(groups)
    order = np.argsort(all_hosts, kind="stable")
    return all_hosts[order], all_groups[order], count


def _deal(problem: Problem, parts: int, blocks: list[list[int]], trouble: NDArray[np.int64]) -> NDArray[np.int32]:
    """Give each block to a part, those with most problem first."""
    of_host = trouble.tolist()
    weighed = [(sum(map(of_host.__getitem__, block)), block) for block in blocks]
    ordered = sorted(weighed, key=lambda w: (-w[0], -len(w[1]), w[1][0]))
    most = -(-problem.hosts // parts)
    hosts, groups, count = _groups_of_hosts(problem, most)
    if not count:
        return _dealt_evenly(problem.hosts, parts, ordered)
    first = np.searchsorted(hosts, np.arange(problem.hosts + 1))
    there = np.zeros((parts, count), np.int64)
    held, troubled = np.zeros(parts, np.int64), np.zeros(parts, np.int64)
    part = np.zeros(problem.hosts, np.int32)
    for problems, block in ordered:
        mine = np.concatenate([groups[first[h] : first[h + 1]] for h in block])
        company = there[:, mine].sum(axis=1) * np.maximum(0, most - held)
        full = held + len(block) > most
        chosen = min(range(parts), key=lambda p: (full[p], -company[p], held[p], troubled[p], p))
        part[block] = chosen
        held[chosen] += len(block)
        troubled[chosen] += problems
        np.add.at(there[chosen], mine, 1)
    return part


def _dealt_evenly(hosts: int, parts: int, blocks: Iterable[tuple[int, list[int]]]) -> NDArray[np.int32]:
    """Give each block, which no group draws anywhere, to the part with the fewest hosts, then the fewest problems."""
    part = np.zeros(hosts, np.int32)
    emptiest = [(0, 0, p) for p in range(parts)]
    for problems, block in blocks:
        held, troubled, chosen = emptiest[0]
        part[block] = chosen
        heapreplace(emptiest, (held + len(block), troubled + problems, chosen))
    return part
