"""Column generation: the moves that make limits hold that should, as a choice of what each host does.

Prices settle near what they are worth in the end (the steps of the bound), a linear program over columns gives better
ones and columns that are better at these, in turns, smoothed by the best that are known; then a column is chosen for
each host, and each VM that leaves takes a place of its size. What columns do not know (other resources, groups, racks,
the order of moves) may leave something to repair.

Lübbecke and Desrosiers, "Selected topics in column generation", Operations Research 53 (2005); Wentges, "Weighted
Dantzig-Wolfe decomposition for linear mixed-integer programming", International Transactions in Operational Research 4
(1997).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from optimizer.bounds.hosts_exchange import MOVE
from optimizer.bounds.room_prices import PriceSteps
from optimizer.debug_log import Event
from optimizer.repair.column_master import ColumnMaster
from optimizer.repair.column_places import Places
from optimizer.repair.host_columns import HostColumns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optimizer.bounds.room_prices import PricedRooms
    from optimizer.limits import Deadline, Limits
    from optimizer.problem.working_placement import WorkingPlacement
    from optimizer.repair.host_columns import Column

__all__ = ["ColumnSearch"]

_log = logging.getLogger("remora.repair")

TABLE_WORK, HOST_WORK = 5e-10, 1e-4
"""What prices count as work: for each cell of the table, once for each size; and for each host."""


class ColumnSearch:
    """Looks for a placement, and for prices that prove how few moves there may be.

    Parameters
    ----------
    rooms
        The bound; what is left is as little as VMs do that are too large for every host.
    """

    def __init__(self, rooms: PricedRooms, limits: Limits, deadline: Deadline) -> None:
        assert rooms.axes is not None
        self.rooms, self.problem, self.limits, self.deadline = rooms, rooms.problem, limits, deadline
        self.given = limits.parameters.columns
        self.hosts = HostColumns(self.problem, rooms.axes, rooms.least, rooms.rows, rooms.harmful)
        self.prices = np.zeros(len(self.hosts.size))
        self.value = -np.inf
        """What the best prices come to."""

    def find(self) -> WorkingPlacement | None:
        """Return a placement, each step to which can be carried out; None where there was no time for one.

        Who finds no place there stays, and so may what is broken at home.
        """
        if not self._has_time():
            return None
        master = ColumnMaster(self.hosts, self.given)
        prices = self.deadline.part(1.0 - self.given.choosing_share)
        self._settle(master, prices.part(self.given.settling_share))
        self._generate(master, prices)
        self.rooms.offer(self.prices[self.hosts.size_of])
        if self.deadline.over():
            return None
        near = master.dearer(master.columns, self.prices) <= 2 * self.given.near
        good = [c for c, kept in zip(master.columns, near.tolist(), strict=True) if kept]
        seed, workers = self.limits.seed, self.limits.workers
        chosen = master.choose(good, self.deadline.part(self.given.choosing_share), seed=seed, workers=workers)
        if chosen is None:
            return None
        moves, columns = sum(len(c.leaving) for c in chosen), len(good)
        _log.debug("%s", Event("chosen", columns=columns, moves=moves, rows=len(self.hosts.size)))
        return Places(self.hosts, chosen, self.deadline, self.limits.parameters).taken()

    def _has_time(self) -> bool:
        """Whether prices can settle: seen by how long it takes once, at prices for which every size is looked at."""
        given, before = self.given, self.deadline.left()
        self._best((self.hosts.size / np.maximum(self.hosts.size.max(axis=0), 1)).sum(axis=1))
        took = before - self.deadline.left()
        self.value = -np.inf
        return given.steps * took < (1.0 - given.choosing_share) * self.deadline.left()

    # -- prices ----------------------------------------------------------------------------------------------------

    def _best(self, prices: NDArray[np.float64]) -> tuple[float, NDArray[np.int64], list[Column]]:
        cells = self.hosts.shape[0] * self.hosts.shape[1]
        self.deadline.spend(TABLE_WORK * cells * (1 + int((prices > 0).sum())) + HOST_WORK * self.problem.hosts)
        found = self.hosts.best(prices)
        if found.value > self.value:
            self.value, self.prices = found.value, prices
        return found.value, found.balance, found.columns

    def _settle(self, master: ColumnMaster, deadline: Deadline) -> None:
        """Have prices settle, and keep the columns that are good at the best of them."""
        given = self.given
        steps = PriceSteps(np.zeros_like(self.prices), given.steps, given.first_step)
        seen: dict[Column, None] = {}
        for step in range(given.steps):
            if deadline.over():
                break
            _, balance, columns = self._best(steps.now / MOVE)
            if not step:
                master.add(columns)  # as few leave as have to, and nobody comes
            if 3 * step >= given.steps:
                seen.update(dict.fromkeys(columns))
            steps.after(balance)
        self.prices, self.value = steps.now / MOVE, -np.inf  # near the best ones, which no prices at all may hide
        columns = [*seen, *self._best(self.prices)[2]]
        dearer = master.dearer(columns, self.prices)
        of_host: dict[int, int] = {}
        for n in np.argsort(dearer, kind="stable").tolist():
            host = columns[n].host
            if dearer[n] < given.near and of_host.get(host, 0) < given.kept:
                of_host[host] = of_host.get(host, 0) + 1
                master.add([columns[n]])

    def _generate(self, master: ColumnMaster, deadline: Deadline) -> None:
        """Generate columns at the prices of the linear program, and at some between these and the best ones."""
        given = self.given
        for _ in range(given.rounds):
            value = master.solve(deadline)
            _log.debug("%s", Event("linear_program", columns=len(master.columns), moves=value, bound=self.value))
            if value is None or deadline.over() or value - self.value < given.close:
                return
            prices = master.prices()
            kept = given.centred * min(1.0, value - self.value)
            new = master.add(self._best(kept * self.prices + (1.0 - kept) * prices)[2])
            if new < given.few * self.problem.hosts:
                new += master.add(self._best(prices)[2])
            if not new:
                return
