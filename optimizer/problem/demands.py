"""The atoms of a problem, by what they are: sorted once, so that no reader has to know one kind from another.

An atom of no known shape is refused here, and so by everybody who reads.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from optimizer.problem.shapes import (
    COMPANY,
    COUNT,
    ENTER,
    FIXED,
    FLOW,
    GROUPS,
    HARMING,
    HINGE,
    LEAVE,
    MOVE_COST,
    OCCUPANCY,
    PAIR,
    SHAPES,
    SUM,
    TOGETHER,
    ByShape,
    shape_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from optimizer.problem.atoms import (
        Apart,
        Asked,
        AtLeast,
        AtMost,
        Atom,
        Enter,
        Fixed,
        Flow,
        Group,
        Harming,
        Hinge,
        Leave,
        Linear,
        MoveCost,
        Needs,
        Same,
    )

__all__ = ["Demands"]

NAMES = ByShape(
    "the list of demands",
    {
        SUM: "sums",
        COUNT: "counts",
        PAIR: "pairs",
        OCCUPANCY: "occupancies",
        COMPANY: "companies",
        TOGETHER: "togethers",
        LEAVE: "leaves",
        ENTER: "enters",
        FIXED: "fixed",
        FLOW: "flows",
        MOVE_COST: "move_costs",
        HINGE: "hinges",
    },
    SHAPES,
)


@dataclass(frozen=True, slots=True, eq=False)
class Demands:
    """Atoms by their number, in their order, one mapping for each shape."""

    sums: dict[int, Linear] = field(default_factory=dict)
    counts: dict[int, AtMost] = field(default_factory=dict)
    pairs: dict[int, Apart] = field(default_factory=dict)
    occupancies: dict[int, AtLeast] = field(default_factory=dict)
    companies: dict[int, Needs] = field(default_factory=dict)
    togethers: dict[int, Same] = field(default_factory=dict)
    leaves: dict[int, Leave] = field(default_factory=dict)
    enters: dict[int, Enter] = field(default_factory=dict)
    fixed: dict[int, Fixed] = field(default_factory=dict)
    flows: dict[int, Flow] = field(default_factory=dict)
    move_costs: dict[int, MoveCost] = field(default_factory=dict)
    hinges: dict[int, Hinge] = field(default_factory=dict)
    groups: dict[int, Group] = field(default_factory=dict)
    harming: dict[int, Harming] = field(default_factory=dict)

    @classmethod
    def of(cls, atoms: Iterable[Atom]) -> Demands:
        """Sort atoms.

        Raises
        ------
        TypeError
            If one has none of the shapes.
        """
        out = cls()
        for number, atom in enumerate(atoms):
            out._put(number, atom)
        return out

    def _put(self, number: int, atom: Any) -> None:
        shape = shape_of(atom)
        getattr(self, NAMES[atom])[number] = atom
        if shape in GROUPS:
            self.groups[number] = atom
        if shape in HARMING:
            self.harming[number] = atom

    @property
    def asked(self) -> Iterator[Asked]:
        """Who asks for what has an excess."""
        return (atom.asked for atom in self.harming.values())

    @property
    def has_cost(self) -> bool:
        """Whether some of them are paid for rather than repaired."""
        return bool(self.move_costs or self.hinges)
