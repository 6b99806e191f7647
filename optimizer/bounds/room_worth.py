"""What is paid at most for VMs that come to a room, where exceeding it has a price."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optimizer.bounds.room_axis import FAR

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optimizer.bounds.room_axis import Axis

    Ints = NDArray[np.int64]

__all__ = ["RoomWorth"]


class RoomWorth:
    """What is paid for VMs that come to a room, with what exceeding it costs, for one kind of hosts."""

    def __init__(self, worth: Ints, axes: tuple[Axis, Axis], units: list[int], of_harm: int) -> None:
        self.step = [axis.step for axis in axes]
        self.price = [of_harm * axis.harm // unit if unit else None for axis, unit in zip(axes, units, strict=True)]
        self.tables: list[tuple[int, int, Ints]] = [(0, 0, worth)]
        if self.price[0] is not None:
            self.tables.append((1, 0, self._stretched(worth, 0)))
        if self.price[1] is not None:
            self.tables += [(m, 1, self._stretched(table, 1)) for m, _, table in list(self.tables)]
        self.worth_of = worth

    def _stretched(self, worth: Ints, axis: int) -> Ints:
        """Return the most for any room that is larger on an axis, less what it takes beyond nothing at all."""
        steps = np.arange(worth.shape[axis], dtype=np.int64) * self.step[axis] * int(self.price[axis] or 0)
        less = worth - (steps[:, None] if axis == 0 else steps[None, :])
        return np.flip(np.maximum.accumulate(np.flip(less, axis), axis), axis)

    def worth(self, a: Ints, b: Ints) -> Ints:
        """Return what is paid at most, given the room that is left; far below 0 where a limit is not kept."""
        return np.asarray(np.max([self._by(table, a, b) for table in self.tables], axis=0), np.int64)

    def _by(self, table: tuple[int, int, Ints], a: Ints, b: Ints) -> Ints:
        over_a, over_b, worth = table
        i, paid_a, able_a = self._index(a, 0, over_a, worth.shape[0])
        j, paid_b, able_b = self._index(b, 1, over_b, worth.shape[1])
        return np.where(able_a & able_b, worth[i, j] + paid_a + paid_b, -FAR)

    def _index(self, room: Ints, axis: int, over: int, size: int) -> tuple[Ints, Ints, NDArray[np.bool_]]:
        at = room // self.step[axis] + over
        able = (at >= 0) if not over else (at < size)
        paid = room * int(self.price[axis] or 0) if over else np.zeros_like(room)
        return np.clip(at, 0, size - 1), paid, able

    def cell(self, a: Ints, b: Ints) -> tuple[list[Ints], list[Ints]]:
        """Return the cells of the best rooms, and by how much limits are exceeded there."""
        found = np.array([self._by(table, a, b) for table in self.tables])
        which = found.argmax(axis=0)
        cells, over = [a // self.step[0], b // self.step[1]], [np.zeros_like(a), np.zeros_like(b)]
        for number, (over_a, over_b, _) in enumerate(self.tables):
            for n in np.flatnonzero(which == number).tolist() if over_a or over_b else ():
                i, j = self._walk(int(a[n]), int(b[n]), over_a, over_b)
                cells[0][n], cells[1][n] = i, j
                over[0][n] = max(0, i * self.step[0] - int(a[n])) if over_a else 0
                over[1][n] = max(0, j * self.step[1] - int(b[n])) if over_b else 0
        shape = self.worth_of.shape
        return [np.clip(c, 0, n - 1) for c, n in zip(cells, shape, strict=True)], over

    def _walk(self, a: int, b: int, over_a: int, over_b: int) -> tuple[int, int]:
        shape = self.worth_of.shape
        i, j = max(0, a // self.step[0] + over_a), max(0, b // self.step[1] + over_b)
        rows = slice(i, shape[0]) if over_a else slice(min(i, shape[0] - 1), min(i, shape[0] - 1) + 1)
        columns = slice(j, shape[1]) if over_b else slice(min(j, shape[1] - 1), min(j, shape[1] - 1) + 1)
        part = self.worth_of[rows, columns].copy()
        if over_a:
            part -= (np.arange(rows.start, shape[0]) * self.step[0] * int(self.price[0] or 0))[:, None]
        if over_b:
            part -= (np.arange(columns.start, shape[1]) * self.step[1] * int(self.price[1] or 0))[None, :]
        at = np.unravel_index(int(part.argmax()), part.shape)
        return int(at[0]) + rows.start, int(at[1]) + columns.start
