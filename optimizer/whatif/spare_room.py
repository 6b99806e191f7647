"""What one loss leaves for new VMs of a kind, once all that stood on the lost hosts stands elsewhere.

The room of a loss has the new kind as its kind 0; the other kinds are what restarts. Its VMs are packed so that few
places for new ones go, and of these such as another loss needs as well: a place that is kept free for one loss is free
for every other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from optimizer import cp_sat
from optimizer.whatif.greedy import CLOSED, Greedy
from optimizer.whatif.model import RoomModel
from optimizer.whatif.packing import pack, sizes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optimizer.whatif.effort import Effort
    from optimizer.whatif.loss import Loss
    from optimizer.whatif.room import Room

__all__ = ["Left", "exactly_packed", "packed", "packed_within", "repacked", "settled"]

LARGEST = 10**6

WORK = 0.5
"""Deterministic time of CP-SAT for a packing into given places: most are found, or none is, in a tenth of it."""


@dataclass(frozen=True, eq=False)
class Left:
    """A loss whose VMs were packed.

    Attributes
    ----------
    room
        What is left, with the new kind in front.
    numbers
        int64 [kinds, H]: where what was lost restarts, without the new kind.
    places
        int64 [H]: how many new VMs each host has room for then, those that stand there included; 0 on lost hosts.
    vms
        How many have to restart.
    missing_at_least
        For how many of them there is no host, as a bound on packings shows.
    """

    loss: Loss
    room: Room
    numbers: NDArray[np.int64]
    places: NDArray[np.int64]
    vms: int
    missing_at_least: int = 0

    @property
    def certain(self) -> bool:
        """Whether it is known that no packing leaves fewer VMs without a host."""
        return self.missing <= self.missing_at_least

    @property
    def missing(self) -> int:
        """How many VMs have no host after the loss, without any new one."""
        return self.vms - int(self.numbers.sum())


class _Sparing:
    """Packs VM by VM where the fewest places for new VMs go."""

    def __init__(self, room: Room, most: NDArray[np.int64], paid: NDArray[np.int64]) -> None:
        self.filled, self.most, self.paid = Greedy(room), most, paid
        self.rows = [r for r in self.filled.rows if not r.row.level and r.row.amount[0] > 0]

    def places(self, kind: int | None = None) -> NDArray[np.int64]:
        """Return int64 [H]: how many new VMs fit, with one VM more of a kind there."""
        most = self.most.copy()
        for tally in self.rows:
            left = tally.left if kind is None else tally.left - tally.row.amount[kind]
            most = np.minimum(most, (np.maximum(left, 0) // tally.row.amount[0])[tally.row.domain])
        return np.where(self.filled.room.open[0], most, 0)

    def place(self, kind: int) -> bool:
        """Place one VM; whether there was a host for it."""
        fullest, _ = self.filled.scores(kind)
        if not (fullest < CLOSED).any():
            return False
        now, after = self.places(), self.places(kind)
        more = np.maximum(self.most - after, self.paid) - np.maximum(self.most - now, self.paid)
        more[fullest >= CLOSED] = LARGEST
        self.filled.add(kind, int(np.lexsort((-fullest, now - after, more))[0]))
        return True


def packed(loss: Loss, room: Room, vms: int, most: NDArray[np.int64], paid: NDArray[np.int64], effort: Effort) -> Left:
    """Pack what was lost.

    Parameters
    ----------
    most
        int64 [H]: how many new VMs each host has room for while nothing is lost.
    paid
        int64 [H]: how many of these other losses need already.
    """
    sparing = _Sparing(room, most, paid)
    size = sizes(room)
    for kind in sorted(range(1, len(room.kinds)), key=lambda k: (-size[k], k)):
        for _ in range(room.kinds[kind].wanted):
            if not sparing.place(kind):
                break
    numbers, most_placed = sparing.filled.numbers[1:], vms
    if numbers.sum() < vms or not sparing.filled.kept():
        numbers, most_placed = pack(room.without_first(), _share(effort))
    return _left(loss, room, numbers, vms, max(0, vms - most_placed))


def settled(left: Left, effort: Effort) -> Left:
    """Pack what was lost for as long as it takes to place all that can be, if there is time."""
    numbers, most_placed = pack(left.room.without_first(), effort)
    missing_at_least = max(left.missing_at_least, left.vms - most_placed)
    if numbers.sum() <= left.numbers.sum():
        return replace(left, missing_at_least=missing_at_least)
    return _left(left.loss, left.room, numbers, left.vms, missing_at_least)


def _share(effort: Effort) -> Effort | None:
    return None if effort.over() else replace(effort, until=effort.clock.monotonic() + min(2.0, 0.05 * effort.left()))


def _left(loss: Loss, room: Room, numbers: NDArray[np.int64], vms: int, missing_at_least: int) -> Left:
    nothing = np.zeros((1, room.hosts), np.int64)
    places = room.spent(np.concatenate([nothing, numbers])).most(0)
    return Left(loss, room, numbers, places, vms, missing_at_least)


def repacked(left: Left, most: NDArray[np.int64], paid: NDArray[np.int64], effort: Effort) -> Left:
    """Pack again, with other places that are paid for."""
    new = packed(left.loss, left.room, left.vms, most, paid, effort)
    return replace(new, missing_at_least=max(new.missing_at_least, left.missing_at_least))


def exactly_packed(left: Left, pool: NDArray[np.bool_], effort: Effort) -> tuple[Left, int]:
    """Look for the packing that leaves most places on the hosts of a pool (bool [H]); return it, and a bound.

    Where some VMs have no host as it is, a new VM that has none would be one more: the bound counts both together.
    """
    model = RoomModel(left.room)
    old = [model.made(k) for k in range(1, len(left.room.kinds))]
    for expression, made in zip(old, left.numbers.sum(axis=1).tolist(), strict=True):
        if not left.missing:
            model.model.add(expression == int(made))
    new = sum((v for h, v in model.number[0].items() if pool[h]), start=0)
    model.model.maximize(new + sum(old, start=0))
    nothing = np.minimum(left.places, left.room.kinds[0].wanted)
    model.hint(np.concatenate([nothing[None, :], left.numbers]))
    _, solver = model.solve(effort, prepared=False)
    if solver is None:
        return left, LARGEST
    bound = int(np.floor(solver.best_objective_bound + 1e-6)) - (left.vms - left.missing)
    numbers = model.numbers(solver)[1:]
    better = _left(left.loss, left.room, numbers, left.vms, left.missing_at_least)
    if better.missing > left.missing or better.places[pool].sum() < left.places[pool].sum():
        return left, bound
    return better, bound


def packed_within(
    left: Left, least: NDArray[np.int64], pool: NDArray[np.bool_], goal: int, effort: Effort
) -> Left | None:
    """Look for a packing of as many VMs that leaves certain places; None if there is none, or none was found.

    Parameters
    ----------
    least
        int64 [H]: how many places each host keeps for new VMs at least.
    goal
        How many the hosts of a pool (bool [H]) keep together at least.
    """
    model = RoomModel(left.room)
    places = model.number[0]
    if any(h not in places for h in np.flatnonzero(least).tolist()):
        return None
    for k, made in enumerate(left.numbers.sum(axis=1).tolist(), 1):
        model.model.add(model.made(k) == int(made))
    for h, variable in places.items():
        model.model.add(variable >= int(least[h]))
    model.model.add(cp_sat.LinearExpr.sum([0, *(v for h, v in places.items() if pool[h])]) >= goal)
    model.hint(np.concatenate([np.minimum(left.places, left.room.kinds[0].wanted)[None, :], left.numbers]))
    _, solver = model.solve(effort, WORK, prepared=False)
    if solver is None:
        return None
    return _left(left.loss, left.room, model.numbers(solver)[1:], left.vms, left.missing_at_least)
