"""Staging hops: a VM waits on a third host so that others can pass.

Two kinds of detour: a VM of the plan goes to its target by way of a third host (one move more), or a VM that the plan
does not move steps aside and comes back (two more). Those that free the most are tried first, one, then two, then as
many as there are, of which the needless are taken back.
"""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from optimizer.fleet import Move
from optimizer.problem.flow_index import spent_of
from optimizer.problem.tally import Tally
from optimizer.sequence.move_graph import MoveGraph
from optimizer.sequence.search import find_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from optimizer.parameters import Ordering
    from optimizer.reachability.contention import Contention

__all__ = ["Hops"]

Detours = dict[int, int]
"""Third host by VM."""


class Hops:
    """Detours for the components of one plan."""

    def __init__(
        self,
        contention: Contention,
        direct: Sequence[Move],
        deadline: Callable[[], bool] | None,
        given: Ordering,
    ) -> None:
        self.problem, self.contention, self.direct = contention.problem, contention, direct
        self.deadline, self.given = deadline, given
        self._third: dict[int, list[int]] = {}

    def untangle(self, moves: Sequence[Move], others: Sequence[Move], *, few: bool = False) -> list[Move] | None:
        """Return the moves with the fewest detours found that give them an order, in such an order; None if none do.

        Parameters
        ----------
        moves
            One component that has no order as it is (or `few`: one to try a single hop on).
        others
            The other moves that will be made.
        """
        most = self.given.hop_tries // 10 if few else self.given.hop_tries
        for tried, detours in enumerate(self._proposals(moves, few)):
            if tried >= most or (self.deadline is not None and self.deadline()):
                return None
            order = self.attempt(moves, others, detours)
            if order is not None:
                return self._sparing(moves, others, detours, order)
        return None

    def _proposals(self, moves: Sequence[Move], few: bool) -> Iterator[Detours]:
        if few:
            yield {}
        by_use = sorted(moves, key=lambda m: (-self._weight(m.vm), m.vm))
        able = [m.vm for m in by_use if self.third(m.vm)]
        yield from ({vm: host} for vm in able for host in self.third(vm)[:2])
        if few:
            return
        aside = self._aside(moves)
        yield from map(self._spread, combinations(able[:8], 2))
        yield from ({vm: self.third(vm)[0]} for vm in aside)
        if len(able) > 2:
            yield self._spread(able)
        yield from (self._spread((a, b)) for a in able[:4] for b in aside[:4])
        yield from map(self._spread, combinations(aside, 2))
        if aside:
            yield self._spread([*able, *aside])

    def _spread(self, vms: Iterable[int]) -> Detours:
        """Give each VM a third host, another for each as far as there are enough."""
        out: Detours = {}
        for vm in vms:
            hosts = self.third(vm)
            out[vm] = next((h for h in hosts if h not in out.values()), hosts[0])
        return out

    def _sparing(
        self, moves: Sequence[Move], others: Sequence[Move], detours: Detours, order: list[Move]
    ) -> list[Move]:
        """Take detours back one by one as long as there is an order without them."""
        for vm in list(detours) if len(detours) > 1 else ():
            fewer = {v: h for v, h in detours.items() if v != vm}
            if (shorter := self.attempt(moves, others, fewer)) is not None:
                detours, order = fewer, shorter
        return order

    def attempt(self, moves: Sequence[Move], others: Sequence[Move], detours: Detours) -> list[Move] | None:
        """Return the moves with these detours in an order, if there is one beside the others."""
        made = list(self._with(moves, detours))
        everything = [*others, *made]
        if not self._within_flows(everything):
            return None
        graph = MoveGraph(everything, self.contention.contended(everything))
        mine = sum(1 << m for m in range(len(others), len(everything)))
        order: list[int] = []
        for component in graph.components:
            if component & mine:
                found = find_order(graph, component, states=self.given.hop_states, deadline=self.deadline)
                if not found.all_done:
                    return None
                order.extend(found.order)
        return [everything[m] for m in order if mine >> m & 1]

    def _with(self, moves: Sequence[Move], detours: Mapping[int, int]) -> Iterator[Move]:
        for move in moves:
            if move.vm in detours:
                yield Move(move.vm, move.source, detours[move.vm])
                yield Move(move.vm, detours[move.vm], move.target)
            else:
                yield move
        for vm in sorted(detours.keys() - {m.vm for m in moves}):
            home = int(self.problem.start[vm])
            yield Move(vm, home, detours[vm])
            yield Move(vm, detours[vm], home)

    # -- who could wait where --------------------------------------------------------------------------------------

    @cached_property
    def _full(self) -> Tally:
        """Everything that could be present at once: all arrivals, no departure."""
        tally = Tally(self.problem, rough=True)
        for move in self.direct:
            if move.target not in tally.ends[move.vm]:
                tally.add(move.vm, move.target)
        return tally

    def third(self, vm: int) -> list[int]:
        """Return a few hosts on which the VM could wait, if possible in nobody's way, the emptiest first."""
        known = self._third.get(vm)
        if known is None:
            room = self._full.room(vm)
            if not room.any():
                room = self._start.room(vm)
            known = [h for h in self._emptiest(vm) if room[h]][: self.given.thirds] if room.any() else []
            self._third[vm] = known
        return known

    @cached_property
    def _start(self) -> Tally:
        return Tally(self.problem)

    def _emptiest(self, vm: int) -> list[int]:
        share = np.ones(self.problem.hosts)
        for linear in self._full.linears:
            if linear.atom.level == 0 and linear.atom.amount[vm]:
                left = linear.ceiling - linear.load - linear.atom.amount[vm]
                share = np.minimum(share, left / np.maximum(linear.ceiling, 1))
        order: NDArray[np.int64] = np.argsort(-share, kind="stable")
        return [int(h) for h in order]

    def _weight(self, vm: int) -> float:
        """How much a VM frees where it leaves: its largest share of any limit there."""
        host = int(self.problem.start[vm])
        shares = [float(t.atom.amount[vm] / max(1, t.ceiling[host])) for t in self._full.linears if t.atom.level == 0]
        return max(shares, default=0.0)

    def _aside(self, moves: Sequence[Move]) -> list[int]:
        """Return VMs from outside the plan, on the hosts that the moves go to, that could step aside and come back."""
        planned = {m.vm for m in self.direct}
        wanted = Counter(m.target for m in moves)
        here = np.flatnonzero(np.isin(self.problem.start, sorted(wanted)) & self.problem.movable)
        able = [int(v) for v in here if int(v) not in planned and self.problem.may_enter(int(v))[self.problem.start[v]]]
        able.sort(key=lambda v: (-self._weight(v), v))
        most = self.given.aside
        return [v for v in able[: 10 * most] if self.third(v)][:most]

    def _within_flows(self, moves: Iterable[Move]) -> bool:
        moves = list(moves)
        return all(spent_of(f, moves) <= f.limit for f in self.problem.flows)
