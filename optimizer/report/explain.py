"""Why is this VM there, why does it stay, why does this host take nothing: facts about one subject of a fleet."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from optimizer.fleet import ABSENT, HostState, Mobility, Move, State, VmState
from optimizer.report.arrivals import Says, arrival
from optimizer.report.loads import Load, loads_of, meters
from optimizer.report.not_moved import why_not_moved
from optimizer.report.violations import ViolationFacts, describe_violations

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet
    from optimizer.plan import Plan, PlannedMove
    from optimizer.problem.problem import Problem
    from optimizer.problem.rule import Rule, Violation
    from optimizer.report.loads import Meter

__all__ = ["Case", "HostFacts", "Refusal", "Stays", "VmFacts", "explain_host", "explain_vm"]

CLASSES = 5
"""That many of the largest classes of VMs (by where they may arrive) are tried on a host that takes not all of them."""


@dataclass(frozen=True, eq=False)
class Case:
    """What every explanation needs: the fleet, the policy's rules, what they ask, and what is violated."""

    fleet: Fleet
    rules: Sequence[Rule]
    problem: Problem
    violations: Sequence[Violation]
    plan: Plan | None = None


@dataclass(frozen=True, slots=True)
class Stays:
    """A reason for which a VM may not move."""

    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class VmFacts:
    """A VM: where it is, what it needs, what is wrong around it, why it stays or moves.

    `may_enter` counts the hosts that may receive it, `has_room` those of them where all that is linear (resources,
    noise) leaves it room now. `not_moved` says why the plan, where there is one, leaves it where it is.
    """

    vm: str
    host: str | None
    moving_to: str | None
    state: str
    mobility: str
    owner: str | None
    groups: tuple[str, ...]
    labels: dict[str, str]
    demand: dict[str, int]
    requires: dict[str, tuple[str, ...]]
    forbidden_hosts: tuple[str, ...]
    stays: tuple[Stays, ...]
    may_enter: int
    has_room: int
    violations: tuple[ViolationFacts, ...]
    moves: tuple[PlannedMove, ...]
    not_moved: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """A host does not take `vms` VMs, tried with one of them, `such_as`."""

    rule: str
    reason: str
    text: str
    vms: int
    such_as: str


@dataclass(frozen=True, slots=True)
class HostFacts:
    """A host: its loads, VMs, what is wrong with it, and whether it may receive (`takes` of `others` VMs may come)."""

    host: str
    state: str
    domains: dict[str, str]
    labels: dict[str, str]
    loads: tuple[Load, ...]
    vms: tuple[str, ...]
    violations: tuple[ViolationFacts, ...]
    takes: int
    others: int
    refusals: tuple[Refusal, ...]
    leaving: tuple[PlannedMove, ...]
    arriving: tuple[PlannedMove, ...]


def explain_vm(case: Case, vm: int) -> VmFacts:
    """Gather what is known about one VM."""
    fleet, vms = case.fleet, case.fleet.vms
    name, host, other = vms.ids[vm], int(vms.host[vm]), int(fleet.also_at[vm])
    groups = tuple(g.id for g in fleet.groups if vm in g.members)
    enter, room = _could_go(case, vm)
    planned = () if case.plan is None else tuple(m for m in case.plan.moves if m.vm == name)
    around = describe_violations(fleet, case.rules, _around(case, vm, groups))
    return VmFacts(
        vm=name,
        host=_host_name(fleet, host),
        moving_to=_host_name(fleet, other),
        state=VmState(int(vms.state[vm])).name.lower(),
        mobility=Mobility(int(vms.mobility[vm])).name.lower(),
        owner=None if vms.owner[vm] == ABSENT else vms.owner_ids[int(vms.owner[vm])],
        groups=groups,
        labels=dict(vms.labels[vm]),
        demand={r.name: int(d) for r, d in zip(fleet.resources, vms.demand[vm], strict=True)},
        requires=dict(vms.requires.get(vm, {})),
        forbidden_hosts=tuple(fleet.hosts.ids[h] for h in vms.forbidden_hosts.get(vm, ())),
        stays=_why_it_stays(case.problem, vm),
        may_enter=enter,
        has_room=room,
        violations=around,
        moves=planned,
        not_moved=() if case.plan is None else why_not_moved(name, case.plan, around),
    )


def _host_name(fleet: Fleet, host: int) -> str | None:
    return None if host == ABSENT else fleet.hosts.ids[host]


def _why_it_stays(problem: Problem, vm: int) -> tuple[Stays, ...]:
    if problem.start[vm] == ABSENT:
        return (Stays("placement", "it is not placed yet: a plan leaves it alone"),)
    return tuple(Stays(a.rule, a.reason) for a in problem.demands.fixed.values() if vm in a.vms)


