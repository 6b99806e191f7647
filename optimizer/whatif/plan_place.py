"""A plan that also makes room for VMs to come: choose their hosts, plan, and choose anew where that does not work."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from optimizer.fleet import Move
from optimizer.whatif.judge import made_worse
from optimizer.whatif.make_room import Chosen, choose_hosts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from optimizer.fleet import Fleet
    from optimizer.plan import Plan
    from optimizer.policy import Policy
    from optimizer.scope import Scope
    from optimizer.whatif.effort import Effort

__all__ = ["Coming", "plan_with_room"]

ATTEMPTS = 3
PLACE = "--place"


@dataclass(frozen=True, slots=True)
class Coming:
    """What a plan does for VMs to come: ids of those with room (VM, host), and of those without, with the reason."""

    room: tuple[tuple[str, str], ...]
    without: tuple[tuple[str, str], ...]
    without_moves: int


def plan_with_room(
    larger: Fleet,
    vms: Sequence[int],
    policy: Policy,
    scope: Scope,
    make: Callable[[Scope], Plan],
    effort: Effort,
) -> tuple[Plan, Coming]:
    """Return a plan that makes room for as many of the VMs as can be, and what it comes to.

    Parameters
    ----------
    larger
        The fleet with the VMs to come, which have no host; `vms` are their indices.
    make
        Makes a plan of the fleet without them, under a scope.
    """
    refused: set[tuple[int, int]] = set()
    best: tuple[Plan, Chosen, set[tuple[int, int]]] | None = None
    for _ in range(ATTEMPTS):
        chosen = choose_hosts(larger, policy, vms, effort, refused)
        plan = make(replace(scope, room=chosen.kept(larger)))
        crowded = {r.subject for r in plan.remaining if r.rule == PLACE}
        failed = {pair for pair in chosen.created if larger.hosts.ids[pair[1]] in crowded}
        if best is None or len(chosen.created) - len(failed) > len(best[1].created) - len(best[2]):
            best = plan, chosen, failed
        if not failed or effort.over():
            break
        refused |= failed
    assert best is not None
    return best[0], _coming(larger, policy, *best)


def _coming(larger: Fleet, policy: Policy, plan: Plan, chosen: Chosen, failed: set[tuple[int, int]]) -> Coming:
    """Let every rule's `check` judge the VMs made on their hosts once the plan is done."""
    moves = [Move(larger.vm_index[m.vm], larger.host_index[m.source], larger.host_index[m.target]) for m in plan.moves]
    without = {vm: "no host is open to it, however much room is made" for vm in chosen.nowhere}
    without |= {vm: "the time ended before a host was looked for" for vm in chosen.late}
    without |= {vm: f"the plan cannot make room for it on {larger.hosts.ids[host]}" for vm, host in failed}
    created = [pair for pair in chosen.created if pair not in failed]
    while created:
        worse = made_worse(larger, policy.judges, created, after=moves)
        if not worse:
            break
        vm, host = created.pop()
        without[vm] = f"{worse[0].rule} refuses it on {larger.hosts.ids[host]} after the plan"
    ids, hosts = larger.vms.ids, larger.hosts.ids
    return Coming(
        tuple((ids[vm], hosts[host]) for vm, host in created),
        tuple((ids[vm], why) for vm, why in sorted(without.items())),
        chosen.without_moves,
    )
