"""The given fleets on which mechanisms of repair show, by number: 1,000 hosts that are nearly full."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.case import given_data
from optimizer.sources.fleet_json import read_fleet

if TYPE_CHECKING:
    from pathlib import Path

    from optimizer.fleet import Fleet

__all__ = ["given_fleet", "has_given"]

NAMES = ("fleet-1000-97-8", "fleet-1000-97-9", "fleet-1000-97-15")


def has_given() -> bool:
    """Whether they are here (REMORA_DATA)."""
    return all(_path(name).is_file() for name in NAMES)


def given_fleet(number: int) -> Fleet:
    """Return the fleet of that number, from 1 on, and from the first again after the last."""
    return read_fleet(_path(NAMES[(number - 1) % len(NAMES)]))


def _path(name: str) -> Path:
    return given_data() / "fleets" / f"{name}.json.xz"
