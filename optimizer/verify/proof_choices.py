"""What one host comes to at least at given prices, to the last unit: who leaves it, and who comes.

Branch and bound in Python's integers, for the argument `receivers` where limits that should hold do. It is
written without the planner's, so that one tests the other. Where it takes more steps than there may be, it says what is
known without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from optimizer.problem.problem import Problem
    from optimizer.verify.proof_rows import Row

    Ints = NDArray[np.int64]

__all__ = ["Choices", "Host"]

STEPS = 1_000_000
"""Sets of VMs that leave or come that are looked at, over all hosts."""


class Host(NamedTuple):
    """A host: its number, its VMs, what each costs that leaves, what is left of resources, and what has to leave."""

    number: int
    vms: Sequence[int]
    cost: Mapping[int, int]
    left: Sequence[int]
    rows: Sequence[Row]


class Choices:
    """Looks at hosts, one after the other.

    Parameters
    ----------
    amount
        int64 [V, R]: what VMs take; the two resources of the table come first.
    paid
        int64 [V]: what is paid for VMs that come.
    table, steps
        The most that is paid for a room of two resources, in steps.
    """

    def __init__(self, problem: Problem, amount: Ints, paid: Ints, table: Ints, steps: tuple[int, int]) -> None:
        self.problem, self.amount, self.paid, self.table, self.steps = problem, amount, paid, table, steps
        self.kind, self.enters = problem.enter_class
        priced = np.flatnonzero(paid > 0)
        self.priced = priced[np.argsort(-paid[priced], kind="stable")]
        self.left = STEPS

    def least(self, host: Host, k: int, known: int, roughly: int) -> int:
        """Return what the host comes to at least if k leave and that is less than `known`; `known` if it is not.

        Parameters
        ----------
        roughly
            A bound on that, which is said where there have been too many steps.
        """
        search = _Search(self, host, known)
        return min(search.best, roughly) if search.stopped_at(k) else search.best

    def worth(self, room: Ints) -> Ints:
        """Return int64 [n]: the most that is paid for each of these rooms (int64 [n, >= 2])."""
        at = [np.minimum(room[:, axis] // self.steps[axis], self.table.shape[axis] - 1) for axis in range(2)]
        return np.asarray(self.table[at[0], at[1]])


class _Search:
    """One host, and what it comes to at least."""

    def __init__(self, choices: Choices, host: Host, known: int) -> None:
        self.all, self.host, self.best = choices, host, known
        amount = choices.amount
        size = amount[list(host.vms), :2] / np.maximum(amount[:, :2].max(axis=0), 1)
        ranked = np.argsort(-size.sum(axis=1), kind="stable")
        self.vms = [host.vms[i] for i in ranked.tolist()]
        self.free = amount[self.vms]
        mine = (choices.problem.start[choices.priced] == host.number) | ~choices.enters[
            choices.kind[choices.priced], host.number
        ]
        self.others = choices.priced[~mine]

    def stopped_at(self, k: int) -> bool:
        """Look at sets of k; return whether there were too many steps."""
        try:
            self._leave(0, k, [], 0, np.array(self.host.left, np.int64))
        except _TooManyError:
            return True
        return False

    def _step(self) -> None:
        self.all.left -= 1
        if self.all.left < 0:
            raise _TooManyError

    def _tail(self, i: int, k: int) -> tuple[int, Ints]:
        """Return what the cheapest k from i on cost, and what the largest free."""
        cost = sorted(self.host.cost[v] for v in self.vms[i:])
        free = np.sort(self.free[i:], axis=0)[len(self.vms) - i - k :].sum(axis=0)
        return sum(cost[:k]), free

    def _leave(self, first: int, k: int, gone: list[int], cost: int, room: Ints) -> None:
        if not k:
            self._come(gone, cost, room)
            return
        for i in range(first, len(self.vms) - k + 1):
            rest, free = self._tail(i, k)
            at_most = room + free
            if (at_most < 0).any() or cost + rest - int(self.all.worth(at_most[None, :])[0]) >= self.best:
                return  # from later on they cost no less, and free no more
            self._step()
            v = self.vms[i]
            self._leave(i + 1, k - 1, [*gone, v], cost + self.host.cost[v], room + self.free[i])

    def _come(self, gone: list[int], cost: int, room: Ints) -> None:
        """Judge a set of VMs that leave."""
        enough = all(
            any(sum(amounts.get(v, 0) for v in gone) >= need for amounts, need in row.sides) for row in self.host.rows
        )
        if not enough or (room < 0).any() or cost - int(self.all.worth(room[None, :])[0]) >= self.best:
            return
        self.best = min(self.best, cost)
        self._fill(0, cost, room, self.others)

    def _fill(self, paid: int, cost: int, room: Ints, among: Ints) -> None:
        """Let one more come, if that can make it better."""
        amount, pays = self.all.amount[among], self.all.paid[among]
        fits = (amount <= room).all(axis=1)
        among, amount, pays = among[fits], amount[fits], pays[fits]
        most = paid + pays + self.all.worth(room - amount)
        better = cost - most < self.best
        among, amount, pays, most = among[better], amount[better], pays[better], most[better]
        for n in range(len(among)):
            if cost - int(most[n]) >= self.best:
                continue
            self._step()
            now = paid + int(pays[n])
            self.best = min(self.best, cost - now)
            self._fill(now, cost, room - amount[n], among[n + 1 :])


class _TooManyError(Exception):
    """There were too many steps."""
