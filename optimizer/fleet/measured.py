"""What a host reports in use after VMs have come and gone: one rule for whoever foresees it."""

from __future__ import annotations

__all__ = ["measured_after"]


def measured_after(measured: int, before: int, after: int) -> int:
    """Return what a host will report of one resource.

    Parameters
    ----------
    measured
        What it reports now.
    before, after
        What is allocated to the VMs that count on it, now and then; a VM that is migrating counts at both ends.

    Returns
    -------
    int
        Host overhead stays with the host, to the unit. Where VMs use less than is allocated to them, the host
        keeps the ratio of use to allocation, rounded up as all that is in use is.
    """
    if measured >= before:
        return after + (measured - before)
    return -(-measured * after // before)
