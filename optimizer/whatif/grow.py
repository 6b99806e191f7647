"""When pools are full, which resource first, and what to buy: forecasts of the past against what hosts can allocate."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

from optimizer.caution import Caution
from optimizer.fleet import HostState
from optimizer.problem.atoms import UNLIMITED
from optimizer.problem.problem import build
from optimizer.problem.rule import Hardness
from optimizer.whatif.forecast import LEAST_DAYS, Forecast, daily, forecast

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet
    from optimizer.policy import Policy

__all__ = ["Growth", "Need", "Past", "PoolGrowth", "Provision", "doubts", "grow", "past_of_series"]

UNLIKE = 0.25
"""By this share of what is allocated now a past may end beside it."""


class Provision(Enum):
    """Whether a pool has what it needs on the horizon."""

    UNDER = "UNDER"
    RIGHT_SIZED = "RIGHT_SIZED"
    OVER = "OVER"
    UNDECIDED = "UNDECIDED"


@dataclass(frozen=True, slots=True)
class Past:
    """What one resource of one pool is expected to do.

    Attributes
    ----------
    days
        Days of a past that it comes from; 0 for what comes from rates.
    forecast
        None where the past is too short.
    relative
        It says by how much more, not how much: its level means nothing.
    """

    days: int
    forecast: Forecast | None
    relative: bool = False


NO_PAST = Past(0, None)


def past_of_series(times: Sequence[float], amounts: Sequence[float], horizon: int) -> Past:
    """Return what a past (epoch seconds, amounts allocated) lets expect for `horizon` days."""
    series = daily(times, amounts)
    return Past(len(series), forecast(series, horizon) if len(series) >= LEAST_DAYS else None)


@dataclass(frozen=True, slots=True)
class Growth:
    """One resource of one pool.

    Attributes
    ----------
    now, limit
        What is allocated, and at what amount the pool counts as full.
    expected, high
        On the horizon: as expected, and at the upper edge of the band.
    early, days, late
        Days until it is full: at the upper edge of the band, as expected, at the lower edge; None for never.
    past
        Days of the past that were given.
    ends
        What was allocated where the past ends, by its model; the forecast begins at `now`.
    forecast
        None where the past is too short.
    """

    resource: str
    now: int
    limit: int
    expected: float
    high: float
    early: int | None
    days: int | None
    late: int | None
    past: int
    ends: float
    forecast: Forecast | None


@dataclass(frozen=True, slots=True)
class Need:
    """How many hosts more like one (its index) would do, or how many can go; `hosts` of that kind are there."""

    like: int
    number: int
    hosts: int


@dataclass(frozen=True, slots=True)
class PoolGrowth:
    """What becomes of one pool; `needs` has a line for each kind of host that would do, the fewest first."""

    pool: str
    provision: Provision
    resources: tuple[Growth, ...]
    first: str
    needs: tuple[Need, ...]


def grow(
    fleet: Fleet,
    policy: Policy,
    pools: tuple[Sequence[str], NDArray[np.int64]],
    past: Mapping[tuple[str, str], Past],
    horizon: int,
    full_at: float,
) -> tuple[PoolGrowth, ...]:
    """Return what becomes of each pool.

    Parameters
    ----------
    pools
        Their names, and the number of the pool of each host (int64 [H]).
    past
        By (pool, resource).
    horizon
        Days ahead.
    full_at
        The share of what may be allocated at which a pool counts as full: the rest is lost to packing and reserves.
    """
    names, of = pools
    loads, limits = _loads_and_limits(fleet, policy)
    active = fleet.hosts.state == HostState.ACTIVE
    out = []
    for number, name in enumerate(names):
        here = (of == number) & active
        found = [
            _growth(r, int(loads[r][here].sum()), limits[r][here], past.get((name, r), NO_PAST), horizon, full_at)
            for r in limits
            if (limits[r][here] > 0).any()
        ]
        out.append(_pool(name, found, here, fleet, limits, full_at))
    return tuple(out)


def doubts(found: Sequence[PoolGrowth], where: str) -> Iterator[Caution]:
    """Yield where a past ends far from what the snapshot shows: another unit, another pool, another fleet."""
    for pool in found:
        for g in pool.resources:
            if g.forecast is not None and abs(g.ends - g.now) > UNLIKE * max(g.now, 1):
                text = f"the past ends at {round(g.ends):,}, the snapshot has {g.now:,}: is it in the same unit?"
                yield Caution("unlike_past", f"{where}: {pool.pool}: {g.resource}", text)


def _loads_and_limits(
    fleet: Fleet, policy: Policy
) -> tuple[dict[str, NDArray[np.int64]], dict[str, NDArray[np.int64]]]:
    """Return int64 [H] by resource: what is used on each host, and what its musts let be used; 0 where no limit is."""
    problem = build(fleet, policy.rules)
    loads: dict[str, NDArray[np.int64]] = {}
    limits: dict[str, NDArray[np.int64]] = {}
    for number, atom in problem.demands.sums.items():
        if atom.level or atom.asked.hardness is not Hardness.MUST or atom.resource not in fleet.resource_index:
            continue
        limit = np.where(atom.limit >= UNLIMITED, 0, atom.limit)
        had = limits.get(atom.resource)
        limits[atom.resource] = (
            limit if had is None else np.where((had > 0) & (limit > 0), np.minimum(had, limit), np.maximum(had, limit))
        )
        loads[atom.resource] = problem.start_loads[number]
    return loads, limits


def _growth(
    resource: str,
    now: int,
    limits: NDArray[np.int64],
    past: Past,
    horizon: int,
    full_at: float,
) -> Growth:
    limit = int(int(limits.sum()) * full_at)
    found = past.forecast
    if found is None:
        return Growth(resource, now, limit, float(now), float(now), None, None, None, past.days, float(now), None)
    shift = now - found.level  # the snapshot is today
    day = np.array([float(horizon)])
    expected = float(found.at(day)[0] + shift)
    early, days, late = (0, 0, 0) if now >= limit else found.days_to(limit - shift)
    high = expected + float(found.spread(day)[0])
    ends = float(now) if past.relative else found.level
    return Growth(resource, now, limit, expected, high, early, days, late, past.days, ends, found)


def _pool(
    name: str,
    found: Sequence[Growth],
    here: NDArray[np.bool_],
    fleet: Fleet,
    limits: Mapping[str, NDArray[np.int64]],
    full_at: float,
) -> PoolGrowth:
    known = [g for g in found if g.forecast is not None]
    ahead = sorted(known, key=lambda g: (g.days is None, g.days or 0, g.early is None, g.early or 0))
    first = ahead[0].resource if ahead and ahead[0].early is not None else ""
    short = {g.resource: g.high - g.limit for g in known if g.high > g.limit}
    kinds = _kinds(fleet, here, limits)
    if short:
        needs = [_buy(short, hosts, limits, full_at) for hosts in kinds]
        return PoolGrowth(name, Provision.UNDER, tuple(found), first, _fewest(needs))
    if len(known) < len(found) or not found:
        return PoolGrowth(name, Provision.UNDECIDED, tuple(found), first, ())  # what has no past may be short
    spare = {g.resource: g.limit - max(g.high, float(g.now)) for g in known}
    gone = [_spare(spare, hosts, limits, full_at) for hosts in kinds]
    over = tuple(sorted((n for n in gone if n.number > 0), key=lambda n: (-n.number, n.like)))
    return PoolGrowth(name, Provision.OVER if over else Provision.RIGHT_SIZED, tuple(found), first, over)


def _kinds(fleet: Fleet, here: NDArray[np.bool_], limits: Mapping[str, NDArray[np.int64]]) -> list[NDArray[np.intp]]:
    """Return the hosts of a pool by what they can allocate and their labels."""
    by_kind: dict[object, list[int]] = defaultdict(list)
    for h in np.flatnonzero(here).tolist():
        what = tuple(int(limit[h]) for limit in limits.values())
        by_kind[what, tuple(sorted(fleet.hosts.labels[h].items()))].append(h)
    return [np.array(hosts) for hosts in by_kind.values()]


def _buy(
    short: Mapping[str, float], hosts: NDArray[np.intp], limits: Mapping[str, NDArray[np.int64]], full_at: float
) -> Need | None:
    """Return how many hosts more of a kind are enough; None if none is, since it has nothing of what is short."""
    number = 0
    for resource, missing in short.items():
        each = int(limits[resource][hosts[0]]) * full_at
        if each <= 0:
            return None
        number = max(number, int(np.ceil(missing / each)))
    return Need(int(hosts[0]), number, len(hosts))


def _spare(
    spare: Mapping[str, float], hosts: NDArray[np.intp], limits: Mapping[str, NDArray[np.int64]], full_at: float
) -> Need:
    """Return how many hosts of a kind are not needed on the horizon; some always stay."""
    number = len(hosts) - 1
    for resource, free in spare.items():
        each = int(limits[resource][hosts[0]]) * full_at
        if each > 0:
            number = min(number, int(free // each))
    return Need(int(hosts[0]), max(0, number), len(hosts))


def _fewest(needs: Sequence[Need | None]) -> tuple[Need, ...]:
    return tuple(sorted((n for n in needs if n is not None), key=lambda n: (n.number, n.like)))
