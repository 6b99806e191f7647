"""The ROADEF/EURO challenge 2012 (machine reassignment): its files read into the atoms, and its solutions written.

Every constraint of the challenge is a MUST and the one stage is its cost, so that a placement's cost here is the
challenge's own to the unit. The reading, with formulas, stands in ``docs/roadef.md``; the source is the challenge's
subject, "Machine reassignment problem" (Google, ROADEF/EURO challenge 2012, version 1).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optimizer.errors import InputError
from optimizer.fleet import ABSENT
from optimizer.problem.atoms import Asked, AtLeast, AtMost, Hinge, Linear, MoveCost, Needs, Sets
from optimizer.problem.problem import Problem, Stage
from optimizer.sources.files import read_bytes, write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from optimizer.problem.atoms import Atom

__all__ = ["LEVELS", "read_roadef", "solution_text", "write_solution"]

LEVELS = ("host", "location", "neighborhood")
LOCATION, NEIGHBORHOOD = 1, 2

VALUE_LIMIT = 2**31 - 1
"""The subject's integers fit 32 bits."""

SUM_LIMIT = 2.0**46
"""Costs are summed exactly in float64 (up to 2**53, all of up to 64 kinds); a file that could pass this is refused."""

INTEGER = re.compile(rb"[0-9]{1,10}")
NOT_AN_INTEGER = re.compile(rb"[^\s0-9]|[0-9]{11}")


class _Tokens:
    """The whitespace-separated integers of a file, handed out in order; errors name line and token."""

    def __init__(self, path: Path) -> None:
        self.where = str(path)
        self.data = read_bytes(path)
        bad = NOT_AN_INTEGER.search(self.data)
        if bad:
            start = max(self.data.rfind(sep, 0, bad.start()) for sep in (b" ", b"\n", b"\t", b"\r")) + 1
            word = self.data[start:].split(maxsplit=1)[0].decode("ascii", "backslashreplace")
            number = len(self.data[:start].split())
            raise InputError(self.where, self._place(number), word, f"an integer from 0 to {VALUE_LIMIT}")
        self.values = np.array(self.data.split(), dtype=np.int64)
        self.next = 0
        large = np.flatnonzero(self.values > VALUE_LIMIT)
        if large.size:
            self.refuse(int(large[0]), f"an integer from 0 to {VALUE_LIMIT}")

    def _place(self, number: int) -> str:
        """Return where token `number` stands, as a person counts."""
        for i, found in enumerate(re.finditer(rb"\S+", self.data)):
            if i == number:
                line = self.data.count(b"\n", 0, found.start()) + 1
                return f"line {line}, token {number + 1}"
        return f"after token {len(self.data.split())}"

    def refuse(self, number: int, expected: str, hint: str = "") -> None:
        """Raise an error about token `number`."""
        raise InputError(self.where, self._place(number), int(self.values[number]), expected, hint)

    def take(self, count: int, what: str) -> NDArray[np.int64]:
        """Return the next `count` integers."""
        left = len(self.values) - self.next
        if count > left:
            hint = f"{count} more are needed here and {left} are left; is the file cut off?"
            raise InputError(self.where, self._place(len(self.values)), "end of file", what, hint)
        self.next += count
        return self.values[self.next - count : self.next]

    def count(self, what: str) -> int:
        """Return the next integer, a number of things."""
        return int(self.take(1, f"the number of {what}")[0])

    def table(self, rows: int, columns: int, what: str) -> NDArray[np.int64]:
        """Return the next rows x columns integers."""
        return self.take(rows * columns, what).reshape(rows, columns)

    def below(self, limit: int, what: str, values: NDArray[np.int64], numbers: NDArray[np.int64]) -> None:
        """Check that `values`, which are the tokens `numbers`, are indices below `limit`."""
        bad = np.flatnonzero(values >= limit)
        if bad.size:
            self.refuse(int(numbers[bad[0]]), f"{what} from 0 to {limit - 1}")

    def end(self) -> None:
        """Check that nothing is left."""
        if self.next < len(self.values):
            self.refuse(self.next, "the end of the file", "do model and assignment belong to this instance?")


@dataclass(frozen=True, slots=True, eq=False)
class _Model:
    """The tables of a model file, in the subject's order and words."""

    transient: NDArray[np.bool_]
    load_weight: NDArray[np.int64]
    neighborhood: NDArray[np.int64]
    location: NDArray[np.int64]
    capacity: NDArray[np.int64]
    safety: NDArray[np.int64]
    route: NDArray[np.int64]
    spread_min: NDArray[np.int64]
    dependencies: tuple[tuple[int, int], ...]
    service: NDArray[np.int64]
    requirement: NDArray[np.int64]
    move_cost: NDArray[np.int64]
    balance: NDArray[np.int64]
    weights: NDArray[np.int64]


