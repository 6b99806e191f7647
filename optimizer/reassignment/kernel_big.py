"""Compiled moves of many VMs at once, for where single ones are stuck: each is made, and taken back if it is no good.

*Squeeze* is what team S41 called the rearrangement of a big process: a large VM goes where there is no room, and what
is in its way goes out, greedily. *Emigrate* takes all VMs of a service from one neighborhood to another. They keep to
capacity, and belong to the search that keeps to it.
"""

from __future__ import annotations

from optimizer.compiled import compiled
from optimizer.compiled_random import draw
from optimizer.reassignment.kernel_parts import BIG, put, shift, sound

__all__ = ["emigrate", "squeeze", "undo"]

MOST = 40
"""VMs in one such move."""


@compiled
def roomiest(v, first, last, fixed, state):
    """Return the host to which v goes most cheaply: not `first` or, where `last` is not -1, in its neighborhood."""
    hosts = len(state.level)
    at, found, least = draw(state.random, hosts), -1, BIG / 2
    for _ in range(hosts):
        at += 1
        if at >= hosts:
            at = 0
        if at == first or (last >= 0 and fixed.host[at, 1] != last):
            continue
        delta = shift(v, at, least, True, fixed, state)
        if delta <= least:
            found, least = at, delta - 1
    return found


@compiled
def in_the_way(v, b, tried, fixed, state):
    """Return which VM of host b to send away: the one that clears most, about; -1 if b is within its capacities."""
    over = False
    for r in range(len(fixed.union)):
        over = over or state.level[b, r] > 0
    if not over:
        return -1
    found, most, u = -2, 0, state.head[b]
    while u >= 0:
        if u != v and not tried[u]:
            clears = 0
            for r in range(len(fixed.union)):
                over_by = int(state.level[b, r])
                if over_by > 0:
                    clears += (min(over_by, int(fixed.amount[2 * u + int(fixed.vm[u, 0] == b), r])) << 12) // over_by
            clears = clears * (64 + draw(state.random, 64))
            if clears > most:
                found, most = u, clears
        u = state.place[u, 1]
    return found


@compiled
def squeeze(v, b, room, fixed, state):
    """Take v to b and away what is in its way; returns how many went, each noted in the trail, -1 if it did not do."""
    a, made = state.place[v, 0], 0
    s = fixed.vm[v, 1]
    if a == b or (fixed.service[s, 3] and state.there[s, b] >= fixed.service[s, 0]):
        return 0
    room.tried[:] = 0
    room.trail[made, 0], room.trail[made, 1] = v, a
    made += 1
    put(v, b, fixed, state)
    if fixed.service[s, 3] and not sound(s, fixed, state):
        return -made
    for _ in range(MOST):
        u = in_the_way(v, b, room.tried, fixed, state)
        if u == -1:
            return made
        if u < 0 or made >= MOST:
            return -made
        room.tried[u] = 1
        target = roomiest(u, b, -1, fixed, state)
        if target >= 0:
            room.trail[made, 0], room.trail[made, 1] = u, b
            made += 1
            put(u, target, fixed, state)
    return -made


@compiled
def emigrate(v, room, fixed, state):
    """Take the VMs of v's service out of its neighborhood into that of a random host; returns as `squeeze` does.

    On the way conflicts alone are kept to: what the service asks as a whole is asked when all have moved.
    """
    s = fixed.vm[v, 1]
    here = fixed.host[state.place[v, 0], 1]
    goal = fixed.host[draw(state.random, len(state.head)), 1]
    if here == goal or not fixed.service[s, 3]:
        return 0
    made = 0
    for i in range(fixed.start[2, s], fixed.start[2, s + 1]):
        u = fixed.related[i]
        if fixed.host[state.place[u, 0], 1] != here:
            continue
        if made >= MOST:
            return -made
        target = roomiest(u, -1, goal, room.loose, state)
        if target < 0:
            return -made
        room.trail[made, 0], room.trail[made, 1] = u, state.place[u, 0]
        made += 1
        put(u, target, fixed, state)
    if not sound(s, fixed, state):
        return -made
    return made


@compiled
def undo(made, room, fixed, state):
    """Take the first `made` moves of the trail back, the last one first."""
    for i in range(made - 1, -1, -1):
        put(room.trail[i, 0], room.trail[i, 1], fixed, state)
