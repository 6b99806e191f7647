"""Where new VMs go: one, or a batch as a whole, under all rules, without moving anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from optimizer.fleet import with_copies
from optimizer.problem.problem import build
from optimizer.whatif.greedy import Greedy, Ranked
from optimizer.whatif.judge import in_words, refuse_wrong
from optimizer.whatif.obstacles import Obstacle, Unlock, closed_by, obstacles, unlock
from optimizer.whatif.packing import pack, pairs_of
from optimizer.whatif.room import Kind, room_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.fleet import Fleet
    from optimizer.policy import Policy
    from optimizer.problem.problem import Problem
    from optimizer.whatif.effort import Effort

__all__ = ["Choice", "Placed", "place"]


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
        first = int(kind.vms[0])
        closed = closed_by(problem, first)
        made = int(numbers[k].sum())
        lacking = made < kind.wanted
        choices.append(
            Choice(
                kind,
                made,
                tuple(empty.ranking(k, ranked)),
                in_words(larger, policy.rules, first, obstacles(room, k, closed)),
                in_words(larger, policy.rules, first, obstacles(left, k, closed)) if lacking else (),
                unlock(left, k, closed) if lacking else None,
            )
        )
    created = pairs_of(kinds, numbers)
    refuse_wrong(larger, policy, created)
    asked = sum(n for _, n in wanted)
    return Placed(larger, problem, asked, bound, tuple(created), tuple(choices))
