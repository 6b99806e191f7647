"""Compiled parts of the search over `cost_arrays`: what a shift is allowed, what it changes, how it is made.

Numba compiles them without the interpreter lock and keeps the result in its cache. They take named tuples of arrays
(`fixed`, `state`, `room`; see `cost_arrays`): of bare arrays, since counting references to objects that hold arrays
made an earlier version thirty times slower. Numpy's scalar types are avoided, so that the same lines run as plain
Python (their oracle, with ``NUMBA_DISABLE_JIT=1``).
"""

from __future__ import annotations

from optimizer.compiled import compiled, inlined

__all__ = [
    "BIG",
    "allowed",
    "better",
    "cost_with",
    "drop",
    "fits",
    "lift",
    "put",
    "shift",
    "sound",
    "swap",
]

BIG = float(1 << 61)
"""The change of a move that is not allowed."""


@inlined
def allowed(s, a, b, fixed, state):
    """Whether conflict, spread and dependency let a VM of service s go from host a to host b."""
    if state.there[s, b] >= fixed.service[s, 0]:
        return False
    fewest = fixed.service[s, 1]
    if fewest > 1:
        la, lb = fixed.host[a, 0], fixed.host[b, 0]
        if la != lb and state.there[s, la] == 1 and state.there[s, lb] > 0 and state.counts[s, 1] <= fewest:
            return False
    if fixed.service[s, 2]:
        na, nb = fixed.host[a, 1], fixed.host[b, 1]
        if na != nb:
            for i in range(fixed.start[0, s], fixed.start[0, s + 1]):
                if state.there[fixed.related[i], nb] == 0:
                    return False
            if state.there[s, na] == 1:
                for i in range(fixed.start[1, s], fixed.start[1, s + 1]):
                    if state.there[fixed.related[i], na] > 0:
                        return False
    return True


@inlined
def away(s, by, state):
    """Count a VM of service s in (1) or out (-1) of those away from home; returns the change of the largest count."""
    before = state.total[2]
    state.having[state.counts[s, 0]] -= 1
    state.counts[s, 0] += by
    state.having[state.counts[s, 0]] += 1
    if state.counts[s, 0] > state.total[2]:
        state.total[2] = state.counts[s, 0]
    while state.total[2] > 0 and state.having[state.total[2]] == 0:
        state.total[2] -= 1
    return state.total[2] - before


@inlined
def ways(v, a, b, fixed):
    """Return the change of v's own cost of moves."""
    home = fixed.vm[v, 0]
    out = fixed.route[home, b] - fixed.route[home, a]
    if a == home:
        out += fixed.vm[v, 2]
    if b == home:
        out -= fixed.vm[v, 2]
    return out


@inlined
def cost_with(h, i, first, fixed, state):
    """Return what host h costs, of the rows from `first` on, when row i of the amounts comes to it."""
    out = 0.0
    for r in range(first, state.weight.shape[1]):
        x = state.level[h, r] + fixed.amount[i, r]
        out += state.weight[h, r] * (x if x > 0.0 else 0.0)
    return out


@inlined
def cost_without(h, i, first, fixed, state):
    """Return what host h costs, of the rows from `first` on, when row i of the amounts goes."""
    out = 0.0
    for r in range(first, state.weight.shape[1]):
        x = state.level[h, r] - fixed.amount[i, r]
        out += state.weight[h, r] * (x if x > 0.0 else 0.0)
    return out


@inlined
def fits(h, i, fixed, state):
    """Whether host h keeps to its capacities when row i of the amounts comes to it."""
    over = 0.0
    for r in range(len(fixed.union)):
        x = state.level[h, r] + fixed.amount[i, r]
        over += x if x > 0.0 else 0.0
    return over == 0.0


