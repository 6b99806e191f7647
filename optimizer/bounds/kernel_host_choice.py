"""Compiled: what each host does at best, given prices for receiving VMs, to the last unit of every resource.

A host lets k of its VMs go, for k from the fewest on; sets of k are tried by branch and bound, the largest VMs first.
What comes in their place is a knapsack of as many dimensions as there are resources, by branch and bound too. Sets are
cut by what the k cheapest would cost if they freed as much as the k largest, and either by tables of what a room of two
resources is worth, in steps; small rooms are looked up in finer steps than large ones. Where a search is ended by its
limit, what it has left untried counts as much as it could at best.

Horowitz and Sahni, "Computing partitions with applications to the knapsack problem", Journal of the ACM 21 (1974).
"""

from __future__ import annotations

from optimizer.compiled import compiled, inlined

__all__ = ["fill", "look"]

FAR = 2**60
MOVE = 1_000_000


@compiled
def fill(count, fixed, state):
    """Fill the tables: the most that the first `count` of `state.priced` pay (`state.pays`) in each room, in steps."""
    table = state.table
    for level in range(fixed.shape.shape[0]):
        rows, width, at = fixed.shape[level, 0], fixed.shape[level, 1], fixed.at[level]
        for x in range(rows * width):
            table[at + x] = 0
        for x in range(count):
            v = state.priced[x]
            a, b = fixed.amount[v, 0] >> fixed.shift[level, 0], fixed.amount[v, 1] >> fixed.shift[level, 1]
            pays = state.pays[v]
            if a >= rows or b >= width:
                continue
            for i in range(rows - 1, a - 1, -1):
                to, of = at + i * width, at + (i - a) * width
                if a > 0:  # two rows: the compiler takes many cells at once
                    for j in range(b, width):
                        table[to + j] = max(table[to + j], table[of + j - b] + pays)
                else:
                    for j in range(width - 1, b - 1, -1):
                        table[to + j] = max(table[to + j], table[to + j - b] + pays)


@inlined
def worth(a, b, fixed, state):
    """Return the most that is paid for a room of two resources: by the finest table that has it."""
    for level in range(fixed.shape.shape[0]):
        i, j = a >> fixed.shift[level, 0], b >> fixed.shift[level, 1]
        if i < fixed.shape[level, 0] and j < fixed.shape[level, 1]:
            return state.table[fixed.at[level] + i * fixed.shape[level, 1] + j]
    return FAR


@inlined
def room_for(v, d, fixed, state):
    """Whether v fits beside the d that come."""
    fits = True
    for r in range(fixed.amount.shape[1]):
        fits &= fixed.amount[v, r] <= state.room[d, r]
    return fits


@inlined
def with_one(v, d, price, fixed, state):
    """Return the most that is paid if v comes after the d that do."""
    rest = worth(state.room[d, 0] - fixed.amount[v, 0], state.room[d, 1] - fixed.amount[v, 1], fixed, state)
    return state.paid[d] + price[v] + rest


@compiled
def untried(d, price, fixed, state):
    """Return the most that those pay who were to be tried yet, one after each of the d that come and their like."""
    most = state.paid[d] + worth(state.room[d, 0], state.room[d, 1], fixed, state)
    for q in range(d):
        for x in range(state.tried[q], state.length[q]):
            most = max(most, with_one(state.list[q, x], q, price, fixed, state))
    return most


@compiled
def fill_room(number, beat, price, limit, fixed, state):
    """Look for VMs that fit into `state.room[0]`, of the first `number` of `state.near`, and pay more than `beat`.

    Returns what they pay, what is untried pays at most (-FAR: nothing is), and the nodes; `state.best` has how many,
    and who (-1: none pay more).
    """
    best, nodes, depth = beat, 0, state.list.shape[0]
    state.best[0] = -1
    if best < 0:
        best, state.best[0] = 0, 0
    length, state.paid[0] = 0, 0
    for x in range(number):
        v = state.near[x]
        if room_for(v, 0, fixed, state) and with_one(v, 0, price, fixed, state) > best:
            state.list[0, length] = v
            length += 1
    state.length[0], state.tried[0] = length, 0
    d = 0
    while d >= 0:
        if state.tried[d] >= state.length[d]:
            d -= 1
            continue
        v = state.list[d, state.tried[d]]
        state.tried[d] += 1
        if with_one(v, d, price, fixed, state) <= best:
            continue
        nodes += 1
        state.taken[d] = v
        for r in range(fixed.amount.shape[1]):
            state.room[d + 1, r] = state.room[d, r] - fixed.amount[v, r]
        state.paid[d + 1] = state.paid[d] + price[v]
        if state.paid[d + 1] > best:
            best, state.best[0] = state.paid[d + 1], d + 1
            for q in range(d + 1):
                state.best[q + 1] = state.taken[q]
        if nodes > limit or d + 1 >= depth:
            return best, untried(d + 1, price, fixed, state), nodes
        length = 0
        for x in range(state.tried[d], state.length[d]):
            other = state.list[d, x]
            if room_for(other, d + 1, fixed, state) and with_one(other, d + 1, price, fixed, state) > best:
                state.list[d + 1, length] = other
                length += 1
        d += 1
        state.length[d], state.tried[d] = length, 0
    return best, -FAR, nodes