def read_roadef(model_path: Path, assignment_path: Path) -> Problem:
    """Read an instance of the challenge.

    Parameters
    ----------
    model_path, assignment_path
        ``model_*.txt`` and ``assignment_*.txt``, plain, gzip or xz by their ending.

    Returns
    -------
    Problem
        Machines are the hosts ``m0..``, processes the VMs ``p0..``; one stage, COST.

    Raises
    ------
    InputError
        Where a file is not what the subject says, naming line and token.
    """
    model = _read_model(_Tokens(model_path))
    start = _read_assignment(_Tokens(assignment_path), len(model.service), len(model.location))
    machines, processes = len(model.location), len(model.service)
    domains = [(ids, np.unique(column)) for ids, column in (("l", model.location), ("n", model.neighborhood))]
    return Problem(
        host_ids=tuple(f"m{i}" for i in range(machines)),
        vm_ids=tuple(f"p{i}" for i in range(processes)),
        levels=LEVELS,
        domain=np.array(
            [
                np.arange(machines),
                np.searchsorted(domains[0][1], model.location),
                np.searchsorted(domains[1][1], model.neighborhood),
            ],
            np.int32,
        ),
        domain_ids=(
            tuple(f"m{i}" for i in range(machines)),
            *(tuple(f"{letter}{n}" for n in numbers.tolist()) for letter, numbers in domains),
        ),
        start=start,
        also_at=np.full(processes, ABSENT, np.int32),
        moving=np.ones(processes, np.int64),
        atoms=(*_demands(model, str(model_path)), *_costs(model, str(model_path))),
        stages=(Stage.COST,),
    )


def solution_text(placement: Sequence[int] | NDArray[np.int32]) -> str:
    """Return a placement in the challenge's solution format: the machine of each process, on one line."""
    return " ".join(str(int(m)) for m in placement) + "\n"


def write_solution(path: Path, problem: Problem, placement: Sequence[int] | NDArray[np.int32]) -> None:
    """Write a placement as the challenge wants it; the file appears whole or not at all.

    Raises
    ------
    ValueError
        Where the placement is not one of this problem.
    """
    given = np.asarray(placement)
    if given.shape != (problem.vms,) or (given < 0).any() or (given >= problem.hosts).any():
        raise ValueError(f"a placement names one of {problem.hosts} machines for each of {problem.vms} processes")
    write_whole(path, solution_text(placement).encode("ascii"))


# -- reading ---------------------------------------------------------------------------------------------------------


def _read_model(tokens: _Tokens) -> _Model:
    resources = tokens.count("resources")
    resource = tokens.table(resources, 2, "for each resource: transient (0 or 1), weight of its load cost")
    tokens.below(2, "transient", resource[:, 0], tokens.next - 2 * resources + 2 * np.arange(resources))
    machines = tokens.count("machines")
    width = 2 + 2 * resources + machines
    what = "for each machine: neighborhood, location, capacities, safety capacities, move costs"
    machine = tokens.table(machines, width, what)
    spread_min, dependencies = _read_services(tokens)
    service, requirement, move_cost = _read_processes(tokens, resources, len(spread_min))
    balances = tokens.count("balance costs")
    balance = tokens.table(balances, 4, "for each balance cost: two resources, target, weight")
    first = tokens.next - 4 * balances + 4 * np.arange(balances)
    tokens.below(resources, "a resource", balance[:, 0], first)
    tokens.below(resources, "a resource", balance[:, 1], first + 1)
    weights = tokens.take(3, "the weights of process, service and machine move costs")
    tokens.end()
    return _Model(
        transient=resource[:, 0] == 1,
        load_weight=resource[:, 1],
        neighborhood=machine[:, 0],
        location=machine[:, 1],
        capacity=machine[:, 2 : 2 + resources],
        safety=machine[:, 2 + resources : 2 + 2 * resources],
        route=machine[:, 2 + 2 * resources :],
        spread_min=spread_min,
        dependencies=dependencies,
        service=service,
        requirement=requirement,
        move_cost=move_cost,
        balance=balance,
        weights=weights,
    )


