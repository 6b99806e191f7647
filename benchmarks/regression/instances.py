"""What the check works on: made anew each time, the same for the same seed, so that it needs no data from outside."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from optimizer.reassignment.cost_arrays import lowered
from optimizer.sources.files import json_bytes
from optimizer.sources.fleet_json import fleet_from_document
from optimizer.sources.roadef import read_roadef
from optimizer.sources.synthetic import Spec, generate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet
    from optimizer.problem.problem import Problem

    Ints = NDArray[np.int64]

__all__ = ["challenge_problem", "digest", "fleet", "fleet_file", "tight_fleet"]

GIB = 1024

RESOURCES, NEIGHBORHOODS, LOCATIONS = 6, 4, 8


def fleet(hosts: int, seed: int, fill: float) -> Fleet:
    """Return a fleet of ten VMs a host, `fill` of its memory in use, with the default problems."""
    return fleet_from_document(generate(Spec(hosts=hosts, vms=10 * hosts, seed=seed, memory_fill=fill)), "generated")


def fleet_file(hosts: int, seed: int) -> bytes:
    """Return the JSON of a fleet with the default problems."""
    return json_bytes(generate(Spec(hosts=hosts, vms=10 * hosts, seed=seed)))


def tight_fleet(seed: int, room: int = 9, over: int = 6, hosts: int = 100) -> Fleet:
    """Return a fleet of memory alone on which there is little room and all of it in small pieces.

    A seventh of the hosts are over their capacity, by `over` GiB or up to 5 more, the others have up to `room` GiB
    left, and VMs have 3 to 17. Not all that has to leave fits somewhere unless others make room, so that the plan takes
    more moves than the hosts' own minima.
    """
    rng = np.random.default_rng(seed)
    rows, vms = [], []
    for host in range(hosts):
        sizes: list[int] = []
        while sum(sizes) < 90 * GIB:
            sizes.append(int(rng.integers(3 * GIB, 17 * GIB)))
        least, most, sign = (over, over + 5, -1) if host % 7 == 0 else (0, room, 1)
        left = sign * int(rng.integers(least * GIB, most * GIB))
        rows.append({"id": f"h{host}", "domains": {}, "capacity": {"memory_mib": sum(sizes) + left}})
        vms += [{"id": f"v{host}-{i}", "host": f"h{host}", "demand": {"memory_mib": s}} for i, s in enumerate(sizes)]
    document = {
        "format": "remora-fleet/1",
        "fleet": f"tight {seed}",
        "taken_at": "2026-11-21T12:00:00Z",
        "resources": [{"name": "memory_mib", "copied": True}],
        "levels": ["host"],
        "hosts": rows,
        "vms": vms,
    }
    return fleet_from_document(document, "generated")


def digest(problem: Problem) -> str:
    """Return what tells this problem from others: of its start and of all its arrays."""
    seen = hashlib.sha256(problem.start.tobytes())
    fixed, _ = lowered(problem)
    for array in fixed:
        seen.update(array.tobytes())
    return seen.hexdigest()


def challenge_problem(seed: int, machines: int = 100, processes: int = 1_500) -> Problem:
    """Return a problem in the form of ROADEF 2012, with every kind of its constraints and costs.

    Its start breaks nothing and is dear: many machines are over a safety capacity.
    """
    rng = np.random.default_rng(seed)
    service, start = _services(rng, machines, processes)
    need = rng.integers(1, 40, (processes, 1)) ** 2 * rng.integers(4, 13, (processes, RESOURCES)) // 8 + 1
    used = np.zeros((machines, RESOURCES), np.int64)
    np.add.at(used, start, need)
    room = used.mean(axis=0).astype(np.int64) * rng.integers(110, 160, (machines, 1)) // 100
    capacity = np.maximum(used * 21 // 20, room)
    safety = capacity * rng.integers(55, 75, RESOURCES) // 100
    neighborhood, location = np.arange(machines) % NEIGHBORHOODS, np.arange(machines) % LOCATIONS
    route = rng.integers(1, 20, (machines, machines))
    np.fill_diagonal(route, 0)
    rows = [f"{RESOURCES}"]
    rows += [f"{int(r < 2)} {weight}" for r, weight in enumerate(rng.integers(1, 20, RESOURCES))]
    rows.append(f"{machines}")
    rows += [_row([neighborhood[m], location[m], *capacity[m], *safety[m], *route[m]]) for m in range(machines)]
    rows += _asked(rng, service, start, neighborhood, location)
    rows.append(f"{processes}")
    rows += [_row([service[p], *need[p], rng.integers(1, 100)]) for p in range(processes)]
    rows += ["2", "0 1 1", "10", "2 3 1", "10", "1 10 1"]
    with tempfile.TemporaryDirectory() as directory:
        model, assignment = Path(directory, "model"), Path(directory, "assignment")
        model.write_text("\n".join(rows), encoding="ascii")
        assignment.write_text(_row(start), encoding="ascii")
        return read_roadef(model, assignment)


def _services(rng: np.random.Generator, machines: int, processes: int) -> tuple[Ints, Ints]:
    """Return the service of each process and where it stands: those of one service on machines of their own."""
    service, start = np.zeros(processes, np.int64), np.zeros(processes, np.int64)
    first, number = 0, 0
    while first < processes:
        end = min(processes, first + int(rng.integers(1, 12)))
        service[first:end] = number
        start[first:end] = rng.permutation(machines)[: end - first]
        first, number = end, number + 1
    return service, start


def _asked(rng: np.random.Generator, service: Ints, start: Ints, neighborhood: Ints, location: Ints) -> list[str]:
    """Return the rows of the services: spread and dependencies, as far as the start satisfies them."""
    services = int(service.max()) + 1
    near = [set(neighborhood[start[service == s]].tolist()) for s in range(services)]
    places = [len(set(location[start[service == s]].tolist())) for s in range(services)]
    rows = [f"{services}"]
    for s in range(services):
        wished = rng.integers(0, services, 2).tolist()
        needed = [t for t in dict.fromkeys(wished) if t != s and near[s] <= near[t]]
        rows.append(_row([rng.integers(1, places[s] + 1), len(needed), *needed]))
    return rows


def _row(numbers: Iterable[int | np.integer]) -> str:
    return " ".join(str(int(n)) for n in numbers)
