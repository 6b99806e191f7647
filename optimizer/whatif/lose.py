"""What if hosts are lost: does everything restart elsewhere, packed and under all rules, and where does it not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from optimizer.whatif.judge import made_worse
from optimizer.whatif.packing import pack
from optimizer.whatif.restart import Outcome, Restarts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from optimizer.whatif.effort import Effort
    from optimizer.whatif.loss import Loss

__all__ = ["Lost", "accepted", "lose", "refuse_unaccepted", "share_of", "worst_first"]

CHECKING, SEARCHING = 0.8, 0.5
"""Shares of the time that is left: for the rules' judgement of what going one by one packed, then for other losses."""

LEAST_S = 0.3
"""What a search for one loss gets at least: below that it finds nothing."""


@dataclass(frozen=True, eq=False)
class Lost:
    """Every loss that was asked about.

    Attributes
    ----------
    outcomes
        The worst first.
    untried
        Losses for which there was no time.
    checked
        How many of the packings that let all restart every rule's `check` has accepted.
    """

    restarts: Restarts
    outcomes: tuple[Outcome, ...]
    untried: tuple[Loss, ...]
    checked: int

    @property
    def survived(self) -> int:
        """How many losses everything restarts after."""
        return sum(o.survives for o in self.outcomes)

    @property
    def failed(self) -> int:
        """How many losses it is proven of that something cannot restart."""
        return sum(o.fails for o in self.outcomes)

    @property
    def missing(self) -> int:
        """How many VMs have no host after the worst loss, as far as found."""
        return max((o.missing for o in self.outcomes), default=0)

    @property
    def missing_at_least(self) -> int:
        """How many have none after some loss, in any packing."""
        return max((o.missing_at_least for o in self.outcomes), default=0)

    @property
    def proven(self) -> bool:
        """Whether it is proven that no loss leaves more, or less at its worst, without a host."""
        return not self.untried and self.missing == self.missing_at_least


def lose(restarts: Restarts, losses: Sequence[Loss], effort: Effort) -> Lost:
    """Try each loss by itself.

    The packings that going one by one finds are held against every rule's `check`, as many as time allows. Losses that
    it does not settle are searched for in the time that is left, the worst first, and what is found is held against
    `check` too.
    """
    found: list[Outcome] = []
    for number, loss in enumerate(losses):
        if effort.over():
            return Lost(restarts, tuple(worst_first(found)), tuple(losses[number:]), 0)
        found.append(_quick(restarts, loss))
    quick = [o for o in found if o.survives]
    checked = refuse_unaccepted(restarts, quick, share_of(effort, CHECKING))
    found = worst_first(_searched(found, share_of(effort, SEARCHING)))
    known = {id(o.loss) for o in quick}
    searched = (o for o in found if o.survives and id(o.loss) not in known)
    checked += refuse_unaccepted(restarts, searched, share_of(effort, CHECKING))
    return Lost(restarts, tuple(found), (), checked)


def share_of(effort: Effort, share: float) -> Effort:
    """Return an effort that ends after a share of the time that is left."""
    return replace(effort, until=effort.clock.monotonic() + share * effort.left())


def _quick(restarts: Restarts, loss: Loss) -> Outcome:
    room, vms = restarts.room(loss)
    numbers, bound = pack(room, None)
    return Outcome(loss, vms, room, numbers, bound)


def _searched(found: Sequence[Outcome], effort: Effort) -> list[Outcome]:
    open_ = sorted((o for o in found if not o.proven), key=lambda o: (o.fails, -o.missing, o.loss.name))
    better: dict[int, Outcome] = {}
    for number, outcome in enumerate(open_):
        each = max(LEAST_S, effort.left() / (len(open_) - number))
        if effort.over():
            break
        numbers, bound = pack(outcome.room, replace(effort, until=min(effort.clock.monotonic() + each, effort.until)))
        better[id(outcome)] = replace(outcome, numbers=numbers, bound=min(bound, outcome.bound))
    return [better.get(id(o), o) for o in found]


def worst_first(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Sort: most VMs without a host first, by proof before by search, then of the highest level."""
    return sorted(outcomes, key=lambda o: (-o.missing, -o.missing_at_least, -o.loss.level, -len(o.vms)))


def accepted(restarts: Restarts, loss: Loss, created: Sequence[tuple[int, int]]) -> bool:
    """Whether every rule's own `check` accepts VMs (VM, host) where they restart after a loss."""
    fleet = restarts.fleet
    rest, _ = restarts.rest(loss)
    away = any(loss.lost[host] for _, host in created)
    level, at = fleet.move_within, fleet.hosts.domain
    if level is not None:
        away |= any(at[level][host] != restarts.home[vm] for vm, host in created)
    return not away and not made_worse(rest, restarts.policy.judges, created)


def refuse_unaccepted(restarts: Restarts, outcomes: Iterable[Outcome], effort: Effort) -> int:
    """Hold packings against every rule's own `check`, as many as time allows; return how many.

    Raises
    ------
    RuntimeError
        A fault of the program: what was found breaks a rule.
    """
    done = 0
    for outcome in outcomes:
        if effort.over():
            break
        if not accepted(restarts, outcome.loss, outcome.created):
            raise RuntimeError(f"what-if found a packing after the loss of {outcome.loss.name} that a rule refuses")
        done += 1
    return done
