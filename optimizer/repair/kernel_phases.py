"""Compiled parts of the search over plans in phases: what a host comes to, when a VM may arrive, how it is put there.

A VM that moves does so in one of K phases, and stands on both hosts in that phase: `union` has the load of each host
phase by phase, so that a plan whose loads keep to the ceilings can be carried out, whatever the order within a phase.
Who is forced to where there is no room pays for it until lifted; once nobody does, all loads keep to the ceilings:
others come only where there is room beside those too. Whole numbers all of them, so that every machine finds the same.
"""

from __future__ import annotations

from optimizer.compiled import compiled, inlined

__all__ = ["cost_at", "entry", "force", "lift", "put", "undo"]


@inlined
def cost_at(h, into, out, fixed, state):
    """Return what harm on host h costs when one VM comes and another goes."""
    cost = 0
    for s in range(len(fixed.of)):
        c = fixed.of[s]
        x = state.load[h, c] + fixed.amount[into, c] - fixed.amount[out, c] - fixed.limit[h, s]
        if x > 0:
            cost += fixed.price[s] * ((1000 * x + fixed.unit[h, s] - 1) // fixed.unit[h, s])
    return cost


@inlined
def fits(v, h, t, fixed, state):
    """Whether host h has room for v in phase t."""
    free = True
    for c in range(fixed.amount.shape[1]):
        free &= state.union[h, t, c] + fixed.amount[v, c] <= fixed.ceiling[h, c]
    return free


@compiled
def crowded(v, b, f, fixed, state):
    """Whether v, on its way to host b in phase f (K: at home), meets too many of a set of its own."""
    h = fixed.home[v]
    for i in range(fixed.sets[v], fixed.sets[v + 1]):
        s = fixed.set_of[i]
        domain = fixed.domain[fixed.asked[s, 0]]
        k = fixed.asked[s, 1]
        d, there = domain[h], domain[b]
        ends, before, begin = 0, 0, 1
        for j in range(fixed.members[s], fixed.members[s + 1]):
            u = fixed.member[j]
            if u == v:
                continue
            native = domain[fixed.home[u]]
            a, g = state.place[u, 0], state.place[u, 1]
            now = domain[a] if a >= 0 else -1
            if now == there or (native == there and g >= f and a >= 0):
                ends += 1
            if native == d:
                begin += 1
                before += 1
            elif now == d and (g <= f or d == there):
                before += 1
        if d != there and ends + 1 > k:
            return True
        if b == h and before + 1 > k:
            return True
        if before + 1 > max(k, begin):
            return True
    return False


@inlined
def entry(v, b, stood, fixed, state):
    """Return the first phase in which v, which is lifted, may go to host b (K: home, to stay); -1: none.

    `stood`: in how many phases it stood at home before, where nobody has come since.
    """
    phases = state.union.shape[1]
    h = fixed.home[v]
    if b == h:
        if fixed.at_home[v] == 0:
            return -1
        for t in range(stood, phases):
            if not fits(v, h, t, fixed, state):
                return -1
        return -1 if crowded(v, b, phases, fixed, state) else phases
    if fixed.enter[fixed.kind[v], b] == 0:
        return -1
    f = phases
    while f > 0 and fits(v, b, f - 1, fixed, state):
        f -= 1
    if f == phases:
        return -1
    for t in range(stood, f + 1):
        if not fits(v, h, t, fixed, state):
            return -1
    return -1 if crowded(v, b, f, fixed, state) else f


@inlined
def hosted(v, h, sign, first, last, fixed, state):
    """Count v on host h in the phases from `first` up to `last`, without that one."""
    for t in range(first, last):
        for c in range(fixed.amount.shape[1]):
            state.union[h, t, c] += sign * fixed.amount[v, c]


@inlined
def paid(h, fixed, state):
    """Bring the cost of host h up to date, and the total and the list of hosts with harm."""
    nobody = len(fixed.home)
    cost, before = cost_at(h, nobody, nobody, fixed, state), state.cost[h]
    if cost == before:
        return
    state.total[0] += cost - before
    state.cost[h] = cost
    if cost > 0 and before == 0:
        state.hot[state.total[2]] = h
        state.hot_at[h] = state.total[2]
        state.total[2] += 1
    elif cost == 0:
        state.total[2] -= 1
        last, at = state.hot[state.total[2]], state.hot_at[h]
        state.hot[at] = last
        state.hot_at[last] = at


@compiled
def lift(v, fixed, state):
    """Take v off its host, and its way there out of all phases."""
    phases = state.union.shape[1]
    h, a, f = fixed.home[v], state.place[v, 0], state.place[v, 1]
    hosted(v, h, -1, 0, min(f + 1, phases), fixed, state)
    if a != h:
        hosted(v, a, -1, f, phases, fixed, state)
        state.total[0] -= fixed.moving[v]
        state.total[1] -= 1
        last, at = state.away[state.total[1]], state.away_at[v]
        state.away[at] = last
        state.away_at[last] = at
    for c in range(fixed.amount.shape[1]):
        state.load[a, c] -= fixed.amount[v, c]
    paid(a, fixed, state)
    after, before = state.place[v, 2], state.place[v, 3]
    if after >= 0:
        state.place[after, 3] = before
    if before >= 0:
        state.place[before, 2] = after
    else:
        state.head[a] = after
    state.place[v, 0] = -1
    state.total[0] -= state.forced[v]
    state.forced[v] = 0


@compiled
def put(v, b, f, fixed, state):
    """Put v, which is lifted, on host b in phase f (K: at home), whatever that breaks."""
    phases = state.union.shape[1]
    h = fixed.home[v]
    hosted(v, h, 1, 0, min(f + 1, phases), fixed, state)
    if b != h:
        hosted(v, b, 1, f, phases, fixed, state)
        state.total[0] += fixed.moving[v]
        state.away[state.total[1]] = v
        state.away_at[v] = state.total[1]
        state.total[1] += 1
    for c in range(fixed.amount.shape[1]):
        state.load[b, c] += fixed.amount[v, c]
    paid(b, fixed, state)
    first = state.head[b]
    state.place[v, 0], state.place[v, 1], state.place[v, 2], state.place[v, 3] = b, f, first, -1
    if first >= 0:
        state.place[first, 3] = v
    state.head[b] = v


@compiled
def force(v, b, f, price, fixed, state):
    """Put v, which is lifted, on host b in phase f, whatever that breaks, at a price that it pays until lifted."""
    put(v, b, f, fixed, state)
    state.forced[v] = price
    state.total[0] += price


@inlined
def undo(v, a, f, price, fixed, state):
    """Put v back where it was, at the price that it was there for."""
    if state.place[v, 0] >= 0:
        lift(v, fixed, state)
    force(v, a, f, price, fixed, state)
