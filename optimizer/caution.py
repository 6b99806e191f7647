"""A caution: something doubtful about what was read. Apart from the plan: most who warn of something make no plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Caution", "said_in"]


@dataclass(frozen=True, slots=True)
class Caution:
    """Something doubtful about the snapshot or the policy: a word for machines, where it stands, and what it is."""

    code: str
    where: str
    text: str

    def __str__(self) -> str:
        """Return it as a line."""
        return f"{self.where}: {self.text}"


def said_in(stats: Mapping[str, object]) -> tuple[Caution, ...]:
    """Return what the `stats` of a plan say that makes it doubtful: how it was made. What has another form is left."""
    said = stats.get("warnings")
    found = [one for one in said if isinstance(one, dict)] if isinstance(said, list) else []
    return tuple(Caution(*(str(one.get(name, "")) for name in ("code", "where", "text"))) for one in found)
