"""Every driver by its name: the ones below, and those that packages register under ``remora.drivers``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optimizer.execute.drivers import Driver
from optimizer.fleet import Fleet
from optimizer.plugins import Registry

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["DRIVERS", "DriverFactory", "DriverSettings"]


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


DriverFactory = Callable[[Fleet, DriverSettings], Driver]
"""Opens a driver for a fleet; raises `InputError` where the settings are not for it."""


def _simulated() -> DriverFactory:
    from optimizer.execute.drivers.simulated import open_simulated

    return open_simulated


def _libvirt() -> DriverFactory:
    from optimizer.execute.drivers.libvirt import open_libvirt

    return open_libvirt


def _agents() -> DriverFactory:
    from optimizer.execute.drivers.agents import open_agents

    return open_agents


def _command() -> DriverFactory:
    from optimizer.execute.drivers.command import open_command

    return open_command


DRIVERS: Registry[DriverFactory] = Registry(
    "--driver",
    "remora.drivers",
    {"simulated": _simulated, "libvirt": _libvirt, "agents": _agents, "command": _command},
)
