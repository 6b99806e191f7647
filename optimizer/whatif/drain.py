"""What if hosts are emptied: the planner's own answer, about these hosts alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from optimizer.fleet import State
from optimizer.fleet.selection import host_mask
from optimizer.pipeline import Request
from optimizer.problem.problem import Stage
from optimizer.problem.rule import Hardness
from optimizer.scope import Scope
from optimizer.scoped_plan import make_scoped_plan
from optimizer.whatif.lose import share_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet
    from optimizer.plan import Plan
    from optimizer.policy import Policy
    from optimizer.whatif.effort import Effort

__all__ = ["Drained", "drain", "ends_of_plan"]

DRAIN = "--drain"
"""What the rule that empties hosts is called; no rule of a policy can be."""

THIS = f"rule:{DRAIN}"

ALONE = 0.6
"""Share of the time for emptying the hosts alone."""


@dataclass(frozen=True, eq=False)
class Drained:
    """A plan that empties hosts.

    Attributes
    ----------
    hosts
        Indices of the hosts.
    vms
        int32: the VMs on them, at either end where somebody moves them.
    left
        int32: those that are still there after the plan.
    harm_bound
        What is proven to remain of the harm of VMs that stay there, whatever moves: above 0, not all can leave.
    moves_bound
        How many moves it takes at least, in what the policy counts as moving.
    ends
        int32 [V]: where each VM of the fleet is after the plan.
    names
        Ids of the VMs.
    """

    hosts: tuple[int, ...]
    vms: NDArray[np.int32]
    left: NDArray[np.int32]
    plan: Plan
    harm_bound: int
    moves_bound: int
    ends: NDArray[np.int32]
    names: frozenset[str]

    @property
    def possible(self) -> bool:
        """Whether all leave."""
        return not self.left.size

    @property
    def seconds(self) -> float:
        """How long the batches take, one after the other."""
        return sum(batch.seconds for batch in self.plan.batches)

    @property
    def copied_mib(self) -> int:
        """What is copied."""
        return sum(move.copied_mib for move in self.plan.moves)

    @property
    def pushed(self) -> int:
        """How many VMs move that are on none of the hosts: they make room."""
        return len({m.vm for m in self.plan.moves} - self.names)


def drain(
    fleet: Fleet,
    words: Sequence[str],
    lay: Callable[[Scope], Policy],
    effort: Effort,
    *,
    targets: tuple[str, ...] = (),
) -> Drained:
    """Plan to empty hosts.

    At first nothing else is a reason to move: what is wrong elsewhere stays, and nothing gets worse, preferences
    included. If not all VMs leave so, preferences may be given up, and what is wrong elsewhere is repaired too.

    Parameters
    ----------
    words
        Names of hosts, ``LEVEL:ID`` or globs.
    lay
        Returns the policy under a scope.
    targets
        Hosts that may receive; all if empty.
    """
    alone = _planned(fleet, Scope(drain=tuple(words), only=(THIS,), targets=targets), lay, share_of(effort, ALONE))
    if alone.possible or effort.over():
        return replace(alone, harm_bound=0)
    scope = Scope(drain=tuple(words), targets=targets)
    freely = _planned(fleet, scope, lay, effort)
    start = State.start(fleet)
    elsewhere = sum(
        v.harm
        for rule in lay(scope).demands
        for v in rule.check(start)
        if v.hardness is Hardness.MUST and rule.name != DRAIN
    )
    proven = freely.harm_bound - elsewhere
    if len(freely.left) < len(alone.left):
        return replace(freely, harm_bound=proven)
    return replace(alone, harm_bound=proven)


def _planned(fleet: Fleet, scope: Scope, lay: Callable[[Scope], Policy], effort: Effort) -> Drained:
    request = Request(effort.left(), effort.memory_mib, effort.workers, effort.seed)
    plan = make_scoped_plan(fleet, scope, lay, request, clock=effort.clock, interrupt=effort.interrupt)
    mask = host_mask(fleet, scope.drain)
    there, hosts = State.start(fleet).presence
    vms = np.unique(there[mask[hosts]]).astype(np.int32)
    ends = ends_of_plan(fleet, plan)
    left = vms[mask[ends[vms]] | (np.append(mask, False)[fleet.also_at[vms]])]
    bounds = {stage.stage: stage.bound for stage in plan.objective}
    return Drained(
        tuple(np.flatnonzero(mask).tolist()),
        vms,
        left,
        plan,
        bounds.get(Stage.HARM.value, 0),
        bounds.get(Stage.MOVING.value, 0),
        ends,
        frozenset(fleet.vms.ids[v] for v in vms.tolist()),
    )


def ends_of_plan(fleet: Fleet, plan: Plan) -> NDArray[np.int32]:
    """Return int32 [V]: where each VM is after a plan."""
    at = fleet.vms.host.copy()
    for move in plan.moves:
        at[fleet.vm_index[move.vm]] = fleet.host_index[move.target]
    return at
