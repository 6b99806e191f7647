"""`plan --from`, `plan --to`: the hosts that VMs may leave, and those that may receive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from constraints.scope.common import Switch
from optimizer.fleet import ABSENT
from optimizer.fleet.selection import host_mask, named_hosts
from optimizer.problem.atoms import Enter, Fixed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from optimizer.fleet import Fleet, State
    from optimizer.problem.atoms import Atom
    from optimizer.problem.rule import Violation

__all__ = ["Sources", "Targets"]


@dataclass(frozen=True, kw_only=True)
class Sources(Switch):
    """Only VMs that are on these hosts at the start move; a staging hop may take them over another host."""

    switch: ClassVar[str] = "--from"

    def lower(self, fleet: Fleet) -> Iterable[Atom]:
        """Fix the VMs of all other hosts."""
        open_ = host_mask(fleet, self.words)
        placed = fleet.vms.host != ABSENT
        elsewhere = np.flatnonzero(placed & ~open_[np.where(placed, fleet.vms.host, 0)]) if open_.size else ()
        if len(elsewhere):
            yield Fixed(self.name, np.asarray(elsewhere, np.int32), "its host is not among those to move from")

    def check(self, state: State) -> Iterator[Violation]:
        """Name each VM of another host that was moved."""
        homes = {h for word in self.words for h in named_hosts(state.fleet, word)}
        for vm in dict.fromkeys(m.vm for m in state.moves):
            if int(state.fleet.vms.host[vm]) not in homes:
                yield self.refusal(state.fleet.vms.ids[vm], 1, 0, (vm,), "from")

    def explain(self, violation: Violation, fleet: Fleet) -> str:
        """Say where it is."""
        host = int(fleet.vms.host[violation.vms[0]])
        where = fleet.hosts.ids[host] if host != ABSENT else "no host"
        return f"{violation.subject}: it is on {where}, which is not among the hosts to move from (--from)"


@dataclass(frozen=True, kw_only=True)
class Targets(Switch):
    """Only these hosts receive, staging hops included."""

    switch: ClassVar[str] = "--to"

    def lower(self, fleet: Fleet) -> Iterable[Atom]:
        """Let VMs `Enter` these hosts only."""
        yield Enter(self.name, None, host_mask(fleet, self.words))

    def check(self, state: State) -> Iterator[Violation]:
        """Name each other host that received."""
        open_ = {h for word in self.words for h in named_hosts(state.fleet, word)}
        for vm, host in state.arrivals:
            if host not in open_:
                yield self.refusal(state.fleet.hosts.ids[host], 1, 0, (vm,), "to")

    def explain(self, violation: Violation, fleet: Fleet) -> str:
        """Say that it may not receive."""
        return f"{violation.subject}: it is not among the hosts to move to (--to)"
