"""A judge of ROADEF 2012 solutions that shares nothing with the program: the subject's text, read once more, plainly.

``python benchmarks/challenge.py MODEL ASSIGNMENT SOLUTION COST`` ends with 0 if the solution breaks nothing and costs
just that.
"""

from __future__ import annotations

import lzma
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Instance", "breaches", "cost", "read"]

Rows = list[list[int]]


class Instance(NamedTuple):
    """The tables of a model file, in the subject's order, and the initial assignment."""

    resources: Rows  # transient, weight
    machines: Rows  # neighborhood, location, capacities, safety capacities, move costs
    services: Rows  # spread, dependencies
    processes: Rows  # service, requirements, move cost
    balances: Rows  # two resources, target, weight
    weights: list[int]
    initial: list[int]


def read(model: Path, assignment: Path) -> Instance:
    """Read an instance; files end in .xz or are plain."""
    numbers = iter(_numbers(model))

    def rows(width: int) -> Rows:
        return [[next(numbers) for _ in range(width)] for _ in range(next(numbers))]

    resources = rows(2)
    count = len(resources)
    machines = next(numbers)
    machine_rows = [[next(numbers) for _ in range(2 + 2 * count + machines)] for _ in range(machines)]
    services = []
    for _ in range(next(numbers)):
        spread, dependencies = next(numbers), next(numbers)
        services.append([spread] + [next(numbers) for _ in range(dependencies)])
    processes, balances = rows(count + 2), rows(4)
    return Instance(resources, machine_rows, services, processes, balances, list(numbers), _numbers(assignment))


def _numbers(path: Path) -> list[int]:
    raw = path.read_bytes()
    return [int(word) for word in (lzma.decompress(raw) if path.suffix == ".xz" else raw).split()]


def breaches(it: Instance, solution: list[int]) -> Iterator[str]:
    """Yield what the solution breaks."""
    if len(solution) != len(it.processes) or not all(0 <= m < len(it.machines) for m in solution):
        yield "not an assignment of these processes to these machines"
        return
    yield from _capacity(it, solution)
    where: dict[int, list[int]] = defaultdict(list)
    for p, m in enumerate(solution):
        where[it.processes[p][0]].append(m)
    for s, hosts in where.items():
        spread, *needed = it.services[s]
        if len(set(hosts)) < len(hosts):
            yield f"service {s}: two processes on a machine"
        if len({it.machines[m][1] for m in hosts}) < spread:
            yield f"service {s}: fewer than {spread} locations"
        for other in needed:
            if not {it.machines[m][0] for m in hosts} <= {it.machines[m][0] for m in where.get(other, [])}:
                yield f"service {s}: a neighborhood without service {other}"


def _capacity(it: Instance, solution: list[int]) -> Iterator[str]:
    for r, (transient, _) in enumerate(it.resources):
        used: Counter[int] = Counter()
        for p, m in enumerate(solution):
            for machine in {m, it.initial[p]} if transient else {m}:
                used[machine] += it.processes[p][1 + r]
        yield from (f"machine {m}: resource {r}" for m, amount in used.items() if amount > it.machines[m][2 + r])


def cost(it: Instance, solution: list[int]) -> int:
    """Return the subject's total cost."""
    count = len(it.resources)
    used = [[0] * count for _ in it.machines]
    for p, m in enumerate(solution):
        for r in range(count):
            used[m][r] += it.processes[p][1 + r]
    total = 0
    for m, row in enumerate(it.machines):
        capacity, safety = row[2 : 2 + count], row[2 + count : 2 + 2 * count]
        for r, (_, weight) in enumerate(it.resources):
            total += weight * max(0, used[m][r] - safety[r])
        for first, second, target, weight in it.balances:
            left, right = capacity[first] - used[m][first], capacity[second] - used[m][second]
            total += weight * max(0, target * left - right)
    moved = [p for p, m in enumerate(solution) if m != it.initial[p]]
    by_service = Counter(it.processes[p][0] for p in moved)
    process, service, machine = it.weights
    total += process * sum(it.processes[p][-1] for p in moved)
    total += service * max(by_service.values(), default=0)
    return total + machine * sum(it.machines[it.initial[p]][2 + 2 * count + solution[p]] for p in moved)


def main(model: str, assignment: str, solution: str, claimed: str) -> int:
    """Judge a solution; the exit code."""
    it, placement = read(Path(model), Path(assignment)), _numbers(Path(solution))
    for breach in breaches(it, placement):
        print(breach, file=sys.stderr)
        return 1
    if cost(it, placement) != int(claimed):
        print(f"costs {cost(it, placement)}, not {claimed}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