@inlined
def ranked(values, count, descending):
    """Sort the first of them, which are few."""
    for i in range(1, count):
        x, j = values[i], i - 1
        while j >= 0 and ((values[j] < x) if descending else (values[j] > x)):
            values[j + 1] = values[j]
            j -= 1
        values[j + 1] = x


@inlined
def wanted(need, i, fixed):
    """Return what VM i of a host counts in what has to leave it."""
    return fixed.counts[fixed.need_at[need] + i]


@inlined
def goes(h, i, d, price, fixed, state):
    """Let VM i of host h be the next to leave, after d."""
    v = fixed.own[fixed.first[h] + i]
    for r in range(fixed.amount.shape[1]):
        state.freed[d + 1, r] = state.freed[d, r] + fixed.amount[v, r]
    state.cost[d + 1] = state.cost[d] + MOVE + price[v]
    state.gone[d] = i
    for need in range(fixed.needs[h], fixed.needs[h + 1]):
        state.met[need - fixed.needs[h]] += wanted(need, i, fixed)


@inlined
def stays(h, i, fixed, state):
    """Take back that VM i of host h leaves."""
    for need in range(fixed.needs[h], fixed.needs[h + 1]):
        state.met[need - fixed.needs[h]] -= wanted(need, i, fixed)


@compiled
def prepare(h, price, fixed, state):
    """Let those leave who have to, and add up the cheapest and the largest of any rest; return how many leave."""
    f, n, q = fixed.first[h], fixed.first[h + 1] - fixed.first[h], fixed.needs[h]
    resources, needs = fixed.amount.shape[1], fixed.needs[h + 1] - q
    for k in range(needs):
        state.met[k] = state.still[k, n] = 0
        for i in range(n):
            state.still[k, n] += wanted(q + k, i, fixed)
    for r in range(resources):
        state.freed[0, r] = fixed.left[h, r]
    state.cost[0], forced = 0, 0
    for i in range(n):
        state.set[i] = 0
        for k in range(needs):
            if state.still[k, n] - wanted(q + k, i, fixed) < fixed.least[q + k]:
                state.set[i] = 1
        if state.set[i]:
            goes(h, i, forced, price, fixed, state)
            forced += 1
    for k in range(needs):
        state.still[k, n] = 0
    state.rest[n] = state.cheapest[n, 0] = 0
    for r in range(resources):
        state.largest[n, 0, r] = 0
    for i in range(n - 1, -1, -1):
        count = 0
        for t in range(i, n):
            if not state.set[t]:
                state.sorted[count] = MOVE + price[fixed.own[f + t]]
                count += 1
        state.rest[i] = count
        ranked(state.sorted, count, False)
        state.cheapest[i, 0] = 0
        for t in range(count):
            state.cheapest[i, t + 1] = state.cheapest[i, t] + state.sorted[t]
        for r in range(resources):
            count = 0
            for t in range(i, n):
                if not state.set[t]:
                    state.sorted[count] = fixed.amount[fixed.own[f + t], r]
                    count += 1
            ranked(state.sorted, count, True)
            state.largest[i, 0, r] = 0
            for t in range(count):
                state.largest[i, t + 1, r] = state.largest[i, t, r] + state.sorted[t]
        for k in range(needs):
            state.still[k, i] = state.still[k, i + 1] + (0 if state.set[i] else wanted(q + k, i, fixed))
    return forced


