"""Series with an effect that is known because it was put there: for tests of arithmetic, not of error rates."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from optimizer.signals.interference import HostSeries, Observation

T, V = 150, 8
END = datetime(2026, 11, 29, 10, 0, tzinfo=UTC)


def on_off(rng: np.random.Generator, samples: int = T) -> np.ndarray:
    """Phases of 2 to 8 samples."""
    out, at, on = np.zeros(samples), -int(rng.integers(0, 9)), bool(rng.integers(2))
    while at < samples:
        length = int(rng.integers(2, 9))
        out[max(at, 0) : max(at + length, 0)] = on
        at, on = at + length, not on
    return out


def quiet(seed: int, samples: int = T, vms: int = V) -> tuple[np.ndarray, np.ndarray]:
    """Use and stall of VMs that do nothing to each other."""
    rng = np.random.default_rng(seed)
    return rng.uniform(0.4, 0.6, (samples, vms)), rng.uniform(0.0, 0.04, (samples, vms))


def host(use: np.ndarray, stall: np.ndarray, name: str = "h0", **more: object) -> HostSeries:
    """A host with VMs v0, v1, ..."""
    names = tuple(f"v{i}" for i in range(use.shape[1]))
    return HostSeries(name, str(more.pop("kind", "cpu")), names, stall, use, **more)  # type: ignore[arg-type]


def hog(seed: int, victims: tuple[int, ...] = (1, 2), cost: float = 0.4, noisy: int = 0) -> HostSeries:
    """One VM that costs each victim `cost` while it is on, about half of the time."""
    rng = np.random.default_rng(seed + 1000)
    use, stall = quiet(seed)
    on = on_off(rng)
    use[:, noisy] += 3 * on
    for v in victims:
        stall[:, v] += cost * on * rng.uniform(0.8, 1.2, T)
    return host(use, np.clip(stall, 0, 1), total=use.sum(axis=1) + 0.1)


def full(seed: int, cost: float = 0.15) -> HostSeries:
    """A host of 4 cores that is always full, one VM that costs all others `cost` while it is on, and work beyond them.

    What goes on beyond them stalls everybody, and shows nowhere: what is used there is what the VMs left over. Who is
    stalled uses less.
    """
    rng = np.random.default_rng(seed)
    on, beyond = on_off(rng), rng.uniform(0, 0.4, T)
    stall = np.clip(cost * on[:, None] + beyond[:, None] + rng.normal(0.1, 0.05, (T, V)), 0, 1)
    use = 0.3 * (1 - stall)
    use[:, 0], stall[:, 0] = 1.5 * on, 0.0
    return host(use, stall, total=np.full(T, 4.0))


def little(seed: int) -> HostSeries:
    """One VM that costs each other 0.02, on a host where stall is noisy: not worth a move, and no chance either."""
    rng = np.random.default_rng(seed)
    use, stall = quiet(seed)
    on = on_off(rng)
    use[:, 0] += on
    stall[:, 1:] += 0.3 + 0.02 / on.mean() * on[:, None] + rng.normal(0, 0.2, (T, V - 1))
    return host(use, np.clip(stall, 0, 1), total=use.sum(axis=1) + 0.1)


def observation(*hosts: HostSeries, ends_at: datetime = END, interval_s: float = 15.0) -> Observation:
    return Observation(hosts, ends_at, interval_s)
