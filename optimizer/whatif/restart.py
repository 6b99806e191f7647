"""Restarting what was lost: a packing of the lost VMs into the room that is left, with a bound, nothing else moved."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from optimizer.fleet import ABSENT
from optimizer.problem.problem import build
from optimizer.whatif.alike import classes, kinds_of
from optimizer.whatif.loss import left_of, touches_moves
from optimizer.whatif.obstacles import closed_by
from optimizer.whatif.packing import pairs_of
from optimizer.whatif.room import room_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet
    from optimizer.policy import Policy
    from optimizer.whatif.loss import Loss
    from optimizer.whatif.room import Kind, Room

__all__ = ["Outcome", "Restarts"]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What becomes of the VMs of one loss.

    Attributes
    ----------
    vms
        int32: those that have to restart.
    room, numbers
        What is left for them, and how many of each kind go to each host (int64 [K, H]).
    bound
        How many of them can restart together at most.
    """

    loss: Loss
    vms: NDArray[np.int32]
    room: Room
    numbers: NDArray[np.int64]
    bound: int

    @property
    def restarted(self) -> int:
        """How many have a host."""
        return int(self.numbers.sum())

    @property
    def missing(self) -> int:
        """How many have none."""
        return len(self.vms) - self.restarted

    @property
    def missing_at_least(self) -> int:
        """How many have none in any packing."""
        return len(self.vms) - self.bound

    @property
    def survives(self) -> bool:
        """Whether all have a host."""
        return self.missing == 0

    @property
    def fails(self) -> bool:
        """Whether it is proven that not all can have a host."""
        return self.bound < len(self.vms)

    @property
    def proven(self) -> bool:
        """Whether no more can restart."""
        return self.restarted >= self.bound

    @property
    def created(self) -> list[tuple[int, int]]:
        """Pairs (VM, host) of those that restart."""
        return pairs_of(self.room.kinds, self.numbers)

    @property
    def homeless(self) -> list[tuple[int, int]]:
        """Pairs (kind, VM) of those that have no host."""
        made = self.numbers.sum(axis=1)
        return [(k, vm) for k, kind in enumerate(self.room.kinds) for vm in kind.vms[int(made[k]) :].tolist()]


class Restarts:
    """A fleet whose losses are asked about: what is read of it once.

    Its problem is read with all VMs where they are. Two things are known only of VMs without a host, and are read from
    a problem in which none has one: needs that no rule understands. The domain that no move leaves holds for restarts.
    """

    def __init__(self, fleet: Fleet, policy: Policy, *, stopped: bool = False) -> None:
        self.fleet, self.policy, self.stopped = fleet, policy, stopped
        self.problem = build(fleet, policy.rules)
        self._nowhere = build(_emptied(fleet), policy.rules)
        self.home = _home(fleet)
        self.of = classes(self.problem, self._nowhere.enter_class[0], self.home)
        self._ids = fleet.vms.ids

    def rest(self, loss: Loss) -> tuple[Fleet, NDArray[np.int32]]:
        """Return the fleet after a loss, and the VMs that have to restart."""
        return left_of(self.fleet, loss.lost, stopped=self.stopped)

    def room(self, loss: Loss, *new: Kind) -> tuple[Room, NDArray[np.int32]]:
        """Return what is left for the lost VMs, and which they are.

        Parameters
        ----------
        new
            Kinds of VMs without a host that are to fit as well: the first ones of the room.
        """
        if touches_moves(self.fleet, loss.lost):
            return self._room_of_its_own(loss, new)
        vms = self._on(loss.lost)
        kinds = [*new, *kinds_of(vms, self.of, self._ids)]
        return self._narrowed(room_of(self.problem, kinds, loss.lost)), vms

    def closed(self, loss: Loss, vm: int) -> dict[tuple[str, str], NDArray[np.bool_]]:
        """Return which hosts are closed to a lost VM as such, by (rule, reason)."""
        found = closed_by(self.problem, vm)
        for key, hosts in closed_by(self._nowhere, vm).items():
            found[key] = found[key] | hosts if key in found else hosts
        away = self._away(vm)
        if away.any():
            found["move_within", "it is outside the domain that the VM does not leave"] = away
        found["loss", "it is lost too"] = loss.lost
        return found

    def _room_of_its_own(self, loss: Loss, new: Sequence[Kind]) -> tuple[Room, NDArray[np.int32]]:
        """Read the room from the fleet after the loss: moves that lost an end leave nothing behind."""
        rest, vms = self.rest(loss)
        problem = build(rest, self.policy.rules)
        kinds = [*new, *kinds_of(vms, classes(problem, self.home), self._ids)]
        return self._narrowed(room_of(problem, kinds, loss.lost)), vms

    def _on(self, lost: NDArray[np.bool_]) -> NDArray[np.int32]:
        at = self.fleet.vms.host
        return np.intersect1d(np.flatnonzero((at != ABSENT) & lost[at]), self._restartable).astype(np.int32)

    @cached_property
    def _restartable(self) -> NDArray[np.int32]:
        return left_of(self.fleet, np.ones(len(self.fleet.hosts), np.bool_), stopped=self.stopped)[1]

    def _narrowed(self, room: Room) -> Room:
        open_ = room.open.copy()
        for k, kind in enumerate(room.kinds):
            vm = int(kind.vms[0])
            open_[k] &= self._nowhere.may_enter(vm) & ~self._away(vm)
        return replace(room, open=open_)

    def _away(self, vm: int) -> NDArray[np.bool_]:
        level = self.fleet.move_within
        if level is None or self.home[vm] == ABSENT:
            return np.zeros(len(self.fleet.hosts), np.bool_)
        return np.asarray(self.fleet.hosts.domain[level] != self.home[vm])


def _emptied(fleet: Fleet) -> Fleet:
    """Return the fleet in which no VM has a host."""
    return replace(fleet, vms=replace(fleet.vms, host=np.full_like(fleet.vms.host, ABSENT)), in_flight=())


def _home(fleet: Fleet) -> NDArray[np.int64]:
    """Return int64 [V]: the domain that each VM does not leave; `ABSENT` where there is none."""
    if fleet.move_within is None:
        return np.full(len(fleet.vms), ABSENT, np.int64)
    at = fleet.vms.host
    return np.where(at == ABSENT, ABSENT, fleet.hosts.domain[fleet.move_within][at]).astype(np.int64)
