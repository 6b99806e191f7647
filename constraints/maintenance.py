"""Maintenance: hosts and domains that drain, now or in a window: VMs leave, none come."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from constraints.common import CONFIG, Parameters
from constraints.hard import check_facts, ends_of
from optimizer.fleet import HostState, State
from optimizer.problem.atoms import Enter, Leave
from optimizer.problem.facts import AHEAD_S
from optimizer.problem.names import DomainName, HostName, LevelName
from optimizer.problem.rule import Hardness, NotEvaluated, Violation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet
    from optimizer.problem.atoms import Atom

__all__ = ["Maintenance"]


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Maintenance(Parameters):
    """Hosts that are to be emptied.

    Parameters
    ----------
    ahead_s
        A window that starts within that many seconds of the snapshot counts already.
    hosts
        Ids of hosts to empty, whatever the snapshot says.
    domains
        By level, ids of domains whose hosts are to be emptied.
    """

    kind: ClassVar[str] = "maintenance"
    understands: ClassVar[frozenset[str]] = frozenset({"maintenance"})
    facts: ClassVar[frozenset[str]] = frozenset({"hosts", "domains"})

    ahead_s: int = Field(default=AHEAD_S, ge=0, le=31_536_000)
    hosts: tuple[HostName, ...] = ()
    domains: dict[LevelName, tuple[DomainName, ...]] = Field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_facts(self.require, self.facts)

    def lower(self, fleet: Fleet) -> Iterable[Atom]:
        """`Leave` for the VMs that stand there (at either end, where somebody moves them), `Enter` for all."""
        closed = self._closing(fleet)
        if not closed.any():
            return
        yield Enter(self.name, None, ~closed)
        vms, hosts = State.start(fleet).presence
        inside = np.unique(vms[closed[hosts]]).astype(np.int32)
        if inside.size:
            yield Leave(self.asked, inside, closed)

    def check(self, state: State) -> Iterator[Violation]:
        """Name each VM that was on such a host and is on one, and each move that goes to one."""
        fleet = state.fleet
        why = {h: reason for h in self._named(fleet) if (reason := self.why(fleet, h))}
        if not why:
            return
        start = State.start(fleet)
        there = start.presence[0][np.isin(start.presence[1], list(why))]
        for vm in sorted(set(there.tolist())):
            if ends_of(state, vm) & why.keys():
                yield self._violation(fleet.vms.ids[vm], Hardness(self.hardness), vm)
        for vm, host in state.arrivals:
            if host in why:
                yield self._violation(fleet.hosts.ids[host], Hardness.HARD, vm, "maintenance")

    def explain(self, violation: Violation, fleet: Fleet) -> str:
        """Say which host is emptied, and why."""
        vm = violation.vms[0]
        if violation.hardness is Hardness.HARD:
            why = self.why(fleet, fleet.host_index[violation.subject])
            return f"{violation.subject}: {why}; it takes no VM"
        ends = (int(h) for h in (fleet.vms.host[vm], fleet.also_at[vm]) if h >= 0)
        host, why = next((h, w) for h in ends if (w := self.why(fleet, h)))
        return (
            f"{violation.subject}: it stands on {fleet.hosts.ids[host]}, which is to be emptied: {why}; it has to leave"
        )

    def not_evaluated(self, fleet: Fleet) -> Iterable[NotEvaluated]:
        """Name hosts and domains of the policy that the fleet does not have: misspelt, or gone."""
        hosts = sum(name not in fleet.host_index for name in self.hosts)
        if hosts:
            yield NotEvaluated(self.name, "hosts", hosts=hosts)
        known = {level: set(ids) for level, ids in zip(fleet.levels, fleet.domain_ids, strict=True)}
        domains = sum(d not in known.get(level, ()) for level, ids in self.domains.items() for d in ids)
        if domains:
            yield NotEvaluated(self.name, "domains", hosts=domains)

    def _violation(self, subject: str, hardness: Hardness, vm: int, reason: str = "") -> Violation:
        return Violation(
            rule=self.name,
            subject=subject,
            hardness=hardness,
            value=1,
            limit=0,
            excess=1,
            weight=self.weight,
            vms=(vm,),
            reason=reason,
        )

    def _named(self, fleet: Fleet) -> Iterable[int]:
        """Return the hosts for which there may be a reason: all, where the policy names domains."""
        if self.domains:
            return range(len(fleet.hosts))
        draining = np.flatnonzero(fleet.hosts.state == HostState.DRAINING).tolist()
        named = [fleet.host_index[name] for name in self.hosts if name in fleet.host_index]
        return sorted({*draining, *fleet.hosts.maintenance, *named})

    def _closing(self, fleet: Fleet) -> NDArray[np.bool_]:
        """Return bool [H]: the hosts that are to be emptied."""
        closed: NDArray[np.bool_] = fleet.hosts.state == HostState.DRAINING
        now, soon = fleet.now, fleet.now + self.ahead_s
        for host, windows in fleet.hosts.maintenance.items():
            closed[host] |= any(w.start <= soon and now < w.end for w in windows)
        closed[[fleet.host_index[name] for name in self.hosts if name in fleet.host_index]] = True
        for level, wanted in self.domains.items():
            if level in fleet.level_index:
                number = fleet.level_index[level]
                chosen = [d for d, name in enumerate(fleet.domain_ids[number]) if name in wanted]
                closed |= np.isin(fleet.hosts.domain[number], chosen)
        return closed

    def why(self, fleet: Fleet, host: int) -> str:
        """Say why one host is to be emptied; nothing where it is not."""
        if fleet.hosts.state[host] == HostState.DRAINING:
            return "it is draining"
        for window in fleet.hosts.maintenance.get(host, ()):
            wait = window.start - fleet.now
            if fleet.now < window.end and wait <= self.ahead_s:
                when = f"starts in {round(wait)} s" if wait > 0 else f"is on for {round(window.end - fleet.now)} s more"
                return f"its maintenance window {when}" + (f" ({window.reason})" if window.reason else "")
        if fleet.hosts.ids[host] in self.hosts:
            return "the policy names it"
        for level, names in self.domains.items():
            number = fleet.level_index.get(level)
            if number is not None and fleet.domain_ids[number][int(fleet.hosts.domain[number, host])] in names:
                return f"the policy names its {level}"
        return ""
