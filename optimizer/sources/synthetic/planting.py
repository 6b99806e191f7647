"""What every problem needs: which VMs it may use, and the record of what was done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optimizer.sources.synthetic.sizes import MEMORY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from optimizer.sources.synthetic.draft import Draft

__all__ = ["host_id", "plain_vms", "record", "vm_id"]


def host_id(host: int) -> str:
    """Return a host's id."""
    return f"h{host}"


def vm_id(vm: int) -> str:
    """Return a VM's id."""
    return f"v{vm}"


def plain_vms(draft: Draft, host: int) -> list[int]:
    """Return the host's VMs that could live anywhere: no group, no needs, no noise; those with least memory first."""
    plain = [
        v
        for v in draft.on[host]
        if draft.group[v] < 0
        and v not in draft.member_of
        and v not in draft.requires
        and v not in draft.vm_extra
        and not draft.noisy[v]
        and not draft.sensitive[v]
    ]
    return sorted(plain, key=lambda v: (int(draft.demand[v, MEMORY]), v))


def record(
    draft: Draft, kind: str, subject: str, hosts: Iterable[int], vms: Iterable[int], least_moves: int, **more: Any
) -> bool:
    """Note what was planted, and that these hosts have their problem; returns True, as every planter does."""
    hosts = list(hosts)
    draft.used.update(hosts)
    draft.planted.append(
        {
            "kind": kind,
            "subject": subject,
            "hosts": [host_id(h) for h in hosts],
            "vms": [vm_id(v) for v in vms],
            "least_moves": least_moves,
            **more,
        }
    )
    return True
