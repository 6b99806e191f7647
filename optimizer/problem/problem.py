"""The problem: a start, the atoms that the rules asked for, and the stages in which it is to be answered."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from optimizer.fleet import ABSENT, Fleet, copied_mib, move_seconds
from optimizer.problem.atoms import UNLIMITED
from optimizer.problem.demands import Demands
from optimizer.problem.flow_index import FlowIndex
from optimizer.problem.presence import load_of
from optimizer.problem.rule import Hardness
from optimizer.problem.shapes import shape_of
from optimizer.problem.snapshot_rule import with_snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from optimizer.problem.atoms import Asked, Atom, Flow
    from optimizer.problem.rule import Rule

__all__ = ["Least", "Problem", "Stage", "build", "stage_of", "without_cost"]


class Least(Enum):
    """What "least moving" counts: moves, MiB copied, tenths of a second, or 10^-3 steps of the VMs' move_cost."""

    MOVES = "moves"
    WEIGHTED = "weighted"
    GIB = "gib"
    SECONDS = "seconds"


class Stage(Enum):
    """What is minimized, one after the other; the values are the names in a plan's `objective`."""

    HARM = "harm"
    SHOULD_HARM = "should_harm"
    PRICED = "priced"
    MOVING = "moving"
    PLACEMENT = "placement"
    COST = "cost"


@dataclass(frozen=True, eq=False)
class Problem:
    """What is asked, in integers only.

    Attributes
    ----------
    domain
        int32 [levels, H]; row 0 is ``arange(H)``. `domain_ids` names them.
    start
        int32 [V]: x0, `ABSENT` for a VM that is not placed: it counts nowhere and stays so.
    also_at
        int32 [V]: the other end of a VM that somebody else is moving; such VMs are fixed and count at both ends.
    moving
        int64 [V]: what moving each VM once counts in the stage MOVING.
    atoms
        What is asked, by the policy's rules and by the snapshot itself.
    """

    host_ids: tuple[str, ...]
    vm_ids: tuple[str, ...]
    levels: tuple[str, ...]
    domain: NDArray[np.int32]
    domain_ids: tuple[tuple[str, ...], ...]
    start: NDArray[np.int32]
    also_at: NDArray[np.int32]
    moving: NDArray[np.int64]
    atoms: tuple[Atom, ...]
    stages: tuple[Stage, ...]
    least: Least = Least.MOVES

    @property
    def hosts(self) -> int:
        """Number of hosts, H."""
        return len(self.host_ids)

    @property
    def vms(self) -> int:
        """Number of VMs, V."""
        return len(self.vm_ids)

    @cached_property
    def demands(self) -> Demands:
        """The atoms by what they are."""
        return Demands.of(self.atoms)

    @cached_property
    def start_loads(self) -> dict[int, NDArray[np.int64]]:
        """Load of each sum (by its number) in each domain at the start; int64 [domains], not to be written to."""
        out = {}
        for number, atom in self.demands.sums.items():
            out[number] = load_of(atom, self.domain[atom.level], self.start, self.also_at)
            out[number].setflags(write=False)
        return out

    @cached_property
    def movable(self) -> NDArray[np.bool_]:
        """Bool [V]: the VM is placed and no atom fixes it."""
        out: NDArray[np.bool_] = self.start != ABSENT
        for atom in self.demands.fixed.values():
            out[atom.vms] = False
        return out

    @cached_property
    def enter_class(self) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        """Classes of VMs by where they may arrive: int32 [V] class of each VM, and bool [classes, H].

        A bitset for each class, never a VM x host table: VMs named by the same Enter atoms share one.
        """
        everywhere = np.ones(self.hosts, np.bool_)
        which = np.zeros(self.vms, np.int64)
        rows = [everywhere]
        for atom in self.demands.enters.values():
            if atom.vms is None:
                rows = [row & atom.hosts for row in rows]
                continue
            touched, inverse = np.unique(which[atom.vms], return_inverse=True)
            first = len(rows)
            rows.extend(rows[c] & atom.hosts for c in touched)
            which[atom.vms] = first + inverse
        used, inverse = np.unique(which, return_inverse=True)
        return inverse.astype(np.int32), np.array([rows[c] for c in used], np.bool_).reshape(-1, self.hosts)

    def may_enter(self, vm: int) -> NDArray[np.bool_]:
        """Return bool [H]: the hosts at which the VM may arrive, as far as Enter says."""
        which, rows = self.enter_class
        return np.asarray(rows[which[vm]])

    @cached_property
    def flows(self) -> tuple[Flow, ...]:
        """The atoms that limit moves."""
        return tuple(self.demands.flows.values())

    @cached_property
    def flow_index(self) -> FlowIndex:
        """Which of `flows` a move counts in."""
        return FlowIndex(self.flows)

    @property
    def has_cost(self) -> bool:
        """Whether there is a cost stage."""
        return Stage.COST in self.stages


