"""Random numbers of kernels, drawn within them: the state is an array of two, so that each search has its own."""

from __future__ import annotations

import numpy as np

from optimizer.compiled import inlined

__all__ = ["draw", "worst"]

MASK = 0xFFFFFFFF

LOGS = -np.log((np.arange(1 << 13) + 0.5) / (1 << 13))
"""Draws of an exponential variable: a table, which spares each proposal a logarithm."""


@inlined
def draw(random, below):
    """Return a random number from 0 to below - 1: xorshift plus a Weyl sequence, 32 bits (Marsaglia 2003)."""
    x = random[0]
    x ^= (x << 13) & MASK
    x ^= x >> 17
    x ^= (x << 5) & MASK
    random[0] = x
    random[1] = (random[1] + 362437) & MASK
    return (((x + random[1]) & MASK) * below) >> 32


@inlined
def worst(temperature, random):
    """Return by how much a move may cost more and still be taken (Metropolis, drawn before the move is looked at)."""
    if temperature <= 0.0:
        return 0
    return int(temperature * LOGS[draw(random, len(LOGS))])
