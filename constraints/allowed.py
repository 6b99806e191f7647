"""Allowed: where a VM may be at all, and whether it may be moved: labels, forbidden hosts, mobility, state, pins."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic.dataclasses import dataclass

from constraints.common import CONFIG, labelled
from constraints.hard import HardParameters
from constraints.standing import Need, misplaced, misplaced_by_class, need_of, offered_nowhere, offers, unmet
from optimizer.fleet import ABSENT, HostState, Mobility, VmState
from optimizer.grammar import listed
from optimizer.problem.atoms import Asked, Enter, Fixed, Leave
from optimizer.problem.names import VmLabels, VmName
from optimizer.problem.rule import Hardness, NotEvaluated, Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet, State
    from optimizer.problem.atoms import Atom

__all__ = ["Allowed"]


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Allowed(HardParameters):
    """What VMs and their owners put up with.

    Parameters
    ----------
    mobility
        The mobilities that are moved; the others stay.
    states
        The states of VMs that are moved; the others stay.
    pinned
        Ids of VMs that stay.
    pinned_labels
        VMs that have every label of one of these stay.
    standing
        What a VM is that stands where `requires` or `forbidden_hosts` says no: a violation that is repaired if at all
        possible (``must``), or where no must suffers (``should``), or one that `check` lists and no plan repairs
        (``report``).
    """

    kind: ClassVar[str] = "allowed"
    understands: ClassVar[frozenset[str]] = frozenset(
        {"mobility", "vm_state", "host_down", "requires", "forbidden_hosts"}
    )
    facts: ClassVar[frozenset[str]] = frozenset({"pinned"})

    mobility: tuple[Literal["live", "cold"], ...] = ("live",)
    states: tuple[Literal["running", "paused", "stopped", "error", "unknown"], ...] = ("running", "paused")
    pinned: tuple[VmName, ...] = ()
    pinned_labels: tuple[VmLabels, ...] = ()
    standing: Literal["must", "should", "report"] = "must"

    # -- lower ---------------------------------------------------------------------------------------------------

    def lower(self, fleet: Fleet) -> Iterable[Atom]:
        """Lower to `Fixed` by reason, `Enter` where not all may go everywhere, `Leave` for those that stand wrong."""
        yield from self._fixed(fleet)
        needs: dict[Need, list[int]] = {}
        for vm in fleet.vms.requires:
            needs.setdefault(need_of(fleet, vm), []).append(vm)
        for need, vms in needs.items():
            yield Enter(self.name, np.array(sorted(vms), np.int32), offers(fleet, need))
        shut: dict[tuple[int, ...], list[int]] = {}
        for vm, hosts in fleet.vms.forbidden_hosts.items():
            shut.setdefault(tuple(sorted(hosts)), []).append(vm)
        for hosts, vms in shut.items():
            free = np.ones(len(fleet.hosts), np.bool_)
            free[list(hosts)] = False
            yield Enter(self.name, np.array(sorted(vms), np.int32), free)
        if self.standing != "report":
            asked = Asked(self.name, Hardness(self.standing), self.weight)
            for wrong, barred in misplaced_by_class(fleet):
                yield Leave(asked, wrong, barred, "standing")

    def _fixed(self, fleet: Fleet) -> Iterator[Fixed]:
        vms = fleet.vms
        for kind in (Mobility.LIVE, Mobility.COLD, Mobility.NONE):
            if kind.name.lower() not in self.mobility:
                yield from self._stay(vms.mobility == kind, _MOBILITY[kind])
        for state in VmState:
            if state.name.lower() not in self.states:
                yield from self._stay(vms.state == state, f"it is {state.name.lower()}: not moved by this policy")
        down = fleet.hosts.state == HostState.DOWN
        placed = vms.host != ABSENT
        yield from self._stay(
            placed & down[np.where(placed, vms.host, 0)], "its host is down: it neither gives nor takes"
        )
        pinned = np.zeros(len(vms), np.bool_)
        pinned[[fleet.vm_index[name] for name in self.pinned if name in fleet.vm_index]] = True
        for labels in self.pinned_labels:
            pinned |= labelled(vms.labels, labels)
        yield from self._stay(pinned, "the policy pins it")

    def _stay(self, which: NDArray[np.bool_], reason: str) -> Iterator[Fixed]:
        if which.any():
            yield Fixed(self.name, np.flatnonzero(which).astype(np.int32), reason)

    # -- check ---------------------------------------------------------------------------------------------------

    def check(self, state: State) -> Iterator[Violation]:
        """Judge where VMs stand, and the VM and the target of every move that was made or is in flight."""
        fleet = state.fleet
        hardness = Hardness.GUARD if self.standing == "report" else Hardness(self.standing)
        for vm, _ in misplaced(state):
            name = fleet.vms.ids[vm]
            yield Violation(self.name, name, hardness, 1, 0, 1, weight=self.weight, vms=(vm,), reason="standing")
        for vm in dict.fromkeys(m.vm for m in state.moves):
            for reason, value in self._stays(fleet, vm):
                yield self.refusal(fleet.vms.ids[vm], reason, value, 0, (vm,))
        for vm, host in state.arrivals:
            lacking = unmet(fleet, vm, host)
            if lacking:
                yield self.refusal(fleet.hosts.ids[host], "requires", len(lacking), 0, (vm,))
            if host in fleet.vms.forbidden_hosts.get(vm, ()):
                yield self.refusal(fleet.hosts.ids[host], "forbidden", 1, 0, (vm,))

    def _stays(self, fleet: Fleet, vm: int) -> Iterator[tuple[str, int]]:
        """Yield each reason for which the VM stays, and the code of what it is instead of movable."""
        vms, host = fleet.vms, int(fleet.vms.host[vm])
        if Mobility(int(vms.mobility[vm])).name.lower() not in self.mobility:
            yield "mobility", int(vms.mobility[vm])
        if VmState(int(vms.state[vm])).name.lower() not in self.states:
            yield "vm_state", int(vms.state[vm])
        if host != ABSENT and fleet.hosts.state[host] == HostState.DOWN:
            yield "host_down", int(HostState.DOWN)
        labels = vms.labels[vm].items()
        if vms.ids[vm] in self.pinned or any(wanted.items() <= labels for wanted in self.pinned_labels):
            yield "pinned", 1

    # -- in words ------------------------------------------------------------------------------------------------

    def explain(self, violation: Violation, fleet: Fleet) -> str:
        """Say what forbids the move, and who could lift it."""
        return f"{violation.subject}: {_TEXTS[violation.reason](fleet, violation.vms[0], violation.subject)}"

    def not_evaluated(self, fleet: Fleet) -> Iterable[NotEvaluated]:
        """Name pinned VMs that the fleet does not have: misspelt, or gone."""
        unknown = sum(name not in fleet.vm_index for name in self.pinned)
        if unknown:
            yield NotEvaluated(self.name, "pinned", vms=unknown)


_MOBILITY = {
    Mobility.LIVE: "this policy moves no VM live",
    Mobility.COLD: "it can only be moved cold: not done by this policy",
    Mobility.NONE: "it cannot be moved",
}


def _mobility(fleet: Fleet, vm: int, subject: str) -> str:
    because = fleet.vms.mobility_reason.get(vm)
    return _MOBILITY[Mobility(int(fleet.vms.mobility[vm]))] + (f" ({because})" if because else "")


def _vm_state(fleet: Fleet, vm: int, subject: str) -> str:
    return f"it is {VmState(int(fleet.vms.state[vm])).name.lower()}, which this policy does not move; add it to states"


def _host_down(fleet: Fleet, vm: int, subject: str) -> str:
    return f"its host {fleet.hosts.ids[int(fleet.vms.host[vm])]} is down and neither gives nor takes"


def _pinned(fleet: Fleet, vm: int, subject: str) -> str:
    return "the policy pins it; take it out of pinned or pinned_labels"


def _standing(fleet: Fleet, vm: int, subject: str) -> str:
    ends = (int(h) for h in (fleet.vms.host[vm], fleet.also_at[vm]) if h != ABSENT)
    for host in ends:
        lacks, shut = _lacks(fleet, vm, host), host in fleet.vms.forbidden_hosts.get(vm, ())
        if lacks or shut:
            why = "; ".join(part for part in (lacks, "among its forbidden hosts" if shut else "") if part)
            return f"it stands on {fleet.hosts.ids[host]}, where it may not: {why}; a host where it may would do"
    return "it stands where it may not"


def _requires(fleet: Fleet, vm: int, subject: str) -> str:
    return _lacks(fleet, vm, fleet.host_index[subject], f" by {fleet.vms.ids[vm]}")


def _lacks(fleet: Fleet, vm: int, host: int, by: str = "") -> str:
    have = fleet.hosts.labels[host]
    return "; ".join(
        f"{k} {have.get(k, 'is not labelled')}, {listed(v, 'or')} required{by}{offered_nowhere(fleet, k, v)}"
        for k, v in unmet(fleet, vm, host).items()
    )


def _forbidden(fleet: Fleet, vm: int, subject: str) -> str:
    return f"it is among the forbidden hosts of {fleet.vms.ids[vm]}"


_TEXTS: dict[str, Callable[[Fleet, int, str], str]] = {
    "mobility": _mobility,
    "vm_state": _vm_state,
    "host_down": _host_down,
    "pinned": _pinned,
    "requires": _requires,
    "forbidden": _forbidden,
    "standing": _standing,
}
