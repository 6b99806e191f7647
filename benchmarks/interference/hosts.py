"""Simulated hosts with known truth: what runs on them, what is measured of them, and what each antagonist costs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.interference.kernel_queues import cpu_host, io_host
from benchmarks.interference.loads import bursty, diurnal, on_off, steady
from optimizer.signals.interference.series import HostSeries

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["RECIPES", "SAMPLES", "SAMPLE_S", "SimHost", "draw_host", "measure", "simulate"]

SAMPLE_S = 15.0
SAMPLES = 150
STEPS = 5
"""Steps of the simulation in each sample: a clock may be off by some of them."""

MARGIN = 2
"""Samples before the first and after the last that is measured, for what is late."""

SLICE_S = 0.05
VMS = 10
STEP_S = SAMPLE_S / STEPS
LENGTH = (SAMPLES + 2 * MARGIN) * STEPS

ANTAGONISTS: tuple[Callable[[np.random.Generator, int, float], NDArray[np.float64]], ...] = (on_off, diurnal, bursty)

RECIPES = {
    "quiet": 0.20,
    "busy": 0.08,
    "decoys": 0.10,
    "antagonist": 0.34,
    "common": 0.10,
    "quota": 0.10,
    "daemon": 0.08,
}
"""Kinds of host, and their share of a fleet."""


@dataclass(frozen=True, eq=False)
class SimHost:
    """A host and its VMs; the last column is what the host itself runs, and is not measured by itself.

    `lag` is in samples, `skew` in steps: how late stall is reported, and how late use is. `gaps` says how samples are
    lost: none, single ones, or whole outages too.
    """

    name: str
    recipe: str
    kind: str
    cores: int
    vcpus: NDArray[np.int64]
    rate: NDArray[np.float64]
    spin: NDArray[np.float64]
    size: NDArray[np.float64]
    quota: NDArray[np.float64]
    seed: int
    antagonists: tuple[int, ...] = ()
    lag: int = 0
    skew: int = 0
    gaps: int = 0
    tells_throttled: bool = False


def draw_host(name: str, recipe: str, kind: str, rng: np.random.Generator) -> SimHost:
    """Draw a host of a recipe."""
    vcpus = rng.choice([1, 2, 2, 4], VMS + 1).astype(np.int64)
    cores = int(rng.choice([8, 10, 12]))
    columns = [rng.uniform(0.10, 0.45) * steady(rng, LENGTH, STEP_S) for _ in range(VMS)]
    busy = np.stack([*columns, np.full(LENGTH, 0.02)], axis=1)
    host = SimHost(
        name=name,
        recipe=recipe,
        kind=kind,
        cores=cores,
        vcpus=vcpus,
        rate=busy,
        spin=np.zeros_like(busy),
        size=rng.uniform(0.1, 0.4, VMS + 1),
        quota=np.zeros(VMS + 1),
        seed=int(rng.integers(1, 2**62)),
        lag=int(rng.random() < 0.25),
        skew=int(rng.integers(0, STEPS)) if rng.random() < 0.25 else 0,
        gaps=int(rng.integers(0, 3)),
    )
    return _DRAW[recipe](host, rng)


def _quiet(host: SimHost, rng: np.random.Generator) -> SimHost:
    return _decoys(host, rng, int(rng.integers(0, 3)))


def _busy(host: SimHost, rng: np.random.Generator) -> SimHost:
    """Fill a host, with nobody in particular to blame."""
    wanted = host.cores * rng.uniform(0.6, 0.85)
    factor = wanted / max(float((host.rate.mean(axis=0) * host.vcpus).sum()), 1e-9)
    return replace(host, rate=np.minimum(host.rate * factor, 0.95))


def _roomy(host: SimHost, rng: np.random.Generator) -> SimHost:
    """Loud VMs on a host that has room for all of them: use that goes up and down, and no stall from it."""
    host = _decoys(replace(host, cores=40), rng, 3)
    spin = host.spin.copy()
    vcpus = host.vcpus.copy()
    vcpus[0] = 8
    spin[:, 0] = 8 * on_off(rng, LENGTH, STEP_S)
    return replace(host, spin=spin, vcpus=vcpus)


def _antagonist(host: SimHost, rng: np.random.Generator) -> SimHost:
    """One or two that take more than the host has left, among decoys that go on and off as well."""
    host = _decoys(host, rng, int(rng.integers(0, 3)))
    count = 1 + int(rng.random() < 0.2)
    rate, spin, vcpus = host.rate.copy(), host.spin.copy(), host.vcpus.copy()
    for u in range(count):
        vcpus[u] = int(np.ceil(host.cores * rng.uniform(0.7, 1.2) / count))
        load = ANTAGONISTS[int(rng.integers(len(ANTAGONISTS)))](rng, LENGTH, STEP_S)
        if rng.random() < 0.5:
            spin[:, u], rate[:, u] = np.round(vcpus[u] * load), 0.02
        else:
            spin[:, u], rate[:, u] = 0.0, np.maximum(1.1 * load, 0.02)
    return replace(host, rate=rate, spin=spin, vcpus=vcpus, antagonists=tuple(range(count)))


def _common(host: SimHost, rng: np.random.Generator) -> SimHost:
    """All VMs peak together, as they do at nine in the morning, and together they are too much."""
    load = ANTAGONISTS[int(rng.integers(len(ANTAGONISTS)))](rng, LENGTH, STEP_S)
    peak = host.cores * rng.uniform(1.0, 1.4) / float(host.vcpus[:VMS].sum())
    own = np.stack([0.8 + 0.2 * steady(rng, LENGTH, STEP_S) for _ in range(VMS)], axis=1)
    rate = host.rate.copy()
    rate[:, :VMS] = np.minimum(host.rate[:, :VMS] * 0.5 + peak * load[:, None] * own, 1.2)
    return replace(host, rate=rate)


def _quota(host: SimHost, rng: np.random.Generator) -> SimHost:
    """VMs that hit their own quota: they are stalled, and nobody else is to blame; half of the hosts say it."""
    rate, quota = host.rate.copy(), host.quota.copy()
    for v in range(3):
        quota[v] = 0.3 * host.vcpus[v]
        rate[:, v] = 0.1 + 0.6 * ANTAGONISTS[v](rng, LENGTH, STEP_S)
    return _decoys(replace(host, rate=rate, quota=quota, tells_throttled=bool(rng.random() < 0.5)), rng, 2)


def _daemon(host: SimHost, rng: np.random.Generator) -> SimHost:
    """Let the host itself work (a backup, a scan) and take the cores from its VMs."""
    host = _decoys(host, rng, 2)
    spin, vcpus = host.spin.copy(), host.vcpus.copy()
    vcpus[VMS] = host.cores
    spin[:, VMS] = np.round(host.cores * on_off(rng, LENGTH, STEP_S))
    return replace(host, spin=spin, vcpus=vcpus)


def _decoys(host: SimHost, rng: np.random.Generator, count: int) -> SimHost:
    """VMs that go on and off on one vCPU: use as jumpy as an antagonist's, at next to no cost for others."""
    rate, vcpus = host.rate.copy(), host.vcpus.copy()
    for v in range(VMS - count, VMS):
        vcpus[v] = 1
        rate[:, v] = 0.05 + 0.6 * on_off(rng, LENGTH, STEP_S)
    return replace(host, rate=rate, vcpus=vcpus)


