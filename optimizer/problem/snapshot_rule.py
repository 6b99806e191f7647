"""The rule that every policy has: what the snapshot itself says may not be done, where no other rule understands it.

It judges moves only and never asks for one. As in any rule, `check` and `lower` are written without each other.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from optimizer.fleet import ABSENT, Directory, HostState, Mobility, NameKind, State, VmState
from optimizer.problem.atoms import UNLIMITED, Asked, Enter, Fixed, Linear
from optimizer.problem.facts import AHEAD_S, FACTS, Effect
from optimizer.problem.rule import Hardness, NotEvaluated, Violation

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet, Window
    from optimizer.fleet.plausible import Doubt
    from optimizer.problem.atoms import Atom
    from optimizer.problem.rule import Rule

__all__ = ["SNAPSHOT", "SnapshotRule", "with_snapshot"]

SNAPSHOT = "snapshot"
"""Its name in plans and messages; no rule of a policy may be called so."""

MOVED = (VmState.RUNNING, VmState.PAUSED)
"""States of VMs that are moved live where no rule says which."""


def with_snapshot(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """Return the rules of a policy and, after them, the one that holds in every policy."""
    if any(isinstance(rule, SnapshotRule) for rule in rules):
        return tuple(rules)
    understood = frozenset[str]().union(*(rule.understands for rule in rules))
    return (*rules, SnapshotRule(understood))


@dataclass(frozen=True)
class SnapshotRule:
    """The facts of `optimizer.problem.facts` that none of the policy's rules understands.

    Parameters
    ----------
    understood
        The facts that other rules look after.
    """

    understood: frozenset[str] = frozenset()
    name: str = SNAPSHOT
    understands: frozenset[str] = field(default=frozenset(FACTS), init=False)

    def binds(self, fact: str) -> bool:
        """Whether the fact has its own effect, since no rule understands it."""
        return FACTS[fact] is Effect.ALWAYS or fact not in self.understood

    # -- lower -------------------------------------------------------------------------------------------------------

    def lower(self, fleet: Fleet) -> Iterable[Atom]:
        """Lower to `Fixed` by reason, an `Enter` for each reason to take no VM, and a guard that counts VMs."""
        for vms, reason in self._fixed(fleet):
            if vms.size:
                yield Fixed(self.name, vms.astype(np.int32), reason)
        for vms, reason in self._nowhere(fleet):
            homeless = vms[fleet.vms.host[vms] == ABSENT]  # the others stay where they are anyway
            if homeless.size:
                yield Enter(self.name, homeless.astype(np.int32), np.zeros(len(fleet.hosts), np.bool_), reason)
        limit = np.where(fleet.hosts.max_vms == ABSENT, UNLIMITED, fleet.hosts.max_vms)
        for closed, reason in self._closed(fleet, limit):
            if closed.any():
                yield Enter(self.name, None, ~closed, reason)
        if self.binds("max_vms") and (limit < UNLIMITED).any():
            ones = np.ones_like(limit)
            asked = Asked(self.name, Hardness.GUARD)
            yield Linear(asked, "vms", 0, np.ones(len(fleet.vms), np.int64), limit, ones, np.zeros_like(limit))

    def _closed(self, fleet: Fleet, limit: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.bool_], str]]:
        state = fleet.hosts.state
        if self.binds("host_state"):
            for kind in (HostState.DRAINING, HostState.DISABLED, HostState.DOWN):
                yield state == kind, f"hosts that are {kind.name.lower()} take no VM"
        if self.binds("busy"):
            yield _mask(fleet, fleet.hosts.busy), "hosts that are busy take no VM for now"
        if self.binds("maintenance"):
            soon = [h for h, windows in fleet.hosts.maintenance.items() if _soonest(fleet, windows)]
            yield _mask(fleet, soon), "hosts in a maintenance window, or soon to be, take no VM"
        if self.binds("host_unobserved"):
            yield _mask(fleet, fleet.hosts.unobserved), "hosts whose signals are missing or too old take no VM"
        if self.binds("max_vms"):
            yield _held(State.start(fleet)) > limit, "hosts with more VMs than their max_vms take no VM"

    def _fixed(self, fleet: Fleet) -> Iterator[tuple[NDArray[np.integer], str]]:
        vms = fleet.vms
        yield np.array(sorted({m.vm for m in fleet.in_flight}), np.int64), _IN_FLIGHT
        if self.binds("mobility"):
            yield from _immobile(fleet)
        if self.binds("vm_state"):
            for state in VmState:
                if state not in MOVED:
                    yield np.flatnonzero(vms.state == state), _state_text(state)
        if self.binds("host_down"):
            down = np.append(fleet.hosts.state == HostState.DOWN, False)
            yield np.flatnonzero(down[vms.host]), _DOWN
        if self.binds("no_move_until"):
            yield np.flatnonzero(vms.no_move_until > fleet.now), _not_understood("no_move_until")
        yield from self._not_observed(fleet)
        yield from self._nowhere(fleet)
        if self.binds("move_within") and fleet.move_within is not None:
            yield np.flatnonzero(vms.host != ABSENT), _not_understood("move_within")

    def _nowhere(self, fleet: Fleet) -> Iterator[tuple[NDArray[np.integer], str]]:
        """Yield the VMs with a need that nobody can judge: no host is known to be one for them."""
        for need, sparse in self._sparse(fleet).items():
            yield np.array(sorted(sparse), np.int64), _not_understood(need)
        yield from _by_text(_unknown_labels(fleet))

    def _not_observed(self, fleet: Fleet) -> Iterator[tuple[NDArray[np.integer], str]]:
        if self.binds("host_unobserved"):
            yield from _on_unobserved(fleet)
        if self.binds("vm_unobserved"):
            yield from _by_text({vm: _unobserved_text(why) for vm, why in fleet.vms.unobserved.items()})

    def _sparse(self, fleet: Fleet) -> dict[str, Collection[int]]:
        needs = {"requires": fleet.vms.requires, "forbidden_hosts": fleet.vms.forbidden_hosts}
        return {need: vms for need, vms in needs.items() if self.binds(need)}

    # -- check -------------------------------------------------------------------------------------------------------

    def check(self, state: State) -> Iterator[Violation]:
        """Judge the VM and the target of every move that was made or is in flight."""
        if not state.arrivals:
            return
        fleet = state.fleet
        labels = {key for have in fleet.hosts.labels for key in have}
        for vm in dict.fromkeys(m.vm for m in state.moves):
            for reason in self._stays(fleet, vm, labels):
                yield self._refusal(fleet.vms.ids[vm], reason, 1, 0, vm)
        for vm, _ in state.created:
            for reason in set(self._stays(fleet, vm, labels)) & set(_NEEDS):
                yield self._refusal(fleet.vms.ids[vm], reason, 1, 0, vm)
        for vm, host in state.arrivals:
            for reason in self._takes_none(fleet, host):
                yield self._refusal(fleet.hosts.ids[host], reason, 1, 0, vm)
        yield from self._too_many(state)

    def _too_many(self, state: State) -> Iterator[Violation]:
        """Yield the moves to hosts that hold too many VMs now, or did at the start."""
        most = state.fleet.hosts.max_vms
        limited = [host for host in {host for _, host in state.arrivals} if most[host] != ABSENT]
        if not self.binds("max_vms") or not limited:
            return
        now, before = _count(state, limited), _count(State.start(state.fleet), limited)
        for vm, host in state.arrivals:
            ends = {int(state.placement[vm]), int(state.fleet.also_at[vm]), state.other_end.get(vm, ABSENT)}
            held = max(before[host], now[host] if host in ends else 0)
            if most[host] != ABSENT and held > most[host]:
                yield self._refusal(state.fleet.hosts.ids[host], "max_vms", held, int(most[host]), vm)

    def _stays(self, fleet: Fleet, vm: int, labels: set[str]) -> Iterator[str]:
        """Yield the facts that keep a VM where it is."""
        vms, host = fleet.vms, int(fleet.vms.host[vm])
        if any(m.vm == vm for m in fleet.in_flight):
            yield "in_flight"
        if host != ABSENT and fleet.hosts.state[host] == HostState.DOWN and self.binds("host_down"):
            yield "host_down"
        if host in fleet.hosts.unobserved and self.binds("host_unobserved"):
            yield "host_unobserved"
        if vm in vms.unobserved and self.binds("vm_unobserved"):
            yield "vm_unobserved"
        if VmState(int(vms.state[vm])) not in MOVED and self.binds("vm_state"):
            yield "vm_state"
        here = {
            "mobility": Mobility(int(vms.mobility[vm])) is not Mobility.LIVE,
            "no_move_until": bool(vms.no_move_until[vm] > fleet.now),
            "requires": bool(vms.requires.get(vm)),
            "forbidden_hosts": bool(vms.forbidden_hosts.get(vm)),
            "move_within": fleet.move_within is not None,
        }
        yield from (need for need, has in here.items() if has and self.binds(need))
        if not vms.requires.get(vm, {}).keys() <= labels:
            yield "unknown_label"

    def _takes_none(self, fleet: Fleet, host: int) -> Iterator[str]:
        """Yield the facts for which a host takes no VM."""
        if HostState(int(fleet.hosts.state[host])) is not HostState.ACTIVE and self.binds("host_state"):
            yield "host_state"
        if fleet.hosts.busy.get(host) and self.binds("busy"):
            yield "busy"
        if host in fleet.hosts.unobserved and self.binds("host_unobserved"):
            yield "host_unobserved"
        windows = fleet.hosts.maintenance.get(host, ())
        if any(w.start - AHEAD_S <= fleet.now < w.end for w in windows) and self.binds("maintenance"):
            yield "maintenance"

    def _refusal(self, subject: str, reason: str, value: int, limit: int, vm: int) -> Violation:
        return Violation(self.name, subject, Hardness.HARD, value, limit, excess=1, vms=(vm,), reason=reason)

    # -- in words ----------------------------------------------------------------------------------------------------

    def explain(self, violation: Violation, fleet: Fleet) -> str:
        """Say which fact of the snapshot forbids the move."""
        return f"{violation.subject}: {self._text(violation, fleet)}"

    def _text(self, violation: Violation, fleet: Fleet) -> str:
        if violation.reason in ("host_unobserved", "vm_unobserved"):
            return _unobserved(violation, fleet)
        if violation.reason in _HOST_FACTS:
            return _host_text(violation, fleet, fleet.host_index[violation.subject])
        vm = violation.vms[0]
        if violation.reason == "vm_state":
            return _state_text(VmState(int(fleet.vms.state[vm])))
        if violation.reason == "unknown_label":
            names = Directory(fleet)
            return _unknown_label(_first_unknown(fleet.vms.requires[vm], names) or "", names)
        text = {"in_flight": _IN_FLIGHT, "host_down": _DOWN}.get(violation.reason, "")
        text = text or _not_understood(violation.reason)
        if violation.reason == "no_move_until":
            return f"{text} ({datetime.fromtimestamp(float(fleet.vms.no_move_until[vm]), UTC).isoformat()})"
        return _mobility_text(fleet, vm) if violation.reason == "mobility" else text

    def not_evaluated(self, fleet: Fleet) -> Iterable[NotEvaluated]:
        """Nothing: what it reads is either said or has its published default."""
        return ()

    def doubts(self, fleet: Fleet) -> Iterable[Doubt]:
        """Nothing: what is odd about a snapshot is said of it, not of a rule."""
        return ()


_NEEDS = ("requires", "forbidden_hosts", "unknown_label")
_HOST_FACTS = ("host_state", "busy", "maintenance", "max_vms")
_IN_FLIGHT = "somebody is moving it right now"
_DOWN = "its host is down, and nothing leaves a host that is down"


def _not_understood(need: str) -> str:
    return f"it has a need that no rule of this policy understands: {need}"


def _unobserved(violation: Violation, fleet: Fleet) -> str:
    """Say why nothing is known of what a violation is about: a VM, its host, or the host that would take it."""
    vm = violation.vms[0]
    own = fleet.hosts.unobserved.get(int(fleet.vms.host[vm]))
    if violation.reason == "vm_unobserved":
        return _unobserved_text(fleet.vms.unobserved[vm])
    if own and violation.subject == fleet.vms.ids[vm]:
        return _host_unobserved_text(own)
    why = fleet.hosts.unobserved[fleet.host_index[violation.subject]]
    return f"it takes no VM: what happens there is not known ({why})"


def _unobserved_text(why: str) -> str:
    return f"what it does is not known ({why})"


def _host_unobserved_text(why: str) -> str:
    return f"what happens on its host is not known ({why}), so nothing leaves it"


def _on_unobserved(fleet: Fleet) -> Iterator[tuple[NDArray[np.integer], str]]:
    """Yield the VMs on hosts of which nothing is known, by the reason."""
    closed = fleet.hosts.unobserved
    if not closed:
        return
    on = np.append(_mask(fleet, closed), False)[fleet.vms.host]
    hosts = fleet.vms.host[on].tolist()
    texts = {v: _host_unobserved_text(closed[h]) for v, h in zip(np.flatnonzero(on).tolist(), hosts, strict=True)}
    yield from _by_text(texts)


def _by_text(texts: Mapping[int, str]) -> Iterator[tuple[NDArray[np.integer], str]]:
    """Yield the VMs of each text, ascending."""
    by_text: dict[str, list[int]] = {}
    for vm, text in sorted(texts.items()):
        by_text.setdefault(text, []).append(vm)
    for text, vms in by_text.items():
        yield np.array(vms), text


def _mobility_text(fleet: Fleet, vm: int) -> str:
    because = fleet.vms.mobility_reason.get(vm)
    return _not_understood("mobility") + (f" ({because})" if because else "")


def _immobile(fleet: Fleet) -> Iterator[tuple[NDArray[np.integer], str]]:
    """Yield the VMs that cannot be moved live, by the reason that the platform gives."""
    immobile = np.flatnonzero(fleet.vms.mobility != Mobility.LIVE).tolist()
    yield from _by_text({vm: _mobility_text(fleet, vm) for vm in immobile})


def _state_text(state: VmState) -> str:
    return f"it is {state.name.lower()}, and no rule of this policy says that such VMs are moved"


def _host_text(violation: Violation, fleet: Fleet, host: int) -> str:
    if violation.reason == "host_state":
        return f"it is {HostState(int(fleet.hosts.state[host])).name.lower()} and takes no VM"
    if violation.reason == "busy":
        return f"it is busy ({', '.join(b.value for b in fleet.hosts.busy[host])}) and takes no VM for now"
    if violation.reason == "maintenance":
        return f"its maintenance window is on, or starts within {AHEAD_S // 60} minutes: it takes no VM"
    return f"{violation.value} VMs where it takes at most {violation.limit} (max_vms)"


def _mask(fleet: Fleet, hosts: Collection[int]) -> NDArray[np.bool_]:
    mask = np.zeros(len(fleet.hosts), np.bool_)
    mask[list(hosts)] = True
    return mask


def _soonest(fleet: Fleet, windows: Iterable[Window]) -> bool:
    return any(w.start <= fleet.now + AHEAD_S and w.end > fleet.now for w in windows)


def _unknown_labels(fleet: Fleet) -> dict[int, str]:
    """Return the VMs that require a label which no host has, with that in words: which, and what may be meant."""
    names, texts, found = Directory(fleet), dict[str, str](), dict[int, str]()
    for vm, need in sorted(fleet.vms.requires.items()):
        label = _first_unknown(need, names)
        if label is not None:
            if label not in texts:
                texts[label] = _unknown_label(label, names)
            found[vm] = texts[label]
    return found


def _first_unknown(need: Mapping[str, object], names: Directory) -> str | None:
    return next((key for key in need if not names.knows(NameKind.HOST_LABEL, key)), None)


def _unknown_label(label: str, names: Directory) -> str:
    hint = names.hint(NameKind.HOST_LABEL, label)
    return f"it requires the label {label}, which no host of this fleet has" + (f" ({hint})" if hint else "")


def _held(state: State) -> NDArray[np.int64]:
    """Return int64 [H]: how many VMs are on each host, in flight at both ends."""
    vms, hosts = state.presence
    pairs = np.unique(hosts.astype(np.int64) * max(len(state.fleet.vms), 1) + vms)
    return np.bincount(pairs // max(len(state.fleet.vms), 1), minlength=len(state.fleet.hosts)).astype(np.int64)


def _count(state: State, hosts: Sequence[int]) -> Counter[int]:
    """Count the VMs of these hosts, each once on each of them."""
    vms, at = state.presence
    here = np.isin(at, hosts)
    return Counter(host for _, host in set(zip(vms[here].tolist(), at[here].tolist(), strict=True)))
