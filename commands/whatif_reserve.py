"""Reservations: requests for which room is kept, so that every answer counts it as taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from commands.common import FILE, warn

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from optimizer.policy import Policy
    from optimizer.whatif.effort import Effort

__all__ = ["reserve_option", "with_reservations"]

Document = dict[str, Any]

reserve_option = click.option(
    "--reserve",
    type=FILE,
    multiple=True,
    metavar="FILE",
    help="Room kept for VMs to come (remora-request/1), counted as taken; repeatable.",
)


def with_reservations(document: Document, files: Sequence[Path], policy: Policy, effort: Effort) -> Document:
    """Return a snapshot in which the VMs of reservations stand where there is room for them.

    Raises
    ------
    InputError
        A reservation is wrong, or there is no room for all of it.
    """
    if not files:
        return document
    from optimizer.caution import Caution
    from optimizer.errors import InputError
    from optimizer.sources.fleet_json import fleet_from_document
    from optimizer.sources.request import holds_at, laid_over, read_request, settled
    from optimizer.whatif.compare import place_waiting

    for path in files:
        request = read_request(path, document)
        larger, ids = laid_over(document, request, str(path))
        fleet = fleet_from_document(larger, str(path))
        if not holds_at(request, fleet.taken_at):
            warn([Caution("reservation_over", str(path), f"its time is over ({request['until']}): no room is kept")])
            continue
        found = place_waiting(fleet, policy, effort, {fleet.vm_index[name] for name in ids})
        if len(found.created) < found.vms:
            raise InputError(
                str(path),
                "vms",
                f"{found.vms - len(found.created)} of {found.vms} VMs without room",
                "room for all that is reserved",
                "`remora whatif place --request` says what is in the way",
            )
        document = settled(larger, [(fleet.vms.ids[vm], fleet.hosts.ids[host]) for vm, host in found.created])
    return document
