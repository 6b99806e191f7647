"""Admission: may this plan run on this fleet at all? Asked once, before anything is written or done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.errors import ForeignPlan, SafetyStop, StalePlan, shorten
from optimizer.fleet import ABSENT, HostState, copied_mib, move_seconds
from optimizer.plan_identity import altered
from optimizer.verify.verify import verify

if TYPE_CHECKING:
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray

    from optimizer.fleet import Fleet
    from optimizer.plan import Plan, PlannedMove
    from optimizer.policy import Policy

__all__ = ["admit"]

FINDINGS_SHOWN = 3


def admit(fleet: Fleet, policy: Policy, plan: Plan, driven: str, now: datetime, *, going_on: bool = False) -> None:
    """Let a plan pass or refuse it.

    Parameters
    ----------
    fleet
        The fleet as it is known now: the snapshot that the plan was made from, or a later one.
    driven
        The id of the fleet that the driver reaches.
    now
        The time by the driver's clock.
    going_on
        The plan was admitted before, and its run was cut off: it may have expired since.

    Raises
    ------
    ForeignPlan
        The plan was made for another fleet.
    StalePlan
        It has expired, or a VM or a host that it touches has changed.
    SafetyStop
        `verify` does not find it safe, and all that it claims, on this fleet under this policy.
    """
    for name in (fleet.id, driven):
        if plan.fleet != name:
            raise ForeignPlan(f"plan {plan.id} was made for fleet {shorten(plan.fleet)}, this is {shorten(name)}")
    if now >= plan.expires_at and not going_on:
        raise StalePlan(
            f"plan {plan.id} expired at {plan.expires_at.isoformat()}, it is {now.isoformat()}: "
            "take a new snapshot and make a new plan"
        )
    _refuse_changed(fleet, plan)
    _refuse_unverified(fleet, policy, plan)
    if own := altered(plan):
        raise SafetyStop(f"plan {plan.id} was changed after it was made: what it says now would be {own}")


def _refuse_unverified(fleet: Fleet, policy: Policy, plan: Plan) -> None:
    """Refuse a plan with which `verify` finds fault; on a later snapshot, a plan that is not safe there."""
    same = plan.fleet_digest == fleet.digest
    findings = verify(fleet, policy, plan, later=not same).findings
    if not findings:
        return
    shown = "; ".join(f"{f.where}: {f.message}" for f in findings[:FINDINGS_SHOWN])
    more = f"; and {len(findings) - FINDINGS_SHOWN} more" if len(findings) > FINDINGS_SHOWN else ""
    kind = SafetyStop if same else StalePlan
    raise kind(f"plan {plan.id} is not safe here, or not what it claims: {shown}{more} (see remora verify)")


def _refuse_changed(fleet: Fleet, plan: Plan) -> None:
    """Refuse a plan if a VM or a host that it touches is not as the plan has it.

    A plan made from this very snapshot (the digests agree) can still name a source at which a VM never stood. With
    another digest the plan's own figures are compared too: what is copied comes of the VM's demand, how long it
    takes of its writing and of both hosts. Whatever else has changed, `verify` judges the plan on the new facts.
    """
    same = plan.fleet_digest == fleet.digest
    copied = copied_mib(fleet)
    at: dict[str, str] = {}
    for move in plan.moves:
        change = _change(fleet, move, at.get(move.vm)) or ("" if same else _change_of_figures(fleet, move, copied))
        if change:
            raise StalePlan(f"plan {plan.id}, {move.id}: {change}: take a new snapshot and make a new plan")
        at[move.vm] = move.target


def _change(fleet: Fleet, move: PlannedMove, hop: str | None) -> str:
    vm = fleet.vm_index.get(move.vm)
    if vm is None:
        return f"there is no VM {shorten(move.vm)}"
    for name in (move.source, move.target):
        if name not in fleet.host_index:
            return f"there is no host {shorten(name)}"
    host = int(fleet.vms.host[vm])
    stands = hop or (fleet.hosts.ids[host] if host != ABSENT else "no host")
    if stands != move.source:
        return f"{shorten(move.vm)} is on {shorten(stands)}, not on {shorten(move.source)}"
    if fleet.also_at[vm] != ABSENT:
        return f"{shorten(move.vm)} is being moved by others"
    return ""


def _change_of_figures(fleet: Fleet, move: PlannedMove, copied: NDArray[np.int64]) -> str:
    vm, source, target = fleet.vm_index[move.vm], fleet.host_index[move.source], fleet.host_index[move.target]
    state = HostState(fleet.hosts.state[target])
    if state is not HostState.ACTIVE:
        return f"{shorten(move.target)} is {state.name.lower()}"
    amount = int(copied[vm])
    if amount != move.copied_mib:
        return f"{shorten(move.vm)} has {amount} MiB to copy, not {move.copied_mib}"
    seconds = move_seconds(fleet, vm, source, target, amount)
    if seconds != move.seconds:
        return f"{shorten(move.vm)} needs {seconds} s to move, not {move.seconds}"
    return ""
