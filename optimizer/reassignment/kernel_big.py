"""Compiled moves of many VMs at once, for where single ones are stuck: each is made, and taken back if it is no good.

*Squeeze* is what team S41 called the rearrangement of a big process: a large VM goes where there is no room, and what
is in its way goes out, greedily. *Emigrate* takes all VMs of a service from one neighborhood to another. They keep to
capacity, and belong to the search that keeps to it.
"""

from __future__ import annotations

from optimizer.reassignment.compiled import compiled
from optimizer.reassignment.kernel_parts import BIG, draw, put, shift, sound

__all__ = ["emigrate", "squeeze", "undo"]

MOST = 40
"""VMs in one such move."""


@compiled
def roomiest(v, random, first, last, vm, amount, union, route, fixed_host, service, start, related, scalars,
             weight, place, level, cost, there, count, having, total):  # fmt: skip
    """Return the host to which v goes most cheaply: not `first` or, where `last` is not -1, in its neighborhood."""
    hosts = len(level)
    at, found, least = draw(random, hosts), -1, BIG / 2
    for _ in range(hosts):
        at += 1
        if at >= hosts:
            at = 0
        if at == first or (last >= 0 and fixed_host[at, 1] != last):
            continue
        delta = shift(v, at, least, True, vm, amount, union, route, fixed_host, service, start, related, scalars,
                      weight, place, level, cost, there, count, having, total)  # fmt: skip
        if delta <= least:
            found, least = at, delta - 1
    return found


@compiled
def in_the_way(v, b, random, vm, amount, union, place, head, level, tried):
    """Return which VM of host b to send away: the one that clears most, about; -1 if b is within its capacities."""
    over = False
    for r in range(len(union)):
        over = over or level[b, r] > 0
    if not over:
        return -1
    found, most, u = -2, 0, head[b]
    while u >= 0:
        if u != v and not tried[u]:
            clears = 0
            for r in range(len(union)):
                over_by = int(level[b, r])
                if over_by > 0:
                    clears += (min(over_by, int(amount[2 * u + int(vm[u, 0] == b), r])) << 12) // over_by
            clears = clears * (64 + draw(random, 64))
            if clears > most:
                found, most = u, clears
        u = place[u, 1]
    return found


@compiled
def squeeze(v, b, random, trail, tried, vm, amount, union, route, fixed_host, service, start, related, scalars,
            weight, place, head, level, cost, there, count, having, total, log):  # fmt: skip
    """Take v to b and away what is in its way; returns how many went, each noted in `trail`, -1 if it did not do."""
    a, made = place[v, 0], 0
    s = vm[v, 1]
    if a == b or (service[s, 3] and there[s, b] >= service[s, 0]):
        return 0
    tried[:] = 0
    trail[made, 0], trail[made, 1] = v, a
    made += 1
    put(v, b, vm, amount, union, route, fixed_host, service, scalars,
        weight, place, head, level, cost, there, count, having, total, log)  # fmt: skip
    if service[s, 3] and not sound(s, service, start, related, scalars, there, count):
        return -made
    for _ in range(MOST):
        u = in_the_way(v, b, random, vm, amount, union, place, head, level, tried)
        if u == -1:
            return made
        if u < 0 or made >= MOST:
            return -made
        tried[u] = 1
        target = roomiest(u, random, b, -1, vm, amount, union, route, fixed_host, service, start, related, scalars,
                          weight, place, level, cost, there, count, having, total)  # fmt: skip
        if target >= 0:
            trail[made, 0], trail[made, 1] = u, b
            made += 1
            put(u, target, vm, amount, union, route, fixed_host, service, scalars,
                weight, place, head, level, cost, there, count, having, total, log)  # fmt: skip
    return -made


@compiled
def emigrate(v, random, trail, loose, vm, amount, union, route, fixed_host, service, start, related, scalars,
             weight, place, head, level, cost, there, count, having, total, log):  # fmt: skip
    """Take the VMs of v's service out of its neighborhood into that of a random host; returns as `squeeze` does.

    `loose` is `service` with conflicts alone: what the service asks as a whole is asked when all have moved.
    """
    s = vm[v, 1]
    here = fixed_host[place[v, 0], 1]
    goal = fixed_host[draw(random, len(head)), 1]
    if here == goal or not service[s, 3]:
        return 0
    made = 0
    for i in range(start[2, s], start[2, s + 1]):
        u = related[i]
        if fixed_host[place[u, 0], 1] != here:
            continue
        if made >= MOST:
            return -made
        target = roomiest(u, random, -1, goal, vm, amount, union, route, fixed_host, loose, start, related, scalars,
                          weight, place, level, cost, there, count, having, total)  # fmt: skip
        if target < 0:
            return -made
        trail[made, 0], trail[made, 1] = u, place[u, 0]
        made += 1
        put(u, target, vm, amount, union, route, fixed_host, service, scalars,
            weight, place, head, level, cost, there, count, having, total, log)  # fmt: skip
    if not sound(s, service, start, related, scalars, there, count):
        return -made
    return made


@compiled
def undo(made, trail, vm, amount, union, route, fixed_host, service, scalars,
         weight, place, head, level, cost, there, count, having, total, log):  # fmt: skip
    """Take the first `made` moves of `trail` back, the last one first."""
    for i in range(made - 1, -1, -1):
        put(trail[i, 0], trail[i, 1], vm, amount, union, route, fixed_host, service, scalars,
            weight, place, head, level, cost, there, count, having, total, log)  # fmt: skip
