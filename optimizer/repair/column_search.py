"""Column generation: the moves that make limits hold that should, as a choice of what each host does.

Prices by size settle first (`grid_prices`); then a linear program over columns gives better ones, VM by VM, and columns
that are better at these join it, in turns. It ends when what the prices prove is what the program says: then no choice
of columns has fewer moves. A column is chosen for each host, and each VM that leaves takes a place of its size. What
columns do not know (groups, racks, the order of moves) may leave something to repair.

Lübbecke and Desrosiers, "Selected topics in column generation", Operations Research 53 (2005).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from optimizer.bounds.host_choices import HostChoices
from optimizer.bounds.hosts_exchange import MOVE
from optimizer.bounds.room_axis import FAR
from optimizer.debug_log import Event
from optimizer.left_behind import ends_within
from optimizer.problem.problem import Stage
from optimizer.problem.working_placement import WorkingPlacement
from optimizer.repair.column_master import ColumnMaster
from optimizer.repair.column_places import Places
from optimizer.repair.grid_prices import GridPrices

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optimizer.bounds.host_choices import Column, Look
    from optimizer.bounds.room_prices import PricedRooms
    from optimizer.limits import Deadline, Limits
    from optimizer.repair.column_master import Program

__all__ = ["ColumnSearch"]

_log = logging.getLogger("remora.repair")


class ColumnSearch:
    """Looks for a placement, and for prices that prove how few moves there may be.

    Parameters
    ----------
    rooms
        The bound; what is left is as little as VMs do that are too large for every host.
    """

    def __init__(self, rooms: PricedRooms, limits: Limits, deadline: Deadline) -> None:
        self.rooms, self.problem, self.limits, self.deadline = rooms, rooms.problem, limits, deadline
        self.given = limits.parameters.columns
        self.hosts = HostChoices(rooms, limits.parameters.choices)
        self.price = np.zeros(len(self.hosts.order), np.int64)
        self.value = -FAR
        """What the best prices come to, in millionths of a move."""

    def find(self) -> WorkingPlacement | None:
        """Return a placement, each step to which can be carried out; None where there was no time for one.

        Who finds no place there stays, and so may what is broken at home.
        """
        if not self._ready():
            return None
        prices = self.deadline.part(1.0 - self.given.choosing_share)
        self.hosts.narrowed(WorkingPlacement(self.problem).tally, prices)
        master = self._settled(prices)
        if master is None:
            return None
        self._generate(master, prices)
        proven = self.hosts.value(self.price, self.deadline, bound=True)
        if proven is not None and self.hosts.provable:
            self.rooms.offer(self.price, proven)
        before = self.deadline.left()
        best = self._chosen(master, self.deadline)
        if best is None or self._is_best(best):
            return best
        took, polishing = before - self.deadline.left(), self.deadline.part(self.given.polishing_share)
        master.prefer(self.hosts.free())
        if polishing.left() > self.given.attempts * took:
            self._polish(master, polishing)
        random = np.random.default_rng(self.limits.seed)
        for _ in range(self.given.attempts):
            other = self._chosen(master, polishing)
            best = best if other is None else min(best, other, key=WorkingPlacement.measure)
            if polishing.over() or self._is_best(best):
                break
            master.shake(random)
        return best

    def _is_best(self, work: WorkingPlacement) -> bool:
        """Whether no placement leaves less, with fewer moves."""
        values, rooms = work.values(), self.rooms
        left = values.get(Stage.SHOULD_HARM, 0)
        return not values[Stage.HARM] and left <= rooms.harm and values[Stage.MOVING] <= rooms.bound(left)

    def _chosen(self, master: ColumnMaster, deadline: Deadline) -> WorkingPlacement | None:
        """Choose columns, and let everybody take a place; None where there was no time."""
        chosen = master.choose(deadline)
        if chosen is None:
            return None
        moves, columns = sum(len(c.leaving) for c in chosen), len(master.columns)
        _log.debug("%s", Event("chosen", columns=columns, moves=moves))
        places = Places(self.hosts, chosen, self.deadline, self.limits.parameters)
        return places.carried_out(places.target())

    def _ready(self) -> bool:
        """Have the kernels compiled, or loaded from the cache, as far as there is time; whether they are."""
        from optimizer.bounds.kernel_host_choice import look
        from optimizer.compiled import is_cached

        if self.deadline.over() or (self.deadline.wall() < self.given.compiling and not is_cached(look)):
            return False

        def prepare() -> None:
            self.hosts.value(self.price, self.deadline, thorough=False)

        return ends_within(prepare, self.deadline.over) and not self.deadline.over()

    # -- prices ------------------------------------------------------------------------------------------------------

    def _look(
        self, price: NDArray[np.int64], deadline: Deadline, known: NDArray[np.int64] | None = None
    ) -> Look | None:
        look = self.hosts.look(price, deadline, known)
        if look is not None and look.value > self.value:
            self.value, self.price = look.value, price
        return look

    def _settled(self, deadline: Deadline) -> ColumnMaster | None:
        """Have prices by size settle; return the columns that are good at the last of them."""
        given, hosts = self.given, self.hosts
        grid = GridPrices(hosts, given)
        seen: dict[Column, None] = {}
        for step in range(given.steps):
            found = hosts.look(hosts.priced(grid.prices()), deadline, thorough=False)
            if found is None:
                return None
            if not step or 3 * step >= 2 * given.steps:
                seen.update(dict.fromkeys(found.columns))
            grid.after(found.balance)
        prices = grid.prices()
        last = self._look(hosts.priced(prices), deadline)
        if last is None:
            return None
        master = ColumnMaster(hosts, prices, given)
        master.add(hosts.simple(h) for h in range(len(hosts.left)))
        master.add((*last.columns, *seen))
        return master

    def _generate(self, master: ColumnMaster, deadline: Deadline) -> None:
        """Generate columns at the prices of the linear program, in a box around the best ones that are known."""
        given, width = self.given, self.given.box
        for _ in range(given.rounds):
            found = master.solve(deadline)
            if found is None:
                return
            before = self.value
            look = self._look(self.hosts.priced(found.prices), deadline, self._known(found))
            if look is None:
                return
            new = master.add(look.columns)
            proven = self.value / MOVE
            said = Event("linear_program", columns=len(master.columns), moves=found.moves, priced=proven, new=new)
            _log.debug("%s", said)
            inside = found.outside < given.close
            if inside and (not new or found.moves - proven < given.close):
                return
            better = self.value > before
            if better or not new:
                if not inside and look.value / MOVE >= found.moves - given.as_said:
                    width = min(2.0 * width, given.boxes[1])
                elif not better:
                    width = max(0.5 * width, given.boxes[0])
                master.centre(found.prices if better or not inside else self.price / MOVE, width)

    def _polish(self, master: ColumnMaster, deadline: Deadline) -> None:
        """Add columns, as good as these, with which choices are easier to carry out."""
        for _ in range(self.given.polished):
            found = master.solve(deadline)
            if found is None:
                return
            look = self.hosts.look(self.hosts.priced(found.prices), deadline, self._known(found))
            if look is None or not master.add(look.columns):
                return

    @staticmethod
    def _known(found: Program) -> NDArray[np.int64]:
        """Return int64 [H]: a little more than what hosts come to by the columns that are known."""
        return np.asarray(np.clip(np.rint(found.hosts * MOVE) + 1.0, -FAR, FAR), np.int64)
