"""The regression of every VM's stall on a host, and its test by circular shifts, compiled.

Rows are those of one victim at one lag: where its stall and the use of all VMs are known. They are centred within each
window, so that slow changes explain nothing, and columns are scaled to length 1.
"""

from __future__ import annotations

import math

import numpy as np

from optimizer.compiled import compiled
from optimizer.signals.interference.kernel_nnls import nnls

__all__ = ["attribute_victim", "best_lag"]

VARIES = 1e-9
"""A column varies if its spread within windows is more than this share of its size."""

BETTER = 0.95
"""Another lag is taken only where it leaves less than this share of what the plain reading leaves unexplained."""

EDGE = 1
"""Shifts this close to none, beyond the lag, are no chance: use seldom changes from one sample to the next."""

SAYS = 0.2
"""A window says something by itself if a column varies there by at least this share of what it does in the mean."""

HOPELESS = 40
"""Shifts that did as well after which a pair is no longer tested: its p is known well enough."""


@compiled
def take_rows(v, lag, design, work):
    """Fill the rows of a victim at a lag: which there are, where windows start; centre and scale; return how many."""
    length, windows = design.window, len(design.present)
    count = 0
    for w in range(windows):
        work.start[w] = count
        if not design.present[w, v]:
            continue
        for t in range(w * length, (w + 1) * length):
            if t + lag < 0 or t + lag >= len(design.stall) or not design.row_known[t]:
                continue
            if design.stall_known[t + lag, v]:
                work.row[count] = t
                count += 1
        if count - work.start[w] < 4 + 2 * (EDGE + 1):
            count = work.start[w]
    work.start[windows] = count
    return count


@compiled
def centre(v, lag, count, design, work):
    """Centre stall and columns within windows and scale columns to 1; return the square of the centred stall."""
    columns = design.columns.shape[1]
    square = 0.0
    for w in range(len(design.present)):
        first, last = work.start[w], work.start[w + 1]
        mean = 0.0
        for i in range(first, last):
            mean += design.stall[work.row[i] + lag, v]
        mean /= max(last - first, 1)
        for i in range(first, last):
            work.y[i] = design.stall[work.row[i] + lag, v] - mean
            square += work.y[i] * work.y[i]
        for j in range(columns):
            mean = 0.0
            for i in range(first, last):
                mean += design.columns[work.row[i], j]
            mean /= max(last - first, 1)
            for i in range(first, last):
                work.x[j, i] = design.columns[work.row[i], j] - mean
    for j in range(columns):
        length, size = 0.0, 0.0
        for i in range(count):
            length += work.x[j, i] * work.x[j, i]
            size += design.columns[work.row[i], j] * design.columns[work.row[i], j]
        work.usable[j] = length > VARIES * VARIES * size and length > 0.0
        work.scale[j] = np.sqrt(length) if work.usable[j] else 1.0
        for i in range(count):
            work.x[j, i] /= work.scale[j]
    return square


@compiled
def regress(v, lag, design, work):
    """Fit a victim at a lag; return rows, columns chosen, and the share of the stall's square that is left."""
    count = take_rows(v, lag, design, work)
    if count < 2 * EDGE + 6:
        return 0, 0, 1.0
    square = centre(v, lag, count, design, work)
    if square <= 0.0:
        return count, 0, 1.0
    columns = design.columns.shape[1]
    for j in range(columns):
        value = 0.0
        for i in range(count):
            value += work.x[j, i] * work.y[i]
        work.moment[j] = value
        for k in range(j + 1):
            value = 0.0
            for i in range(count):
                value += work.x[j, i] * work.x[k, i]
            work.gram[j, k] = value
            work.gram[k, j] = value
    chosen = nnls(
        work.gram,
        work.moment,
        np.sqrt(square),
        work.usable,
        work.beta,
        work.chosen,
        work.factor,
        work.out,
        work.banned,
    )
    work.length[0] = np.sqrt(square)
    explained = 0.0
    for k in range(chosen):
        explained += work.beta[work.chosen[k]] * work.moment[work.chosen[k]]
    return count, chosen, 1.0 - explained / square


