"""The rules, one a file; `CATALOGUE` names them all.

May not enter: solvers, sources, plans; a rule imports `optimizer.problem` and `optimizer.fleet` only.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from optimizer.problem.rule import Rule

__all__ = ["CATALOGUE", "SHIPPED"]

_CLASSES = {
    "allowed": "Allowed",
    "anti_affinity": "AntiAffinity",
    "apart": "Apart",
    "balance": "Balance",
    "budget": "Budget",
    "capacity": "Capacity",
    "eligible": "Eligible",
    "headroom": "Headroom",
    "journey": "Journey",
    "maintenance": "Maintenance",
    "needs": "Needs",
    "noisy_neighbor": "NoisyNeighbor",
    "prefer": "Prefer",
    "pressure": "HostPressure",
    "spread": "Spread",
    "together": "Together",
}
"""The class of each kind of rule, in the file that is called as the kind is; a new rule is one line here."""


class _Catalogue(Mapping[str, "type[Rule]"]):
    """Kinds of rules; a file is loaded when its rule is first asked for: most policies have few of them."""

    def __getitem__(self, kind: str) -> type[Rule]:
        name = _CLASSES[kind]  # no other file is loaded, whatever a policy calls its rules
        rule: type[Rule] = getattr(import_module(f"constraints.{kind}"), name)
        return rule

    def __iter__(self) -> Iterator[str]:
        return iter(_CLASSES)

    def __len__(self) -> int:
        return len(_CLASSES)

    def __contains__(self, kind: object) -> bool:
        return kind in _CLASSES


CATALOGUE: Mapping[str, type[Rule]] = _Catalogue()
"""Every kind of rule by its name in a policy."""

SHIPPED: dict[str, Path] = {file.stem: file for file in sorted(Path(__file__).with_name("policies").glob("*.yaml"))}
"""The policies that come with the project, by name."""
SHIPPED["dolphin"] = SHIPPED["public-cloud"]  # the old name, which scripts may still give
