"""The rules, one a file; `CATALOGUE` names them all. A rule imports `optimizer.problem` and `optimizer.fleet` only."""

from pathlib import Path

from constraints.anti_affinity import AntiAffinity
from constraints.apart import Apart
from constraints.capacity import Capacity
from constraints.headroom import Headroom
from constraints.needs import Needs
from constraints.noisy_neighbor import NoisyNeighbor
from constraints.spread import Spread
from constraints.together import Together
from optimizer.problem.rule import Rule

__all__ = ["CATALOGUE", "SHIPPED"]

CATALOGUE: dict[str, type[Rule]] = {
    AntiAffinity.kind: AntiAffinity,
    Apart.kind: Apart,
    Capacity.kind: Capacity,
    Headroom.kind: Headroom,
    Needs.kind: Needs,
    NoisyNeighbor.kind: NoisyNeighbor,
    Spread.kind: Spread,
    Together.kind: Together,
}
"""Every kind of rule by its name in a policy; a new rule is one line here."""

SHIPPED: dict[str, Path] = {file.stem: file for file in sorted(Path(__file__).with_name("policies").glob("*.yaml"))}
"""The policies that come with the project, by name."""
