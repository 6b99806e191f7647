"""Non-negative least squares on the normal equations, compiled (Lawson and Hanson, 1974, chapter 23)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optimizer.compiled import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["nnls", "solve_nnls"]

PIVOT = 1e-9
"""A column whose square, less what the chosen ones explain of it, is below this (of 1) depends on them."""

GAIN = 1e-9
"""A column whose moment with the residual is not above this share of the target's length explains nothing."""


@compiled
def _cholesky(gram, chosen, count, factor):
    """Factor the chosen rows and columns; return False where they depend on each other."""
    for i in range(count):
        for j in range(i + 1):
            value = gram[chosen[i], chosen[j]]
            for k in range(j):
                value -= factor[i, k] * factor[j, k]
            if i == j:
                if value <= PIVOT:
                    return False
                factor[i, i] = np.sqrt(value)
            else:
                factor[i, j] = value / factor[j, j]
    return True


@compiled
def _solve(moment, chosen, count, factor, out):
    """Solve for the chosen columns into `out`."""
    for i in range(count):
        value = moment[chosen[i]]
        for k in range(i):
            value -= factor[i, k] * out[k]
        out[i] = value / factor[i, i]
    for back in range(count):
        i = count - 1 - back
        value = out[i]
        for k in range(i + 1, count):
            value -= factor[k, i] * out[k]
        out[i] = value / factor[i, i]


@compiled
def _without(chosen, count, place):
    """Take one out of the chosen; return how many are left."""
    for i in range(place, count - 1):
        chosen[i] = chosen[i + 1]
    return count - 1


@compiled
def nnls(gram, moment, length, usable, beta, chosen, factor, out, banned):
    """Minimise |y - A beta|^2 over beta >= 0; return how many columns are `chosen` (beta above 0).

    `gram` is A'A with columns of length 1, `moment` A'y, `length` |y|; `usable` says which columns may be taken. The
    rest is room to work in, of K or K x K.
    """
    columns = len(moment)
    for j in range(columns):
        beta[j] = 0.0
        banned[j] = not usable[j]
    count = 0
    for _ in range(3 * columns):
        best, most = -1, GAIN * length
        for j in range(columns):
            if banned[j] or beta[j] > 0.0:
                continue
            gain = moment[j]
            for k in range(count):
                gain -= gram[j, chosen[k]] * beta[chosen[k]]
            if gain > most:
                best, most = j, gain
        if best < 0:
            break
        chosen[count] = best
        count += 1
        if not _cholesky(gram, chosen, count, factor):
            banned[best] = True
            count -= 1
            continue
        count = _descend(gram, moment, beta, chosen, count, factor, out)
        if beta[best] <= 0.0:
            banned[best] = True
    return count


@compiled
def _descend(gram, moment, beta, chosen, count, factor, out):
    """Go towards the solution on the chosen columns, leaving those that would turn negative; return how many stay."""
    while count:
        _cholesky(gram, chosen, count, factor)
        _solve(moment, chosen, count, factor, out)
        step, stops = 1.0, -1
        for i in range(count):
            old = beta[chosen[i]]
            if out[i] <= 0.0 and old / (old - out[i] + 1e-300) < step:
                step, stops = old / (old - out[i] + 1e-300), i
        for i in range(count):
            beta[chosen[i]] += step * (out[i] - beta[chosen[i]])
        if stops < 0:
            return count
        beta[chosen[stops]] = 0.0
        count = _without(chosen, count, stops)
    return count


def solve_nnls(columns: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return float64 [K]: the solution for columns [T, K] as they are; of one regression by itself."""
    lengths = np.sqrt((columns**2).sum(axis=0))
    usable = lengths > 0
    unit = columns / np.where(usable, lengths, 1.0)
    k = columns.shape[1]
    beta, chosen, out, banned = np.zeros(k), np.zeros(k, np.int64), np.zeros(k), np.zeros(k, np.bool_)
    length = float(np.sqrt(target @ target))
    nnls(unit.T @ unit, unit.T @ target, length, usable, beta, chosen, np.zeros((k, k)), out, banned)
    return np.where(usable, beta / np.where(usable, lengths, 1.0), 0.0)