@inlined
def shift(v, b, limit, hard, fixed, state):
    """Return what taking v to host b changes the cost (and the penalties) by; BIG if not allowed or over `limit`."""
    a, home, s = state.place[v, 0], fixed.vm[v, 0], fixed.vm[v, 1]
    if a == b:
        return BIG
    capacities = len(fixed.union)
    first = capacities if hard else 0
    into, out = 2 * v + int(b == home), 2 * v + int(a == home)
    if hard and not fits(b, into, fixed, state):
        return BIG
    own = ways(v, a, b, fixed) - state.cost[a, 0] - state.cost[a, 1] - state.cost[b, 0] - state.cost[b, 1]
    most = limit + fixed.scalars[2] - own
    arrives = cost_with(b, into, first, fixed, state)
    if arrives > most:
        return BIG
    if fixed.service[s, 3] and not allowed(s, a, b, fixed, state):
        return BIG
    delta = arrives + cost_without(a, out, first, fixed, state) + own
    if a == home:
        if state.counts[s, 0] == state.total[2]:
            delta += fixed.scalars[2]
    elif b == home and state.counts[s, 0] == state.total[2] and state.having[state.total[2]] == 1:
        delta -= fixed.scalars[2]
    return delta


@inlined
def exchanged(h, out, into, hard, fixed, state):
    """Return what host h costs (with penalties) once `into` has come in place of `out`, or BIG."""
    i, j = 2 * out + int(h == fixed.vm[out, 0]), 2 * into + int(h == fixed.vm[into, 0])
    first = 0
    if hard:
        first = len(fixed.union)
        over = 0.0
        for r in range(first):
            x = state.level[h, r] - fixed.amount[i, r] + fixed.amount[j, r]
            over += x if x > 0.0 else 0.0
        if over > 0.0:
            return BIG
    after = 0.0
    for r in range(first, state.weight.shape[1]):
        x = state.level[h, r] - fixed.amount[i, r] + fixed.amount[j, r]
        after += state.weight[h, r] * (x if x > 0.0 else 0.0)
    return after


@inlined
def linked(s, t, fixed):
    """Whether one of two services depends on the other."""
    for side in range(2):
        for i in range(fixed.start[side, s], fixed.start[side, s + 1]):
            if fixed.related[i] == t:
                return True
    return False


@inlined
def swap(v, u, limit, hard, fixed, state):
    """Return what v and u changing places changes the cost (and the penalties) by; BIG as for `shift`."""
    a, b, s, t = state.place[v, 0], state.place[u, 0], fixed.vm[v, 1], fixed.vm[u, 1]
    if a == b:
        return BIG
    own = (
        ways(v, a, b, fixed)
        + ways(u, b, a, fixed)
        - state.cost[a, 0]
        - state.cost[a, 1]
        - state.cost[b, 0]
        - state.cost[b, 1]
    )
    most = limit + 2 * fixed.scalars[2] - own
    first = exchanged(a, v, u, hard, fixed, state)
    if first > most:
        return BIG
    second = exchanged(b, u, v, hard, fixed, state)
    if first + second > most:
        return BIG
    if s != t:
        if fixed.service[s, 3] and not allowed(s, a, b, fixed, state):
            return BIG
        if fixed.service[t, 3] and not allowed(t, b, a, fixed, state):
            return BIG
        if fixed.service[s, 2] and fixed.service[t, 2] and linked(s, t, fixed):
            return BIG
    delta = first + second + own
    for_v = int(b != fixed.vm[v, 0]) - int(a != fixed.vm[v, 0])
    for_u = int(a != fixed.vm[u, 0]) - int(b != fixed.vm[u, 0])
    if for_v != 0 or for_u != 0:
        most = state.total[2]
        away(s, for_v, state)
        away(t, for_u, state)
        delta += fixed.scalars[2] * (state.total[2] - most)
        away(s, -for_v, state)
        away(t, -for_u, state)
    return delta


