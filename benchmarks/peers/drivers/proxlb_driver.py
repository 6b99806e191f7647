"""The solver of ProxLB on a statement. Runs in its own environment: ``proxlb_driver.py STATEMENT OUT SECONDS [GOAL]``.

Its words are memory, CPU and one storage of a host, groups whose VMs are apart on hosts, pinned and ignored VMs. What
else the statement says it is not told.
"""

import json
import sys

from proxlb_solver import VM, Balancing, Cluster, Constraints, Node, solve
from proxlb_solver.models import Expect

MIB = 2**20


def cluster(said, goal):
    """Put the statement in the solver's words; the goal is the least migration, or ``balance:RESOURCE``."""
    hosts, vms = said["hosts"], said["vms"]
    total = {}
    for entry in said["sums"]:
        total.setdefault(entry["resource"], entry)
    kind, _, even_out = goal.partition(":")
    cpu, memory, disk = (total[r] for r in ("cpu_millicores", even_out or "memory_mib", "disk_mib"))
    nodes = [
        Node(
            name=host,
            cpu_total=cpu["limit"][h],
            memory_total=MIB * memory["limit"][h],
            storage_free={"local": MIB * disk["limit"][h]},
        )
        for h, host in enumerate(hosts)
    ]
    machines = [
        VM(
            name=vm,
            node=hosts[said["start"][v]],
            cpu=cpu["amount"][v],
            memory=MIB * memory["amount"][v],
            disks={"local": MIB * disk["amount"][v]},
        )
        for v, vm in enumerate(vms)
    ]
    apart = [
        {"name": f"group{i}.{j}", "vms": [vms[v] for v in members], "hard": True}
        for i, group in enumerate(said["groups"])
        if group["level"] == "host"
        for j, (members, most) in enumerate(zip(group["members"], group["most"], strict=True))
        if most == 1
    ]
    pins = []
    for closed in said["closed"]:
        shut = set(closed["hosts"])
        for v in range(len(vms)) if closed["vms"] is None else closed["vms"]:
            open_to = [host for h, host in enumerate(hosts) if h not in shut or h == said["start"][v]]
            pins.append({"vm": vms[v], "nodes": open_to})
    rules = Constraints(anti_affinity=apart, pin=pins, ignore=[vms[v] for v in said["fixed"]])
    wanted = Balancing(mode="assigned", cpu_overcommit=1.0, w_balance=0, w_stickiness=1)
    if kind == "balance":  # of memory, in its words: what is to be even takes the place of it
        even = {"w_global_cpu": 0, "w_global_io": 0, "max_node_inflow": 1000, "max_parallel_migrations": None}
        wanted = Balancing(mode="assigned", cpu_overcommit=1.0, balanciness=3, **even)
    return Cluster(
        name="benchmark",
        description="",
        balancing=wanted,
        nodes=nodes,
        vms=machines,
        constraints=rules,
        expect=Expect(),
    )


def main(statement, out, seconds, goal="movement"):
    """Solve, and write where each VM is then; nothing is written where nothing was found."""
    with open(statement, encoding="utf-8") as file:
        said = json.load(file)
    solution = solve(cluster(said, goal), time_limit_s=float(seconds))
    if not solution.feasible:
        raise SystemExit(f"found nothing: {solution.stats.status}")
    with open(out, "w", encoding="utf-8") as file:
        json.dump(solution.placements, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
