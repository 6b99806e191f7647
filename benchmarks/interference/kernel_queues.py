"""Queueing hosts, compiled: cores shared by time slices, and a disk that serves requests one after the other."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["cpu_host", "io_host"]

PENDING = 200
"""Jobs that wait within a VM, at most: what comes beyond is turned away."""


@njit(cache=True, inline="always")
def _draw(state, v):
    """Return a uniform number of a VM's own stream (xorshift64*)."""
    x = state[v]
    x ^= x >> np.uint64(12)
    x ^= x << np.uint64(25)
    x ^= x >> np.uint64(27)
    state[v] = x
    return (x * np.uint64(2685821657736338717) >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@njit(cache=True)
def cpu_host(cores, vcpus, seeds, rate, spin, size, quota, slice_s, slices, use, delay, throttle):
    """Run the jobs of VMs on `cores`, a slice after the other, round robin over the vCPUs that have work.

    Parameters
    ----------
    vcpus
        int64 [V].
    seeds
        uint64 [V]: the state of each VM's random stream.
    rate, spin
        float64 [S, V]: jobs that arrive a second, and vCPUs that are busy throughout.
    size
        float64 [V]: the mean of a job, in seconds on a core; exponential.
    quota
        float64 [V]: cores that a VM may use at most, by periods of 2 slices; 0: no quota.
    slices
        Slices in each of the S steps.
    use, delay, throttle
        float64 [S, V], written: cores used; share of vCPU time spent waiting for a core; share held by the quota.
    """
    n = len(vcpus)
    total = vcpus.sum()
    of = np.zeros(total, np.int64)
    number = np.zeros(total, np.int64)
    i = 0
    for v in range(n):
        for c in range(vcpus[v]):
            of[i], number[i] = v, c
            i += 1
    left = np.zeros(total)
    wants = np.zeros(total, np.bool_)
    pending = np.zeros(n, np.int64)
    spent = np.zeros(n)
    held = np.zeros(n, np.bool_)
    turn = 0
    for s in range(len(rate)):
        for k in range(slices):
            for v in range(n):
                expected = rate[s, v] * slice_s
                arrived = int(expected)
                if _draw(seeds, v) < expected - arrived:
                    arrived += 1
                pending[v] = min(pending[v] + arrived, PENDING)
                if k % 2 == 0:
                    spent[v] = 0.0
                held[v] = quota[v] > 0.0 and spent[v] >= quota[v] * 2 * slice_s
            runnable = 0
            for i in range(total):
                v = of[i]
                if left[i] <= 0.0 and pending[v] > 0:
                    left[i] = -size[v] * np.log(1.0 - _draw(seeds, v))
                    pending[v] -= 1
                works = left[i] > 0.0 or number[i] < spin[s, v]
                wants[i] = works and not held[v]
                runnable += wants[i]
                if works and held[v]:
                    throttle[s, v] += slice_s
            given, start = 0, turn
            for step in range(total):
                if not runnable:
                    break
                i = start + step
                if i >= total:
                    i -= total
                if not wants[i]:
                    continue
                v = of[i]
                runnable -= 1
                if given < cores:
                    given += 1
                    if number[i] >= spin[s, v]:
                        left[i] -= slice_s
                    use[s, v] += slice_s
                    spent[v] += slice_s
                    turn = i + 1 if i + 1 < total else 0
                else:
                    delay[s, v] += slice_s
        for v in range(n):
            use[s, v] /= slices * slice_s
            delay[s, v] /= slices * slice_s * vcpus[v]
            throttle[s, v] /= slices * slice_s * vcpus[v]


@njit(cache=True)
def io_host(seeds, think, depth, size, step_s, use, stall):
    """Serve requests first come, first served; a VM has up to `depth` of them out and thinks before each.

    Parameters
    ----------
    think
        float64 [S, V]: mean seconds before each request; infinite: silent.
    depth
        int64 [V]: requests that a VM has out at most.
    size
        float64 [V]: mean seconds of the disk for a request; exponential.
    step_s
        Seconds of each of the S steps.
    use, stall
        float64 [S, V], written: share of the disk's time; share of time with at least one request out.
    """
    n = len(depth)
    most = depth.max()
    steps = len(think)
    ready = np.full((n, most), np.inf)
    since = np.zeros(n)
    out = np.zeros(n, np.int64)
    ends = np.zeros((n, most))
    free = 0.0
    end = steps * step_s
    for v in range(n):
        for d in range(depth[v]):
            ready[v, d] = _think(seeds, v, 0.0, think, step_s, end)
            ends[v, d] = np.inf
    while True:
        best, first, which, done = -1, end, 0, False
        for v in range(n):
            for d in range(depth[v]):
                if ends[v, d] < first:
                    best, first, which, done = v, ends[v, d], d, True
                if ready[v, d] < first:
                    best, first, which, done = v, ready[v, d], d, False
        if best < 0:
            break
        if done:
            ends[best, which] = np.inf
            out[best] -= 1
            if out[best] == 0:
                _spread(since[best], first, step_s, stall, best)
            ready[best, which] = _think(seeds, best, first, think, step_s, end)
        else:
            if out[best] == 0:
                since[best] = first
            out[best] += 1
            took = -size[best] * np.log(1.0 - _draw(seeds, best))
            begins = max(free, first)
            free = begins + took
            ready[best, which] = np.inf
            ends[best, which] = free
            _spread(begins, min(free, end), step_s, use, best)
    for v in range(n):
        if out[v] > 0:
            _spread(since[v], end, step_s, stall, v)


@njit(cache=True)
def _think(seeds, v, now, think, step_s, end):
    """Return when the next request comes: by the mean of now, or when the VM is no longer silent."""
    s = int(now / step_s)
    while s < len(think) and not np.isfinite(think[s, v]):
        s += 1
    if s >= len(think):
        return np.inf
    begins = max(now, s * step_s)
    return begins - think[s, v] * np.log(1.0 - _draw(seeds, v))


@njit(cache=True)
def _spread(begins, ends, step_s, out, v):
    """Add the time between two instants to the steps in which it falls, as a share of each."""
    at = begins
    s = int(begins / step_s)
    while at < ends and s < len(out):
        until = min((s + 1) * step_s, ends)
        out[s, v] += (until - at) / step_s
        at = until
        s += 1
