"""What the command line says to a driver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["DriverSettings"]


@dataclass(frozen=True, slots=True)
class DriverSettings:
    """What the command line says to a driver.

    Attributes
    ----------
    where
        What it reaches, in its own words (an address, the path of its configuration); empty if nothing was said.
    fail
        Ids of moves that a simulation lets fail; a driver that moves anything for real refuses a name here.
    """

    where: str = ""
    fail: Collection[str] = ()
