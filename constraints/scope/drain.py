"""`plan --drain`: hosts to be emptied: VMs leave, none come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from constraints.hard import ends_of
from constraints.scope.common import Switch
from optimizer.fleet import State
from optimizer.fleet.selection import host_mask, named_hosts
from optimizer.problem.atoms import Asked, Enter, Leave
from optimizer.problem.rule import Hardness, Violation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from optimizer.fleet import Fleet
    from optimizer.problem.atoms import Atom

__all__ = ["Drain"]


@dataclass(frozen=True, kw_only=True)
class Drain(Switch):
    """Hosts to be emptied."""

    switch: ClassVar[str] = "--drain"

    def lower(self, fleet: Fleet) -> Iterable[Atom]:
        """`Leave` for the VMs that stand there (at either end, where somebody moves them), `Enter` for all."""
        drained = host_mask(fleet, self.words)
        yield Enter(self.name, None, ~drained)
        vms, hosts = State.start(fleet).presence
        inside = np.unique(vms[drained[hosts]]).astype(np.int32)
        if inside.size:
            yield Leave(Asked(self.name), inside, drained)

    def check(self, state: State) -> Iterator[Violation]:
        """Name each VM that was on such a host and is on one, and each move that goes to one."""
        fleet = state.fleet
        drained = {h for word in self.words for h in named_hosts(fleet, word)}
        vms, hosts = State.start(fleet).presence
        for vm in sorted(set(vms[np.isin(hosts, sorted(drained))].tolist())):
            if ends_of(state, vm) & drained:
                yield Violation(
                    rule=self.name,
                    subject=fleet.vms.ids[vm],
                    hardness=Hardness.MUST,
                    value=1,
                    limit=0,
                    excess=1,
                    vms=(vm,),
                )
        for vm, host in state.arrivals:
            if host in drained:
                yield self.refusal(fleet.hosts.ids[host], 1, 0, (vm,), "drained")

    def explain(self, violation: Violation, fleet: Fleet) -> str:
        """Say which host is to be emptied."""
        if violation.hardness is Hardness.HARD:
            return f"{violation.subject}: it is to be emptied (--drain); it receives no VM"
        drained = host_mask(fleet, self.words)
        vm = violation.vms[0]
        ends = [int(h) for h in (fleet.vms.host[vm], fleet.also_at[vm]) if h >= 0 and drained[h]]
        host = fleet.hosts.ids[ends[0]] if ends else "a host"
        return f"{violation.subject}: it is on {host}, which is to be emptied (--drain); it has to leave"

    def why(self, fleet: Fleet, host: int) -> str:
        """Say why a host is to be emptied; nothing where it is not."""
        return "--drain" if any(host in named_hosts(fleet, word) for word in self.words) else ""