def without_cost(problem: Problem) -> Problem:
    """Return the problem without what is paid for: what has to be repaired, and moves."""
    if not problem.has_cost:
        return problem
    atoms = tuple(a for a in problem.atoms if not shape_of(a).is_cost)
    return replace(problem, atoms=atoms, stages=tuple(s for s in problem.stages if s is not Stage.COST))


def build(fleet: Fleet, rules: Sequence[Rule], least: Least = Least.MOVES) -> Problem:
    """Lower the rules on this fleet, and what the snapshot itself says may not be done.

    Parameters
    ----------
    fleet
        The snapshot.
    rules
        The rules of the policy, in its order.
    least
        What "least moving" counts.
    """
    atoms: list[Atom] = [atom for rule in with_snapshot(rules) for atom in rule.lower(fleet)]
    return Problem(
        host_ids=fleet.hosts.ids,
        vm_ids=fleet.vms.ids,
        levels=fleet.levels,
        domain=fleet.hosts.domain,
        domain_ids=fleet.domain_ids,
        start=fleet.vms.host,
        also_at=fleet.also_at,
        moving=moving_weights(fleet, least),
        atoms=tuple(atoms),
        stages=_stages(atoms),
        least=least,
    )


def _stages(atoms: Iterable[Atom]) -> tuple[Stage, ...]:
    demands = Demands.of(atoms)
    shoulds = [a for a in demands.asked if a.hardness is Hardness.SHOULD]
    stages = [Stage.HARM]
    if any(a.price is None for a in shoulds):
        stages.append(Stage.SHOULD_HARM)
    if demands.has_cost:
        stages.append(Stage.COST)
    if any(a.price is not None for a in shoulds):
        stages.append(Stage.PRICED)
    return (*stages, Stage.MOVING, Stage.PLACEMENT)


def stage_of(asked: Asked) -> tuple[Stage, int]:
    """Return the stage in which an instance's harm counts, and its weight there."""
    if asked.hardness is Hardness.MUST:
        return Stage.HARM, asked.weight
    if asked.price is None:
        return Stage.SHOULD_HARM, asked.weight
    return Stage.PRICED, asked.price


def moving_weights(fleet: Fleet, least: Least) -> NDArray[np.int64]:
    """Return int64 [V]: what one move of each VM counts.

    `SECONDS` takes the source host's rate at both ends, since a weight belongs to a VM; the plan's own seconds take
    both. A VM without `move_cost` counts 1000 in `WEIGHTED` (one step).
    """
    if least is Least.MOVES:
        return np.ones(len(fleet.vms), np.int64)
    if least is Least.WEIGHTED:
        cost = fleet.vms.move_cost_milli
        return np.where(cost == ABSENT, 1000, cost).astype(np.int64)
    copied = copied_mib(fleet)
    if least is Least.GIB:
        return np.maximum(copied, 1)
    seconds = [
        min(round(10 * move_seconds(fleet, v, int(h), int(h), int(copied[v]))), UNLIMITED) if h != ABSENT else 1
        for v, h in enumerate(fleet.vms.host)
    ]
    return np.maximum(np.array(seconds, np.int64), 1)
