"""The annealing loop, compiled: random moves, taken where they gain, and else with a chance that fades."""

from __future__ import annotations

import numpy as np

from optimizer.solve.compiled import compiled, inlined
from optimizer.solve.kernel_big import emigrate, squeeze, undo
from optimizer.solve.kernel_parts import BIG, better, draw, paid, put, shift, swap
from optimizer.solve.kernel_ruin import ruin

__all__ = ["anneal", "forced"]

EVERY = 256
"""Steps between two temperatures."""

ADAPT = 32768
"""Steps between two looks at the penalties."""

LOGS = -np.log((np.arange(1 << 13) + 0.5) / (1 << 13))
"""Draws of an exponential variable: a table, which spares each proposal a logarithm."""


@inlined
def worst(temperature, random):
    """Return by how much a move may cost more and still be taken (Metropolis, drawn before the move is looked at)."""
    if temperature <= 0.0:
        return 0
    return int(temperature * LOGS[draw(random, len(LOGS))])


@compiled
def adapt(lenient, union, scalars, weight, level, cost, total):
    """Make what more than `lenient` hosts exceed dearer, and all else cheaper, by little: faster, it overshoots.

    Below 0 nothing may be exceeded, and what was learnt about prices is kept: made cheaper again, one capacity or
    another would always be passed.
    """
    for r in range(len(union)):
        over = 0
        for h in range(len(level)):
            over += int(level[h, r] > 0)
        held = int(weight[r])
        if over > max(lenient, 0):
            weight[r] = min(held + 1 + held // (256 if lenient >= 0 else 64), scalars[3])
        elif lenient >= 0:
            weight[r] = max(1, held - held // 512 - 1)
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
def anneal(steps, hot, cold, hard, lenient, mix, loose, trail, tried,
           vm, amount, union, route, fixed_host, service, start, related, order, scalars,
           weight, place, head, level, cost, there, count, having, total, log, best, random):  # fmt: skip
    """Make `steps` proposals while the temperature falls from `hot` to `cold`.

    `hard`: capacities are kept to; else they are penalties that adapt, until at most `lenient` hosts pass each.
    `mix`: of 4096 proposals, up to which one they
    are shifts, shifts home, swaps, swaps of similar size, chains, squeezes, ruins; what is left emigrates.
    """
    vms, hosts = len(vm), len(head)
    ratio = (cold / hot) ** (EVERY / steps) if hot > 0.0 else 1.0
    temperature = hot
    for step in range(steps):
        if step % EVERY == 0:
            temperature *= ratio
            if not hard and step % ADAPT == 0:
                adapt(lenient, union, scalars, weight, level, cost, total)
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