def _read_services(tokens: _Tokens) -> tuple[NDArray[np.int64], tuple[tuple[int, int], ...]]:
    services = tokens.count("services")
    spread_min: list[int] = []
    pairs: list[tuple[int, int]] = []
    for s in range(services):
        spread, count = tokens.take(2, f"service {s}: spreadMin, number of dependencies").tolist()
        needed = tokens.take(count, f"the dependencies of service {s}")
        tokens.below(services, "a service", needed, tokens.next - count + np.arange(count))
        spread_min.append(spread)
        pairs.extend((s, int(other)) for other in needed)
    return np.array(spread_min, np.int64), tuple(pairs)


def _read_processes(
    tokens: _Tokens, resources: int, services: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    processes = tokens.count("processes")
    table = tokens.table(processes, resources + 2, "for each process: service, requirements, move cost")
    first = tokens.next - processes * (resources + 2)
    tokens.below(services, "a service", table[:, 0], first + (resources + 2) * np.arange(processes))
    return table[:, 0], table[:, 1 : 1 + resources], table[:, 1 + resources]


def _read_assignment(tokens: _Tokens, processes: int, machines: int) -> NDArray[np.int32]:
    start = tokens.take(processes, f"the machine of each of {processes} processes")
    tokens.below(machines, "a machine", start, np.arange(processes))
    tokens.end()
    return start.astype(np.int32)


# -- lowering --------------------------------------------------------------------------------------------------------


def _demands(model: _Model, where: str) -> Iterator[Atom]:
    """Yield the subject's hard constraints, sections 2.2.1 to 2.2.5."""
    for r in range(len(model.transient)):
        capacity = model.capacity[:, r]
        _small(float(capacity.sum()) + float(model.requirement[:, r].sum()), f"r{r}", where)
        yield Linear(
            asked=Asked("transient" if model.transient[r] else "capacity"),
            resource=f"r{r}",
            level=0,
            amount=model.requirement[:, r],
            limit=capacity,
            unit=np.maximum(capacity, 1),
            base=np.zeros_like(capacity),
            union=bool(model.transient[r]),
        )
    services = _services(model)
    several = [s for s in sorted(services) if len(services[s]) > 1]
    yield AtMost(Asked("conflict"), 0, _sets(services, several), np.ones(len(several), np.int64))
    spread = [s for s in sorted(services) if model.spread_min[s] > 1]
    yield AtLeast(Asked("spread"), LOCATION, _sets(services, spread), model.spread_min[spread])
    pairs = [(a, b) for a, b in model.dependencies if a != b and a in services]
    left, right = _sets(services, [a for a, _ in pairs]), _sets(services, [b for _, b in pairs])
    yield Needs(Asked("dependency"), NEIGHBORHOOD, left, right)


def _costs(model: _Model, where: str) -> Iterator[Atom]:
    """Yield the subject's costs, sections 2.3.1 to 2.3.5."""
    for r, weight in enumerate(model.load_weight.tolist()):
        yield _checked(Hinge(f"load r{r}", model.requirement[:, r], -model.safety[:, r], weight), where)
    for first, second, target, weight in model.balance.tolist():
        yield _checked(
            Hinge(
                name=f"balance r{first} r{second}",
                amount=model.requirement[:, second] - target * model.requirement[:, first],
                offset=target * model.capacity[:, first] - model.capacity[:, second],
                weight=weight,
            ),
            where,
        )
    process, service, machine = model.weights.tolist()
    services = _services(model)
    largest = float(model.move_cost.sum()) * process + float(model.route.max(initial=0)) * machine * len(model.service)
    _small(largest, "move costs", where)
    yield MoveCost(
        vm_cost=model.move_cost,
        vm_weight=process,
        route=model.route,
        route_weight=machine,
        sets=_sets(services, sorted(services)),
        set_weight=service,
    )


def _services(model: _Model) -> dict[int, NDArray[np.int64]]:
    """Return the processes of each service that has any."""
    order = np.argsort(model.service, kind="stable")
    names, first = np.unique(model.service[order], return_index=True)
    return dict(zip(names.tolist(), np.split(order, first[1:]), strict=True)) if len(order) else {}


def _sets(services: dict[int, NDArray[np.int64]], chosen: Sequence[int]) -> Sets:
    return Sets.of((f"s{s}", services[s].tolist() if s in services else ()) for s in chosen)


def _checked(hinge: Hinge, where: str) -> Hinge:
    reach = np.abs(hinge.amount.astype(np.float64)).sum() + np.abs(hinge.offset.astype(np.float64)).sum()
    _small(float(reach) * hinge.weight, hinge.name, where)
    return hinge


def _small(largest: float, what: str, where: str) -> None:
    if largest >= SUM_LIMIT:
        raise InputError(where, what, f"{largest:.3g}", f"sums below {SUM_LIMIT:.3g}", "scale amounts or weights down")
