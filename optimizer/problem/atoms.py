"""The atoms: the solver-neutral vocabulary in which every rule says what it asks.

Each atom is a family: one `Linear` speaks of one resource on every host, one `AtMost` of many groups. An *instance*
is one member of a family in one domain; excess is measured, and "never worse" is judged, instance by instance:

=========  ===================================================  ==============================
atom       excess of an instance                                instances
=========  ===================================================  ==============================
Linear     max(0, base + sum of amounts there - limit)          domain
AtMost     max(0, distinct VMs of the set there - k)            (set, domain)
Apart      min(VMs of A there, VMs of B there)                  (pair, domain)
AtLeast    max(0, k - domains the set occupies)                 set
Same       VMs of the set - the most in one domain              set
Needs      VMs of A in domains without a VM of B                pair
Leave      1 for a VM that stands on a host it must leave       VM
Enter      none: always hard                                    -
Fixed      none: always hard                                    -
Flow       none: always hard; staging hops count                -
MoveCost   cost, not harm                                       -
Hinge      cost, not harm                                       -
=========  ===================================================  ==============================

Harm of an instance is weight x ceil(1000 x excess / unit); unit is given for `Linear`, 1 otherwise.

How an atom behaves is said by its `shape` (optimizer/problem/shapes.py), which is what all readers but the reference
evaluator ask.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from optimizer.problem.hardness import Hardness
from optimizer.problem.shapes import (
    COMPANY,
    COUNT,
    ENTER,
    FIXED,
    FLOW,
    HINGE,
    LEAVE,
    MOVE_COST,
    OCCUPANCY,
    PAIR,
    SUM,
    TOGETHER,
    Shape,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

__all__ = [
    "UNLIMITED",
    "Apart",
    "Asked",
    "AtLeast",
    "AtMost",
    "Atom",
    "Enter",
    "Fixed",
    "Flow",
    "Group",
    "Harming",
    "Hinge",
    "Leave",
    "Linear",
    "MoveCost",
    "Needs",
    "Same",
    "Sets",
]

UNLIMITED = 2**62
"""A limit that nothing reaches."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks, how hard, and what it counts; `price`: that many moves at most for one unit of a SHOULD (None: any)."""

    rule: str
    hardness: Hardness = Hardness.MUST
    weight: int = 1
    price: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Sets:
    """n sets of VMs: set i is ``members[indptr[i]:indptr[i + 1]]``, named ``ids[i]``; a VM occurs once in a set."""

    ids: tuple[str, ...]
    indptr: NDArray[np.int64]
    members: NDArray[np.int32]

    @classmethod
    def of(cls, named: Iterable[tuple[str, Iterable[int]]]) -> Sets:
        """Build from pairs (name, VM indices)."""
        pairs = [(name, np.unique(np.asarray(list(vms), np.int32))) for name, vms in named]
        indptr = np.zeros(len(pairs) + 1, np.int64)
        np.cumsum([len(vms) for _, vms in pairs], out=indptr[1:])
        members = np.concatenate([vms for _, vms in pairs]) if pairs else np.zeros(0, np.int32)
        return cls(tuple(name for name, _ in pairs), indptr, members.astype(np.int32))

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, i: int) -> NDArray[np.int32]:
        return self.members[self.indptr[i] : self.indptr[i + 1]]


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """Sum of amounts in each domain of a level <= limit.

    amount int64 [V] >= 0; base, limit, unit int64 [domains of the level]. `union`: x0 and x count together
    (ROADEF's transient). `resource` names what is summed.
    """

    shape: ClassVar[Shape] = SUM

    asked: Asked
    resource: str
    level: int
    amount: NDArray[np.int64]
    limit: NDArray[np.int64]
    unit: NDArray[np.int64]
    base: NDArray[np.int64]
    union: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class AtMost:
    """Distinct VMs of set i in any domain of the level <= k[i] (int64 [n])."""

    shape: ClassVar[Shape] = COUNT

    asked: Asked
    level: int
    sets: Sets
    k: NDArray[np.int64]

    @property
    def sides(self) -> tuple[Sets, ...]:
        """The sets, in one side."""
        return (self.sets,)

    def limit_of(self, member: int) -> int:
        """Return how many of a set a domain may have."""
        return int(self.k[member])

    def some(self, which: NDArray[np.int64], kept: Callable[[Sets], Sets]) -> AtMost:
        """Return it for the sets `which`, as `kept` makes them."""
        return replace(self, sets=kept(self.sets), k=self.k[which])


@dataclass(frozen=True, slots=True, eq=False)
class Apart:
    """VMs of `left[i]` and of `right[i]` share no domain of the level; the ids of both are the pair's name."""

    shape: ClassVar[Shape] = PAIR

    asked: Asked
    level: int
    left: Sets
    right: Sets

    @property
    def sides(self) -> tuple[Sets, ...]:
        """The sets of both sides."""
        return (self.left, self.right)

    def limit_of(self, member: int) -> int:
        """Return 0: none is allowed."""
        return 0

    def some(self, which: NDArray[np.int64], kept: Callable[[Sets], Sets]) -> Apart:
        """Return it for the pairs `which`, as `kept` makes them."""
        return replace(self, left=kept(self.left), right=kept(self.right))


