"""One VM after another onto the host that it makes least full: fast, and most often all that is needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optimizer.problem.shapes import LEFT, RIGHT

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from optimizer.whatif.room import Coupling, Room, Row

__all__ = ["CLOSED", "Greedy", "Met", "Ranked"]

CLOSED = np.inf


@dataclass(frozen=True, slots=True)
class Ranked:
    """A host (index) for a VM: how full it makes the host at its fullest (a share), and which preferences it breaks."""

    host: int
    fullest: float
    broken: int


class _Tally:
    """How much of a row is left, as VMs come."""

    def __init__(self, row: Row) -> None:
        self.row, self.left = row, row.left.copy()

    def takes(self, kind: int) -> NDArray[np.bool_] | None:
        amount = self.row.amount[kind]
        return None if not amount else (self.left >= amount)[self.row.domain]

    def share(self, kind: int) -> NDArray[np.float64] | None:
        """Return how full one VM more would make each host, where the row is of a resource of hosts."""
        if self.row.level or self.row.counts or not self.row.amount[kind]:
            return None
        limit = np.maximum(self.row.limit, 1)
        return np.asarray((self.row.limit - self.left + self.row.amount[kind]) / limit, np.float64)

    def add(self, kind: int, host: int) -> None:
        self.left[self.row.domain[host]] -= self.row.amount[kind]


class Met:
    """Who of a coupling is where, as VMs come."""

    def __init__(self, coupling: Coupling, room: Room) -> None:
        self.of = coupling
        self.here = [np.zeros(coupling.domains, np.int64) for _ in (LEFT, RIGHT)]
        for side in (LEFT, RIGHT):
            for d, n in coupling.there[side].items():
                self.here[side][d] = n
        self.apart = np.minimum(self.here[LEFT], self.here[RIGHT])
        self.coming = sum(room.kinds[k].wanted for k in np.flatnonzero(coupling.members[LEFT]).tolist())

    def takes(self, kind: int) -> NDArray[np.bool_]:
        """Return bool [H]: where a VM of a kind may go, as far as this demand can say by now."""
        takes = np.ones(self.of.domains, np.bool_)
        sides = [side for side in (LEFT, RIGHT) if self.of.members[side][kind]]
        judge = {"pair": self._apart, "occupancy": self._spread, "company": self._met, "together": self._home}
        for side in sides:
            takes &= judge[self.of.shape](side)
        return takes[self.of.domain]

    def add(self, kind: int, host: int) -> None:
        """Count a VM."""
        for side in (LEFT, RIGHT):
            if self.of.members[side][kind]:
                self.here[side][self.of.domain[host]] += 1
        self.coming -= bool(self.of.members[LEFT][kind])

    def _apart(self, side: int) -> NDArray[np.bool_]:
        return np.minimum(self.here[side] + 1, self.here[1 - side]) <= self.apart

    def _spread(self, side: int) -> NDArray[np.bool_]:
        occupied = self.here[LEFT] > 0
        enough = int(occupied.sum()) + self.coming - 1 >= self.of.limit - self.of.allowed
        return ~occupied | enough

    def _met(self, side: int) -> NDArray[np.bool_]:
        if side == RIGHT:
            return np.ones(self.of.domains, np.bool_)
        alone = int(self.here[LEFT][self.here[RIGHT] == 0].sum())
        return (self.here[RIGHT] > 0) | (alone + 1 <= self.of.allowed)

    def _home(self, side: int) -> NDArray[np.bool_]:
        total, most = int(self.here[LEFT].sum()) + 1, int(self.here[LEFT].max(initial=0))
        return total - np.maximum(most, self.here[LEFT] + 1) <= self.of.allowed


class Greedy:
    """A room that is filled VM by VM."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.rows = [_Tally(row) for row in room.rows]
        self.wishes = [_Tally(row) for row in room.wishes]
        self.met = [Met(coupling, room) for coupling in room.couplings]
        self.numbers = np.zeros((len(room.kinds), room.hosts), np.int64)

    def scores(self, kind: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return what one VM more would do on each host.

        How full it makes the host where it is fullest (float64 [H], `CLOSED` where it may not go), and how many
        preferences it breaks there (int64 [H]).
        """
        open_ = self.room.open[kind].copy()
        fullest = np.zeros(self.room.hosts)
        for row in self.rows:
            takes = row.takes(kind)
            if takes is not None:
                open_ &= takes
            share = row.share(kind)
            if share is not None:
                fullest = np.maximum(fullest, share)
        for met in self.met:
            if met.of.members[LEFT][kind] or met.of.members[RIGHT][kind]:
                open_ &= met.takes(kind)
        broken = self.room.disliked[kind].astype(np.int64)
        for wish in self.wishes:
            takes = wish.takes(kind)
            if takes is not None:
                broken = broken + ~takes
        return np.where(open_, fullest, CLOSED), broken

    def ranking(self, kind: int, most: int) -> list[Ranked]:
        """Return the best hosts for one VM of a kind, the best first."""
        fullest, broken = self.scores(kind)
        open_ = np.flatnonzero(fullest < CLOSED)
        order = open_[np.lexsort((fullest[open_], broken[open_]))][:most]
        return [Ranked(int(h), float(fullest[h]), int(broken[h])) for h in order]

    def best(self, kind: int) -> int | None:
        """Return the host that breaks the fewest preferences, and of these the one that is least full with it."""
        fullest, broken = self.scores(kind)
        open_ = np.flatnonzero(fullest < CLOSED)
        if not open_.size:
            return None
        return int(open_[np.lexsort((fullest[open_], broken[open_]))[0]])

    def place(self, kind: int, number: int, over: Callable[[], bool] | None = None) -> int:
        """Place up to `number` VMs of a kind, until it is `over`; return how many found a host."""
        for done in range(number):
            if over is not None and over():
                return done
            best = self.best(kind)
            if best is None:
                return done
            self.add(kind, best)
        return number

    def add(self, kind: int, host: int) -> None:
        """Make one VM of a kind on a host."""
        self.numbers[kind, host] += 1
        for tally in (*self.rows, *self.wishes):
            tally.add(kind, host)
        for met in self.met:
            met.add(kind, host)

    def kept(self) -> bool:
        """Whether what is judged of whole sets holds: an occupancy of which a part has no host may not."""
        return all(
            int((m.here[LEFT] > 0).sum()) >= m.of.limit - m.of.allowed or not m.here[LEFT].any()
            for m in self.met
            if m.of.shape == "occupancy"
        )
