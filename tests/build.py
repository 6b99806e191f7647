"""Small snapshots as documents, so that a test reads as what an operator would write.

Everything goes through the same edge as a user's file: `fleet_from_document` and `policy_from_document`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from constraints import CATALOGUE, SHIPPED
from optimizer.sources.fleet_json import fleet_from_document
from optimizer.sources.policy_yaml import policy_from_document, read_policy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from optimizer.fleet import Fleet
    from optimizer.policy import Policy

__all__ = ["Document", "document", "fleet", "host", "policy", "vm"]

Document = dict[str, Any]

TAKEN_AT = "2026-11-21T12:00:00Z"
RESOURCES = ("cpu_millicores", "memory_mib", "disk_mib")
COPIED = ("memory_mib", "disk_mib")


def host(
    name: str, *, cpu: int | None = None, memory: int | None = None, disk: int | None = None, **more: Any
) -> Document:
    """Return a host; a resource without a figure does not count on it. `rack` and `zone` may be among `more`."""
    domains = {level: more.pop(level, f"{level[0]}0") for level in ("rack", "zone")}
    return {"id": name, "domains": domains, "capacity": _amounts(cpu, memory, disk)} | more


def vm(
    name: str,
    where: str | None,
    *,
    cpu: int | None = None,
    memory: int | None = None,
    disk: int | None = None,
    **more: Any,
) -> Document:
    """Return a VM on `where`."""
    return {"id": name, "host": where, "demand": _amounts(cpu, memory, disk)} | more


def document(hosts: Iterable[Document], vms: Iterable[Document], **more: Any) -> Document:
    """Return a snapshot with levels host, rack and zone."""
    return {
        "format": "remora-fleet/1",
        "fleet": "tiny",
        "taken_at": TAKEN_AT,
        "resources": [{"name": name, "copied": name in COPIED} for name in RESOURCES],
        "levels": ["host", "rack", "zone"],
        "hosts": list(hosts),
        "vms": list(vms),
    } | more


def fleet(hosts: Iterable[Document], vms: Iterable[Document], **more: Any) -> Fleet:
    """Return a small fleet, read from its document."""
    return fleet_from_document(document(hosts, vms, **more), "test")


def policy(*rules: Document | str, **more: Any) -> Policy:
    """Return a policy of these rules (a name alone: with its defaults); without any, the shipped default."""
    if not rules:
        return read_policy("default", CATALOGUE, SHIPPED)
    listed = [{"rule": rule} if isinstance(rule, str) else rule for rule in rules]
    return policy_from_document({"format": "remora-policy/1", "rules": listed} | more, "test", CATALOGUE)


def _amounts(cpu: int | None, memory: int | None, disk: int | None) -> dict[str, int]:
    return {name: n for name, n in zip(RESOURCES, (cpu, memory, disk), strict=True) if n is not None}
