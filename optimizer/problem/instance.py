"""What identifies one demand on one subject: numbers in a problem, a name in the words of the rules."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Instance", "InstanceName"]


class Instance(NamedTuple):
    """One instance of an atom: its number in `Problem.atoms`, which member of the family, which domain.

    A SUM has one member, 0; a LEAVE has VMs for members; what speaks of a whole set has domain 0.
    """

    atom: int
    member: int
    domain: int


class InstanceName(NamedTuple):
    """The same in the words of the rules' violations (docs/architecture.md has the table)."""

    rule: str
    subject: str
    resource: str = ""
    domain: str = ""
    reason: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in (f"{self.rule}:{self.subject}", self.resource, self.domain) if part)
