"""The options that say which driver migrates VMs, for the commands that open one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from commands.path_types import MayBeFile

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["driver_option", "location_option"]


def driver_option(default: str) -> Callable[[Any], Any]:
    """Return the option that names the driver."""
    what = "What migrates the VMs: simulated, libvirt, agents, command, or what a package registers."
    return click.option("--driver", default=default, show_default=True, metavar="NAME", help=what)


location_option = click.option(
    "--location",
    "where",
    type=MayBeFile(),
    default="",
    metavar="WHERE",
    help="What the driver reaches: the path of its file, as its page says; nothing for the simulated one.",
)
