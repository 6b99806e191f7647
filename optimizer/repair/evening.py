"""Reception under limits that should hold (balance, headroom): the largest first, each where least room is left over.

Few hosts have room for the largest VMs, so these come first, and a host that is chosen for one sends away as many of
its own as it takes, each of them to where there is room. Where a VM is too large for every host, one makes as much
room for it as there can be. Best-fit decreasing is Johnson's (1973).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from optimizer.problem.atoms import UNLIMITED
from optimizer.problem.rounding import MILLI
from optimizer.problem.rule import Hardness
from optimizer.repair.insertion import Insertion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from optimizer.parameters.repair import Evening
    from optimizer.problem.problem import Problem
    from optimizer.problem.tally import LinearTally
    from optimizer.problem.working_placement import WorkingPlacement

__all__ = ["EveningOut", "clear_hosts", "limits_that_should_hold"]


def limits_that_should_hold(problem: Problem) -> bool:
    """Whether hosts have limits that should hold, and have no price, of which one does not."""
    return any(
        atom.asked.hardness is Hardness.SHOULD
        and atom.asked.price is None
        and not atom.level
        and bool((problem.start_loads[n] > atom.limit).any())
        for n, atom in problem.demands.sums.items()
    )


def clear_hosts(
    work: WorkingPlacement,
    large: Iterable[int],
    given: Evening,
    stop: Callable[[], bool],
    acceptable: Callable[[NDArray[np.int32]], bool],
) -> None:
    """Leave VMs that are too large for every host alone, where others beside them do more harm.

    Parameters
    ----------
    acceptable
        Whether a placement can be carried out.
    """
    evening = EveningOut(work, (), given, stop)
    for vm in large:
        before = work.placement.copy()
        if not stop() and evening.clear(vm) and not acceptable(work.placement):
            work.become(before)


class _Way(NamedTuple):
    """A host that may receive a VM: what harm stays there, the moves of others that it takes, their size, who goes."""

    harm: float
    moves: int
    size: float
    host: int
    vms: tuple[int, ...]


class EveningOut:
    """Receives the VMs that leave hosts above their limits.

    Parameters
    ----------
    leaving
        VMs that have to leave their hosts anyway.
    """

    def __init__(
        self, work: WorkingPlacement, leaving: Iterable[int], given: Evening, stop: Callable[[], bool]
    ) -> None:
        self.work, self.given, self.stop = work, given, stop
        self.leaving = set(leaving)
        self._reception = Insertion(work, tight=True, near=work.problem.hosts)
        linears = [t for t in work.tally.linears if not t.atom.level]
        self._should = [t for t in linears if t.atom.asked.hardness is Hardness.SHOULD and t.atom.asked.price is None]
        self._bind = [t for t in linears if t.atom.asked.hardness is not Hardness.SHOULD]
        self.share = _shares(self._should, work.problem.vms)
        self._scarce = np.inf
        """The smallest share for which no host had room: who takes as much needs others to make way."""

    def receive(self) -> None:
        """Place those who leave, the largest share of a host first; who finds no room stays."""
        for vm in sorted(self.leaving, key=lambda v: (-float(self.share[v]), v)):
            if self.stop():
                return
            if self.work.placement[vm] == self.work.problem.start[vm]:
                self.settle(vm, self.given.depth)

    def settle(self, vm: int, depth: int, barred: frozenset[int] = frozenset()) -> bool:
        """Move a VM to where it does no harm, others making way if need be; return whether that worked."""
        host = self._harmless(vm, barred)
        if host is not None:
            self.work.put(vm, host)
            return True
        return depth > 0 and self._make_way(vm, depth - 1, barred)

    def _harmless(self, vm: int, barred: frozenset[int]) -> int | None:
        """Return the host on which least room is left over, of those without harm."""
        hosts = np.flatnonzero(self.work.tally.room(vm))
        if barred:
            hosts = hosts[~np.isin(hosts, list(barred))]
        rest = np.zeros(hosts.size)
        for tally in self._should:
            amount = int(tally.atom.amount[vm])
            left = tally.atom.limit[hosts] - tally.load[hosts] - amount
            rest[(left < 0) & (amount > 0)] = np.inf
            rest += np.where(tally.atom.limit[hosts] < UNLIMITED, left / tally.atom.unit[hosts], 0)
        order = np.argsort(rest, kind="stable")
        for h in hosts[order[np.isfinite(rest[order])][: self.given.asked]].tolist():
            if self._reception.welcomes(vm, h) and not self._reception.is_harmed(vm, h):
                return int(h)
        self._scarce = min(self._scarce, float(self.share[vm]))
        return None

    # -- making way ------------------------------------------------------------------------------------------------

    def _make_way(self, vm: int, depth: int, barred: frozenset[int]) -> bool:
        """Have the host that takes fewest moves for it receive the VM, after these."""
        ways = [w for h in self._likely(vm, barred) if (w := self._way(vm, h)) is not None]
        for way in sorted(ways)[: self.given.ways]:
            if self.stop():
                return False
            before, measure = self._placed(), self.work.measure()
            gone = frozenset({way.host, *barred})
            done = all(self.settle(v, depth, gone) for v in way.vms) and self._enters(vm, way.host)
            if done and (depth < self.given.depth - 1 or self.work.measure() < measure):
                return True
            self._back_to(before)
        return False

    def clear(self, vm: int) -> bool:
        """Have others leave the host that has a VM which is too large for it, if that is less harm; whether it is."""
        host = int(self.work.placement[vm])
        way, before, measure = self._way(vm, host), self._placed(), self.work.measure()
        left = way is not None and all(self.settle(v, 0, frozenset({host})) for v in way.vms)
        if left and self.work.measure() < measure:
            return True
        self._back_to(before)
        return False

    def _enters(self, vm: int, host: int) -> bool:
        if host == self.work.placement[vm]:
            return True
        if not self.work.tally.fits(vm, host):
            return False
        self.work.put(vm, host)
        return True

    def _placed(self) -> dict[int, int]:
        return {v: int(self.work.placement[v]) for v in self.work.displaced}

    def _back_to(self, before: dict[int, int]) -> None:
        for vm in sorted(self.work.displaced - before.keys()):
            self.work.put(vm, int(self.work.problem.start[vm]))
        for vm, host in before.items():
            self.work.put(vm, host)

    def _likely(self, vm: int, barred: frozenset[int]) -> list[int]:
        """Return hosts that may receive the VM, those first that lack least for it, and its own."""
        problem = self.work.problem
        hosts = np.flatnonzero(self.work.tally.admits(vm))
        lack = np.zeros(hosts.size)
        for tally in (*self._should, *self._bind):
            limit = tally.atom.limit if tally.atom.asked.hardness is Hardness.SHOULD else tally.ceiling
            over = tally.load[hosts] + int(tally.atom.amount[vm]) - limit[hosts]
            lack += np.maximum(over, 0) / np.maximum(tally.atom.unit[hosts], 1)
        likely = hosts[np.argsort(lack, kind="stable")][: self.given.hosts].tolist()
        own = int(problem.start[vm])
        return [h for h in dict.fromkeys((*likely, own)) if h not in barred]

    def _way(self, vm: int, host: int) -> _Way | None:
        """Return who leaves a host so that it has room for the VM, or as much as there can be."""
        problem, work = self.work.problem, self.work
        here = [v for v in work.on(host).tolist() if v != vm and problem.movable[v]]
        arrives = 0 if host == work.placement[vm] else 1
        lack = []
        for tally in (*self._should, *self._bind):
            limit = tally.atom.limit if tally.atom.asked.hardness is Hardness.SHOULD else tally.ceiling
            lack.append(int(tally.load[host]) + arrives * int(tally.atom.amount[vm]) - int(limit[host]))
        amount = np.array([t.atom.amount[here] for t in (*self._should, *self._bind)], np.int64).reshape(
            len(lack), len(here)
        )
        unit = np.array([max(1, int(t.atom.unit[host])) for t in (*self._should, *self._bind)], np.float64)
        gone, rest = _fewest(amount, np.array(lack, np.int64), unit)
        if (rest[len(self._should) :] > 0).any():
            return None
        left = float(np.ceil(MILLI * np.maximum(rest, 0) / unit)[: len(self._should)].sum())
        vms = [here[i] for i in gone]
        first = sum(1 for v in vms if work.placement[v] == problem.start[v] and v not in self.leaving)
        moves = first + (1 if host != problem.start[vm] else 0) + int((self.share[vms] >= self._scarce).sum())
        vms.sort(key=lambda v: (-float(self.share[v]), v))
        return _Way(left, moves, float(self.share[vms].sum()), host, tuple(vms))


def _fewest(
    amount: NDArray[np.int64], lack: NDArray[np.int64], unit: NDArray[np.float64]
) -> tuple[list[int], NDArray[np.int64]]:
    """Return who leaves (few), so that no row lacks anything, and what each lacks then.

    Parameters
    ----------
    amount
        int64 [rows, n]: what each of n VMs adds to each row.
    """
    rest, out, able = lack.copy(), [], np.ones(amount.shape[1], np.bool_)
    while (rest > 0).any() and able.any():
        gain = (np.minimum(amount, np.maximum(rest, 0)[:, None]) / unit[:, None]).sum(axis=0)
        gain[~able] = -1.0
        best = int(np.argmax(gain))
        if gain[best] <= 0:
            break
        out.append(best)
        able[best] = False
        rest = rest - amount[:, best]
    if not (rest > 0).any():
        for i in sorted(out, key=lambda i: float((amount[:, i] / unit).sum())):
            if (rest + amount[:, i] <= 0).all():
                out.remove(i)
                rest = rest + amount[:, i]
    return out, rest


def _shares(should: Sequence[LinearTally], vms: int) -> NDArray[np.float64]:
    """Return float64 [V]: the largest share of what a host may carry that each VM takes."""
    share = np.zeros(vms)
    for tally in should:
        limit = tally.atom.limit[(tally.atom.limit > 0) & (tally.atom.limit < UNLIMITED)]
        if limit.size:
            share = np.maximum(share, tally.atom.amount / float(limit.mean()))
    return share
