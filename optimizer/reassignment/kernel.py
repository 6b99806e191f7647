"""The annealing loop, compiled: random moves, taken where they gain, and else with a chance that fades."""

from __future__ import annotations

import numpy as np

from optimizer.reassignment.compiled import compiled, inlined
from optimizer.reassignment.kernel_big import emigrate, squeeze, undo
from optimizer.reassignment.kernel_parts import BIG, better, draw, paid, put, shift, swap
from optimizer.reassignment.kernel_ruin import ruin

__all__ = ["anneal", "forced", "squeezed"]

EVERY = 256
"""Steps between two temperatures."""

ADAPT = 32768
"""Steps between two looks at the penalties."""

GAIN = 64
"""A penalty changes by one in that many at a look."""

LOGS = -np.log((np.arange(1 << 13) + 0.5) / (1 << 13))
"""Draws of an exponential variable: a table, which spares each proposal a logarithm."""


@inlined
def worst(temperature, random):
    """Return by how much a move may cost more and still be taken (Metropolis, drawn before the move is looked at)."""
    if temperature <= 0.0:
        return 0
    return int(temperature * LOGS[draw(random, len(LOGS))])


@compiled
def adapt(ease, union, scalars, weight, level, cost, total, random):
    """Make each capacity that is exceeded dearer on its host, and others cheaper, by little: faster, it overshoots.

    `ease`: of 65536 looks at a capacity that is kept to, how many make it cheaper. Where dearer and cheaper come to the
    same, a capacity that binds is exceeded for about that share of the time. One that is exceeded for the first time
    begins near what others pay, else it would take what they no longer take.
    """
    for r in range(len(union)):
        sum_ = 0.0
        for h in range(len(level)):
            sum_ += weight[h, r]
        least = int(sum_) // (2 * len(level))
        for h in range(len(level)):
            held = int(weight[h, r])
            if level[h, r] > 0:
                held = max(held, least)
                weight[h, r] = min(held + 1 + held // GAIN, scalars[3])
            elif draw(random, 65536) < ease:
                weight[h, r] = max(1, held - held // GAIN - 1)
    for h in range(len(level)):
        paid(h, len(union), weight, level, cost, total)


@compiled
def forced(targets, vm, amount, union, route, fixed_host, service, start, related, order, scalars,
           weight, place, head, level, cost, there, count, having, total, log, best, random):  # fmt: skip
    """Go to a placement, whatever stands between, and note it if it is the best."""
    for v in range(len(targets)):
        if place[v, 0] != targets[v]:
            put(v, targets[v], vm, amount, union, route, fixed_host, service, scalars,
                weight, place, head, level, cost, there, count, having, total, log)  # fmt: skip
    better(place, total, log, best)


@compiled
def squeezed(v, b, trail, tried, vm, amount, union, route, fixed_host, service, start, related, order, scalars,
             weight, place, head, level, cost, there, count, having, total, log, best, random):  # fmt: skip
    """Take v to host b and away what is in its way, whatever that costs; returns whether that could be done."""
    made = squeeze(v, b, random, trail, tried, vm, amount, union, route, fixed_host, service, start, related, scalars,
                   weight, place, head, level, cost, there, count, having, total, log)  # fmt: skip
    if made < 0:
        undo(-made, trail, vm, amount, union, route, fixed_host, service, scalars,
             weight, place, head, level, cost, there, count, having, total, log)  # fmt: skip
    return made > 0


@compiled
def anneal(steps, hot, cold, hard, ease, mix, loose, trail, tried,
           vm, amount, union, route, fixed_host, service, start, related, order, scalars,
           weight, place, head, level, cost, there, count, having, total, log, best, random):  # fmt: skip
    """Make `steps` proposals while the temperature falls from `hot` to `cold`.

    `hard`: capacities are kept to; else they are penalties that adapt, see there for `ease`. `mix`: of 4096 proposals,
    up to which one they are shifts, shifts home, swaps, swaps of similar size, chains, squeezes, ruins; what is left
    emigrates.
    """
    vms, hosts = len(vm), len(head)
    ratio = (cold / hot) ** (EVERY / steps) if hot > 0.0 else 1.0
    temperature = hot
    for step in range(steps):
        if step % EVERY == 0:
            temperature *= ratio
            if not hard and step % ADAPT == 0:
                adapt(ease, union, scalars, weight, level, cost, total, random)
        roll = draw(random, 4096)
        v = draw(random, vms)
        limit = worst(temperature, random)
        if roll < mix[1]:
            b = draw(random, hosts) if roll < mix[0] else vm[v, 0]
            delta = shift(v, b, limit, hard, vm, amount, union, route, fixed_host, service, start, related, scalars,
                          weight, place, level, cost, there, count, having, total)  # fmt: skip
            if delta > limit:
                continue
            put(v, b, vm, amount, union, route, fixed_host, service, scalars,
                weight, place, head, level, cost, there, count, having, total, log)  # fmt: skip
        elif roll < mix[3]:
            if roll < mix[2]:
                u = draw(random, vms)
            else:
                near = order[1, v] + 1 + draw(random, 24)
                u = order[0, near if near < vms else near - vms] if vms > 24 else draw(random, vms)
            delta = swap(v, u, limit, hard, vm, amount, union, route, fixed_host, service, start, related, scalars,
                         weight, place, level, cost, there, count, having, total)  # fmt: skip
            if delta > limit:
                continue
            a, b = place[v, 0], place[u, 0]
            put(v, b, vm, amount, union, route, fixed_host, service, scalars,
                weight, place, head, level, cost, there, count, having, total, log)  # fmt: skip
            put(u, a, vm, amount, union, route, fixed_host, service, scalars,
                weight, place, head, level, cost, there, count, having, total, log)  # fmt: skip
        elif roll < mix[4]:
            u, c = draw(random, vms), draw(random, hosts)
            a, b = place[v, 0], place[u, 0]
            if a in (b, c):
                continue
            first = shift(u, c, BIG / 2, hard, vm, amount, union, route, fixed_host, service, start, related, scalars,
                          weight, place, level, cost, there, count, having, total)  # fmt: skip
            if first == BIG:
                continue
            put(u, c, vm, amount, union, route, fixed_host, service, scalars,
                weight, place, head, level, cost, there, count, having, total, log)  # fmt: skip
            second = shift(v, b, limit - first, hard, vm, amount, union, route, fixed_host, service, start, related,
                           scalars, weight, place, level, cost, there, count, having, total)  # fmt: skip
            if first + second > limit:
                put(u, b, vm, amount, union, route, fixed_host, service, scalars,
                    weight, place, head, level, cost, there, count, having, total, log)  # fmt: skip
                continue
            put(v, b, vm, amount, union, route, fixed_host, service, scalars,
                weight, place, head, level, cost, there, count, having, total, log)  # fmt: skip
        elif mix[5] <= roll < mix[6]:
            if not ruin(limit, hard, random, trail, vm, amount, union, route, fixed_host, service, start, related,
                        order, scalars, weight, place, head, level, cost, there, count, having, total,
                        log):  # fmt: skip
                continue
        else:
            before = total[0]
            if roll < mix[5]:
                if roll & 1:
                    v = order[0, draw(random, 1 + vms // 16)]
                made = squeeze(v, draw(random, hosts), random, trail, tried, vm, amount, union, route, fixed_host,
                               service, start, related, scalars, weight, place, head, level, cost, there, count, having,
                               total, log)  # fmt: skip
            else:
                made = emigrate(v, random, trail, loose, vm, amount, union, route, fixed_host, service, start,
                                related, scalars, weight, place, head, level, cost, there, count, having,
                                total, log)  # fmt: skip
            if made < 0 or total[0] - before > limit:
                undo(abs(made), trail, vm, amount, union, route, fixed_host, service, scalars,
                     weight, place, head, level, cost, there, count, having, total, log)  # fmt: skip
                continue
        better(place, total, log, best)
