"""ProxLB's own balancing, as its README describes it: ``proxlb_greedy.py STATEMENT OUT RESOURCE MOVES``.

If the node with the highest use is further from that with the lowest than `balanciness`, guests are sorted by what they
use, and the largest goes to the node with most free resources, then the next one, until the nodes are as even as is
asked for. Guests that are ignored stay; tags keep guests apart on nodes and pin them to some; with `overprovisioning`
no node is filled beyond what it has. ProxLB has no limit of moves: after MOVES of them it is stopped (0: never).

Written for this comparison; how ProxLB ranks nodes was looked up in its source, and none of its code is in here.
"""

import json
import sys

BALANCINESS = 0.05
"""The difference that ProxLB's example of a configuration allows."""


class Nodes:
    """Loads of all sums on all nodes, and who is where."""

    def __init__(self, said):
        self.said, self.at = said, list(said["start"])
        count = len(said["hosts"])
        self.load = [[0] * count for _ in said["sums"]]
        for v, h in enumerate(self.at):
            for load, total in zip(self.load, said["sums"], strict=True):
                load[h] += total["amount"][v]
        self.shut = [set() for _ in said["vms"]]
        for closed in said["closed"]:
            for v in range(len(said["vms"])) if closed["vms"] is None else closed["vms"]:
                self.shut[v].update(closed["hosts"])
        self.apart = [[] for _ in said["vms"]]
        for group in said["groups"]:
            for members, most in zip(group["members"], group["most"], strict=True):
                if group["level"] == "host" and most == 1:
                    for v in members:
                        self.apart[v].append(members)

    def admits(self, v, h):
        """Whether a guest may go to a node: room, no guest there that is kept apart from it, and no pin elsewhere."""
        if h in self.shut[v] or any(self.at[w] == h for members in self.apart[v] for w in members if w != v):
            return False
        sums = zip(self.load, self.said["sums"], strict=True)
        return all(load[h] + total["amount"][v] <= total["limit"][h] for load, total in sums)

    def move(self, v, h):
        """Take a guest to a node."""
        for load, total in zip(self.load, self.said["sums"], strict=True):
            load[self.at[v]] -= total["amount"][v]
            load[h] += total["amount"][v]
        self.at[v] = h


def balance(said, resource, most):
    """Return where each guest is after at most that many moves (0: any number)."""
    nodes, moves = Nodes(said), 0
    number = next(i for i, total in enumerate(said["sums"]) if total["resource"] == resource)
    total, load = said["sums"][number], nodes.load[number]
    judged = [h for h, limit in enumerate(total["limit"]) if limit > 0]

    def use(h):
        return load[h] / total["limit"][h]

    fixed = set(said["fixed"])
    for v in sorted(range(len(said["vms"])), key=lambda v: -total["amount"][v]):
        by_use = sorted(judged, key=use)
        if (most and moves >= most) or use(by_use[-1]) - use(by_use[0]) <= BALANCINESS:
            break
        target = next((h for h in by_use if h == nodes.at[v] or nodes.admits(v, h)), None)
        if v not in fixed and target is not None and target != nodes.at[v]:
            nodes.move(v, target)
            moves += 1
    return nodes.at


def main(statement, out, resource, most):
    """Balance, and write where each guest is then."""
    with open(statement, encoding="utf-8") as file:
        said = json.load(file)
    at = balance(said, resource, int(most))
    with open(out, "w", encoding="utf-8") as file:
        json.dump({name: said["hosts"][h] for name, h in zip(said["vms"], at, strict=True)}, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
