"""The rules, one a file; `CATALOGUE` names them all.

May not enter: solvers, sources, plans; a rule imports `optimizer.problem` and `optimizer.fleet` only.
"""

from pathlib import Path

from constraints.allowed import Allowed
from constraints.anti_affinity import AntiAffinity
from constraints.apart import Apart
from constraints.balance import Balance
from constraints.budget import Budget
from constraints.capacity import Capacity
from constraints.eligible import Eligible
from constraints.headroom import Headroom
from constraints.journey import Journey
from constraints.maintenance import Maintenance
from constraints.needs import Needs
from constraints.noisy_neighbor import NoisyNeighbor
from constraints.prefer import Prefer
from constraints.pressure import HostPressure
from constraints.spread import Spread
from constraints.together import Together
from optimizer.problem.rule import Rule

__all__ = ["CATALOGUE", "SHIPPED"]

CATALOGUE: dict[str, type[Rule]] = {
    Allowed.kind: Allowed,
    AntiAffinity.kind: AntiAffinity,
    Apart.kind: Apart,
    Balance.kind: Balance,
    Budget.kind: Budget,
    Capacity.kind: Capacity,
    Eligible.kind: Eligible,
    Headroom.kind: Headroom,
    Journey.kind: Journey,
    Maintenance.kind: Maintenance,
    Needs.kind: Needs,
    NoisyNeighbor.kind: NoisyNeighbor,
    Prefer.kind: Prefer,
    HostPressure.kind: HostPressure,
    Spread.kind: Spread,
    Together.kind: Together,
}
"""Every kind of rule by its name in a policy; a new rule is one line here."""

SHIPPED: dict[str, Path] = {file.stem: file for file in sorted(Path(__file__).with_name("policies").glob("*.yaml"))}
"""The policies that come with the project, by name."""
SHIPPED["dolphin"] = SHIPPED["public-cloud"]  # the old name, which scripts may still give