@inlined
def at_least(i, d, more, fixed, state):
    """Return what it comes to at least if after d others `more` of those from i on leave."""
    for r in range(fixed.amount.shape[1]):
        if state.freed[d, r] + state.largest[i, more, r] < 0:
            return FAR
    a, b = state.freed[d, 0] + state.largest[i, more, 0], state.freed[d, 1] + state.largest[i, more, 1]
    return state.cost[d] + state.cheapest[i, more] - worth(a, b, fixed, state)


@inlined
def repaired(h, d, fixed, state):
    """Whether those d that leave are enough."""
    for r in range(fixed.amount.shape[1]):
        if state.freed[d, r] < 0:
            return False
    for need in range(fixed.needs[h], fixed.needs[h + 1]):
        if state.met[need - fixed.needs[h]] < fixed.least[need]:
            return False
    return True


@inlined
def can_be_repaired(h, i, fixed, state):
    """Whether those from i on that have not left could make it enough."""
    for need in range(fixed.needs[h], fixed.needs[h + 1]):
        if state.met[need - fixed.needs[h]] + state.still[need - fixed.needs[h], i] < fixed.least[need]:
            return False
    return True


@inlined
def keep(h, d, fixed, state):
    """Write down who leaves host h, and who comes; the last few are kept."""
    t = state.found[h] % state.leaving.shape[1]
    state.found[h] += 1
    state.counts[h, t, 0], state.counts[h, t, 1] = d, state.best[0]
    for q in range(d):
        state.leaving[h, t, q] = fixed.own[fixed.first[h] + state.gone[q]]
    for q in range(state.best[0]):
        state.coming[h, t, q] = state.best[q + 1]


@compiled
def look_at(h, count, price, known, limits, fixed, state):
    """Find what host h comes to at least, if less than `known`; limits: nodes, nodes of a room, of all rooms."""
    n, best, open_, nodes, filled, number = fixed.first[h + 1] - fixed.first[h], known, FAR, 0, 0, 0
    forced = prepare(h, price, fixed, state)
    for r in range(fixed.amount.shape[1]):
        state.room[0, r] = state.freed[forced, r] + state.largest[0, state.rest[0], r]
    for x in range(count):
        v = state.priced[x]
        if fixed.host[v] != h and fixed.allowed[fixed.kind[v], h] and room_for(v, 0, fixed, state):
            state.near[number] = v
            number += 1
    state.found[h] = 0
    for k in range(max(fixed.fewest[h], forced), forced + state.rest[0] + 1):
        root = at_least(0, forced, k - forced, fixed, state)
        if root >= best:
            continue
        if nodes > limits[0]:
            open_ = min(open_, root)
            continue
        d = forced
        state.next[d] = 0
        while d >= forced:
            forward = False
            if d == k:
                rough = FAR
                if repaired(h, d, fixed, state):  # nothing is less than empty then, which tables do not have
                    rough = state.cost[d] - worth(state.freed[d, 0], state.freed[d, 1], fixed, state)
                if rough < best:
                    if filled >= limits[2]:
                        open_ = min(open_, rough)
                    else:
                        for r in range(fixed.amount.shape[1]):
                            state.room[0, r] = state.freed[d, r]
                        most = min(limits[1], limits[2] - filled)
                        paid, rest, tried = fill_room(number, state.cost[d] - best, price, most, fixed, state)
                        filled += tried
                        if rest > -FAR:
                            open_ = min(open_, state.cost[d] - rest)
                        if state.best[0] >= 0 and state.cost[d] - paid < best:
                            best = state.cost[d] - paid
                            keep(h, d, fixed, state)
            else:
                i = state.next[d]
                while i < n and state.set[i]:
                    i += 1
                state.next[d] = i
                if state.rest[i] >= k - d and can_be_repaired(h, i, fixed, state):
                    least = at_least(i, d, k - d, fixed, state)
                    if least < best:
                        nodes += 1
                        forward = nodes <= limits[0]
                        if not forward:
                            open_ = min(open_, least)
            if forward:
                state.next[d] = i + 1
                goes(h, i, d, price, fixed, state)
                d += 1
                state.next[d] = i + 1
            else:
                d -= 1
                if d >= forced:
                    stays(h, state.gone[d], fixed, state)
    state.value[h] = min(best, open_)
    state.nodes[h] = nodes + filled


@compiled
def look(begin, end, count, price, known, limits, fixed, state):
    """Look at some of the hosts."""
    for h in range(begin, end):
        look_at(h, count, price, known[h], limits, fixed, state)
