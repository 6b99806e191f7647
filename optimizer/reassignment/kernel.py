"""The annealing loop, compiled: random moves, taken where they gain, and else with a chance that fades."""

from __future__ import annotations

from optimizer.compiled import compiled
from optimizer.compiled_random import draw, worst
from optimizer.reassignment.kernel_big import emigrate, squeeze, undo
from optimizer.reassignment.kernel_parts import BIG, better, paid, put, shift, swap
from optimizer.reassignment.kernel_ruin import ruin

__all__ = ["anneal", "forced", "squeezed"]

EVERY = 256
"""Steps between two temperatures."""

ADAPT = 32768
"""Steps between two looks at the penalties."""

GAIN = 64
"""A penalty changes by one in that many at a look."""


@compiled
def adapt(ease, fixed, state):
    """Make each capacity that is exceeded dearer on its host, and others cheaper, by little: faster, it overshoots.

    `ease`: of 65536 looks at a capacity that is kept to, how many make it cheaper. Where dearer and cheaper come to the
    same, a capacity that binds is exceeded for about that share of the time. One that is exceeded for the first time
    begins near what others pay, else it would take what they no longer take.
    """
    for r in range(len(fixed.union)):
        sum_ = 0.0
        for h in range(len(state.level)):
            sum_ += state.weight[h, r]
        least = int(sum_) // (2 * len(state.level))
        for h in range(len(state.level)):
            held = int(state.weight[h, r])
            if state.level[h, r] > 0:
                held = max(held, least)
                state.weight[h, r] = min(held + 1 + held // GAIN, fixed.scalars[3])
            elif draw(state.random, 65536) < ease:
                state.weight[h, r] = max(1, held - held // GAIN - 1)
    for h in range(len(state.level)):
        paid(h, fixed, state)


@compiled
def forced(targets, fixed, state):
    """Go to a placement, whatever stands between, and note it if it is the best."""
    for v in range(len(targets)):
        if state.place[v, 0] != targets[v]:
            put(v, targets[v], fixed, state)
    better(state)


@compiled
def squeezed(v, b, room, fixed, state):
    """Take v to host b and away what is in its way, whatever that costs; returns whether that could be done."""
    made = squeeze(v, b, room, fixed, state)
    if made < 0:
        undo(-made, room, fixed, state)
    return made > 0


@compiled
def anneal(steps, hot, cold, hard, ease, mix, room, fixed, state):
    """Make `steps` proposals while the temperature falls from `hot` to `cold`.

    `hard`: capacities are kept to; else they are penalties that adapt, see there for `ease`. `mix`: of 4096 proposals,
    up to which one they are shifts, shifts home, swaps, swaps of similar size, chains, squeezes, ruins; what is left
    emigrates.
    """
    vms, hosts = len(fixed.vm), len(state.head)
    ratio = (cold / hot) ** (EVERY / steps) if hot > 0.0 else 1.0
    temperature = hot
    for step in range(steps):
        if step % EVERY == 0:
            temperature *= ratio
            if not hard and step % ADAPT == 0:
                adapt(ease, fixed, state)
        roll = draw(state.random, 4096)
        v = draw(state.random, vms)
        limit = worst(temperature, state.random)
        if roll < mix[1]:
            b = draw(state.random, hosts) if roll < mix[0] else fixed.vm[v, 0]
            delta = shift(v, b, limit, hard, fixed, state)
            if delta > limit:
                continue
            put(v, b, fixed, state)
        elif roll < mix[3]:
            if roll < mix[2]:
                u = draw(state.random, vms)
            else:
                near = fixed.order[1, v] + 1 + draw(state.random, 24)
                u = fixed.order[0, near if near < vms else near - vms] if vms > 24 else draw(state.random, vms)
            delta = swap(v, u, limit, hard, fixed, state)
            if delta > limit:
                continue
            a, b = state.place[v, 0], state.place[u, 0]
            put(v, b, fixed, state)
            put(u, a, fixed, state)
        elif roll < mix[4]:
            u, c = draw(state.random, vms), draw(state.random, hosts)
            a, b = state.place[v, 0], state.place[u, 0]
            if a in (b, c):
                continue
            first = shift(u, c, BIG / 2, hard, fixed, state)
            if first == BIG:
                continue
            put(u, c, fixed, state)
            second = shift(v, b, limit - first, hard, fixed, state)
            if first + second > limit:
                put(u, b, fixed, state)
                continue
            put(v, b, fixed, state)
        elif mix[5] <= roll < mix[6]:
            if not ruin(limit, hard, room, fixed, state):
                continue
        else:
            before = state.total[0]
            if roll < mix[5]:
                if roll & 1:
                    v = fixed.order[0, draw(state.random, 1 + vms // 16)]
                made = squeeze(v, draw(state.random, hosts), room, fixed, state)
            else:
                made = emigrate(v, room, fixed, state)
            if made < 0 or state.total[0] - before > limit:
                undo(abs(made), room, fixed, state)
                continue
        better(state)
