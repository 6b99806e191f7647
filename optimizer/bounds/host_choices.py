"""What each host does at best, given prices for receiving VMs: who leaves it, and who comes, to the last unit.

The bound is that of `hosts_exchange`, for hosts that keep to all limits that should hold. But sizes are not rounded,
all resources count and not two, no VM comes where it may not, and what has to leave a host leaves it.
"""

from __future__ import annotations

from copy import copy
from math import gcd
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from optimizer.bounds.choice_arrays import ChoiceProblem, ChoiceState
from optimizer.bounds.host_needs import wanted
from optimizer.bounds.host_sample import of_hosts
from optimizer.bounds.hosts_exchange import MOVE
from optimizer.bounds.room_axis import FAR, Axis
from optimizer.problem.rule import Hardness

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from optimizer.bounds.hosts_exchange import HostsExchange
    from optimizer.bounds.room_prices import PricedRooms
    from optimizer.limits import Deadline
    from optimizer.parameters import Choices
    from optimizer.problem.tally import Tally

    Ints = NDArray[np.int64]

__all__ = ["Column", "HostChoices", "Look"]

NEVER = FAR // 2
"""What a host comes to that keeps to its limits whoever leaves it: more than this."""

NODE_WORK, CELL_WORK, HOST_WORK = 2e-6, 4e-10, 2e-5
"""What counts as work: a node, a cell of the tables for each VM that is paid for, and a host."""

PAID = 2**31 - 1
"""What tables can add up to."""


class Column(NamedTuple):
    """What a host does: who leaves it, and who comes (positions in `HostChoices.order`, ascending)."""

    host: int
    leaving: tuple[int, ...]
    coming: tuple[int, ...]

    def renumbered(self, hosts: Ints, at: Ints) -> Column:
        """Return it in the numbers of the whole; `hosts` and `at` are those of the part's hosts and VMs."""
        leaving, coming = (tuple(at[list(vms)].tolist()) for vms in (self.leaving, self.coming))
        return Column(int(hosts[self.host]), leaving, coming)


class Look(NamedTuple):
    """What prices come to.

    `value`: the sum over hosts of what each comes to at least, in millionths of a move. `balance`: int64 [n], whether a
    VM leaves (1), comes (-1 for each host), or neither. `columns`: of each host the best that was found, and some that
    were the best before.
    """

    value: int
    balance: Ints
    columns: list[Column]