@compiled
def best_lag(most, design, work):
    """Return the lag at which stall follows use on a host: 0, unless another explains clearly more of all stalls.

    Were it chosen victim by victim, chance would choose it: a stall that nothing explains would get its best of three.
    """
    best, least = 0, 1e300
    for step in range(most + 1):
        for sign in (1, -1):
            lag, left = sign * step, 0.0
            if step == 0 and sign < 0:
                continue
            for v in range(design.present.shape[1]):
                count, _, share = regress(v, lag, design, work)
                left += share if count else 0.0
            if step == 0:
                best, least = 0, BETTER * left
            elif left < least:
                best, least = lag, left
    return best


@compiled
def project(u, count, work):
    """Fit stall without u: build an orthonormal basis of what is chosen then, and what it leaves; return its size.

    Were the columns those that are chosen together with u, the test would favour u: they are chosen to go with it.
    """
    work.usable[u] = False
    chosen = nnls(
        work.gram,
        work.moment,
        work.length[0],
        work.usable,
        work.without,
        work.others,
        work.factor,
        work.out,
        work.banned,
    )
    work.usable[u] = True
    size = 0
    for k in range(chosen):
        j = work.others[k]
        for i in range(count):
            work.basis[size, i] = work.x[j, i]
        for b in range(size):
            dot = 0.0
            for i in range(count):
                dot += work.basis[b, i] * work.basis[size, i]
            for i in range(count):
                work.basis[size, i] -= dot * work.basis[b, i]
        length = 0.0
        for i in range(count):
            length += work.basis[size, i] * work.basis[size, i]
        if length > VARIES:
            for i in range(count):
                work.basis[size, i] /= np.sqrt(length)
            size += 1
    for i in range(count):
        work.left[i] = work.y[i]
    for b in range(size):
        dot = 0.0
        for i in range(count):
            dot += work.basis[b, i] * work.left[i]
        for i in range(count):
            work.left[i] -= dot * work.basis[b, i]
    return size


@compiled
def shift_table(u, size, design, work):
    """For each window and shift: the moment of the shifted column with what is left, and with each of the basis."""
    for w in range(len(design.present)):
        first, length = work.start[w], work.start[w + 1] - work.start[w]
        for s in range(length):
            moment = 0.0
            for i in range(length):
                moved = i + s if i + s < length else i + s - length
                moment += work.left[first + moved] * work.x[u, first + i]
            work.moments[w, s] = moment
            for b in range(size):
                dot = 0.0
                for i in range(length):
                    moved = i + s if i + s < length else i + s - length
                    dot += work.basis[b, first + moved] * work.x[u, first + i]
                work.dots[w, s, b] = dot


@compiled
def strength(at, size, windows, work):
    """Return how far one column explains what the others leave, for the shifts `at` of each window."""
    moment, square = 0.0, 1.0
    for w in range(windows):
        moment += work.moments[w, at[w]]
    for b in range(size):
        dot = 0.0
        for w in range(windows):
            dot += work.dots[w, at[w], b]
        square -= dot * dot
    return moment / np.sqrt(max(square, VARIES))


@compiled
def p_value(lag, size, draws, design, work):
    """Return the share of circular shifts, each window's for itself, under which the column explains as much."""
    windows = len(design.present)
    edge = EDGE + abs(lag)
    different = 1.0
    for w in range(windows):
        work.at[w] = 0
        choices = work.start[w + 1] - work.start[w] - 1 - 2 * edge
        different *= max(choices, 1)
    seen = strength(work.at, size, windows, work)
    as_well = 0
    for d in range(len(draws)):
        for w in range(windows):
            choices = work.start[w + 1] - work.start[w] - 1 - 2 * edge
            work.at[w] = 1 + edge + int(draws[d, w] * choices) if choices > 0 else 0
        as_well += strength(work.at, size, windows, work) >= seen
        if as_well >= HOPELESS:
            return as_well / (d + 1.0)
    return max((as_well + 1.0) / (len(draws) + 1.0), 1.0 / (different + 1.0))


