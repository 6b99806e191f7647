"""Meta's Rebalancer on a statement, in an environment of its own.

``rebalancer_driver.py STATEMENT OUT MOVES GOAL SECONDS SEED``:
MOVES are move types joined by ``+``; GOAL is ``movement``, ``none``, or ``balance:RESOURCE:MOVES``: as even a use as so
many moves can make; OUT gets the host of each VM, by name.
"""

import json
import sys

from rebalancer import ProblemSolver

ANYWHERE = {"moveToCurrentScopeItem": {"scopeNameForExploringMovesToCurrentScopeItem": "anywhere"}}

SAMPLE = 10
"""What the package gives as the default."""

MOVE_TYPES = {
    "single": {"singleMoveTypeSpec": {}},
    "greedy": {"singleGreedyMoveTypeSpec": {}},
    "stratified": {
        "singleRandomStratifiedMoveTypeSpec": {
            "destinationsToExplore": ANYWHERE,
            "stratifiedSampleSize": {"defaultSampleSize": SAMPLE},
        }
    },
    "swap": {"swapMoveTypeSpec": {}},
}

SQUARES = 1
"""The formula of balance: the squares of utilization."""

ABSOLUTE = 1
"""Limits count VMs. The names in the package's own annotations are refused by the version that is run."""


def tell(problem, said):
    """Put the statement in Rebalancer's words."""
    hosts, vms = said["hosts"], said["vms"]
    at = {host: [] for host in hosts}
    for v, h in enumerate(said["start"]):
        at[hosts[h]].append(vms[v])
    problem.set_assignment(at)
    problem.add_scope("anywhere", dict.fromkeys(hosts, "anywhere"))
    for total in said["sums"]:
        name = total["name"]
        problem.add_object_dimension(name, {v: float(a) for v, a in zip(vms, total["amount"], strict=True)})
        problem.add_container_dimension(name, {h: float(a) for h, a in zip(hosts, total["limit"], strict=True)})
        problem.add_constraint({"capacitySpec": {"name": name, "scope": "host", "dimension": name}})
    for level, domain in said["domains"].items():
        if level != "host":
            problem.add_scope(level, {h: f"{level}{d}" for h, d in zip(hosts, domain, strict=True)})
    number = 0
    for group in said["groups"]:
        for most in sorted(set(group["most"])):
            alike = [m for m, k in zip(group["members"], group["most"], strict=True) if k == most]
            for layer in layers(alike):
                name = f"groups{number}"
                number += 1
                problem.add_partition(name, {f"{name}.{i}": [vms[v] for v in m] for i, m in enumerate(layer)})
                limit = {"type": ABSOLUTE, "globalLimit": float(most)}
                spec = {"name": name, "scope": group["level"], "partitionName": name, "limit": limit}
                problem.add_constraint({"groupCountSpec": spec})
    for i, closed in enumerate(said["closed"]):
        close(problem, said, f"closed{i}", closed)
    if said["fixed"]:
        problem.add_constraint({"avoidMovingSpec": {"name": "fixed", "objects": [vms[v] for v in said["fixed"]]}})


def layers(sets):
    """Split sets into layers in which no VM is in two: a partition must be one."""
    out = []
    for members in sets:
        for layer, seen in out:
            if seen.isdisjoint(members):
                layer.append(members)
                seen.update(members)
                break
        else:
            out.append(([members], set(members)))
    return [layer for layer, _ in out]


def close(problem, said, name, closed):
    """Let VMs not arrive at hosts: on those, no more of them than there are at the start."""
    hosts, vms, shut = said["hosts"], said["vms"], set(closed["hosts"])
    if not shut:
        return
    if closed["vms"] is None:
        problem.add_constraint(
            {"nonAcceptingSpec": {"name": name, "scope": "host", "items": [hosts[h] for h in sorted(shut)]}}
        )
        return
    there = sum(said["start"][v] in shut for v in closed["vms"])
    problem.add_scope(
        f"{name}.hosts", {host: f"{name}.{'shut' if h in shut else 'open'}" for h, host in enumerate(hosts)}
    )
    problem.add_partition(name, {f"{name}.vms": [vms[v] for v in closed["vms"]]})
    limits = {f"{name}.shut": float(there), f"{name}.open": float(len(vms))}
    limit = {"type": ABSOLUTE, "globalLimit": float(len(vms)), "scopeItemLimits": limits}
    problem.add_constraint(
        {"groupCountSpec": {"name": name, "scope": f"{name}.hosts", "partitionName": name, "limit": limit}}
    )


def main(statement, out, moves, goal, seconds, seed):
    """Solve, and write where each VM is then."""
    with open(statement, encoding="utf-8") as file:
        said = json.load(file)
    problem = ProblemSolver("benchmark", "benchmark")
    problem.disable_scuba_logging()
    problem.disable_solution_summary()
    problem.set_log_level("ERR")
    problem.set_object_name("vm")
    problem.set_container_name("host")
    tell(problem, said)
    limit = {}
    if goal.startswith("balance:"):
        _, resource, most = goal.split(":")
        name = next(total["name"] for total in said["sums"] if total["resource"] == resource)
        spec = {"name": "balance", "scope": "host", "dimension": name, "formula": SQUARES}
        problem.add_goal({"balanceSpec": spec})
        limit = {"stopAfterMoves": int(most)}
    if goal == "movement":
        spec = {"name": "movement", "scope": "host", "dimension": "vm_count"}
        problem.add_goal({"minimizeMovementSpec": spec})
    types = [MOVE_TYPES[m] for m in moves.split("+")]
    problem.add_solver(
        {"localSearchSolverSpec": {"solveTime": int(seconds), "randomSeed": int(seed), "moveTypeList": types, **limit}}
    )
    assignment = problem.solve()["assignment"]
    with open(out, "w", encoding="utf-8") as file:
        json.dump(assignment, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
