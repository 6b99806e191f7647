"""The loop of the search over plans in phases, compiled: proposals, taken where they gain, and else with a chance."""

from __future__ import annotations

from optimizer.compiled import compiled, inlined
from optimizer.compiled_random import draw, worst
from optimizer.repair.kernel_phases import cost_at, entry, lift, put, undo

__all__ = ["phased_search", "settled"]


@inlined
def someone_on(h, state):
    """Return a VM on host h, by chance one of the first on its list; -1: there is none."""
    v = state.head[h]
    if v < 0:
        return v
    for _ in range(draw(state.random, 64)):
        v = state.place[v, 2]
        if v < 0:
            v = state.head[h]
    return v


@inlined
def someone(mix, fixed, state):
    """Return a VM that may move: one that is away, one on a host with harm, or any."""
    roll = draw(state.random, 4096)
    if roll < mix[0] and state.total[1] > 0:
        v = state.away[draw(state.random, state.total[1])]
    elif roll < mix[1] and state.total[2] > 0:
        v = someone_on(state.hot[draw(state.random, state.total[2])], state)
    else:
        v = fixed.movable[draw(state.random, len(fixed.movable))]
    return v if v >= 0 and fixed.movable_at[v] == 1 else -1


@inlined
def moved(v, a, b, fixed):
    """Return what the way of v from host a to host b changes the cost of moves by."""
    h = fixed.home[v]
    return fixed.moving[v] * (int(b != h) - int(a != h))


@compiled
def shifted(v, b, limit, fixed, state):
    """Take v to host b, if that costs no more than `limit` more; returns whether it did."""
    a, f, paid = state.place[v, 0], state.place[v, 1], state.forced[v]
    nobody = len(fixed.home)
    if a == b:
        return False
    delta = moved(v, a, b, fixed) - paid - state.cost[a] - state.cost[b] + cost_at(b, v, nobody, fixed, state)
    if delta > limit or delta + cost_at(a, nobody, v, fixed, state) > limit:
        return False
    lift(v, fixed, state)
    g = entry(v, b, f + 1, fixed, state)
    if g < 0:
        undo(v, a, f, paid, fixed, state)
        return False
    put(v, b, g, fixed, state)
    return True


@compiled
def rotated(v, u, c, limit, fixed, state):
    """Take u from its host to host c, and v to where u was, if that costs no more than `limit` more."""
    a, b = state.place[v, 0], state.place[u, 0]
    f, g = state.place[v, 1], state.place[u, 1]
    paid, owed = state.forced[v], state.forced[u]
    nobody = len(fixed.home)
    if a == b or b == c:
        return False
    delta = moved(v, a, b, fixed) + moved(u, b, c, fixed) - paid - owed - state.cost[a] - state.cost[b]
    if c != a:
        delta -= state.cost[c]
    delta += cost_at(b, v, u, fixed, state)
    if delta > limit:
        return False
    if c == a:
        delta += cost_at(a, u, v, fixed, state)
    else:
        delta += cost_at(c, u, nobody, fixed, state)
        if delta > limit:
            return False
        delta += cost_at(a, nobody, v, fixed, state)
    if delta > limit:
        return False
    lift(v, fixed, state)
    lift(u, fixed, state)
    to = entry(u, c, g + 1, fixed, state)
    if to >= 0:
        put(u, c, to, fixed, state)
        home = fixed.home[v]
        to = entry(v, b, 0 if home == c or home == fixed.home[u] else f + 1, fixed, state)
        if to >= 0:
            put(v, b, to, fixed, state)
            return True
    undo(u, b, g, owed, fixed, state)
    undo(v, a, f, paid, fixed, state)
    return False


@inlined
def rephased(v, fixed, state):
    """Let v go where it goes in the first phase in which it may."""
    a, f, paid = state.place[v, 0], state.place[v, 1], state.forced[v]
    lift(v, fixed, state)
    g = entry(v, a, f + 1, fixed, state)
    if g >= 0:
        put(v, a, g, fixed, state)
    else:
        undo(v, a, f, paid, fixed, state)


@compiled
def settled(vms, targets, fixed, state):
    """Take VMs to their targets, in order, each in the first phase in which it may; returns how many could not."""
    left = -1
    while True:
        before, left = left, 0
        for i in range(len(vms)):
            v = vms[i]
            a, f = state.place[v, 0], state.place[v, 1]
            if targets[v] == a:
                continue
            lift(v, fixed, state)
            g = entry(v, targets[v], f + 1, fixed, state)
            if g >= 0:
                put(v, targets[v], g, fixed, state)
            else:
                put(v, a, f, fixed, state)
                left += 1
        if left in (0, before):
            return left


@compiled
def taken_in(v, fixed, state):
    """Put v, which is lifted, where that costs least of where it may go; returns whether it may go anywhere."""
    nobody, home = len(fixed.home), fixed.home[v]
    best, first, least = -1, 0, 0
    for b in range(len(state.head)):
        cost = cost_at(b, v, nobody, fixed, state) - state.cost[b] + fixed.moving[v] * int(b != home)
        if best < 0 or cost < least:
            f = entry(v, b, 0, fixed, state)
            if f >= 0:
                best, first, least = b, f, cost
    if best >= 0:
        put(v, best, first, fixed, state)
    return best >= 0


@compiled
def taken_home(v, whatever, fixed, state):
    """Put v, which is lifted, home if it may go there, or whatever that breaks; returns whether it is there."""
    home, phases = fixed.home[v], state.union.shape[1]
    there = whatever or entry(v, home, 0, fixed, state) >= 0
    if there:
        put(v, home, phases, fixed, state)
    return there


@compiled
def phased_search(steps, temperature, mix, fixed, state):
    """Make `steps` proposals at a temperature.

    `mix`: of 4096 VMs looked at, up to which one they are away, on a host with harm; of 4096 proposals, up to which one
    they go home, elsewhere, in an earlier phase, home with another going in their place, to where another is that comes
    here, that goes home; in what is left that one goes elsewhere.
    """
    hosts = len(state.head)
    for _ in range(steps):
        v = someone(mix, fixed, state)
        if v < 0:
            continue
        limit = worst(temperature, state.random)
        roll, a = draw(state.random, 4096), state.place[v, 0]
        if roll < mix[2]:
            shifted(v, fixed.home[v], limit, fixed, state)
            continue
        if roll < mix[3]:
            shifted(v, draw(state.random, hosts), limit, fixed, state)
            continue
        if roll < mix[4]:
            if a != fixed.home[v]:
                rephased(v, fixed, state)
            continue
        if roll < mix[5]:
            u = someone_on(fixed.home[v], state) if a != fixed.home[v] else -1
        else:
            u = fixed.movable[draw(state.random, len(fixed.movable))]
        if u < 0 or u == v or fixed.movable_at[u] == 0:
            continue
        if roll < mix[6]:
            c = a
        elif roll < mix[7]:
            c = fixed.home[u]
        else:
            c = draw(state.random, hosts)
        rotated(v, u, c, limit, fixed, state)
