"""The parameters of the search: documented, handed down to where they are read, and the only ones there are."""

from __future__ import annotations

import ast
from dataclasses import FrozenInstanceError, fields, is_dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import optimizer
from benchmarks.policy import default_policy
from benchmarks.regression.instances import challenge_problem, fleet, tight_fleet
from optimizer.limits import Limits
from optimizer.parameters import (
    Annealing,
    Bounding,
    Columns,
    CostSearch,
    EvenOut,
    Exhaustive,
    Parameters,
    Parts,
    Preferences,
    RoomPrices,
    Whole,
)
from optimizer.pipeline import Request, make_plan
from optimizer.reassignment.search import solve_cost
from optimizer.report.docstrings import parameter_docs
from optimizer.sources.fleet_json import fleet_from_document
from tests.bounds.test_room_prices import tiny as uneven_fleet
from tests.build import document, host, vm
from tests.oracle.problems import tiny_problem
from tests.parameters.recording import named, recording
from tests.scoped import plan_under

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from optimizer.fleet import Fleet

ROOMS = ("bounds", "cp", "decompose", "planning", "reassignment", "repair", "sequence")

KERNEL = "compiled into the kernels"

NO_PARAMETERS = {
    "bounds/component_model.py": {"LEAST_S": "a solver is given no less"},
    "bounds/host_choices.py": {
        "NEVER": "no number",
        **dict.fromkeys(("NODE_WORK", "CELL_WORK", "HOST_WORK"), "work"),
        "PAID": "exactness",
    },
    "bounds/kernel_host_choice.py": {"FAR": "no number", "MOVE": "a unit"},
    "bounds/hosts_exchange.py": dict.fromkeys(
        ("MOVE", "TOGETHER", "SETS", "KINDS", "CELLS"), "the argument, which the judge shares"
    ),
    "bounds/room_axis.py": {"FAR": "no number"},
    "bounds/room_prices.py": {"STEP_WORK": "work"},
    "bounds/too_large.py": {"LIKELY": "speed alone: who fits there is not looked at further"},
    "cp/model.py": {"BUILDING": "work"},
    "cp/solving.py": {"GRACE": "safety", "LEAST": "a solver is given no less"},
    "limits.py": {"LOOKS": "looks at the memory", "KEPT": "a guard of limits"},
    "planning/describe.py": {"ARC": "a unit of the objective"},
    "planning/openings.py": {"SHOWN": "words", "DEFERRED": "words"},
    "planning/solve_and_order.py": {"ORDER_WORK": "work", "STEP_WORK": "work"},
    "planning/warm_start.py": {"TAKEN_BACK": "a limit of time"},
    "reassignment/column_bound.py": {"BUILD_WORK": "work", "LARGEST": "exactness", "SLACK": "exactness"},
    "reassignment/cost_arrays.py": {"EXACT": "exactness", "LANES": "layout", "LOG": "layout"},
    "reassignment/annealing.py": {"STEPS_PER_SECOND": "work"},
    "reassignment/kernel.py": {"EVERY": KERNEL, "ADAPT": KERNEL, "GAIN": KERNEL},
    "reassignment/kernel_big.py": {"MOST": KERNEL},
    "reassignment/kernel_ruin.py": dict.fromkeys(("BLINK", "LARGE", "FROM_EACH", "HOSTS", "SPAN"), KERNEL),
    "reassignment/kernel_parts.py": {"BIG": "no number"},
    "reassignment/lagrangian_bound.py": {
        "UNIT": "exactness",
        "FAR": "no number",
        "WORK_PER_TERM": "work",
        "ONE_CORE": "the machine",
    },
    "reassignment/search.py": {"FOREVER": "no limit", "JUDGING": "work"},
    "bounds/balance_bound.py": {"BEYOND": "exactness"},
    "repair/column_master.py": {
        "GRACE_S": "safety",
        "PIVOT_WORK": "work",
        "WHOLE": "exactness",
    },
    "repair/column_prices.py": {"ALIKE": "exactness"},
    "repair/column_places.py": {"FINE": "a unit", "UNABLE": "more than any", "ARC_WORK": "work"},
    "repair/ejection_chains.py": {"FIRST_BLOCK": "how much is compared at once; the answer is the same"},
    "repair/solver.py": {"MOVE_S": "seconds, measured", "LEFT_S": "seconds, measured"},
    "scoped_plan.py": {"BUILDS": "seconds, measured"},
    "repair/exhaustive_search.py": {"WORK": "work"},
    "repair/group_moves.py": {"JOIN_WORK": "work"},
    "repair/minimize_heat.py": {"STEPS": "exactness", "EXACT": "exactness"},
    "repair/neighbourhood_search.py": {"CHAIN_WORK": "work", "NODE_WORK": "work"},
    "repair/phased_search.py": {"MOVE": "a unit", "STEPS_PER_SECOND": "work"},
    "repair/preferences.py": {"EXCHANGE_WORK": "work"},
    "repair/targets.py": {"CALL": "work", "HOST": "work"},
}
"""Numbers of the search that are no parameters, and what they are; `work`: measured, what something counts as."""


def groups(of: Any) -> Iterator[Any]:
    yield of
    for f in fields(of):
        if is_dataclass(value := getattr(of, f.name)):
            yield from groups(value)


def test_every_parameter_is_documented_and_none_can_be_changed() -> None:
    for group in groups(Parameters()):
        assert set(parameter_docs(type(group))) == {f.name for f in fields(group)}, type(group).__name__
        with pytest.raises(FrozenInstanceError):
            setattr(group, fields(group)[0].name, None)