@inlined
def paid(h, fixed, state):
    """Bring the cost of host h up to date, and the totals with it."""
    penalty, value = 0.0, 0.0
    for r in range(len(fixed.union)):
        x = state.level[h, r]
        penalty += state.weight[h, r] * (x if x > 0.0 else 0.0)
    for r in range(len(fixed.union), state.weight.shape[1]):
        x = state.level[h, r]
        value += state.weight[h, r] * (x if x > 0.0 else 0.0)
    state.total[0] += int(value) - state.cost[h, 0]
    state.total[1] += int(penalty) - state.cost[h, 1]
    state.cost[h, 0], state.cost[h, 1] = int(value), int(penalty)


@inlined
def relink(v, a, b, state):
    """Take v out of the list of host a and put it first in the list of host b."""
    after, before = state.place[v, 1], state.place[v, 2]
    if after >= 0:
        state.place[after, 2] = before
    if before >= 0:
        state.place[before, 1] = after
    else:
        state.head[a] = after
    first = state.head[b]
    state.place[v, 0], state.place[v, 1], state.place[v, 2] = b, first, -1
    if first >= 0:
        state.place[first, 2] = v
    state.head[b] = v


@inlined
def lift(v, fixed, state):
    """Take the amounts of v off its host; it stays there in name, so that what its service asks is asked of no gap."""
    a = state.place[v, 0]
    out = 2 * v + int(a == fixed.vm[v, 0])
    for r in range(state.weight.shape[1]):
        state.level[a, r] -= fixed.amount[out, r]
    paid(a, fixed, state)


@compiled
def drop(v, b, fixed, state):
    """Put v, which was lifted, on host b, whatever that breaks; all sums follow."""
    a, home, s = state.place[v, 0], fixed.vm[v, 0], fixed.vm[v, 1]
    into = 2 * v + int(b == home)
    for r in range(state.weight.shape[1]):
        state.level[b, r] += fixed.amount[into, r]
    paid(b, fixed, state)
    if a == b:
        return
    state.total[0] += ways(v, a, b, fixed)
    by = int(b != home) - int(a != home)
    if by != 0:
        state.total[0] += fixed.scalars[2] * away(s, by, state)
    if fixed.service[s, 3]:
        state.there[s, a] -= 1
        state.there[s, b] += 1
        la, lb = fixed.host[a, 0], fixed.host[b, 0]
        state.there[s, la] -= 1
        if state.there[s, la] == 0:
            state.counts[s, 1] -= 1
        if state.there[s, lb] == 0:
            state.counts[s, 1] += 1
        state.there[s, lb] += 1
        state.there[s, fixed.host[a, 1]] -= 1
        state.there[s, fixed.host[b, 1]] += 1
    relink(v, a, b, state)
    if state.total[3] < len(state.log):
        state.log[state.total[3]] = v
    state.total[3] += 1


@inlined
def put(v, b, fixed, state):
    """Take v to host b, whatever that breaks; all sums follow."""
    lift(v, fixed, state)
    drop(v, b, fixed, state)


@inlined
def better(state):
    """Note the placement if it is the best so far and within all capacities."""
    if state.total[1] != 0 or state.total[0] >= state.total[4]:
        return
    if state.total[3] <= len(state.log):
        for i in range(state.total[3]):
            state.best[state.log[i]] = state.place[state.log[i], 0]
    else:
        for v in range(len(state.best)):
            state.best[v] = state.place[v, 0]
    state.total[3] = 0
    state.total[4] = state.total[0]


@compiled
def sound(s, fixed, state):
    """Whether spread and dependencies hold for service s and for those that need it."""
    if state.counts[s, 1] < fixed.service[s, 1]:
        return False
    for n in range(fixed.scalars[1], state.there.shape[1]):
        if state.there[s, n] > 0:
            for i in range(fixed.start[0, s], fixed.start[0, s + 1]):
                if state.there[fixed.related[i], n] == 0:
                    return False
        else:
            for i in range(fixed.start[1, s], fixed.start[1, s + 1]):
                if state.there[fixed.related[i], n] > 0:
                    return False
    return True