_DRAW = {
    "quiet": _quiet,
    "busy": _busy,
    "decoys": _roomy,
    "antagonist": _antagonist,
    "common": _common,
    "quota": _quota,
    "daemon": _daemon,
}


@dataclass(frozen=True, eq=False)
class Raw:
    """What happened on a host, step by step: float64 [LENGTH, VMS + 1] each."""

    use: NDArray[np.float64]
    stall: NDArray[np.float64]
    throttled: NDArray[np.float64]


def simulate(host: SimHost, without: int | None = None) -> Raw:
    """Run a host, with all its VMs or without one: each has random numbers of its own, so the others do the same."""
    seeds = np.random.Generator(np.random.PCG64(host.seed)).integers(1, 2**63, VMS + 1).astype(np.uint64)
    use, stall, throttled = (np.zeros((LENGTH, VMS + 1)) for _ in range(3))
    keep = np.ones(VMS + 1)
    if without is not None:
        keep[without] = 0.0
    if host.kind == "io":
        load = np.maximum(host.rate, host.spin / host.vcpus) * keep
        # requests of 20 to 80 ms (large, on a slow disk); load is the share of the disk that one VM would take alone
        size = 0.02 + 0.15 * host.size
        scale = host.vcpus / host.cores
        with np.errstate(divide="ignore"):
            pause = host.vcpus * size * np.maximum(1 / (load * scale) - 1 / host.vcpus, 0.0)
            think = np.where(load > 0.01, pause, np.inf)
        io_host(seeds, think, host.vcpus, size, STEP_S, use, stall)
        return Raw(use, stall, throttled)
    per_s = host.rate * host.vcpus / host.size * keep
    slices = round(STEP_S / SLICE_S)
    spin, out = host.spin * keep, (use, stall, throttled)
    cpu_host(host.cores, host.vcpus, seeds, per_s, spin, host.size, host.quota, SLICE_S, slices, *out)
    return Raw(use, stall + throttled, throttled)


def measure(host: SimHost, raw: Raw, rng: np.random.Generator) -> HostSeries:
    """Return what exporters and scrapes make of it: samples, late or skewed or lost."""
    use, total = _samples(raw.use[:, :VMS], host.skew), _samples(raw.use.sum(axis=1, keepdims=True), host.skew)[:, 0]
    stall = _samples(raw.stall[:, :VMS], host.lag * STEPS)
    throttled = _samples(raw.throttled[:, :VMS], host.lag * STEPS) if host.tells_throttled else None
    if host.gaps:
        lost = rng.random(use.shape) < 0.01
        if host.gaps > 1:
            for _ in range(int(rng.integers(1, 4))):
                at = int(rng.integers(SAMPLES))
                lost[at : at + int(rng.integers(2, 12))] = True
        use[lost], stall[lost] = np.nan, np.nan
        total[lost.all(axis=1)] = np.nan
    names = tuple(f"{host.name}-v{v}" for v in range(VMS))
    kind = "io" if host.kind == "io" else "cpu_steal"
    return HostSeries(host.name, kind, names, np.clip(stall, 0, 1), use, total, throttled)


def _samples(steps: NDArray[np.float64], late: int) -> NDArray[np.float64]:
    """Return float64 [SAMPLES, columns]: means over samples that are reported `late` steps after they were taken."""
    first = MARGIN * STEPS - late
    return np.asarray(steps[first : first + SAMPLES * STEPS].reshape(SAMPLES, STEPS, -1).mean(axis=1))
