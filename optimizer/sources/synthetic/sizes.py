"""How large things are: kinds of host, flavours of VM, and as many of each as a mean asks for.

Sizes are chosen by tilting the flavours' popularity until the mean is what was asked and then counting them out, so
that the fill is met closely at any number of VMs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from optimizer.errors import InputError
from optimizer.grammar import count

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optimizer.sources.synthetic.spec import Spec

__all__ = ["CPU", "DISK", "GIB", "HOST_KINDS", "LOAD", "MEMORY", "HostKind", "demands", "spread_evenly"]

CPU, LOAD, MEMORY, DISK = range(4)
"""Columns of every table of amounts."""

GIB = 1024
"""MiB in a GiB."""


class HostKind(NamedTuple):
    """A kind of host: its share of the fleet, and what it has."""

    name: str
    share: float
    cores: int
    memory_gib: int
    disk_gib: int
    cpu: str


HOST_KINDS = (
    HostKind("s32", 0.30, 32, 128, 1920, "xeon-6140"),
    HostKind("m48", 0.35, 48, 192, 3840, "xeon-8268"),
    HostKind("m64", 0.20, 64, 256, 3840, "epyc-7003"),
    HostKind("l96", 0.15, 96, 512, 7680, "epyc-9004"),
)


class Flavour(NamedTuple):
    """A size of VM, with how popular it is before the tilt."""

    vcpus: int
    memory_mib: int
    disk_gib: int
    popularity: float


FLAVOURS = tuple(
    Flavour(*row)
    for row in (
        (1, 512, 10, 10),
        (1, 1024, 25, 24),
        (1, 2048, 50, 18),
        (2, 2048, 60, 6),
        (2, 4096, 80, 14),
        (2, 4096, 25, 3),
        (4, 8192, 160, 8),
        (2, 8192, 25, 3),
        (4, 8192, 50, 2),
        (8, 16384, 320, 3),
        (4, 16384, 50, 2.5),
        (2, 16384, 300, 1),
        (2, 16384, 50, 1),
        (8, 32768, 100, 1.5),
        (4, 32768, 100, 1),
        (16, 32768, 200, 0.5),
        (16, 65536, 200, 0.6),
        (8, 65536, 200, 0.5),
        (16, 131072, 400, 0.15),
        (24, 196608, 600, 0.05),
    )
)


def spread_evenly(share: NDArray[np.float64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return int64 [count]: numbers 0.. in the stated shares (largest remainder), shuffled."""
    exact = share / share.sum() * count
    out = np.floor(exact).astype(np.int64)
    short = count - int(out.sum())
    out[np.argsort(out - exact, kind="stable")[:short]] += 1
    return rng.permutation(np.repeat(np.arange(len(share)), out))


def demands(spec: Spec, usable: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return int64 [V, 4]: flavours so popular that memory is filled as asked; disk and load scaled to their fills."""
    if not spec.vms:
        return np.zeros((0, 4), np.int64)
    sizes = [f for f in FLAVOURS if f.memory_mib <= usable[:, MEMORY].max() * 0.5]
    memory = np.array([f.memory_mib for f in sizes], np.float64)
    wanted = spec.memory_fill * float(usable[:, MEMORY].sum()) / spec.vms
    if not memory.min() * 1.05 <= wanted <= memory.max() * 0.7:
        fewest, most = spec.vms * wanted / memory.max() / 0.7, spec.vms * wanted / memory.min() / 1.05
        expected = (
            f"between {int(fewest) + 1} and {int(most)} for {count(spec.hosts, 'host')} filled to {spec.memory_fill:g}"
        )
        raise InputError("generate", "vms", spec.vms, expected, "the mean VM would be too small or too large")
    popularity = np.array([f.popularity for f in sizes])
    which = spread_evenly(_tilt(popularity, memory, wanted), spec.vms, rng)
    table = np.array([[f.vcpus * 1000, 0, f.memory_mib, f.disk_gib * GIB] for f in sizes], np.int64)
    demand = table[which]
    vcpu = demand[:, CPU].astype(np.float64)
    load = _scaled(vcpu * rng.beta(1.5, 4.0, spec.vms), spec.load_fill * float(usable[:, LOAD].sum()))
    demand[:, LOAD] = np.clip(load, vcpu * 0.01, vcpu * 0.9)
    disk = demand[:, DISK] * rng.lognormal(0.0, 0.5, spec.vms)
    largest = 0.4 * float(np.median(usable[:, DISK]))
    demand[:, DISK] = np.clip(_scaled(disk, spec.disk_fill * float(usable[:, DISK].sum())), 4 * GIB, largest)
    return demand


def _scaled(values: NDArray[np.float64], total: float) -> NDArray[np.float64]:
    out: NDArray[np.float64] = values * (total / float(values.sum()))
    return out


def _tilt(popularity: NDArray[np.float64], size: NDArray[np.float64], mean: float) -> NDArray[np.float64]:
    """Return shares proportional to popularity x size^t, with t such that the mean size is `mean` (by bisection)."""
    low, high = -12.0, 12.0
    relative = size / size.max()
    for _ in range(80):
        middle = (low + high) / 2
        share = popularity * relative**middle
        if float((share * size).sum() / share.sum()) < mean:
            low = middle
        else:
            high = middle
    share = popularity * relative**low
    out: NDArray[np.float64] = share / share.sum()
    return out