def test_no_other_number_tunes_the_search() -> None:
    root = Path(optimizer.__file__).parent
    files = [root / name for name in ("limits.py", "pipeline.py", "scoped_plan.py")]
    files += [f for room in ROOMS for f in sorted((root / room).glob("*.py"))]
    found = {str(f.relative_to(root)): set(_numbers(ast.parse(f.read_text()))) for f in files}
    assert {f: names for f, names in found.items() if names} == {f: set(n) for f, n in NO_PARAMETERS.items()}


def _numbers(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(n, ast.Constant) and type(n.value) in (int, float) for n in ast.walk(node.value)
        ):
            for target in node.targets:
                yield from (n.id for n in ast.walk(target) if isinstance(n, ast.Name))


def full_hosts() -> Fleet:
    """Of six hosts three have room for a VM, and two of them are to be emptied."""
    hosts = [host(f"h{i}", memory=6 + (i > 2)) for i in range(6)]
    return fleet_from_document(document(hosts, [vm(f"v{i}", f"h{i // 2}", memory=3) for i in range(12)]), "here")


TELLING = (5, 8, 13, 14)
"""Tiny problems that read what others do not: tried first, for it ends when everything was read."""


@pytest.mark.slow
def test_each_parameter_reaches_what_it_is_for() -> None:
    read: set[str] = set()
    own: Parameters = recording(Parameters(), read)

    def other(**changed: Any) -> Parameters:
        return replace(own, **{name: recording(value, read, f"{name}.") for name, value in changed.items()})

    for _ in chain(_costs_lowered(own, other), _plans_made(own, other), _made_by_a_busy_machine(own, other)):
        if not named(Parameters()) - read:
            break
    assert named(Parameters()) - read == set()


def _plans_made(own: Parameters, other: Callable[..., Parameters]) -> Iterator[object]:
    """Yield plans, by which most is read first."""
    request, policy = Request(seconds=0.5, deterministic=True, parameters=own), default_policy()
    large = other(whole=Whole(literals=0), exhaustive=Exhaustive(enabled=False))
    models = other(bounding=Bounding(subsets=0, tradeoff=False))
    searched = other(even_out=EvenOut(whole_literals=0))
    early = other(whole=Whole(literals=0), exhaustive=Exhaustive(enabled=False), preferences=Preferences(least=1))
    parts = other(parts=Parts(whole_up_to=14, hosts_each=14))
    tight, uneven = tight_fleet(3, 5, 4, hosts=21), replace(request, seconds=5.0)
    coarse = other(whole=Whole(literals=0), exhaustive=Exhaustive(enabled=False), room_prices=RoomPrices(cells=8))
    alone = other(whole=Whole(literals=0), exhaustive=Exhaustive(enabled=False), columns=Columns(enabled=False))
    apart = other(whole=Whole(literals=0), exhaustive=Exhaustive(enabled=False), columns=Columns(part=1))
    for number in (4, 0, 7, 15):
        for parameters in (coarse, alone, apart):
            yield make_plan(*uneven_fleet(number), replace(uneven, parameters=parameters))
    yield make_plan(tight, policy, replace(request, parameters=parts))
    yield make_plan(fleet(20, 1, 0.8), policy, request)
    yield plan_under(full_hosts(), policy, request, drain=["h0", "h1"], max_moves=3)
    yield plan_under(full_hosts(), policy, request, balance=["memory_mib"], max_moves=4)
    yield plan_under(fleet(20, 1, 0.8), policy, uneven, balance=["memory_mib"], max_moves=8)
    yield make_plan(tight_fleet(2, hosts=28), policy, Request(seconds=2.0, workers=2, parameters=large))
    for number in sorted(range(16), key=lambda n: (n not in TELLING, n)):
        tiny = tiny_problem(number)
        for parameters in (searched, early, models, own, large):
            yield make_plan(tiny.fleet, tiny.policy, replace(request, parameters=parameters))
    yield make_plan(tight, policy, replace(request, parameters=large))
    yield plan_under(fleet(20, 1, 0.5), policy, uneven, balance=["memory_mib"], max_moves=8)


def _costs_lowered(own: Parameters, other: Callable[..., Parameters]) -> Iterator[object]:
    """Yield cheaper placements."""
    limits = Limits(seconds=0.05, deterministic=True, parameters=own)
    small, middle = challenge_problem(1, 20, 150), challenge_problem(1, 40, 600)
    long = other(cost=CostSearch(bound_share=9.0, annealing=Annealing(homing=0.9)))
    yield solve_cost(small, replace(limits, parameters=long))
    yield solve_cost(middle, replace(limits, seconds=0.2))
    yield solve_cost(small, replace(limits, seconds=1.0, deterministic=False))


def _made_by_a_busy_machine(own: Parameters, other: Callable[..., Parameters]) -> Iterator[object]:
    """Yield what goes by the clock, with more time than is wanted where nothing else runs."""
    large = other(whole=Whole(literals=0), exhaustive=Exhaustive(enabled=False))
    for seconds in (3.0, 30.0):
        yield solve_cost(challenge_problem(1, 20, 150), Limits(seconds=seconds, parameters=own))
        yield make_plan(
            tight_fleet(2, hosts=28), default_policy(), Request(seconds=seconds, workers=2, parameters=large)
        )
