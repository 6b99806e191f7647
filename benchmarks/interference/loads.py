"""How loads change over time: steady, on and off, slow, in bursts. Each is a factor from 0 to 1 for each step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["bursty", "diurnal", "on_off", "steady"]


def steady(rng: np.random.Generator, steps: int, step_s: float) -> NDArray[np.float64]:
    """Return a load that wanders a little around its mean."""
    return np.asarray(np.clip(0.6 + 0.2 * _wandering(rng, steps, step_s, 300.0), 0.05, 1.0))


def _wandering(rng: np.random.Generator, steps: int, step_s: float, memory_s: float) -> NDArray[np.float64]:
    """Return a normal process of mean 0 and variance 1 that forgets in about `memory_s`."""
    pull = np.exp(-step_s / memory_s)
    noise = rng.normal(0, np.sqrt(1 - pull**2), steps)
    out, value = np.empty(steps), rng.normal()
    for i in range(steps):
        value = pull * value + noise[i]
        out[i] = value
    return out


def on_off(rng: np.random.Generator, steps: int, step_s: float) -> NDArray[np.float64]:
    """Return a load that is there or not, for some minutes each."""
    mean_on, mean_off = rng.uniform(90, 400), rng.uniform(120, 600)
    out, at, on = np.zeros(steps), 0, bool(rng.random() < 0.5)
    while at < steps:
        length = 1 + int(rng.gamma(3.0, (mean_on if on else mean_off) / 3) / step_s)
        out[at : at + length] = float(on)
        at, on = at + length, not on
    return out


def diurnal(rng: np.random.Generator, steps: int, step_s: float) -> NDArray[np.float64]:
    """Return a load that swells and ebbs (a day, told in less time), and within that goes up and down by the minute."""
    period = rng.uniform(3000, 6000)
    wave = 0.6 + 0.4 * np.sin(2 * np.pi * (np.arange(steps) * step_s / period + rng.random()))
    return np.asarray(np.clip(wave * (0.35 * _wandering(rng, steps, step_s, 60.0) + 0.8), 0.0, 1.0))


def bursty(rng: np.random.Generator, steps: int, step_s: float) -> NDArray[np.float64]:
    """Return short bursts of any height, at random."""
    out = np.zeros(steps)
    for _ in range(rng.poisson(steps * step_s / rng.uniform(90, 180))):
        at, length = int(rng.integers(steps)), 1 + int(rng.exponential(35) / step_s)
        out[at : at + length] = np.maximum(out[at : at + length], rng.uniform(0.6, 1.0))
    return out
