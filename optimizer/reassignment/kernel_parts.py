"""Compiled parts of the search over `cost_arrays`: what a shift is allowed, what it changes, how it is made.

Numba compiles them without the interpreter lock and keeps the result in its cache. They take bare arrays, since
passing objects that hold arrays made an earlier version thirty times slower, and numpy's scalar types are avoided,
so that the same lines run as plain Python (their oracle, with ``NUMBA_DISABLE_JIT=1``).
"""

from __future__ import annotations

from optimizer.reassignment.compiled import compiled, inlined

__all__ = [
    "BIG",
    "allowed",
    "better",
    "cost_with",
    "draw",
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

MASK = 0xFFFFFFFF


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
def allowed(s, a, b, hosts, fixed_host, service, start, related, scalars, there, count):
    """Whether conflict, spread and dependency let a VM of service s go from host a to host b."""
    if there[s, b] >= service[s, 0]:
        return False
    fewest = service[s, 1]
    if fewest > 1:
        la, lb = fixed_host[a, 0], fixed_host[b, 0]
        if la != lb and there[s, la] == 1 and there[s, lb] > 0 and count[s, 1] <= fewest:
            return False
    if service[s, 2]:
        na, nb = fixed_host[a, 1], fixed_host[b, 1]
        if na != nb:
            for i in range(start[0, s], start[0, s + 1]):
                if there[related[i], nb] == 0:
                    return False
            if there[s, na] == 1:
                for i in range(start[1, s], start[1, s + 1]):
                    if there[related[i], na] > 0:
                        return False
    return True


@inlined
def away(s, by, count, having, total):
    """Count a VM of service s in (1) or out (-1) of those away from home; returns the change of the largest count."""
    before = total[2]
    having[count[s, 0]] -= 1
    count[s, 0] += by
    having[count[s, 0]] += 1
    if count[s, 0] > total[2]:
        total[2] = count[s, 0]
    while total[2] > 0 and having[total[2]] == 0:
        total[2] -= 1
    return total[2] - before


@inlined
def ways(v, a, b, vm, route):
    """Return the change of v's own cost of moves."""
    home = vm[v, 0]
    out = route[home, b] - route[home, a]
    if a == home:
        out += vm[v, 2]
    if b == home:
        out -= vm[v, 2]
    return out


@inlined
def cost_with(h, i, first, weight, level, amount):
    """Return what host h costs, of the rows from `first` on, when row i of the amounts comes to it."""
    out = 0.0
    for r in range(first, weight.shape[1]):
        x = level[h, r] + amount[i, r]
        out += weight[h, r] * (x if x > 0.0 else 0.0)
    return out


@inlined
def cost_without(h, i, first, weight, level, amount):
    """Return what host h costs, of the rows from `first` on, when row i of the amounts goes."""
    out = 0.0
    for r in range(first, weight.shape[1]):
        x = level[h, r] - amount[i, r]
        out += weight[h, r] * (x if x > 0.0 else 0.0)
    return out


@inlined
def fits(h, i, capacities, level, amount):
    """Whether host h keeps to its capacities when row i of the amounts comes to it."""
    over = 0.0
    for r in range(capacities):
        x = level[h, r] + amount[i, r]
        over += x if x > 0.0 else 0.0
    return over == 0.0


@inlined
def shift(v, b, limit, hard, vm, amount, union, route, fixed_host, service, start, related, scalars,
          weight, place, level, cost, there, count, having, total):  # fmt: skip
    """Return what taking v to host b changes the cost (and the penalties) by; BIG if not allowed or over `limit`."""
    a, home, s = place[v, 0], vm[v, 0], vm[v, 1]
    if a == b:
        return BIG
    capacities = len(union)
    first = capacities if hard else 0
    into, out = 2 * v + int(b == home), 2 * v + int(a == home)
    if hard and not fits(b, into, capacities, level, amount):
        return BIG
    own = ways(v, a, b, vm, route) - cost[a, 0] - cost[a, 1] - cost[b, 0] - cost[b, 1]
    most = limit + scalars[2] - own
    arrives = cost_with(b, into, first, weight, level, amount)
    if arrives > most:
        return BIG
    if service[s, 3] and not allowed(s, a, b, len(level), fixed_host, service, start, related, scalars, there, count):
        return BIG
    delta = arrives + cost_without(a, out, first, weight, level, amount) + own
    if a == home:
        if count[s, 0] == total[2]:
            delta += scalars[2]
    elif b == home and count[s, 0] == total[2] and having[total[2]] == 1:
        delta -= scalars[2]
    return delta


@inlined
def exchanged(h, out, into, hard, vm, amount, union, weight, level):
    """Return what host h costs (with penalties) once `into` has come in place of `out`, or BIG."""
    i, j = 2 * out + int(h == vm[out, 0]), 2 * into + int(h == vm[into, 0])
    first = 0
    if hard:
        first = len(union)
        over = 0.0
        for r in range(first):
            x = level[h, r] - amount[i, r] + amount[j, r]
            over += x if x > 0.0 else 0.0
        if over > 0.0:
            return BIG
    after = 0.0
    for r in range(first, weight.shape[1]):
        x = level[h, r] - amount[i, r] + amount[j, r]
        after += weight[h, r] * (x if x > 0.0 else 0.0)
    return after


@inlined
def linked(s, t, start, related):
    """Whether one of two services depends on the other."""
    for side in range(2):
        for i in range(start[side, s], start[side, s + 1]):
            if related[i] == t:
                return True
    return False


@inlined
def swap(v, u, limit, hard, vm, amount, union, route, fixed_host, service, start, related, scalars,
         weight, place, level, cost, there, count, having, total):  # fmt: skip
    """Return what v and u changing places changes the cost (and the penalties) by; BIG as for `shift`."""
    a, b, s, t = place[v, 0], place[u, 0], vm[v, 1], vm[u, 1]
    if a == b:
        return BIG
    own = ways(v, a, b, vm, route) + ways(u, b, a, vm, route) - cost[a, 0] - cost[a, 1] - cost[b, 0] - cost[b, 1]
    most = limit + 2 * scalars[2] - own
    first = exchanged(a, v, u, hard, vm, amount, union, weight, level)
    if first > most:
        return BIG
    second = exchanged(b, u, v, hard, vm, amount, union, weight, level)
    if first + second > most:
        return BIG
    if s != t:
        if service[s, 3] and not allowed(
            s, a, b, len(level), fixed_host, service, start, related, scalars, there, count
        ):
            return BIG
        if service[t, 3] and not allowed(
            t, b, a, len(level), fixed_host, service, start, related, scalars, there, count
        ):
            return BIG
        if service[s, 2] and service[t, 2] and linked(s, t, start, related):
            return BIG
    delta = first + second + own
    for_v = int(b != vm[v, 0]) - int(a != vm[v, 0])
    for_u = int(a != vm[u, 0]) - int(b != vm[u, 0])
    if for_v != 0 or for_u != 0:
        most = total[2]
        away(s, for_v, count, having, total)
        away(t, for_u, count, having, total)
        delta += scalars[2] * (total[2] - most)
        away(s, -for_v, count, having, total)
        away(t, -for_u, count, having, total)
    return delta


@inlined
def paid(h, capacities, weight, level, cost, total):
    """Bring the cost of host h up to date, and the totals with it."""
    penalty, value = 0.0, 0.0
    for r in range(capacities):
        x = level[h, r]
        penalty += weight[h, r] * (x if x > 0.0 else 0.0)
    for r in range(capacities, weight.shape[1]):
        x = level[h, r]
        value += weight[h, r] * (x if x > 0.0 else 0.0)
    total[0] += int(value) - cost[h, 0]
    total[1] += int(penalty) - cost[h, 1]
    cost[h, 0], cost[h, 1] = int(value), int(penalty)


@inlined
def relink(v, a, b, place, head):
    """Take v out of the list of host a and put it first in the list of host b."""
    after, before = place[v, 1], place[v, 2]
    if after >= 0:
        place[after, 2] = before
    if before >= 0:
        place[before, 1] = after
    else:
        head[a] = after
    first = head[b]
    place[v, 0], place[v, 1], place[v, 2] = b, first, -1
    if first >= 0:
        place[first, 2] = v
    head[b] = v


@inlined
def lift(v, vm, amount, capacities, weight, place, level, cost, total):
    """Take the amounts of v off its host; it stays there in name, so that what its service asks is asked of no gap."""
    a = place[v, 0]
    out = 2 * v + int(a == vm[v, 0])
    for r in range(weight.shape[1]):
        level[a, r] -= amount[out, r]
    paid(a, capacities, weight, level, cost, total)


@compiled
def drop(v, b, vm, amount, union, route, fixed_host, service, scalars,
         weight, place, head, level, cost, there, count, having, total, log):  # fmt: skip
    """Put v, which was lifted, on host b, whatever that breaks; all sums follow."""
    a, home, s = place[v, 0], vm[v, 0], vm[v, 1]
    into = 2 * v + int(b == home)
    for r in range(weight.shape[1]):
        level[b, r] += amount[into, r]
    paid(b, len(union), weight, level, cost, total)
    if a == b:
        return
    total[0] += ways(v, a, b, vm, route)
    by = int(b != home) - int(a != home)
    if by != 0:
        total[0] += scalars[2] * away(s, by, count, having, total)
    if service[s, 3]:
        there[s, a] -= 1
        there[s, b] += 1
        la, lb = fixed_host[a, 0], fixed_host[b, 0]
        there[s, la] -= 1
        if there[s, la] == 0:
            count[s, 1] -= 1
        if there[s, lb] == 0:
            count[s, 1] += 1
        there[s, lb] += 1
        there[s, fixed_host[a, 1]] -= 1
        there[s, fixed_host[b, 1]] += 1
    relink(v, a, b, place, head)
    if total[3] < len(log):
        log[total[3]] = v
    total[3] += 1


@inlined
def put(v, b, vm, amount, union, route, fixed_host, service, scalars,
        weight, place, head, level, cost, there, count, having, total, log):  # fmt: skip
    """Take v to host b, whatever that breaks; all sums follow."""
    lift(v, vm, amount, len(union), weight, place, level, cost, total)
    drop(v, b, vm, amount, union, route, fixed_host, service, scalars,
         weight, place, head, level, cost, there, count, having, total, log)  # fmt: skip


@inlined
def better(place, total, log, best):
    """Note the placement if it is the best so far and within all capacities."""
    if total[1] != 0 or total[0] >= total[4]:
        return
    if total[3] <= len(log):
        for i in range(total[3]):
            best[log[i]] = place[log[i], 0]
    else:
        for v in range(len(best)):
            best[v] = place[v, 0]
    total[3] = 0
    total[4] = total[0]


@compiled
def sound(s, service, start, related, scalars, there, count):
    """Whether spread and dependencies hold for service s and for those that need it."""
    if count[s, 1] < service[s, 1]:
        return False
    for n in range(scalars[1], there.shape[1]):
        if there[s, n] > 0:
            for i in range(start[0, s], start[0, s + 1]):
                if there[related[i], n] == 0:
                    return False
        else:
            for i in range(start[1, s], start[1, s + 1]):
                if there[related[i], n] > 0:
                    return False
    return True