def _around(case: Case, vm: int, groups: tuple[str, ...]) -> Iterable[Violation]:
    """Yield violations that name the VM, its host, or (where they name no VM) a group of it."""
    fleet = case.fleet
    host = _host_name(fleet, int(fleet.vms.host[vm]))
    for v in case.violations:
        of_group = not v.vms and v.subject in groups
        if vm in v.vms or v.subject == fleet.vms.ids[vm] or of_group or (v.subject == host and v.domain is None):
            yield v


def _could_go(case: Case, vm: int) -> tuple[int, int]:
    """Count the hosts that may receive a VM, and those of them with room for it."""
    problem = case.problem
    start = int(problem.start[vm])
    if start == ABSENT:
        return 0, 0
    enter = problem.may_enter(vm).copy()
    enter[start] = False
    room = enter.copy()
    for meter in meters(case.fleet, problem.atoms):
        room &= _has_room(meter, vm)
    return int(enter.sum()), int(room.sum())


def _has_room(meter: Meter, vm: int) -> NDArray[np.bool_]:
    """Bool [H]: the VM would not take the load over the limit, nor over what it is already."""
    after = meter.load + meter.atom.amount[vm]
    return np.asarray(after <= np.maximum(meter.atom.limit, meter.load))


def explain_host(case: Case, host: int) -> HostFacts:
    """Gather what is known about one host."""
    fleet = case.fleet
    name = fleet.hosts.ids[host]
    here = [fleet.vms.ids[v] for v in np.flatnonzero(fleet.vms.host == host).tolist()]
    takes, others = _takes(case.problem, host)
    planned = () if case.plan is None else case.plan.moves
    index = fleet.vm_index
    moves = [Move(index[m.vm], fleet.host_index[m.source], fleet.host_index[m.target]) for m in planned]
    return HostFacts(
        host=name,
        state=HostState(int(fleet.hosts.state[host])).name.lower(),
        domains={
            level: ids[int(fleet.hosts.domain[number, host])]
            for number, (level, ids) in enumerate(zip(fleet.levels, fleet.domain_ids, strict=True))
            if number
        },
        labels=dict(fleet.hosts.labels[host]),
        loads=loads_of(meters(fleet, case.problem.atoms), host, moves),
        vms=tuple(here),
        violations=describe_violations(fleet, case.rules, _at_host(case, host)),
        takes=takes,
        others=others,
        refusals=tuple(_refusals(case, host)),
        leaving=tuple(m for m in planned if m.source == name),
        arriving=tuple(m for m in planned if m.target == name),
    )


def _at_host(case: Case, host: int) -> Iterable[Violation]:
    """Yield violations of the host, of a domain that it is in by name, or of VMs on it."""
    fleet = case.fleet
    name = fleet.hosts.ids[host]
    here = set(np.flatnonzero(fleet.vms.host == host).tolist())
    domain = f"{fleet.levels[0]}:{name}"
    for v in case.violations:
        leaves = v.subject in fleet.vm_index and fleet.vm_index[v.subject] in here
        if (v.subject == name and v.domain is None) or v.domain == domain or (v.domain is None and leaves):
            yield v


def _elsewhere(problem: Problem, host: int) -> NDArray[np.bool_]:
    """Bool [V]: may move, and is not on the host."""
    return np.asarray(problem.movable & (problem.start != host))


def _takes(problem: Problem, host: int) -> tuple[int, int]:
    """Count the VMs elsewhere that may come to the host, as far as Enter says, and all that may move at all."""
    which, rows = problem.enter_class
    others = _elsewhere(problem, host)
    return int((others & rows[which, host]).sum()), int(others.sum())


def _refusals(case: Case, host: int) -> Iterable[Refusal]:
    """Say why the host does not take VMs, each reason once, with all that it was said of."""
    merged: dict[tuple[str, str, str], Refusal] = {}
    for found in _refused_classes(case, host):
        key = (found.rule, found.reason, found.text)
        before = merged.get(key)
        merged[key] = found if before is None else replace(before, vms=before.vms + found.vms)
    return merged.values()


def _refused_classes(case: Case, host: int) -> Iterable[Refusal]:
    """Try one VM of each large class that the host does not take, and let the rules say why."""
    problem = case.problem
    which, rows = problem.enter_class
    others = _elsewhere(problem, host)
    sizes = np.bincount(which[others], minlength=len(rows))
    refused = [c for c in np.argsort(-sizes, kind="stable").tolist() if sizes[c] and not rows[c, host]]
    entering = {a.rule for a in problem.demands.enters.values()}
    state = State.start(case.fleet)
    for c in refused[:CLASSES]:
        vm = int(np.flatnonzero(others & (which == c))[0])
        for word in arrival(case.fleet, case.rules, problem.atoms, vm, host, state):
            if word.says is Says.SKIP and word.rule in entering:
                yield Refusal(word.rule, word.reason, word.text, int(sizes[c]), case.fleet.vms.ids[vm])