@dataclass(frozen=True, slots=True, eq=False)
class AtLeast:
    """Set i occupies at least k[i] domains of the level; a k beyond what the set can reach stays an excess."""

    shape: ClassVar[Shape] = OCCUPANCY

    asked: Asked
    level: int
    sets: Sets
    k: NDArray[np.int64]

    @property
    def sides(self) -> tuple[Sets, ...]:
        """The sets, in one side."""
        return (self.sets,)

    def limit_of(self, member: int) -> int:
        """Return how many domains a set has to occupy."""
        return int(self.k[member])

    def some(self, which: NDArray[np.int64], kept: Callable[[Sets], Sets]) -> AtLeast:
        """Return it for the sets `which`, as `kept` makes them."""
        return replace(self, sets=kept(self.sets), k=self.k[which])


@dataclass(frozen=True, slots=True, eq=False)
class Same:
    """Each set is in one domain of the level. Judged at the end: VMs travel one by one."""

    shape: ClassVar[Shape] = TOGETHER

    asked: Asked
    level: int
    sets: Sets

    @property
    def sides(self) -> tuple[Sets, ...]:
        """The sets, in one side."""
        return (self.sets,)

    def limit_of(self, member: int) -> int:
        """Return 0: none may be elsewhere."""
        return 0

    def some(self, which: NDArray[np.int64], kept: Callable[[Sets], Sets]) -> Same:
        """Return it for the sets `which`, as `kept` makes them."""
        return replace(self, sets=kept(self.sets))


@dataclass(frozen=True, slots=True, eq=False)
class Needs:
    """Where there is a VM of `left[i]` there is one of `right[i]`, in each domain of the level."""

    shape: ClassVar[Shape] = COMPANY

    asked: Asked
    level: int
    left: Sets
    right: Sets

    @property
    def sides(self) -> tuple[Sets, ...]:
        """The sets of both sides."""
        return (self.left, self.right)

    def limit_of(self, member: int) -> int:
        """Return 0: none is allowed."""
        return 0

    def some(self, which: NDArray[np.int64], kept: Callable[[Sets], Sets]) -> Needs:
        """Return it for the pairs `which`, as `kept` makes them."""
        return replace(self, left=kept(self.left), right=kept(self.right))


@dataclass(frozen=True, slots=True, eq=False)
class Leave:
    """The VMs (int32 [n]) must not stay on the hosts (bool [H]).

    `reason` tells demands of one rule on one VM apart: it is the `reason` of their violations.
    """

    shape: ClassVar[Shape] = LEAVE

    asked: Asked
    vms: NDArray[np.int32]
    hosts: NDArray[np.bool_]
    reason: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Enter:
    """The VMs (int32 [n]; None: all) may arrive only at `hosts` (bool [H]); several are met together.

    It judges arrivals, so staging hops and journeys home too, never who stays. `reason` says why the other hosts may
    not receive, where the rule's name does not say it.
    """

    shape: ClassVar[Shape] = ENTER

    rule: str
    vms: NDArray[np.int32] | None
    hosts: NDArray[np.bool_]
    reason: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Fixed:
    """The VMs (int32 [n]) stay where they are, for `reason`."""

    shape: ClassVar[Shape] = FIXED

    rule: str
    vms: NDArray[np.int32]
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """Sum of cost over moves of `vms` out of `sources` into `targets` <= limit; staging hops count.

    bool masks [V], [H], [H]; None means all. cost int64 [V] >= 0. `subject` names what the budget is of, `most` what
    it is before anything is spent of it (None: `limit`).
    """

    shape: ClassVar[Shape] = FLOW

    rule: str
    subject: str
    vms: NDArray[np.bool_] | None
    sources: NDArray[np.bool_] | None
    targets: NDArray[np.bool_] | None
    cost: NDArray[np.int64]
    limit: int
    most: int | None = None

    @property
    def whole(self) -> int:
        """The limit of which nothing is spent: what a later run may have."""
        return self.limit if self.most is None else self.most


@dataclass(frozen=True, slots=True, eq=False)
class MoveCost:
    """Cost of a placement against the start (ROADEF 2012, section on move costs).

    ``vm_weight x sum of vm_cost`` over moved VMs, plus ``route_weight x sum of route[from, to]`` (int64 [H, H]), plus
    ``set_weight x the largest number of moved VMs in any one set``.
    """

    shape: ClassVar[Shape] = MOVE_COST

    vm_cost: NDArray[np.int64]
    vm_weight: int = 1
    route: NDArray[np.int64] | None = None
    route_weight: int = 0
    sets: Sets | None = None
    set_weight: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Hinge:
    """weight x sum over hosts of max(0, sum of amounts there + offset).

    amount int64 [V] of either sign (a combination alpha . demand), offset int64 [H]: load over a knee, balance.
    """

    shape: ClassVar[Shape] = HINGE

    name: str
    amount: NDArray[np.int64]
    offset: NDArray[np.int64]
    weight: int


Group = AtMost | Apart | AtLeast | Same | Needs
"""Atoms that speak of sets of VMs: `sides` (one or two), a limit for each member, and the part of some members."""

Harming = Linear | Group | Leave
"""Atoms with an excess."""

Atom = Harming | Enter | Fixed | Flow | MoveCost | Hinge
