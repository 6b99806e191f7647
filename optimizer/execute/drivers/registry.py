"""Every driver by its name: the ones below, and those that packages register under ``remora.drivers``."""

from __future__ import annotations

from collections.abc import Callable

from optimizer.execute.drivers import Driver
from optimizer.execute.drivers.settings import DriverSettings
from optimizer.fleet import Fleet
from optimizer.plugins import Registry

__all__ = ["DRIVERS", "DriverFactory"]


DriverFactory = Callable[[Fleet, DriverSettings], Driver]
"""Opens a driver for a fleet; raises `InputError` where the settings are not for it."""


def _simulated() -> DriverFactory:
    from optimizer.execute.drivers.open_simulated import open_simulated

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
