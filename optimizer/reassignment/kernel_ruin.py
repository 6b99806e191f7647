"""Ruin and recreate, compiled: a few VMs of a few hosts are taken out together and put back where each costs least.

Where hosts are nearly full, hardly any VM can go anywhere alone, nor change places with another. Schrimpf et al. (2000)
named the principle; that the hosts looked at are now and then passed over (*blinks*) is from Christiaens and Vanden
Berghe (2020). Half of the time one VM leads and the others make room for it, as in team S41's rearrangement of a big
process, but here the others go wherever they cost least.
"""

from __future__ import annotations

from optimizer.reassignment.compiled import compiled, inlined
from optimizer.reassignment.kernel_parts import BIG, allowed, cost_with, draw, drop, fits, lift

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
def cheapest(v, random, hard, vm, amount, union, route, fixed_host, service, start, related, scalars,
             weight, place, level, cost, there, count):  # fmt: skip
    """Return the host where v, which was lifted, costs least, about; -1 if it can go nowhere."""
    hosts, capacities = len(level), len(union)
    first = capacities if hard else 0
    a, home, s = place[v, 0], vm[v, 0], vm[v, 1]
    span = min(hosts, SPAN)
    found, least, at = -1, BIG, draw(random, hosts)
    for i in range(span + 2):
        if i < span:
            at = at + 1 if at + 1 < hosts else 0
            if draw(random, BLINK) == 0:
                continue
            b = at
        else:
            b = home if i == span else a
        into = 2 * v + int(b == home)
        if hard and not fits(b, into, capacities, level, amount):
            continue
        delta = cost_with(b, into, first, weight, level, amount) - cost[b, 0] + route[home, b]
        if not hard:
            delta -= cost[b, 1]
        if b != home:
            delta += vm[v, 2]
        if delta >= least:
            continue
        if (
            a != b
            and service[s, 3]
            and not allowed(s, a, b, hosts, fixed_host, service, start, related, scalars, there, count)
        ):
            continue
        found, least = b, delta
    return found


@compiled
def take_out(h, most, made, random, trail, vm, amount, union, weight, place, head, level, cost, total):
    """Lift up to `most` VMs, each as likely as the other, off host h into `trail`; returns how many it has then."""
    there, u = 0, head[h]
    while u >= 0:
        there += 1
        u = place[u, 1]
    u = head[h]
    while u >= 0 and most > 0:
        if draw(random, there) < most:
            trail[made, 0], trail[made, 1] = u, h
            made += 1
            most -= 1
            lift(u, vm, amount, len(union), weight, place, level, cost, total)
        there -= 1
        u = place[u, 1]
    return made


@inlined
def exchange(trail, i, j):
    """Let two entries change places."""
    v, h = trail[i, 0], trail[i, 1]
    trail[i, 0], trail[i, 1] = trail[j, 0], trail[j, 1]
    trail[j, 0], trail[j, 1] = v, h


@compiled
def intrude(random, trail, vm, amount, union, order, weight, place, head, level, cost, total):
    """Lift a VM, and some of those on the host that it is to go to; returns how many were lifted, and that host.

    Where a VM is as large as many others together, it can go nowhere alone, at no temperature that suits the others.
    """
    vms = len(vm)
    v = order[0, draw(random, 1 + vms // LARGE)] if draw(random, 2) == 0 else draw(random, vms)
    b = draw(random, len(head))
    if b == place[v, 0]:
        return 0, b
    trail[0, 0], trail[0, 1] = v, place[v, 0]
    lift(v, vm, amount, len(union), weight, place, level, cost, total)
    return take_out(b, 1 + draw(random, HOSTS * FROM_EACH), 1, random, trail, vm, amount, union,
                    weight, place, head, level, cost, total), b  # fmt: skip


@compiled
def clear(random, trail, vm, amount, union, weight, place, head, level, cost, total):
    """Lift a few VMs of a few hosts; returns how many."""
    made = 0
    for _ in range(1 + draw(random, HOSTS)):
        h, again = place[draw(random, len(vm)), 0], False
        for i in range(made):
            again = again or trail[i, 1] == h
        if not again:
            made = take_out(h, 1 + draw(random, FROM_EACH), made, random, trail, vm, amount, union,
                            weight, place, head, level, cost, total)  # fmt: skip
    return made


@compiled
def ruin(limit, hard, random, trail, vm, amount, union, route, fixed_host, service, start, related, order, scalars,
         weight, place, head, level, cost, there, count, having, total, log):  # fmt: skip
    """Ruin a few hosts, or let a VM intrude, and recreate; taken back if it costs over `limit` more.

    Returns whether it was kept.
    """
    most = total[0] + total[1] + limit
    made, goal, led = 0, -1, 0
    if draw(random, 2) == 0:
        made, goal = intrude(random, trail, vm, amount, union, order, weight, place, head, level, cost, total)
        led = 1
    else:
        made = clear(random, trail, vm, amount, union, weight, place, head, level, cost, total)
    by_size = draw(random, 2) == 0
    for i in range(led + 1, made):  # sorted by insertion, the largest first, or shuffled
        j = i
        if by_size:
            while j > led and order[1, trail[j, 0]] < order[1, trail[j - 1, 0]]:
                exchange(trail, j, j - 1)
                j -= 1
        else:
            exchange(trail, i, led + draw(random, i + 1 - led))
    done = 0
    while done < made and total[0] + total[1] <= most:
        v = trail[done, 0]
        if done < led:
            b, s = goal, vm[v, 1]
            if (hard and not fits(b, 2 * v + int(b == vm[v, 0]), len(union), level, amount)) or (
                service[s, 3]
                and not allowed(
                    s, place[v, 0], b, len(level), fixed_host, service, start, related, scalars, there, count
                )
            ):
                b = -1
        else:
            b = cheapest(v, random, hard, vm, amount, union, route, fixed_host, service, start, related, scalars,
                         weight, place, level, cost, there, count)  # fmt: skip
        if b < 0:
            break
        drop(v, b, vm, amount, union, route, fixed_host, service, scalars,
             weight, place, head, level, cost, there, count, having, total, log)  # fmt: skip
        done += 1
    if made > 0 and done == made and total[0] + total[1] <= most:
        return True
    for i in range(made):
        v, h = trail[i, 0], trail[i, 1]
        if i < done:
            lift(v, vm, amount, len(union), weight, place, level, cost, total)
        drop(v, h, vm, amount, union, route, fixed_host, service, scalars,
             weight, place, head, level, cost, there, count, having, total, log)  # fmt: skip
    return False
