"""Where the VMs of a request go, beside what is kept for others: `optimizer.whatif.place`, asked by documents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optimizer.sources.request import laid_over, settled, with_request
from optimizer.whatif.place import Placed, place

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from optimizer.policy import Policy
    from optimizer.whatif.effort import Effort

__all__ = ["Kept", "kept_of", "place_request", "with_kept"]

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kept:
    """Room that is kept: the request (checked, amounts in whole units), and pairs (VM, host) of ids."""

    request: Mapping[str, Any]
    placements: Sequence[tuple[str, str]]


def place_request(
    document: Document, request: Document, where: str, policy: Policy, effort: Effort, ranked: int = 5
) -> Placed:
    """Find hosts for the VMs of a checked request, together, without moving anything.

    Raises
    ------
    InputError
        The request speaks of what the snapshot does not have, or gives an id that is taken.
    """
    larger, new = with_request(document, request, where)
    return place(larger, policy, [(one.vm, one.count) for one in new], effort, ranked)


def kept_of(document: Document, request: Document, where: str, placed: Placed) -> Kept:
    """Return the room that an answer takes: each VM under the id that it has in `with_kept`."""
    _, ids = laid_over(document, request, where)
    hosts: dict[str, list[str]] = {}
    at = dict(placed.created)
    for choice in placed.choices:
        hosts[choice.kind.name] = [placed.fleet.hosts.ids[at[vm]] for vm in choice.kind.vms.tolist()]
    on = [host for vm in request["vms"] for host in hosts[vm["id"]]]
    return Kept(request, tuple(zip(ids, on, strict=True)))


def with_kept(document: Document, kept: Iterable[Kept], where: str) -> Document:
    """Return a snapshot in which the VMs of reservations stand on their hosts.

    What the snapshot has by now (a VM that was made, a group that was declared) is taken from it; a VM whose host is
    gone, or receives nothing, keeps nothing.
    """
    for one in kept:
        document = _with(document, one, where)
    return document


def _with(document: Document, kept: Kept, where: str) -> Document:
    there = {vm["id"] for vm in document["vms"]}
    hosts = {host["id"] for host in document["hosts"]}
    receiving = {host["id"] for host in document["hosts"] if host.get("state", "active") == "active"}
    declared = {group["id"] for group in document.get("groups", ())}
    groups = [group for group in kept.request.get("groups", ()) if group["id"] not in declared]
    bare = {**document, "vms": [], "groups": []}
    larger, _ = laid_over(bare, {**kept.request, "groups": []}, where)
    stands = {vm: host for vm, host in kept.placements if vm not in there and host in receiving}
    added = [
        {**vm, "forbidden_hosts": [h for h in vm["forbidden_hosts"] if h in hosts]} if "forbidden_hosts" in vm else vm
        for vm in larger["vms"]
        if vm["id"] in stands
    ]
    whole = {**document, "vms": [*document["vms"], *added], "groups": [*document.get("groups", ()), *groups]}
    return settled(whole, stands.items())
