"""What to add so that everything restarts after every loss: hosts of a kind that is there, fewest first, by trying."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optimizer.fleet import HostState
from optimizer.fleet.more_hosts import with_hosts
from optimizer.whatif.loss import Loss
from optimizer.whatif.packing import pack
from optimizer.whatif.restart import Restarts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.fleet import Fleet
    from optimizer.whatif.effort import Effort
    from optimizer.whatif.restart import Outcome

__all__ = ["Spare", "host_kinds", "spares"]

KINDS = 6
"""That many kinds of host at most are tried, the commonest first."""

MOST = 256
"""That many hosts of a kind at most are tried."""


@dataclass(frozen=True, slots=True)
class Spare:
    """That many more hosts like this one (index) let everything restart after each of the losses.

    With one less, going one by one leaves a VM without a host; a search might not. `apart`: they were tried in a new
    domain of each level of the losses.
    """

    like: int
    number: int
    apart: bool


def host_kinds(fleet: Fleet) -> list[int]:
    """Return one active host of each kind (what it has, and the domain that no move leaves), the commonest first."""
    seen: dict[tuple[object, ...], list[int]] = {}
    hosts = fleet.hosts
    for h in np.flatnonzero(hosts.state == HostState.ACTIVE).tolist():
        pool = 0 if fleet.move_within is None else int(hosts.domain[fleet.move_within, h])
        limits = (hosts.capacity[h], hosts.overcommit_millionths[h], hosts.reserved[h])
        key = (
            *(part.tobytes() for part in limits),
            int(hosts.max_vms[h]),
            tuple(sorted(hosts.labels[h].items())),
            pool,
        )
        seen.setdefault(key, []).append(h)
    return [members[0] for members in sorted(seen.values(), key=lambda m: (-len(m), m[0]))]


def spares(restarts: Restarts, failed: Sequence[Outcome], effort: Effort) -> list[Spare]:
    """Return, for each kind of host of which some number is enough, the fewest that going one by one finds.

    Parameters
    ----------
    failed
        Losses after which something has no host, the worst first. All that survived do so with more hosts too.
    """
    levels = sorted({o.loss.level for o in failed} - {0})
    highest = restarts.fleet.move_within
    apart = [level for level in levels if highest is None or level < highest]
    found = []
    for like in host_kinds(restarts.fleet)[:KINDS] if failed else ():
        try:
            number = _Trial(restarts, like, apart, effort).fewest(failed)
        except _OutOfTime:
            break
        if number:
            found.append(Spare(like, number, bool(apart)))
    return sorted(found, key=lambda s: (s.number, s.like))


class _OutOfTime(Exception):
    pass


@dataclass(frozen=True, eq=False)
class _Trial:
    restarts: Restarts
    like: int
    apart: Sequence[int]
    effort: Effort

    def fewest(self, failed: Sequence[Outcome]) -> int:
        """Return the fewest hosts that are enough for all; 0 where `MOST` are not. The hard losses are tried first."""
        hard, low = [failed[0]], 0
        while True:
            enough = self._enough(hard, low)
            if not enough:
                return 0
            breaks = self._broken(failed, enough)
            if breaks is None:
                return enough
            hard, low = [*hard, breaks], enough

    def _enough(self, hard: Sequence[Outcome], low: int) -> int:
        """Return the fewest, more than `low`, that are enough for some losses; 0 where `MOST` are not."""
        high = low + 1
        while self._broken(hard, high) is not None:
            low, high = high, 2 * high
            if low >= MOST:
                return 0
        while high - low > 1:
            number = (low + high) // 2
            low, high = (number, high) if self._broken(hard, number) is not None else (low, number)
        return high

    def _broken(self, outcomes: Sequence[Outcome], number: int) -> Outcome | None:
        """Return the first loss after which, with these hosts more, something has no host."""
        larger = Restarts(
            with_hosts(self.restarts.fleet, self.like, number, self.apart),
            self.restarts.policy,
            stopped=self.restarts.stopped,
        )
        for outcome in outcomes:
            if self.effort.over():
                raise _OutOfTime
            lost = np.concatenate([outcome.loss.lost, np.zeros(number, np.bool_)])
            room, vms = larger.room(Loss(outcome.loss.name, outcome.loss.level, lost))
            if pack(room, None)[0].sum() < len(vms):
                return outcome
        return None
