"""The fixed work that everything is compared with: like what is measured in kind, and never changed.

Its speed on a machine, under whatever else runs there, says how fast that machine is at such work just now. It shares
no line with the program, so that no change of the program changes it. Who changes it makes all stored ratios worthless.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["compiled_reference", "compiled_walk", "python_reference"]

HOSTS, VMS, SERVICES, ROWS = 100, 1_500, 250, 16
"""Arrays of the size that the measured problem has, so that they meet the same caches."""


def compiled_reference(steps: int) -> Callable[[], int]:
    """Return a call that makes that many proposals of a bare annealing: compiled, at random in memory, rows of 16."""
    return partial(compiled_walk(), steps)


def compiled_walk() -> Callable[[int], int]:
    """Return a call that makes as many of them as it is told, always on the same arrays.

    Where arrays lie in memory alone makes two calls differ by a tenth now and then.
    """
    rng = np.random.default_rng(1)
    amount = np.repeat(rng.integers(1, 100, (VMS, ROWS)), 2, axis=0).astype(np.float64)
    vm = np.stack([rng.integers(0, HOSTS, VMS), rng.integers(0, SERVICES, VMS), rng.integers(0, 50, VMS)], axis=1)
    route = rng.integers(0, 20, (HOSTS, HOSTS))
    level, there = np.zeros((HOSTS, ROWS)), np.zeros((SERVICES, HOSTS), np.int32)
    np.add.at(level, vm[:, 0], amount[::2])
    np.add.at(there, (vm[:, 1], vm[:, 0]), 1)
    level -= level.mean(axis=0)
    weight = rng.integers(1, 20, ROWS).astype(np.float64)

    def run(steps: int) -> int:
        return int(_walk(steps, 1500.0, vm[:, 0].copy(), level.copy(), there.copy(), vm, amount, route, weight))

    return run


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _walk(steps, warmth, place, level, there, vm, amount, route, weight):  # type: ignore[no-untyped-def]
    """Shift VMs and swap them, at random; taken where the sum of what is above 0 falls, or rises by little."""
    x, taken = 123456789, 0
    for _ in range(steps):
        x ^= (x << 13) & 0xFFFFFFFF
        x ^= x >> 17
        x ^= (x << 5) & 0xFFFFFFFF
        v, u = (x * len(place)) >> 32, ((x & 0xFFFF) * len(place)) >> 16
        a, swap = place[v], (x >> 8) & 1
        b = place[u] if swap else ((x & 0xFFFF) * len(level)) >> 16
        if a == b or there[vm[v, 1], b] > 1:
            continue
        i, j = 2 * v + int(vm[v, 0] == b), 2 * u + int(vm[u, 0] == a)
        delta = float(route[vm[v, 0], b] - route[vm[v, 0], a])
        for h in (b, a):
            sign = 1.0 if h == b else -1.0
            for r in range(len(weight)):
                old = level[h, r]
                new = old + sign * (amount[i, r] - (amount[j, r] if swap else 0.0))
                delta += weight[r] * ((new if new > 0.0 else 0.0) - (old if old > 0.0 else 0.0))
            if delta > 100 * warmth:
                break
        if delta > warmth * ((x >> 16) & 0xFF) / 256.0:
            continue
        taken += 1
        place[v] = b
        there[vm[v, 1], a] -= 1
        there[vm[v, 1], b] += 1
        if swap:
            place[u] = a
            there[vm[u, 1], b] -= 1
            there[vm[u, 1], a] += 1
        for r in range(len(weight)):
            moved = amount[i, r] - (amount[j, r] if swap else 0.0)
            level[a, r] -= moved
            level[b, r] += moved
    return taken


def python_reference(vms: int, rounds: int) -> Callable[[], int]:
    """Return a call that parses a document, sorts and counts what is in it, and adds up small arrays.

    The more `vms`, the more it depends on the caches that a core shares with others.
    """
    rng = np.random.default_rng(1)
    listed = [
        {"id": f"vm-{i}", "host": f"host-{int(h)}", "demand": {"cpu": i % 16, "memory": int(m)}, "labels": ["a", "b"]}
        for i, (h, m) in enumerate(rng.integers(0, 100, (vms, 2)))
    ]
    return partial(_digest, rounds, json.dumps({"vms": listed}))


def _digest(rounds: int, document: str) -> int:
    total = 0
    for _ in range(rounds):
        vms: list[dict[str, Any]] = json.loads(document)["vms"]
        by_host: dict[str, list[int]] = {}
        for vm in sorted(vms, key=lambda vm: (vm["demand"]["memory"], vm["id"])):
            if isinstance(vm["host"], str) and all(type(label) is str for label in vm["labels"]):
                by_host.setdefault(vm["host"], []).append(vm["demand"]["memory"])
        for memory in by_host.values():
            amounts = np.array(memory, np.int64)
            total += int(amounts[amounts > 10].sum())
    return total
