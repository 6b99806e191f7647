"""The rules, one a file; `CATALOGUE` names them all. A rule imports `optimizer.problem` and `optimizer.fleet` only."""

from constraints.anti_affinity import AntiAffinity
from constraints.capacity import Capacity

__all__ = ["CATALOGUE"]

CATALOGUE = {rule.kind: rule for rule in (Capacity, AntiAffinity)}
"""Every kind of rule by its name in a policy; a new rule is one line here."""