@compiled
def tail(u, lag, count, size, work):
    """Return the chance of a normal variable, spread as the partial correlation is over shifts of the whole series.

    Correlations are taken by Fisher's transform (1915), which makes them normal. What comes and goes at nearly the same
    pace for longer than a window is alike in all of them; shifts of each window for itself would not see that.
    """
    edge = EDGE + abs(lag)
    number, mean, square, seen, whole = 0, 0.0, 0.0, 0.0, 1e-300
    for i in range(count):
        whole += work.left[i] * work.left[i]
    for s in range(count):
        if 0 < s <= edge or s >= count - edge:
            continue
        moment, left = 0.0, 1.0
        for i in range(count):
            moved = i + s if i + s < count else i + s - count
            moment += work.left[moved] * work.x[u, i]
        for b in range(size):
            dot = 0.0
            for i in range(count):
                moved = i + s if i + s < count else i + s - count
                dot += work.basis[b, moved] * work.x[u, i]
            left -= dot * dot
        value = math.atanh(min(max(moment / np.sqrt(max(left, VARIES) * whole), -0.999), 0.999))
        if s == 0:
            seen = value
        else:
            number += 1
            mean += value
            square += value * value
    if number < 2:
        return 1.0
    mean /= number
    spread = np.sqrt(max(square / number - mean * mean, 1e-300))
    return 0.5 * math.erfc((seen - mean) / spread / np.sqrt(2.0))


@compiled
def above_quiet(u, first, last, design, work):
    """Return the mean of a VM's use above its quiet level, over some of the victim's rows."""
    mean = 0.0
    for i in range(first, last):
        mean += max(design.columns[work.row[i], u] - design.quiet[u], 0.0)
    return mean / max(last - first, 1)


@compiled
def take_own(u, count, size, work):
    """Put into work.own what of a column the basis leaves."""
    for i in range(count):
        work.own[i] = work.x[u, i]
    for b in range(size):
        dot = 0.0
        for i in range(count):
            dot += work.basis[b, i] * work.own[i]
        for i in range(count):
            work.own[i] -= dot * work.basis[b, i]


@compiled
def window_scores(v, u, count, lag, design, work, out):
    """Put into out[w, v, u] what u costs v in each window: by its use there, unless the window speaks against it.

    A window in which u hardly varies says nothing by itself; one in which stall falls while u rises says no.
    """
    whole = 0.0
    for i in range(count):
        whole += work.own[i] * work.own[i]
    windows = len(design.present)
    for w in range(windows):
        moment, square, stall = 0.0, 0.0, 0.0
        first, last = work.start[w], work.start[w + 1]
        for i in range(first, last):
            moment += work.left[i] * work.own[i]
            square += work.own[i] * work.own[i]
            stall += design.stall[work.row[i] + lag, v]
        if last > first and (moment > 0.0 or square * windows < SAYS * whole):
            cost = work.beta[u] / work.scale[u] * above_quiet(u, first, last, design, work)
            out[w, v, u] = min(cost, stall / (last - first))


@compiled
def attribute_victim(v, lag, floor, least, draws, design, work, score, p, by_window, stall):
    """Fill the row of one victim: score[v, u], p[v, u], by_window[w, v, u], stall[v].

    Tested is whether u costs more than `least`: what that much explains is taken away before the shifts. On a full host
    everybody costs everybody a little, and that this is no chance does not make it worth a move.
    """
    count, chosen, _ = regress(v, lag, design, work)
    if not count:
        return
    mean = 0.0
    for i in range(count):
        mean += design.stall[work.row[i] + lag, v]
    stall[v] = mean / count
    for k in range(chosen):
        u = work.chosen[k]
        if u == v or u >= len(score) or not design.tested[v, u]:
            continue
        above = above_quiet(u, 0, count, design, work)
        score[v, u] = min(work.beta[u] / work.scale[u] * above, stall[v])
        if score[v, u] < floor or not score[v, u] > 0.0:
            continue
        size = project(u, count, work)
        take_own(u, count, size, work)
        window_scores(v, u, count, lag, design, work, by_window)
        for i in range(count):
            work.left[i] -= least / above * work.scale[u] * work.own[i]
        shift_table(u, size, design, work)
        p[v, u] = p_value(lag, size, draws, design, work)
        if p[v, u] < 0.05:
            p[v, u] = max(p[v, u], tail(u, lag, count, size, work))
