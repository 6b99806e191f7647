"""What the command line says to a source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["SourceSettings"]


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """What the command line says to a source.

    Attributes
    ----------
    where
        What is read, in the source's own words: a path, an address.
    fleet, taken_at
        The fleet's id and the time of the snapshot, for a source that does not know them by itself.
    """

    where: str
    fleet: str
    taken_at: datetime
