"""A caution: something doubtful about what was read. Apart from the plan: most who warn of something make no plan."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Caution"]


@dataclass(frozen=True, slots=True)
class Caution:
    """Something doubtful about the snapshot or the policy: a word for machines, where it stands, and what it is."""

    code: str
    where: str
    text: str

    def __str__(self) -> str:
        """Return it as a line."""
        return f"{self.where}: {self.text}"