class HostChoices:
    """The hosts of one problem, and what they can do.

    Parameters
    ----------
    rooms
        Where limits that should hold do (`clean`), with two resources and a table of rooms.
    """

    @staticmethod
    def can_be_looked_at(rooms: PricedRooms, given: Choices) -> bool:
        """Whether limits hold, and each host has at most `hosted` VMs: more take too much memory."""
        return rooms.clean and rooms.exchange is not None and int(rooms.exchange.number.max()) <= given.hosted

    def __init__(self, rooms: PricedRooms, given: Choices) -> None:
        from optimizer.bounds.kernel_host_choice import fill, look  # numba: for who looks at hosts alone

        assert rooms.exchange is not None
        self._fill: Callable[..., None] = fill
        self._look: Callable[..., None] = look
        self.problem, self.given, exchange = rooms.problem, given, rooms.exchange
        self.order, self.host = exchange.order, exchange.host
        self.axes = _axes(rooms)
        amount = np.stack([axis.amount[self.order] for axis in self.axes], axis=1).astype(np.int64)
        left = np.stack([axis.room for axis in self.axes], axis=1)
        self.shares = np.array([gcd(*column.tolist()) or 1 for column in amount.T], np.int64)
        self.amount, self.left = amount // self.shares, left // self.shares
        shape, shift = self._levels(exchange)
        self.none = (self.amount[:, :2] >> shift[-1] == 0).all(axis=1)
        """VMs that take no room in the coarsest steps: they are paid for nowhere."""
        own = np.lexsort((-(self.amount[:, :2] / np.maximum(self.amount[:, :2].max(axis=0), 1)).sum(axis=1), self.host))
        needs, least, need_at, counts = self._needs(rooms, own, exchange.first)
        kind, allowed = self.problem.enter_class
        at = np.cumsum([0, *(rows * width for rows, width in shape.tolist())])
        self.fixed = self.narrow = ChoiceProblem(
            self.amount,
            self.host,
            kind[self.order].astype(np.int64),
            self.left,
            rooms.least,
            allowed,
            own,
            exchange.first.astype(np.int64),
            needs,
            least,
            need_at,
            counts,
            shape,
            shift,
            at,
        )
        self.state = self._state()

    def narrowed(self, tally: Tally, deadline: Deadline) -> None:
        """From now on let VMs come only where they meet nobody that they may not, as far as memory allows.

        That is for columns which can be carried out; what `bound` asks for is without.
        """
        kind, rows = self.fixed.kind.copy(), list(self.fixed.allowed)
        known: dict[bytes, int] = {}
        for at, vm in enumerate(self.order.tolist()):
            if deadline.over() or len(rows) * len(self.left) > self.given.admitted:
                break
            admitted = tally.admits(vm)
            kind[at] = known.setdefault(admitted.tobytes(), len(rows))
            if kind[at] == len(rows):
                rows.append(admitted)
        self.narrow = self.fixed._replace(kind=kind, allowed=np.array(rows, np.bool_))

    def sample(self, hosts: Ints) -> tuple[HostChoices, Ints]:
        """Return some hosts (ascending) as if there were no others, and int64 [n]: which VMs are theirs."""
        out = copy(self)
        (out.fixed, at), (out.narrow, _) = of_hosts(self.fixed, hosts), of_hosts(self.narrow, hosts)
        out.order, out.none = self.order[at], self.none[at]
        out.host, out.amount, out.left = out.fixed.host, out.fixed.amount, out.fixed.left
        out.state = out._state()
        return out, at

    # -- what kernels read ---------------------------------------------------------------------------------------------

    def _levels(self, exchange: HostsExchange) -> tuple[Ints, Ints]:
        """Return the tables' shapes and shifts: the coarsest is the exchange's; finer ones are for small rooms."""
        coarsest = np.array(
            [
                (a.step // share).bit_length() - 1
                for a, share in zip(exchange.axes, self.shares[:2].tolist(), strict=True)
            ]
        )
        shapes, shifts = [np.array(exchange.shape)], [coarsest]
        largest = [(n << s) - 1 for n, s in zip(exchange.shape, coarsest.tolist(), strict=True)]
        for finer in self.given.finer:
            shift = np.maximum(coarsest - finer, 0)
            if (shift < shifts[0]).any():
                cells = [min(self.given.fine_cells, (m >> s) + 1) for m, s in zip(largest, shift.tolist(), strict=True)]
                shapes.insert(0, np.array(cells))
                shifts.insert(0, shift)
        return np.array(shapes, np.int64), np.array(shifts, np.int64)

    def _needs(self, rooms: PricedRooms, own: Ints, first: Ints) -> tuple[Ints, Ints, Ints, Ints]:
        """Return what has to leave hosts, host by host."""
        found = sorted(wanted(rooms, self.order), key=lambda need: need[0])
        needs = np.searchsorted([host for host, _, _ in found], np.arange(self.problem.hosts + 1)).astype(np.int64)
        least, counts, at = [], [np.zeros(0, np.int64)], [0]
        for host, count, asked in found:
            counts.append(count[own[first[host] : first[host + 1]]])
            least.append(asked)
            at.append(at[-1] + len(counts[-1]))
        return needs, np.array(least, np.int64), np.array(at, np.int64), np.concatenate(counts)

    def _state(self) -> ChoiceState:
        fixed, given = self.fixed, self.given
        hosts, n, deep = len(fixed.left), len(self.order), given.deep
        most, resources = int(np.diff(fixed.first).max(initial=0)), fixed.amount.shape[1]
        needs, kept = int(np.diff(fixed.needs).max(initial=0)), given.kept

        def zeros(*shape: int) -> Ints:
            return np.zeros(shape, np.int64)

        return ChoiceState(
            table=np.zeros(int(fixed.at[-1]), np.int32),
            pays=np.zeros(n, np.int32),
            priced=zeros(n),
            near=zeros(n),
            list=zeros(deep, n),
            length=zeros(deep),
            tried=zeros(deep),
            taken=zeros(deep),
            best=zeros(deep + 1),
            paid=zeros(deep + 1),
            room=zeros(deep + 1, resources),
            next=zeros(most + 2),
            gone=zeros(most + 2),
            set=zeros(most + 2),
            rest=zeros(most + 2),
            sorted=zeros(most + 2),
            cost=zeros(most + 2),
            freed=zeros(most + 2, resources),
            cheapest=zeros(most + 1, most + 2),
            largest=zeros(most + 1, most + 2, resources),
            met=zeros(needs + 1),
            still=zeros(needs + 1, most + 2),
            value=zeros(hosts),
            nodes=zeros(hosts),
            found=zeros(hosts),
            counts=zeros(hosts, kept, 2),
            leaving=np.zeros((hosts, kept, most + 1), np.int32),
            coming=np.zeros((hosts, kept, deep), np.int32),
        )

    # -- what prices come to -------------------------------------------------------------------------------------------

    def priced(self, prices: NDArray[np.float64]) -> Ints:
        """Return prices in millionths of a move: nothing for those who take no room, and no more than tables add up.

        Parameters
        ----------
        prices
            float64 [n], in moves.
        """
        found = np.where(self.none, 0, np.clip(np.rint(np.asarray(prices) * MOVE), 0, PAID)).astype(np.int64)
        most = self._most_paid(found)
        return found if most <= PAID else found * PAID // most

    def _most_paid(self, price: Ints) -> int:
        """Return what any room pays at most: as much as fits of the first resource, in parts."""
        steps = self.amount[:, 0] >> self.fixed.shift[-1, 0]
        some = np.flatnonzero((price > 0) & (steps > 0))
        ranked = some[np.argsort(-price[some] / steps[some])]
        fits = np.cumsum(steps[ranked]) <= self.fixed.shape[-1, 0]
        in_part = price[ranked[~fits][:1]].sum()
        return int(price[steps == 0].sum() + price[ranked[fits]].sum() + in_part)

    def value(
        self, price: Ints, deadline: Deadline, known: Ints | None = None, *, thorough: bool = True, bound: bool = False
    ) -> int | None:
        """Return what the hosts come to at least; None where the time is over, or one cannot keep to its limits.

        Parameters
        ----------
        price
            int64 [n], as `priced` returns them.
        known
            int64 [H]: what hosts are known to come to; None: nothing is.
        thorough
            Whether searches have their full limits.
        bound
            Whether that has to be so whatever others do (see `narrowed`).
        """
        given, fixed, state = self.given, self.fixed if bound else self.narrow, self.state
        paid = np.flatnonzero(price > 0)
        paid = paid[np.argsort(-price[paid], kind="stable")]
        state.priced[: len(paid)] = paid
        state.pays[:] = price
        deadline.spend(CELL_WORK * int(fixed.at[-1]) * len(paid))
        self._fill(len(paid), fixed, state)
        hosts = len(fixed.left)
        limits = np.array(given.thorough if thorough else given.quick, np.int64)
        before = np.full(hosts, FAR, np.int64) if known is None else known
        for begin in range(0, hosts, given.chunk):
            if deadline.over():
                return None
            end = min(begin + given.chunk, hosts)
            self._look(begin, end, len(paid), price, before, limits, fixed, state)
            deadline.spend(NODE_WORK * int(state.nodes[begin:end].sum()) + HOST_WORK * (end - begin))
        return None if (state.value > NEVER).any() else int(state.value.sum())

    @property
    def provable(self) -> bool:
        """Whether the last look took few nodes: the judge, whose tables are coarser, can follow it then."""
        return int(self.state.nodes.sum()) <= self.given.provable

    def look(self, price: Ints, deadline: Deadline, known: Ints | None = None, *, thorough: bool = True) -> Look | None:
        """Return what prices come to, and who goes where then; parameters as for `value`."""
        value = self.value(price, deadline, known, thorough=thorough)
        if value is None:
            return None
        state, columns = self.state, []
        balance = np.zeros(len(self.order), np.int64)
        for h in np.flatnonzero(state.found).tolist():
            found, kept = int(state.found[h]), state.counts.shape[1]
            for t in range(min(found, kept)):
                gone, come = state.counts[h, t].tolist()
                leaving, coming = state.leaving[h, t, :gone], state.coming[h, t, :come]
                columns.append(Column(h, tuple(sorted(leaving.tolist())), tuple(sorted(coming.tolist()))))
                if t == (found - 1) % kept:
                    balance[leaving] += 1
                    balance[coming] -= 1
        return Look(value, balance, columns)

    def free(self) -> Ints:
        """Return int64 [H, R]: what limits that have to hold leave free on hosts at the start."""
        problem, out = self.problem, np.full(self.left.shape, FAR, np.int64)
        names = [axis.resource for axis in self.axes]
        for number, atom in problem.demands.sums.items():
            if not atom.level and atom.resource in names and atom.asked.hardness is not Hardness.SHOULD:
                r = names.index(atom.resource)
                out[:, r] = np.minimum(out[:, r], (atom.limit - problem.start_loads[number]) // self.shares[r])
        return np.maximum(out, 0)

    def simple(self, host: int) -> Column:
        """Return what is enough for a host that takes nobody: those leave who have to, and then whoever frees most."""
        fixed = self.fixed
        first, last = int(fixed.first[host]), int(fixed.first[host + 1])
        own = fixed.own[first:last]
        needs = range(int(fixed.needs[host]), int(fixed.needs[host + 1]))
        counts = [fixed.counts[fixed.need_at[q] :][: len(own)] for q in needs]
        must = np.zeros(len(own), np.bool_)
        for q, count in zip(needs, counts, strict=True):
            must |= count.sum() - count < fixed.least[q]
        ranked = [*np.flatnonzero(must).tolist(), *np.flatnonzero(~must).tolist()]
        for k in range(int(fixed.fewest[host]), len(own) + 1):
            gone = ranked[:k]
            enough = all(count[gone].sum() >= fixed.least[q] for q, count in zip(needs, counts, strict=True))
            if enough and (fixed.left[host] + self.amount[own[gone]].sum(axis=0) >= 0).all():
                break
        return Column(host, tuple(sorted(own[gone].tolist())), ())


def _axes(rooms: PricedRooms) -> list[Axis]:
    """Return all resources that are one amount, those of the tables first."""
    assert rooms.axes is not None
    problem, first = rooms.problem, [axis.resource for axis in rooms.axes]
    atoms = [atom for atom in problem.demands.sums.values() if not atom.level]
    names = dict.fromkeys((*first, *(atom.resource for atom in atoms)))
    found = [Axis.of(problem, name, 1, None, rooms.harmful) for name in names]
    return [axis for axis in found if axis is not None]
