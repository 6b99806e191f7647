"""What `verify` says of a plan."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Finding", "Verdict"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be, or not as the plan says.

    `code` is one of the table in docs/safety.md, `where` the field of the plan, such as ``moves[m0003].from``.
    """

    code: str
    where: str
    message: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The findings (none: the plan is safe, and what it claims), what was recomputed, and what could not be.

    `recomputed` holds the value of each stage and, where it was proven again, its bound (``bound:`` and the stage).
    """

    findings: tuple[Finding, ...]
    recomputed: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether nothing was found."""
        return not self.findings
