"""Opens a simulation, with faults or without."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.errors import InputError
from optimizer.execute.drivers.simulated import SimulatedDriver
from optimizer.execute.drivers.world import World

if TYPE_CHECKING:
    from optimizer.execute.drivers.settings import DriverSettings
    from optimizer.fleet import Fleet

__all__ = ["open_simulated"]


def open_simulated(fleet: Fleet, settings: DriverSettings) -> SimulatedDriver:
    """Open the simulated driver; it reaches nothing, so where is how: ``faults:SEED``, or ``prepares:SECONDS``."""
    kind, _, seed = settings.where.partition(":")
    if kind == "faults" and seed.isascii() and seed.isdigit():
        from optimizer.execute.drivers.faults import Faults, FaultyDriver, SkewedClock

        return FaultyDriver(fleet, Faults(int(seed)), SkewedClock(fleet.taken_at), fail=settings.fail)
    if kind == "prepares" and seed.isascii() and seed.isdigit() and len(seed) < 6:
        world = World(fleet, preparing_s=float(seed))
        return SimulatedDriver(fleet, settings.fail, world=world, holds_back=True)
    if settings.where:
        expected = "nothing, faults:SEED, or prepares:SECONDS: it reaches only the snapshot"
        raise InputError("--location", "", settings.where, expected)
    return SimulatedDriver(fleet, settings.fail)
