"""Kernels compiled before a plan needs them, so that the first plan already has every search.

A plan whose time is short does without a search that has to be compiled first (`optimizer.compiled.is_ready`). So
whoever has time before there is a plan (the service before its first cycle, the set-up) has all of them compiled. They
are called as a plan calls them, on a problem of two hosts: other types of arrays would be compiled apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from optimizer.bounds.bounds import Bounds
from optimizer.bounds.eviction_relaxation import EvictionRelaxation
from optimizer.bounds.host_choices import HostChoices
from optimizer.bounds.room_prices import PricedRooms
from optimizer.fleet import ABSENT
from optimizer.left_behind import ends_within
from optimizer.limits import Deadline, WorkClock
from optimizer.parameters import Parameters
from optimizer.problem.atoms import Asked, Linear
from optimizer.problem.problem import Problem, Stage
from optimizer.problem.rule import Hardness
from optimizer.problem.working_placement import sizes
from optimizer.repair.phased_search import PhasedSearch

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Compiled", "compile_ahead"]


@dataclass(frozen=True, slots=True)
class Compiled:
    """What became of the kernels of one search.

    `search` names it as the parameters do. `before`: whether they were in the cache; `ready`: whether a plan of this
    process need not compile them. `seconds`: how long that took. `cache`: the directory where they are kept; empty
    where there is none that may be written to.
    """

    search: str
    before: bool
    ready: bool
    seconds: float
    cache: str

    def __str__(self) -> str:
        """Return it in words."""
        if not self.ready:
            return f"not compiled within {self.seconds:.1f} s"
        if self.before:
            return "in the cache"
        return f"compiled in {self.seconds:.1f} s" + ("" if self.cache else ", and kept nowhere")


def compile_ahead(over: Callable[[], bool] = lambda: False) -> list[Compiled]:
    """Have the kernels of all searches compiled, or loaded from the cache.

    Parameters
    ----------
    over
        Whether to stop; asked all the time. What is being compiled then is left behind: it goes on, and a later plan
        has it.
    """
    return [_compiled(name, kernel(), prepare, over) for name, (kernel, prepare) in _SEARCHES.items()]


def _compiled(search: str, kernel: Any, prepare: Callable[[], object], over: Callable[[], bool]) -> Compiled:
    from optimizer.compiled import is_cached

    before, began = is_cached(kernel), perf_counter()
    ready = not over() and ends_within(prepare, over)
    kept = getattr(kernel, "stats", None)  # plain Python where numba is switched off
    return Compiled(search, before, ready, round(perf_counter() - began, 1), (kept and kept.cache_path) or "")


def _columns() -> Any:
    from optimizer.bounds.kernel_host_choice import look

    return look


def _prepare_columns() -> None:
    problem, given, forever = _problem(), Parameters(), Deadline(WorkClock(), 1.0)
    bounds = Bounds(EvictionRelaxation(problem), sizes(problem), forever.over)
    rooms = PricedRooms(problem, bounds.departures.components, bounds.evictions, 0, given.room_prices)
    hosts = HostChoices(rooms, given.choices)
    hosts.value(hosts.priced(np.zeros(len(hosts.order))), forever)


def _phased() -> Any:
    from optimizer.repair.kernel_phased_search import phased_search

    return phased_search


def _prepare_phased() -> None:
    PhasedSearch(_problem(), Deadline(WorkClock(), 1.0), 0, Parameters().phased).prepare()


_SEARCHES = {"columns": (_columns, _prepare_columns), "phased": (_phased, _prepare_phased)}


def _problem() -> Problem:
    """Return two hosts, the first of which carries more than it should, of two resources."""
    asked = Asked("even", Hardness.SHOULD)
    return Problem(
        host_ids=("busy", "idle"),
        vm_ids=("large", "small"),
        levels=("host",),
        domain=np.array([[0, 1]], np.int32),
        domain_ids=(("busy", "idle"),),
        start=np.array([0, 0], np.int32),
        also_at=np.full(2, ABSENT, np.int32),
        moving=np.ones(2, np.int64),
        atoms=tuple(
            Linear(
                asked=asked,
                resource=resource,
                level=0,
                amount=np.array([2, 1], np.int64),
                limit=np.full(2, 2, np.int64),
                unit=np.ones(2, np.int64),
                base=np.zeros(2, np.int64),
            )
            for resource in ("memory_mib", "cpu_millicores")
        ),
        stages=(Stage.HARM, Stage.SHOULD_HARM, Stage.MOVING, Stage.PLACEMENT),
    )
