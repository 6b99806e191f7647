"""Prices for receiving VMs that get better, and the columns that are good at them.

Prices by size settle first (`grid_prices`); then a linear program over columns gives better ones, VM by VM, and columns
that are better at these join it, in turns. It ends when what the prices prove is what the program says: then no choice
of columns has fewer moves; or when that brings nothing new.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from optimizer.bounds.hosts_exchange import MOVE
from optimizer.bounds.room_axis import FAR
from optimizer.debug_log import Event
from optimizer.repair.column_master import ColumnMaster
from optimizer.repair.grid_prices import GridPrices

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from optimizer.bounds.host_choices import Column, HostChoices, Look
    from optimizer.limits import Deadline
    from optimizer.parameters import Columns
    from optimizer.repair.column_master import Program

__all__ = ["ColumnPrices"]

ALIKE = 5.0
"""Millionths of a move by which a column has to be better than those that are known."""

_log = logging.getLogger("remora.repair")


class ColumnPrices:
    """Prices and columns of some hosts.

    Attributes
    ----------
    price
        int64 [n]: the best that are known, in millionths of a move.
    value
        What these come to.
    outside
        How often the last linear program paid a border of its box.
    """

    def __init__(self, hosts: HostChoices, given: Columns) -> None:
        self.hosts, self.given = hosts, given
        self.price = np.zeros(len(hosts.order), np.int64)
        self.value = -FAR
        self.outside = 0.0

    def begin(self, deadline: Deadline) -> ColumnMaster | None:
        """Have prices by size settle; return the columns that are good there. None where there was no time."""
        grid = GridPrices(self.hosts, self.given)
        seen: dict[Column, None] = {}
        for step in range(self.given.steps):
            found = self.hosts.look(self.hosts.priced(grid.prices()), deadline, thorough=False)
            if found is None:
                return None
            if not step or 3 * step >= 2 * self.given.steps:
                seen.update(dict.fromkeys(found.columns))
            grid.after(found.balance)
        return self.go_on(grid.prices(), seen, deadline)

    def go_on(self, prices: NDArray[np.float64], columns: Iterable[Column], deadline: Deadline) -> ColumnMaster | None:
        """Return these columns, and those that are good at these prices; None where there was no time.

        Parameters
        ----------
        prices
            float64 [n], in moves.
        """
        look = self._look(self.hosts.priced(prices), deadline)
        if look is None:
            return None
        master = ColumnMaster(self.hosts, prices, self.given)
        master.add(self.hosts.simple(h) for h in range(len(self.hosts.left)))
        master.add((*look.columns, *columns))
        return master

    def generate(self, master: ColumnMaster, deadline: Deadline) -> bool:
        """Generate columns at the prices of the linear program, in a box around those that it had before.

        As long as that brings many, hosts are not searched thoroughly. Return whether it came to its end: prices prove
        what the program says, or nothing is new any more, or the rounds are over.
        """
        given, width, idle, thorough = self.given, self.given.box, 0, False
        for _ in range(given.rounds):
            found = master.solve(deadline)
            if found is None:
                return False
            before = self.value
            look = self._look(self.hosts.priced(found.prices), deadline, self._known(found), thorough=thorough)
            if look is None:
                return False
            new = master.add(look.columns)
            proven = self.value / MOVE
            said = {"columns": len(master.columns), "moves": found.moves, "priced": proven, "new": new}
            _log.debug("%s", Event("linear_program", hosts=len(self.hosts.left), **said))
            self.outside = found.outside
            inside, better = found.outside < given.close, self.value > before
            idle = 0 if new or better or not thorough else idle + 1
            close = found.moves - proven < given.close
            if idle > given.idle or (thorough and inside and (not new or close)):
                return True
            thorough = thorough or new < given.few * len(self.hosts.left) or close
            if better or not new:
                as_said = look.value - before >= given.as_said * (found.moves * MOVE - before)
                if not inside and (as_said or close):
                    width = min(2.0 * width, given.boxes[1])
                elif not better:
                    width = max(0.5 * width, given.boxes[0])
                master.centre(found.prices if better or not inside else self.price / MOVE, width)
        return True

    def polish(self, master: ColumnMaster, deadline: Deadline) -> None:
        """Add columns, as good as these, with which choices are easier to carry out."""
        for _ in range(self.given.polished):
            found = master.solve(deadline)
            if found is None:
                return
            look = self.hosts.look(self.hosts.priced(found.prices), deadline, self._known(found), thorough=False)
            if look is None or not master.add(look.columns):
                return

    def _look(
        self,
        price: NDArray[np.int64],
        deadline: Deadline,
        known: NDArray[np.int64] | None = None,
        *,
        thorough: bool = True,
    ) -> Look | None:
        look = self.hosts.look(price, deadline, known, thorough=thorough)
        if look is not None and look.value > self.value:
            self.value, self.price = look.value, price
        return look

    @staticmethod
    def _known(found: Program) -> NDArray[np.int64]:
        """Return int64 [H]: a little less than what hosts come to by known columns: one as good is not new."""
        return np.asarray(np.clip(np.rint(found.hosts * MOVE) - ALIKE, -FAR, FAR), np.int64)
