"""The few shapes that an atom can have: what follows from who is where, given once for all that read atoms.

An atom says *what* is asked (of which VMs, where, how much); its shape says how that behaves. Tally, contention,
relaxation, neighbourhoods, advice, partition, CP-SAT and the judge's own models ask the shape, never the class. So an
atom of a known shape is known to all of them, and one of a shape that some reader lacks is refused by that reader.

===========  =========================================  =========================================  ===============
shape        measures, in each instance                 one instance for                           atoms
===========  =========================================  =========================================  ===============
SUM          amounts in a domain over a limit           each domain                                Linear
COUNT        VMs of a set in a domain over a limit      each set and domain                        AtMost
PAIR         the smaller of two counts in a domain      each pair and domain                       Apart
OCCUPANCY    domains that a set lacks                   each set                                   AtLeast
COMPANY      VMs of one set without one of the other    each pair                                  Needs
TOGETHER     VMs outside the set's largest domain       each set                                   Same
LEAVE        1 for a VM on a host it must leave         each VM                                    Leave
===========  =========================================  =========================================  ===============

The shapes without an excess are ENTER, FIXED and FLOW (always hard), MOVE_COST and HINGE (cost, not harm).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from optimizer.problem.ends import fewest_domains, most_lone

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Collection, Iterable, Mapping

__all__ = [
    "COMPANY",
    "COUNT",
    "ENTER",
    "FIXED",
    "FLOW",
    "GROUPS",
    "HARMING",
    "HINGE",
    "LEAVE",
    "LEFT",
    "MOVE_COST",
    "OCCUPANCY",
    "PAIR",
    "RIGHT",
    "SHAPES",
    "SUM",
    "TOGETHER",
    "ByShape",
    "Counts",
    "Shape",
    "shape_of",
]

LEFT, RIGHT = 0, 1


class Counts(Protocol):
    """Who is where of a set, or of a pair of sets (a mapping for each side).

    `count` has the VMs in each domain; `floating` the domains of each VM that may turn out to be in any of several.
    """

    @property
    def count(self) -> tuple[Counter[int], Counter[int]]:
        """How many VMs of each side are in each domain."""

    @property
    def floating(self) -> tuple[Mapping[int, frozenset[int]], Mapping[int, frozenset[int]]]:
        """The domains, by VM, of those that are in no count."""


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """How a demand behaves.

    Attributes
    ----------
    has_excess
        It is measured, instance by instance, and counts as harm.
    by_domain
        Each domain is an instance of its own. An arrival can only worsen it and a departure only lessen it, and a VM
        in flight counts at both ends. Otherwise the whole set is one instance (of domain 0), and it matters who
        arrives where.
    leaving_repairs
        Departures are all it takes: no VM has to arrive at any certain place.
    both_ends
        A migrating VM counts in every domain that it is in. Where not: at whichever end is worse.
    at_end
        Judged at the end only, since its VMs travel one by one; a migrating VM counts where it stands.
    is_hard, is_cost
        No move may break it; it is paid for, not repaired.
    needed_sides
        Sides that have to hold a VM for anything to be asked.
    excess
        Excess by domain (key 0 where the instance is the whole set) from a limit and counts; values of 0 and less
        may be among them.
    level_of
        For groups by domain: the excess in one domain from the VMs of this side there, of the other side, and the
        limit.
    """

    name: str
    has_excess: bool = False
    by_domain: bool = False
    leaving_repairs: bool = False
    both_ends: bool = True
    at_end: bool = False
    is_hard: bool = False
    is_cost: bool = False
    needed_sides: int = 1
    excess: Callable[[int, Counts], dict[int, int]] = lambda limit, counts: {}
    level_of: Callable[[int, int, int], int] = lambda mine, theirs, limit: 0


def _over(limit: int, counts: Counts) -> dict[int, int]:
    return {d: n - limit for d, n in counts.count[LEFT].items()}


def _smaller(limit: int, counts: Counts) -> dict[int, int]:
    left, right = counts.count
    return {d: min(n, right[d]) for d, n in left.items() if d in right}


def _lacking(limit: int, counts: Counts) -> dict[int, int]:
    settled, loose = counts.count[LEFT], counts.floating[LEFT]
    occupied = fewest_domains(settled.keys(), loose.values()) if loose else len(settled)
    return {0: limit - occupied} if occupied else {}


def _alone(limit: int, counts: Counts) -> dict[int, int]:
    both, right = counts.floating
    left = [f for vm, f in both.items() if vm not in right]
    return {0: most_lone(counts.count[LEFT], counts.count[RIGHT].keys(), left, right.values())}


def _outside(limit: int, counts: Counts) -> dict[int, int]:
    at = counts.count[LEFT]
    return {0: at.total() - max(at.values(), default=0)}


SUM = Shape("sum", has_excess=True, by_domain=True, leaving_repairs=True)
COUNT = Shape(
    "count",
    has_excess=True,
    by_domain=True,
    leaving_repairs=True,
    excess=_over,
    level_of=lambda mine, theirs, limit: mine - limit,
)
PAIR = Shape(
    "pair",
    has_excess=True,
    by_domain=True,
    leaving_repairs=True,
    needed_sides=2,
    excess=_smaller,
    level_of=lambda mine, theirs, limit: min(mine, theirs),
)
OCCUPANCY = Shape("occupancy", has_excess=True, both_ends=False, excess=_lacking)
COMPANY = Shape("company", has_excess=True, both_ends=False, excess=_alone)
TOGETHER = Shape("together", has_excess=True, at_end=True, excess=_outside)
LEAVE = Shape("leave", has_excess=True, leaving_repairs=True)
ENTER = Shape("enter", is_hard=True)
FIXED = Shape("fixed", is_hard=True)
FLOW = Shape("flow", is_hard=True)
MOVE_COST = Shape("move_cost", is_cost=True)
HINGE = Shape("hinge", is_cost=True)

GROUPS = (COUNT, PAIR, OCCUPANCY, COMPANY, TOGETHER)
"""Shapes of demands on sets of VMs."""

HARMING = (SUM, *GROUPS, LEAVE)
"""Shapes with an excess."""

SHAPES = (*HARMING, ENTER, FIXED, FLOW, MOVE_COST, HINGE)


def shape_of(atom: object) -> Shape:
    """Return the shape of an atom.

    Raises
    ------
    TypeError
        If it has none that is known: nobody may pass over a demand in silence.
    """
    shape = getattr(type(atom), "shape", None)
    if shape not in SHAPES:
        raise TypeError(f"{type(atom).__name__} is no atom: it has none of the shapes {_names(SHAPES)}")
    return shape  # type: ignore[no-any-return]


def _names(shapes: Iterable[Shape]) -> str:
    return ", ".join(s.name for s in shapes)


Does = TypeVar("Does")


class ByShape(Generic[Does]):
    """What one reader of atoms does with each shape.

    Parameters
    ----------
    reader
        Who reads, for the message.
    does
        What it does, shape by shape.
    among
        The shapes that it meets; one that is left out of `does` is an error where the table is made.
    """

    def __init__(self, reader: str, does: Mapping[Shape, Does], among: Collection[Shape] = HARMING) -> None:
        missing = [s for s in among if s not in does]
        if missing:
            raise TypeError(f"{reader} has nothing to do with an atom of the shapes {_names(missing)}")
        self.reader, self._does = reader, dict(does)

    def __getitem__(self, atom: Any) -> Does:
        """Return what is done with this atom; `TypeError` for one of no known shape, or of one that is not met here."""
        shape = shape_of(atom)
        if shape not in self._does:
            raise TypeError(f"{self.reader} has nothing to do with {type(atom).__name__} ({shape.name})")
        return self._does[shape]
