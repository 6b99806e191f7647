"""A placement that breaks nothing, kept with its sums, and what it would cost to shift one VM to each of the hosts.

For problems in the form of ROADEF 2012: every VM in at most one set (its service), every constraint a must. One call
answers for all hosts at once (numpy); `evaluate` is its oracle. A compiled search is to come; this one is plain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optimizer.fleet import ABSENT
from optimizer.problem.atoms import AtLeast, AtMost, Hinge, Linear, MoveCost, Needs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optimizer.problem.atoms import Sets
    from optimizer.problem.problem import Problem

__all__ = ["Shifts"]

KNOWN = (Linear, AtMost, AtLeast, Needs, Hinge, MoveCost)


class Shifts:
    """The sums of a placement. Starts at the problem's start; `move` keeps them up to date.

    Parameters
    ----------
    problem
        In the form of ROADEF: `Linear` and `AtMost` on hosts, `AtLeast`, `Needs`, `Hinge`, at most one `MoveCost`, no
        VM in two sets, all placed.

    Raises
    ------
    ValueError
        If it is not.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.start = problem.start.astype(np.int64)
        self.at = self.start.copy()
        if any(not isinstance(a, KNOWN) for a in problem.atoms) or (self.start == ABSENT).any():
            raise ValueError("shifts are for problems in the form of ROADEF: all VMs placed, no other atoms")
        self._loads()
        self._costs()
        self._services()

    # -- building ------------------------------------------------------------------------------------------------

    def _summed(self, amount: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return int64 [rows, H]: amounts [rows, V] added up where the VMs stand."""
        out = np.zeros((len(amount), self.problem.hosts), np.int64)
        for row, values in zip(out, amount, strict=True):
            np.add.at(row, self.at, values)
        return out

    def _loads(self) -> None:
        linears = [a for a in self.problem.atoms if isinstance(a, Linear)]
        if any(a.level for a in linears):
            raise ValueError("shifts are for problems in the form of ROADEF: capacity belongs to hosts")
        self.amount = np.array([a.amount for a in linears], np.int64).reshape(len(linears), self.problem.vms)
        self.union = np.array([a.union for a in linears], np.bool_)
        room = np.array([a.limit - a.base for a in linears], np.int64).reshape(len(linears), self.problem.hosts)
        used = self._summed(self.amount)
        self.free = np.maximum(room, used) - used  # never worse than at the start

    def _costs(self) -> None:
        hinges = [a for a in self.problem.atoms if isinstance(a, Hinge)]
        self.alpha = np.array([a.amount for a in hinges], np.int64).reshape(len(hinges), self.problem.vms)
        self.weight = np.array([a.weight for a in hinges], np.int64)
        offset = np.array([a.offset for a in hinges], np.int64).reshape(len(hinges), self.problem.hosts)
        self.level = self._summed(self.alpha) + offset
        moves = [a for a in self.problem.atoms if isinstance(a, MoveCost)]
        if len(moves) > 1:
            raise ValueError("shifts are for problems in the form of ROADEF: one cost of moves")
        self.moving = moves[0] if moves else MoveCost(np.zeros(self.problem.vms, np.int64), 0)
        self.cost = int((self.weight @ np.maximum(self.level, 0)).sum())

    def _services(self) -> None:
        self.names: dict[str, int] = {}
        self.service = np.full(self.problem.vms, -1, np.int64)
        for atom in self.problem.atoms:
            if isinstance(atom, AtMost | AtLeast):
                self._name(atom.sets)
            elif isinstance(atom, Needs):
                self._name(atom.left)
                self._name(atom.right)
        if self.moving.sets is not None:
            self._name(self.moving.sets)
        alone = np.flatnonzero(self.service < 0)
        self.service[alone] = len(self.names) + np.arange(len(alone))
        self.services = len(self.names) + len(alone)
        self.moved = np.zeros(self.services, np.int64)
        self.having_moved = np.zeros(self.problem.vms + 2, np.int64)  # how many services have moved so many VMs
        self.having_moved[0] = self.services
        self.most_moved = 0
        self._demands()

    def _name(self, sets: Sets) -> None:
        for i, name in enumerate(sets.ids):
            number = self.names.setdefault(name, len(self.names))
            if not np.isin(self.service[sets[i]], (-1, number)).all():
                raise ValueError(f"shifts are for problems in the form of ROADEF: a VM of {name} is in two sets")
            self.service[sets[i]] = number

    def _demands(self) -> None:
        """Count each service by host, location and neighborhood, and note what it asks."""
        domain = self.problem.domain.astype(np.int64)
        self.on = self._counted(domain[0])
        self.at_most = np.full(self.services, self.problem.vms, np.int64)
        self.at_least = np.zeros(self.services, np.int64)
        self.wants: dict[int, list[int]] = {}
        self.wanted_by: dict[int, list[int]] = {}
        self.location, self.neighborhood = domain[0], domain[0]
        for atom in self.problem.atoms:
            if isinstance(atom, AtMost) and atom.level == 0:
                self.at_most[[self.names[n] for n in atom.sets.ids]] = atom.k
            elif isinstance(atom, AtLeast):
                self.location = domain[atom.level]
                self.at_least[[self.names[n] for n in atom.sets.ids]] = atom.k
            elif isinstance(atom, Needs):
                self.neighborhood = domain[atom.level]
                for left, right in zip(atom.left.ids, atom.right.ids, strict=True):
                    self.wants.setdefault(self.names[left], []).append(self.names[right])
                    self.wanted_by.setdefault(self.names[right], []).append(self.names[left])
            elif isinstance(atom, AtMost):
                raise ValueError("shifts are for problems in the form of ROADEF: conflicts are on hosts")
        self.located = self._counted(self.location)
        self.near = self._counted(self.neighborhood)
        self.at_least = np.minimum(self.at_least, np.count_nonzero(self.located, axis=1))

    def _counted(self, domain: NDArray[np.int64]) -> NDArray[np.int32]:
        out = np.zeros((self.services, int(domain.max(initial=-1)) + 1), np.int32)
        np.add.at(out, (self.service, domain[self.at]), 1)
        return out

    # -- asking --------------------------------------------------------------------------------------------------

    def allowed(self, vm: int) -> NDArray[np.bool_]:
        """Return bool [H]: where the VM could go with nothing worse than at the start; not where it stands."""
        here, home, s = int(self.at[vm]), int(self.start[vm]), int(self.service[vm])
        amount = self.amount[:, vm]
        out: NDArray[np.bool_] = np.logical_and.reduce(self.free >= amount[:, None], axis=0)
        if here != home:  # what it held at home is still held there
            out[home] = bool((self.free[~self.union, home] >= amount[~self.union]).all())
        out &= self.on[s] < self.at_most[s]
        if self.at_least[s] > 1:
            self._spread(out, s, here)
        if s in self.wants or s in self.wanted_by:
            self._dependencies(out, s, here)
        out[here] = False
        return out

    def _spread(self, out: NDArray[np.bool_], s: int, here: int) -> None:
        mine = self.location[here]
        last_one = self.located[s, mine] == 1
        if last_one and np.count_nonzero(self.located[s]) <= self.at_least[s]:
            out &= (self.located[s][self.location] == 0) | (self.location == mine)

    def _dependencies(self, out: NDArray[np.bool_], s: int, here: int) -> None:
        mine = self.neighborhood[here]
        within = self.neighborhood == mine
        for other in self.wants.get(s, ()):
            out &= within | (self.near[other] > 0)[self.neighborhood]
        needy = self.wanted_by.get(s, ())
        if self.near[s, mine] == 1 and any(self.near[a, mine] for a in needy):
            out &= within

    def deltas(self, vm: int) -> NDArray[np.int64]:
        """Return int64 [H]: what the cost would change by if the VM went there (0 where it stands)."""
        here, home, s = int(self.at[vm]), int(self.start[vm]), int(self.service[vm])
        a = self.alpha[:, vm]
        there = self.weight @ (np.maximum(self.level + a[:, None], 0) - np.maximum(self.level, 0))
        left = self.level[:, here]
        out: NDArray[np.int64] = there + int(self.weight @ (np.maximum(left - a, 0) - np.maximum(left, 0)))
        own = self.moving.vm_weight * int(self.moving.vm_cost[vm])
        if self.moving.route is not None:
            out += self.moving.route_weight * (self.moving.route[home] - self.moving.route[home, here])
        if here == home:
            out += own + self.moving.set_weight * max(0, int(self.moved[s]) + 1 - self.most_moved)
        else:
            alone = self.moved[s] == self.most_moved and self.having_moved[self.most_moved] == 1
            out[home] -= own + self.moving.set_weight * int(alone)
        out[here] = 0
        return out

    # -- changing ------------------------------------------------------------------------------------------------

    def move(self, vm: int, target: int, delta: int) -> None:
        """Take the VM to `target`, which changes the cost by `delta`."""
        here, home, s = int(self.at[vm]), int(self.start[vm]), int(self.service[vm])
        amount = self.amount[:, vm]
        freed = amount * ~self.union if here == home else amount
        taken = amount * ~self.union if target == home else amount
        self.free[:, here] += freed
        self.free[:, target] -= taken
        self.level[:, here] -= self.alpha[:, vm]
        self.level[:, target] += self.alpha[:, vm]
        for count, domain in (
            (self.on, None),
            (self.located, self.location),
            (self.near, self.neighborhood),
        ):
            count[s, here if domain is None else domain[here]] -= 1
            count[s, target if domain is None else domain[target]] += 1
        self._count_moved(s, int(target != home) - int(here != home))
        self.at[vm] = target
        self.cost += delta

    def _count_moved(self, s: int, by: int) -> None:
        self.having_moved[self.moved[s]] -= 1
        self.moved[s] += by
        self.having_moved[self.moved[s]] += 1
        self.most_moved = max(self.most_moved, int(self.moved[s]))
        while self.most_moved and not self.having_moved[self.most_moved]:
            self.most_moved -= 1

    def become(self, placement: NDArray[np.int32]) -> None:
        """Go to a placement that is known to break nothing, whatever stands between."""
        for vm in np.flatnonzero(self.at != placement).tolist():
            target = int(placement[vm])
            self.move(vm, target, int(self.deltas(vm)[target]))
