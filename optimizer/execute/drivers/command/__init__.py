"""Migrates by any program that has a command line: a template says how it is asked, and what its answers mean.

`--location` names a file (`location.py`) that names a template (`template.py`): ``virsh``, ``qm`` and ``openstack`` are
brought along. What a platform says of a job becomes a state by the template's table `jobs.states`; what the programs
themselves do becomes this:

=====================================================  =======================================================
what happens                                           state
=====================================================  =======================================================
submit ended well, the platform shows no job yet       accepted, for `settles_s` at most
submit waits for the end and still runs, no job shown  accepted, or the last state that was seen
the platform shows a job                               by `jobs.states`; what is not in the table is unknown
submit waits, and ended well                           done, once the inventory shows it as well
submit ended by a rule temporary or permanent          refused; where it waits: failed (temporary, permanent)
submit ended otherwise, by a signal, at its deadline,  no verdict: the job is searched for, by name or token, or
or printed too much                                    by VM, hosts and time; until then the VM counts on both
the program cannot be started                          refused (permanent): nothing has happened
a program that reads fails, hangs, prints garbage      unreadable: nothing is concluded from it
=====================================================  =======================================================
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from optimizer.errors import InputError
from optimizer.execute.drivers.command.driver import CommandDriver
from optimizer.execute.drivers.command.location import read_location
from optimizer.fleet import HostState

if TYPE_CHECKING:
    from optimizer.execute.drivers.settings import DriverSettings
    from optimizer.fleet import Fleet

__all__ = ["CommandDriver", "open_command"]


def open_command(fleet: Fleet, settings: DriverSettings) -> CommandDriver:
    """Open the driver; `--location` names its file."""
    if not settings.where:
        raise InputError(
            "--location", "", "", "the path of a file that names a template: virsh, qm, openstack or yours"
        )
    if settings.fail:
        raise InputError("--fail", "", ", ".join(settings.fail), "nothing: this driver migrates for real")
    states = zip(fleet.hosts.ids, fleet.hosts.state.tolist(), strict=True)
    up = tuple(host for host, state in states if HostState(state) is not HostState.DOWN)
    return CommandDriver(fleet, read_location(settings.where, os.environ, up))
