"""Ruin and recreate, compiled: a few VMs of a few hosts are taken out together and put back where each costs least.

Where hosts are nearly full, hardly any VM can go anywhere alone, nor change places with another. Schrimpf et al. (2000)
named the principle; that the hosts looked at are now and then passed over (*blinks*) is from Christiaens and Vanden
Berghe (2020). Half of the time one VM leads and the others make room for it, as in team S41's rearrangement of a big
process, but here the others go wherever they cost least.
"""

from __future__ import annotations

from optimizer.compiled import compiled, inlined
from optimizer.compiled_random import draw
from optimizer.reassignment.kernel_parts import BIG, allowed, cost_with, drop, fits, lift

__all__ = ["ruin"]

HOSTS = 3
"""Hosts that are ruined, at most."""

FROM_EACH = 4
"""VMs taken out of each, at most."""

LARGE = 16
"""One VM in that many is large."""

SPAN = 128
"""Hosts looked at for each VM, at most, beside its home and where it was."""

BLINK = 64
"""One host in that many is passed over."""


@compiled
def cheapest(v, hard, fixed, state):
    """Return the host where v, which was lifted, costs least, about; -1 if it can go nowhere."""
    hosts, capacities = len(state.level), len(fixed.union)
    first = capacities if hard else 0
    a, home, s = state.place[v, 0], fixed.vm[v, 0], fixed.vm[v, 1]
    span = min(hosts, SPAN)
    found, least, at = -1, BIG, draw(state.random, hosts)
    for i in range(span + 2):
        if i < span:
            at = at + 1 if at + 1 < hosts else 0
            if draw(state.random, BLINK) == 0:
                continue
            b = at
        else:
            b = home if i == span else a
        into = 2 * v + int(b == home)
        if hard and not fits(b, into, fixed, state):
            continue
        delta = cost_with(b, into, first, fixed, state) - state.cost[b, 0] + fixed.route[home, b]
        if not hard:
            delta -= state.cost[b, 1]
        if b != home:
            delta += fixed.vm[v, 2]
        if delta >= least:
            continue
        if a != b and fixed.service[s, 3] and not allowed(s, a, b, fixed, state):
            continue
        found, least = b, delta
    return found


@compiled
def take_out(h, most, made, trail, fixed, state):
    """Lift up to `most` VMs, each as likely as the other, off host h into `trail`; returns how many it has then."""
    there, u = 0, state.head[h]
    while u >= 0:
        there += 1
        u = state.place[u, 1]
    u = state.head[h]
    while u >= 0 and most > 0:
        if draw(state.random, there) < most:
            trail[made, 0], trail[made, 1] = u, h
            made += 1
            most -= 1
            lift(u, fixed, state)
        there -= 1
        u = state.place[u, 1]
    return made


@inlined
def exchange(trail, i, j):
    """Let two entries change places."""
    v, h = trail[i, 0], trail[i, 1]
    trail[i, 0], trail[i, 1] = trail[j, 0], trail[j, 1]
    trail[j, 0], trail[j, 1] = v, h


@compiled
def intrude(trail, fixed, state):
    """Lift a VM, and some of those on the host that it is to go to; returns how many were lifted, and that host.

    Where a VM is as large as many others together, it can go nowhere alone, at no temperature that suits the others.
    """
    vms = len(fixed.vm)
    v = fixed.order[0, draw(state.random, 1 + vms // LARGE)] if draw(state.random, 2) == 0 else draw(state.random, vms)
    b = draw(state.random, len(state.head))
    if b == state.place[v, 0]:
        return 0, b
    trail[0, 0], trail[0, 1] = v, state.place[v, 0]
    lift(v, fixed, state)
    return take_out(b, 1 + draw(state.random, HOSTS * FROM_EACH), 1, trail, fixed, state), b


@compiled
def clear(trail, fixed, state):
    """Lift a few VMs of a few hosts; returns how many."""
    made = 0
    for _ in range(1 + draw(state.random, HOSTS)):
        h, again = state.place[draw(state.random, len(fixed.vm)), 0], False
        for i in range(made):
            again = again or trail[i, 1] == h
        if not again:
            made = take_out(h, 1 + draw(state.random, FROM_EACH), made, trail, fixed, state)
    return made


@compiled
def ruin(limit, hard, room, fixed, state):
    """Ruin a few hosts, or let a VM intrude, and recreate; taken back if it costs over `limit` more.

    Returns whether it was kept.
    """
    trail = room.trail
    most = state.total[0] + state.total[1] + limit
    made, goal, led = 0, -1, 0
    if draw(state.random, 2) == 0:
        made, goal = intrude(trail, fixed, state)
        led = 1
    else:
        made = clear(trail, fixed, state)
    by_size = draw(state.random, 2) == 0
    for i in range(led + 1, made):  # sorted by insertion, the largest first, or shuffled
        j = i
        if by_size:
            while j > led and fixed.order[1, trail[j, 0]] < fixed.order[1, trail[j - 1, 0]]:
                exchange(trail, j, j - 1)
                j -= 1
        else:
            exchange(trail, i, led + draw(state.random, i + 1 - led))
    done = 0
    while done < made and state.total[0] + state.total[1] <= most:
        v = trail[done, 0]
        if done < led:
            b, s = goal, fixed.vm[v, 1]
            if (hard and not fits(b, 2 * v + int(b == fixed.vm[v, 0]), fixed, state)) or (
                fixed.service[s, 3] and not allowed(s, state.place[v, 0], b, fixed, state)
            ):
                b = -1
        else:
            b = cheapest(v, hard, fixed, state)
        if b < 0:
            break
        drop(v, b, fixed, state)
        done += 1
    if made > 0 and done == made and state.total[0] + state.total[1] <= most:
        return True
    for i in range(made):
        v, h = trail[i, 0], trail[i, 1]
        if i < done:
            lift(v, fixed, state)
        drop(v, h, fixed, state)
    return False
