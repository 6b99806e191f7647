"""Prefer: VMs that are to stand on certain hosts, as long as one of these is there, or nowhere else at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from constraints.common import CONFIG, Parameters
from constraints.hard import check_facts, counted
from constraints.preference import Preference
from optimizer.fleet import HostState
from optimizer.problem.atoms import Asked, Enter, Leave
from optimizer.problem.rule import Hardness, NotEvaluated, Violation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from optimizer.fleet import Fleet, State
    from optimizer.problem.atoms import Atom

__all__ = ["Prefer"]


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Prefer(Parameters):
    """VMs that prefer some hosts, or may stand only there.

    Each entry is a demand of its own, so a VM that several entries name is judged by each of them: hosts that more (or
    heavier) entries prefer come first.

    Parameters
    ----------
    entries
        Which VMs prefer which hosts, what that weighs, and whether it is strict.
    """

    kind: ClassVar[str] = "prefer"

    hardness: Literal["should"] = "should"
    entries: tuple[Preference, ...] = Field(min_length=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        named = [name for name, _ in self._named()]
        twice = [name for i, name in enumerate(named) if name in named[:i]]
        if twice:
            raise ValueError(f"two entries are called {twice[0]!r}; give one of them another name")
        check_facts(self.require, [f"entries.{name}" for name in named])

    def _named(self) -> Iterator[tuple[str, Preference]]:
        """Yield each entry with its name, which is what tells the violations of one VM apart."""
        for number, entry in enumerate(self.entries, 1):
            yield entry.name or f"entry_{number}", entry

    # -- lower ---------------------------------------------------------------------------------------------------

    def lower(self, fleet: Fleet) -> Iterable[Atom]:
        """`Leave` for the VMs of each entry, from every host that is none of theirs; `Enter` where it is strict."""
        for name, entry in self._named():
            vms, liked = np.flatnonzero(entry.vm_mask(fleet)).astype(np.int32), entry.host_mask(fleet)
            if not vms.size:
                continue
            weight = self.weight * entry.weight
            if entry.strict:
                yield Enter(self.name, vms, liked)
                yield Leave(Asked(self.name, Hardness.MUST, weight), vms, ~liked, name)
            elif (fleet.hosts.state[liked] == HostState.ACTIVE).any():
                yield Leave(Asked(self.name, Hardness.SHOULD, weight, self.price), vms, ~liked, name)

    # -- check ---------------------------------------------------------------------------------------------------

    def check(self, state: State) -> Iterator[Violation]:
        """Look where each entry's VMs stand, and for strict ones at the target of every move."""
        fleet = state.fleet
        there = list(zip(*(ends.tolist() for ends in state.presence), strict=True))
        for name, entry in self._named():
            vms, liked = set(entry.vms_of(fleet)), entry.hosts_of(fleet)
            if not entry.strict and not _any_active(fleet, liked):
                continue
            for vm in sorted({v for v, host in there if v in vms and host not in liked}):
                yield self._violation(fleet.vms.ids[vm], vm, name, entry)
            for vm, host in state.arrivals if entry.strict else ():
                if vm in vms and host not in liked:
                    yield Violation(self.name, fleet.hosts.ids[host], Hardness.HARD, 1, 0, 1, vms=(vm,), reason=name)

    def _violation(self, subject: str, vm: int, name: str, entry: Preference) -> Violation:
        return Violation(
            rule=self.name,
            subject=subject,
            hardness=Hardness.MUST if entry.strict else Hardness.SHOULD,
            value=1,
            limit=0,
            excess=1,
            weight=self.weight * entry.weight,
            vms=(vm,),
            reason=name,
        )

    # -- in words ------------------------------------------------------------------------------------------------

    def explain(self, violation: Violation, fleet: Fleet) -> str:
        """Say where the VM stands and where it should, or may."""
        entry, vm = dict(self._named())[violation.reason], violation.vms[0]
        which = self._told_apart(violation.reason, entry)
        if violation.hardness is Hardness.HARD:
            return f"{violation.subject}: {fleet.vms.ids[vm]} may stand only on {entry.in_words}{which}"
        liked = entry.hosts_of(fleet)
        ends = [int(h) for h in (fleet.vms.host[vm], fleet.also_at[vm]) if h >= 0]
        host = next((h for h in ends if h not in liked), ends[0] if ends else -1)
        where = f"it is on {fleet.hosts.ids[host]}" if host not in liked and host >= 0 else "it would be elsewhere"
        wants = "may stand only on" if entry.strict else "prefers"
        others = f"{counted(len(liked), 'host')} would do" if liked else "there is no such host"
        return f"{violation.subject}: {where} and {wants} {entry.in_words}; {others}{which}"

    def _told_apart(self, name: str, entry: Preference) -> str:
        """Name the entry where the words of another are the same; else nothing."""
        alike = (other for other in self.entries if other is not entry and other.strict == entry.strict)
        return f" (entry {name})" if any(other.in_words == entry.in_words for other in alike) else ""

    def not_evaluated(self, fleet: Fleet) -> Iterable[NotEvaluated]:
        """Name the entries of which no host is active: their VMs may stand anywhere, or if strict nowhere."""
        for name, entry in self._named():
            vms = entry.vms_of(fleet)
            if vms and not _any_active(fleet, entry.hosts_of(fleet)):
                yield NotEvaluated(self.name, f"entries.{name}", vms=len(vms))


def _any_active(fleet: Fleet, hosts: Iterable[int]) -> bool:
    return any(fleet.hosts.state[h] == HostState.ACTIVE for h in hosts)
