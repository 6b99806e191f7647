"""Where new VMs go: one, or a batch as a whole, under all rules, without moving anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optimizer.fleet import with_copies
from optimizer.problem.problem import build
from optimizer.whatif.greedy import Greedy, Ranked
from optimizer.whatif.judge import refuse_wrong
from optimizer.whatif.model import RoomModel
from optimizer.whatif.obstacles import Obstacle, Unlock, closed_by, obstacles, unlock
from optimizer.whatif.room import Kind, Room, room_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet
    from optimizer.policy import Policy
    from optimizer.problem.problem import Problem
    from optimizer.whatif.effort import Effort

__all__ = ["Choice", "Placed", "pack", "place"]


@dataclass(frozen=True, eq=False)
class Choice:
    """What there is to choose for one kind: the best hosts for its first VM, and why the others take none."""

    kind: Kind
    placed: int
    ranking: tuple[Ranked, ...]
    skipped: tuple[Obstacle, ...]
    missing: tuple[Obstacle, ...]
    cheapest: Unlock | None


@dataclass(frozen=True, eq=False)
class Placed:
    """Where VMs were placed.

    Attributes
    ----------
    bound
        How many of them can have a host together, at most.
    created
        Pairs (VM, host), indices of `fleet`.
    """

    fleet: Fleet
    problem: Problem
    asked: int
    bound: int
    created: tuple[tuple[int, int], ...]
    choices: tuple[Choice, ...]

    @property
    def proven(self) -> bool:
        """Whether no more of them can have a host."""
        return len(self.created) >= self.bound


def place(fleet: Fleet, policy: Policy, wanted: Sequence[tuple[int, int]], effort: Effort, ranked: int = 10) -> Placed:
    """Find a host for each VM; where not all have one, for as many as can.

    Parameters
    ----------
    wanted
        Pairs (VM without a host, how many like it).
    ranked
        How many hosts to name for each kind.
    """
    larger, copies = with_copies(fleet, dict(wanted))
    problem = build(larger, policy.rules)
    kinds = [Kind(fleet.vms.ids[vm], copies[vm], n) for vm, n in wanted]
    room = room_of(problem, kinds)
    numbers, bound = pack(room, effort)
    empty, left = Greedy(room), room.spent(numbers)
    choices = []
    for k, kind in enumerate(kinds):
        closed = closed_by(problem, int(kind.vms[0]))
        made = int(numbers[k].sum())
        lacking = made < kind.wanted
        choices.append(
            Choice(
                kind,
                made,
                tuple(empty.ranking(k, ranked)),
                obstacles(room, k, closed),
                obstacles(left, k, closed) if lacking else (),
                unlock(left, k, closed) if lacking else None,
            )
        )
    created = [pair for k, kind in enumerate(kinds) for pair in _pairs(kind, numbers[k])]
    refuse_wrong(larger, policy, created)
    asked = sum(n for _, n in wanted)
    return Placed(larger, problem, asked, bound, tuple(created), tuple(choices))


def pack(room: Room, effort: Effort) -> tuple[NDArray[np.int64], int]:
    """Return how many of each kind go to each host (int64 [K, H]), and how many in all can at most."""
    wanted = sum(kind.wanted for kind in room.kinds)
    quick = Greedy(room)
    for k in sorted(range(len(room.kinds)), key=lambda k: (-_size(room, k), k)):
        quick.place(k, room.kinds[k].wanted)
    if quick.kept() and int(quick.numbers.sum()) == wanted:
        return quick.numbers, wanted
    ceiling = sum(min(kind.wanted, int(room.most(k).sum())) for k, kind in enumerate(room.kinds))
    if len(room.kinds) == 1 and quick.kept() and int(quick.numbers.sum()) >= ceiling:
        return quick.numbers, ceiling
    model = RoomModel(room)
    model.model.maximize(sum((model.made(k) for k in range(1, len(room.kinds))), model.made(0)))
    if quick.kept():
        model.hint(quick.numbers)
    _, solver = model.solve(effort)
    if solver is None:
        return (quick.numbers if quick.kept() else np.zeros_like(quick.numbers)), ceiling
    found, bound = model.numbers(solver), min(ceiling, int(np.floor(solver.best_objective_bound + 1e-6)))
    return (quick.numbers if quick.kept() and quick.numbers.sum() >= found.sum() else found), bound


def _size(room: Room, kind: int) -> float:
    """Return how large a VM is: the largest share that it takes of what a host usually has left."""
    shares = [
        float(row.amount[kind]) / max(1.0, float(np.median(row.limit)))
        for row in room.rows
        if not row.level and not row.counts and row.amount[kind]
    ]
    return max(shares, default=0.0)


def _pairs(kind: Kind, numbers: NDArray[np.int64]) -> list[tuple[int, int]]:
    hosts = np.repeat(np.arange(len(numbers)), numbers)
    return list(zip(kind.vms[: len(hosts)].tolist(), hosts.tolist(), strict=True))
