"""Problems of the place: hosts that must be left, and hosts that take nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optimizer.sources.synthetic.planting import host_id, record
from optimizer.sources.synthetic.sizes import MEMORY

if TYPE_CHECKING:
    import numpy as np

    from optimizer.sources.synthetic.draft import Draft

__all__ = ["busy", "disabled", "draining", "errors", "full_of_vms", "window"]

LARGEST_LEAVING_MIB = 32 * 1024
"""Plant a host is drained only if its largest VM is likely to find room."""


def draining(draft: Draft, rng: np.random.Generator, host: int) -> bool:
    """Let the host drain."""
    return _drain(draft, host, "draining", {"state": "draining"})


def window(draft: Draft, rng: np.random.Generator, host: int) -> bool:
    """Put the host in a maintenance window that has begun."""
    return _drain(draft, host, "windows", {"window_s": (600.0, 7200.0)})


def _drain(draft: Draft, host: int, kind: str, fields: dict[str, Any]) -> bool:
    vms = draft.on[host]
    if not vms or draft.demand[vms, MEMORY].max() > LARGEST_LEAVING_MIB:
        return False
    draft.host_extra[host] = fields
    return record(draft, kind, host_id(host), [host], vms, len(vms))


def errors(draft: Draft, rng: np.random.Generator, host: int) -> bool:
    """Plant a host with many errors."""
    return _refuse(draft, host, "errors", {"error_count": 5})


def busy(draft: Draft, rng: np.random.Generator, host: int) -> bool:
    """Plant a host in the midst of something."""
    kinds = ("create", "restore", "pdu_reboot", "ipmi_reboot", "node_unresponsive")
    return _refuse(draft, host, "busy", {"busy": [kinds[int(rng.integers(len(kinds)))]]})


def disabled(draft: Draft, rng: np.random.Generator, host: int) -> bool:
    """Plant a host that is switched off for newcomers."""
    return _refuse(draft, host, "disabled", {"state": "disabled"})


def full_of_vms(draft: Draft, rng: np.random.Generator, host: int) -> bool:
    """Plant a host with as many VMs as it may have."""
    return _refuse(draft, host, "full_of_vms", {"max_vms": max(1, len(draft.on[host]))})


def _refuse(draft: Draft, host: int, kind: str, fields: dict[str, Any]) -> bool:
    draft.host_extra[host] = fields
    return record(draft, kind, host_id(host), [host], [], 0)
